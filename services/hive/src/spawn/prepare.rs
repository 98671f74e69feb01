//! Steps 1 to 4: everything that can be wrong before a process runs.

use std::path::PathBuf;

use rbee_artifacts::{ModelEntry, Platform, WorkerBinary, WorkerId, WorkerType};
use rbee_service_kit::client::{ClientChannel, bearer, raw_unix_channel, unix_channel};
use rbee_service_kit::fault::Chain;
use rbee_service_kit::narrate_warn;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::error::SpawnError;
use super::files::{Hold, Located, Meter};
use super::parts::Parts;
use super::record::SpawnRecord;
use super::step::Step;
use super::{files, needs};
use crate::catalog::CatalogError;
use crate::domain::{Desired, Needs, Proof, Refusal, SpawnRequest, SpawnStep, WorkerMemory, fit_words, plan};
use crate::host::Placed;
use crate::process::{WorkerCgroup, WorkerCommand, environment};
use crate::worker::{Link, WorkerFolder};

/// Bytes of randomness in a worker's token.
const TOKEN_BYTES: usize = 32;

/// Everything that a process needs to start.
pub(crate) struct Prepared {
    /// Its folder and socket.
    pub(crate) folder: WorkerFolder,
    /// How it is started.
    pub(crate) command: WorkerCommand,
    /// How it is reached.
    pub(crate) link: Link,
    /// Where its health is asked.
    pub(crate) health: ClientChannel,
    /// What it is made of.
    pub(crate) proof: Proof,
    /// Where it goes.
    pub(crate) placed: Placed,
    /// What limits and counts it.
    pub(crate) cgroup: Option<WorkerCgroup>,
    /// Keeps its files on this host.
    pub(crate) files: Hold,
}

impl Prepared {
    /// Its memory, as far as it is known before it runs.
    pub(crate) fn memory(&self) -> Option<WorkerMemory> {
        self.placed.fit.as_ref().map(|fit| WorkerMemory {
            estimate: fit.estimate,
            resident_bytes: None,
            limit_bytes: self.cgroup.as_ref().and_then(WorkerCgroup::memory_limit_bytes),
        })
    }

    /// Step 4 in a few words: `469 MiB on cpu:0, needs about 2.1 GiB, cpu:0 has 21 GiB available`.
    fn detail(&self) -> String {
        let words = format!(
            "{} on {}",
            plan::describe_bytes(self.proof.model.size_bytes),
            self.placed.device_id
        );
        match &self.placed.fit {
            Some(fit) => format!("{words}, {}", fit_words::sentence(fit)),
            None => words,
        }
    }
}

impl Parts {
    /// Goes through the steps. `fetched` is told how many bytes of how many are here. Cancel safe: what was prepared
    /// is given back when this is dropped.
    ///
    /// # Errors
    /// If a step is refused or fails.
    pub(crate) async fn prepare(
        &self,
        desired: &Desired,
        record: &SpawnRecord,
        fetched: &watch::Sender<(u64, u64)>,
    ) -> Result<Prepared, SpawnError> {
        let request = &desired.request;
        let proof = desired.proof.as_ref();
        let step = Step::begin(record, SpawnStep::Model);
        let model = self.model(request, proof).await?;
        step.finish(plan::describe_model(&model));

        let step = Step::begin(record, SpawnStep::Compatibility);
        plan::check_compatible(&model, request.worker_type)?;
        step.finish(format!(
            "{} serves {}",
            request.worker_type,
            model.model_type.category()
        ));

        let step = Step::begin(record, SpawnStep::Binary);
        let binary = self.binary(request.worker_type, proof).await?;
        step.finish(format!(
            "{} {}",
            request.worker_type.binary_name(),
            binary.version
        ));

        let step = Step::begin(record, SpawnStep::Prepare);
        let prepared = self
            .place_and_command(record, desired, model, binary, fetched)
            .await?;
        step.finish(prepared.detail());
        // The process is started by whom this is handed to; that it is ready is told by `announce`.
        let _ = Step::begin(record, SpawnStep::Start);
        Ok(prepared)
    }

    /// Step 1. While the catalog is away, what a worker was made of before still counts.
    pub(super) async fn model(
        &self,
        request: &SpawnRequest,
        proof: Option<&Proof>,
    ) -> Result<ModelEntry, SpawnError> {
        let model = match (self.catalog.model(&request.model_id).await, proof) {
            (Err(CatalogError::Unavailable { .. }), Some(proof)) => return Ok(proof.model.clone()),
            (model, _) => model?,
        };
        let model = model.ok_or_else(|| Refusal::ModelNotFound {
            model_id: request.model_id.clone(),
        })?;
        plan::check_available(&model)?;
        Ok(model)
    }

    /// Step 3, likewise.
    async fn binary(
        &self,
        worker_type: WorkerType,
        proof: Option<&Proof>,
    ) -> Result<WorkerBinary, SpawnError> {
        let binaries = match (self.catalog.worker_binaries(worker_type).await, proof) {
            (Err(CatalogError::Unavailable { .. }), Some(proof)) => return Ok(proof.binary.clone()),
            (binaries, _) => binaries?,
        };
        Ok(plan::choose_binary(&binaries, worker_type, &Platform::current())?.clone())
    }

    /// Step 4.
    async fn place_and_command(
        &self,
        record: &SpawnRecord,
        desired: &Desired,
        model: ModelEntry,
        binary: WorkerBinary,
        fetched: &watch::Sender<(u64, u64)>,
    ) -> Result<Prepared, SpawnError> {
        let (id, request) = (&desired.id, &desired.request);
        let located = self.files.locate(&model).await?;
        let needs = match needs::of(&model, &located, request.llm, request.sd).await {
            Ok(needs) => Some(needs),
            // What is wrong with its model is the worker's to say; it knows more.
            Err(error @ SpawnError::Header(_)) => {
                narrate_warn!(worker_id = %id, "what {id} needs is not known: {}", Chain(&error));
                None
            }
            Err(error) => return Err(error),
        };
        let placed = self.place(record, desired, needs.as_ref()).await?;
        let hold = self.files.hold(id);
        let (program, files) = self.fetch(id, &model, &binary, &located, fetched).await?;
        // Those of the worker are held now.
        drop(located);
        let folder = WorkerFolder::create(self.folders.workers(), id, self.folders.sockets().of(id))?;
        let model_path = folder.link_model(&files)?;
        self.attach_what_is_wanted(id, &folder).await?;
        let token = token()?;
        let limit = plan::memory_limit(request, placed.fit.as_ref(), self.config.limit_memory);
        let cgroup = self.cgroups.create(id.as_str(), limit);
        let command = WorkerCommand {
            program,
            arguments: plan::arguments(
                request,
                placed.device_id,
                id,
                &model_path,
                folder.socket(),
                &folder.add_ons(),
            ),
            environment: environment::for_worker(
                std::env::vars_os(),
                &self.config.environment,
                folder.path(),
            ),
            folder: folder.path().to_path_buf(),
            token: token.clone(),
            cgroup: cgroup.as_ref().and_then(WorkerCgroup::entrance),
        };
        let link = Link {
            channel: raw_unix_channel(folder.socket().to_path_buf()),
            authorization: bearer(&token)?,
            gone: CancellationToken::new(),
        };
        let health = unix_channel(folder.socket(), Some(&token))?;
        let proof = Proof {
            model,
            binary,
            device_id: placed.device_id,
        };
        Ok(Prepared {
            folder,
            command,
            link,
            health,
            proof,
            placed,
            cgroup,
            files: hold,
        })
    }

    /// Brings the program and the model's files to this host, once memory for them is reserved.
    async fn fetch(
        &self,
        id: &WorkerId,
        model: &ModelEntry,
        binary: &WorkerBinary,
        located: &[Located],
        fetched: &watch::Sender<(u64, u64)>,
    ) -> Result<(PathBuf, files::Placed), SpawnError> {
        let program = self.binaries.ready(binary).await;
        let all_here = located.iter().all(Located::is_here);
        let meter = if all_here && (program.is_some() || self.files.cache_use().is_none()) {
            Meter::silent()
        } else {
            let model_bytes: u64 = located.iter().map(|file| file.size_bytes).sum();
            Meter::new(model_bytes + binary.size_bytes, fetched)
        };
        let program = match program {
            Some(program) => program,
            None => self.binaries.make_ready(binary, &meter).await?,
        };
        meter.at(Meter::PROGRAM, binary.size_bytes);
        let files = self.files.fetch(model, located, id, &meter).await?;
        Ok((program, files))
    }

    async fn place(
        &self,
        record: &SpawnRecord,
        desired: &Desired,
        needs: Option<&Needs>,
    ) -> Result<Placed, SpawnError> {
        let (id, request) = (&desired.id, &desired.request);
        let view = self.host.view().await;
        match (self.host.reserve(&view, id, request, needs), needs) {
            (Err(refusal @ Refusal::InsufficientMemory { .. }), Some(needs)) if request.evict => {
                self.make_room(record, desired, needs, refusal).await
            }
            (placed, _) => Ok(placed?),
        }
    }
}

fn token() -> Result<SecretString, SpawnError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(SpawnError::Random)?;
    Ok(hex::encode(bytes).into())
}
