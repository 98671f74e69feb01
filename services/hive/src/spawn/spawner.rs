//! The six steps.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rbee_artifacts::{DeviceId, ModelEntry, Platform, WorkerId};
use rbee_service_kit::client::{bearer, raw_unix_channel, unix_channel};
use rbee_service_kit::{Fault, Lifecycle, narrate, narrate_warn};
use rbee_store::Store;
use tracing::Instrument as _;

use super::binaries::Binaries;
use super::check::Check;
use super::error::SpawnError;
use super::prepare::Prepared;
use super::record::{SpawnEvent, SpawnRecord};
use super::requests::{Known, Requests};
use crate::catalog::Catalog;
use crate::config::WorkerConfig;
use crate::domain::{Fit, Refusal, SpawnRequest, SpawnStep, State, Worker, WorkerMemory, plan, worker_id};
use crate::folders::Folders;
use crate::host::{Host, Placed};
use crate::process::Launcher;
use crate::registrar::Told;
use crate::worker::{Assignment, Link, Workers, supervise};

/// How long a spawn waits for the catalog to hear of its worker. A worker is of use also while the
/// catalog is away; it hears of it when it is back.
const REGISTER_PATIENCE: Duration = Duration::from_secs(5);

/// What a spawner works with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Who knows models and worker programs.
    pub(crate) catalog: Catalog,
    /// Where their bytes are.
    pub(crate) store: Store,
    /// Worker programs, ready to run.
    pub(crate) binaries: Binaries,
    /// The hive's folders.
    pub(crate) folders: Folders,
    /// Who starts processes.
    pub(crate) launcher: Launcher,
    /// The table of workers.
    pub(crate) workers: Workers,
    /// Devices and who has what of them.
    pub(crate) host: Host,
    /// What the catalog was told.
    pub(crate) told: Told,
    /// How patient to be.
    pub(crate) config: WorkerConfig,
    /// The hive's life.
    pub(crate) lifecycle: Lifecycle,
}

/// Spawns workers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Spawner {
    parts: Arc<Parts>,
    requests: Arc<Mutex<Requests>>,
}

impl Spawner {
    /// A spawner that works with these.
    #[must_use]
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            requests: Arc::default(),
        }
    }

    /// Begins a spawn, or joins the one that the same request began before. Without a request id
    /// every request is a new one.
    ///
    /// # Errors
    /// If the request id was used for another request, or the hive is shutting down.
    pub(crate) fn spawn(&self, request_id: String, request: SpawnRequest) -> Result<Arc<SpawnRecord>, Fault> {
        let mut requests = self.requests.lock();
        if !request_id.is_empty() {
            match requests.find(&request_id, &request) {
                Known::New => {}
                Known::Joined(record) => return Ok(record),
                Known::Conflict => {
                    return Err(Fault::invalid(
                        "request_id",
                        "was used for another request; choose a new one",
                    ));
                }
            }
        }
        if self.parts.lifecycle.is_shutting_down() {
            return Err(Fault::shutting_down());
        }
        let random = getrandom::u64().map_err(|error| Fault::internal(&SpawnError::Random(error)))?;
        let id = worker_id::generate(&request.model_id, random);
        let record = Arc::new(SpawnRecord::new(id, request));
        if !request_id.is_empty() {
            requests.remember(request_id, record.clone());
        }
        let (parts, spawned) = (self.parts.clone(), record.clone());
        // Not the caller's future: it goes on when the caller leaves. But within the caller's trace.
        self.parts
            .lifecycle
            .spawn(async move { parts.run(&spawned).await }.in_current_span());
        Ok(record)
    }

    /// Says how a worker would fit, without starting anything.
    ///
    /// # Errors
    /// If the model can't be served as asked, or its files do not tell what it needs.
    pub(crate) async fn check(&self, request: &SpawnRequest) -> Result<Check, SpawnError> {
        self.parts.check(request).await
    }
}

impl Parts {
    /// Step 1.
    pub(super) async fn model(&self, request: &SpawnRequest) -> Result<ModelEntry, SpawnError> {
        let model = self.catalog.model(&request.model_id).await?;
        let model = model.ok_or_else(|| Refusal::ModelNotFound {
            model_id: request.model_id.clone(),
        })?;
        plan::check_available(&model)?;
        Ok(model)
    }

    async fn run(self: &Arc<Self>, record: &SpawnRecord) {
        let id = record.worker_id();
        let last = match self.steps(record).await {
            Ok(worker) => SpawnEvent::Ready(Box::new(worker)),
            Err(error) => {
                narrate_warn!(worker_id = %id, "worker {id} was not spawned: {error}");
                SpawnEvent::Failed(Arc::new(error))
            }
        };
        record.write(last);
    }

    async fn steps(self: &Arc<Self>, record: &SpawnRecord) -> Result<Worker, SpawnError> {
        let request = record.request();
        let id = record.worker_id();
        match request.device_id {
            Some(device_id) => {
                narrate!(worker_id = %id, "spawning worker {id} for {} on {device_id}", request.model_id);
            }
            None => narrate!(worker_id = %id, "spawning worker {id} for {}", request.model_id),
        }
        let step = Step::begin(record, SpawnStep::Model);
        let model = self.model(request).await?;
        step.finish(plan::describe_model(&model));

        let step = Step::begin(record, SpawnStep::Compatibility);
        plan::check_compatible(&model, request.worker_type)?;
        step.finish(format!(
            "{} serves {}",
            request.worker_type,
            model.model_type.category()
        ));

        let step = Step::begin(record, SpawnStep::Binary);
        let binaries = self.catalog.worker_binaries(request.worker_type).await?;
        let binary = plan::choose_binary(&binaries, request.worker_type, &Platform::current())?;
        step.finish(format!(
            "{} {}",
            request.worker_type.binary_name(),
            binary.version
        ));

        let step = Step::begin(record, SpawnStep::Prepare);
        let prepared = self.prepare(record, &model, binary).await?;
        step.finish(prepared.detail(&model));

        let step = Step::begin(record, SpawnStep::Start);
        let pid = self.start(record, &model, prepared).await?;
        step.finish(match pid {
            Some(pid) => format!("process {pid} is ready"),
            None => "ready".to_owned(),
        });

        let step = Step::begin(record, SpawnStep::Register);
        let told = self.told.wait_for(record.worker_id(), REGISTER_PATIENCE).await;
        let worker = self.still_ready(record.worker_id()).await?;
        step.finish(if told {
            format!("as {}", record.worker_id())
        } else {
            "the catalog is away; it is told when it is back".to_owned()
        });
        Ok(worker)
    }

    /// A worker that was ready a moment ago. One that isn't any more is cleared away: its spawn failed.
    async fn still_ready(&self, id: &WorkerId) -> Result<Worker, SpawnError> {
        let worker = self.workers.get(id).ok_or(SpawnError::Stopped)?;
        if worker.state == State::Ready {
            return Ok(worker);
        }
        match self.workers.stop(id).await.map(|worker| worker.state) {
            Some(State::Failed(failure)) => Err(SpawnError::Failed(failure)),
            _ if self.lifecycle.is_shutting_down() => Err(SpawnError::ShuttingDown),
            _ => Err(SpawnError::Stopped),
        }
    }

    /// Step 5: hands the worker to the task that owns it, and waits until it is ready or gone.
    async fn start(
        self: &Arc<Self>,
        record: &SpawnRecord,
        model: &ModelEntry,
        prepared: Prepared,
    ) -> Result<Option<u32>, SpawnError> {
        let Prepared {
            folder,
            command,
            token,
            placed: Placed { device_id, fit, hold },
        } = prepared;
        let stop = self.lifecycle.token().child_token();
        let link = Link {
            channel: raw_unix_channel(folder.socket().to_path_buf()),
            authorization: bearer(&token)?,
            gone: tokio_util::sync::CancellationToken::new(),
        };
        let gone = link.gone.clone();
        let health = unix_channel(folder.socket(), Some(&token))?;
        let ready_timeout = plan::ready_timeout(
            self.config.ready_timeout,
            self.config.load_bytes_per_second,
            model.size_bytes,
        );
        let place = self
            .workers
            .enter(starting(record, device_id, fit.as_ref()), stop.clone(), link)
            .ok_or(SpawnError::IdTaken)?;
        let mut worker = place.follow();
        let assignment = Assignment {
            place,
            folder,
            command,
            health,
            stop,
            gone,
            hold,
            host: self.host.clone(),
            supervision: self.config.supervision(ready_timeout),
        };
        let parts = self.clone();
        self.lifecycle
            .spawn(async move { supervise(assignment, &parts.launcher).await });

        loop {
            // Ends when the worker has left the table, with all that it had.
            let left = worker.changed().await.is_err();
            let seen = worker.borrow_and_update().clone();
            match seen.state {
                State::Loading {
                    fraction: Some(fraction),
                } => record.write(SpawnEvent::Loading(fraction)),
                _ if seen.was_ready => return Ok(seen.process_id),
                State::Failed(failure) if left => return Err(SpawnError::Failed(failure)),
                _ if left && self.lifecycle.is_shutting_down() => return Err(SpawnError::ShuttingDown),
                _ if left => return Err(SpawnError::Stopped),
                _ => {}
            }
        }
    }
}

fn starting(record: &SpawnRecord, device_id: DeviceId, fit: Option<&Fit>) -> Worker {
    let request = record.request();
    Worker {
        id: record.worker_id().clone(),
        model_id: request.model_id.clone(),
        worker_type: request.worker_type,
        device_id,
        created_at: jiff::Timestamp::now(),
        context_length: request.llm.context_length,
        memory: fit.map(|fit| WorkerMemory {
            estimate: fit.estimate,
            resident_bytes: None,
        }),
        process_id: None,
        state: State::Starting,
        was_ready: false,
    }
}

/// A step that began.
struct Step<'a> {
    record: &'a SpawnRecord,
    step: SpawnStep,
}

impl<'a> Step<'a> {
    fn begin(record: &'a SpawnRecord, step: SpawnStep) -> Self {
        record.write(SpawnEvent::Started(step));
        Self { record, step }
    }

    fn finish(self, detail: String) {
        self.record.write(SpawnEvent::Finished(self.step, detail));
    }
}
