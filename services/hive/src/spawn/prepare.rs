//! Step 4: a device, memory, files and a command line.

use rbee_artifacts::{ModelEntry, WorkerBinary};
use rbee_service_kit::fault::Chain;
use rbee_service_kit::narrate_warn;
use secrecy::SecretString;

use super::error::SpawnError;
use super::record::SpawnRecord;
use super::spawner::Parts;
use super::{model_files, needs};
use crate::domain::{fit_words, plan};
use crate::host::Placed;
use crate::process::{WorkerCommand, environment};
use crate::worker::WorkerFolder;

/// Bytes of randomness in a worker's token.
const TOKEN_BYTES: usize = 32;

/// Everything that a process needs to start.
pub(super) struct Prepared {
    pub(super) folder: WorkerFolder,
    pub(super) command: WorkerCommand,
    pub(super) token: SecretString,
    pub(super) placed: Placed,
}

impl Prepared {
    /// The step in a few words: `469 MiB on cpu:0, needs about 2.1 GiB, cpu:0 has 21 GiB available`.
    pub(super) fn detail(&self, model: &ModelEntry) -> String {
        let words = format!(
            "{} on {}",
            plan::describe_bytes(model.size_bytes),
            self.placed.device_id
        );
        match &self.placed.fit {
            Some(fit) => format!("{words}, {}", fit_words::sentence(fit)),
            None => words,
        }
    }
}

impl Parts {
    /// Step 4: everything that can be wrong before a process runs.
    pub(super) async fn prepare(
        &self,
        record: &SpawnRecord,
        model: &ModelEntry,
        binary: &WorkerBinary,
    ) -> Result<Prepared, SpawnError> {
        let request = record.request();
        let id = record.worker_id();
        let files = model_files::locate(&self.store, model).await?;
        let needs = match needs::of(model, &files, request.llm).await {
            Ok(needs) => Some(needs),
            // What is wrong with its model is the worker's to say; it knows more.
            Err(error @ SpawnError::Header { .. }) => {
                narrate_warn!(worker_id = %id, "what {id} needs is not known: {}", Chain(&error));
                None
            }
            Err(error) => return Err(error),
        };
        let view = self.host.view().await;
        let placed = self.host.reserve(&view, id, request, needs.as_ref())?;
        let program = self.binaries.make_ready(binary).await?;
        let folder = WorkerFolder::create(self.folders.workers(), id, self.folders.sockets().of(id))?;
        let model_path = folder.link_model(&files)?;
        let token = token()?;
        let command = WorkerCommand {
            program,
            arguments: plan::arguments(request, placed.device_id, id, &model_path, folder.socket()),
            environment: environment::for_worker(
                std::env::vars_os(),
                &self.config.environment,
                folder.path(),
            ),
            folder: folder.path().to_path_buf(),
            token: token.clone(),
            cgroup: None,
        };
        Ok(Prepared {
            folder,
            command,
            token,
            placed,
        })
    }
}

fn token() -> Result<SecretString, SpawnError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(SpawnError::Random)?;
    Ok(hex::encode(bytes).into())
}
