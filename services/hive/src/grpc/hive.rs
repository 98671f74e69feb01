//! `rbee.hive.v1.HiveService`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use rbee_artifacts::WorkerId;
use rbee_proto::hive::v1 as wire;
use rbee_proto::hive::v1::hive_service_server::HiveService;
use rbee_service_kit::Fault;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::convert::{self, Identity};
use super::{status, telemetry};
use crate::domain::{Keep, Worker};
use crate::host::Host;
use crate::log::Logs;
use crate::reconciler::{OrderError, Orders};
use crate::registrar::Told;
use crate::spawn::{Files, SpawnError, Spawner};
use crate::telemetry::Telemetry;
use crate::worker::{Change, Workers};

/// How long a restart that was ordered takes at most to show: its task only has to be scheduled.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

/// How long a stop waits for the catalog to hear of it; one that is away hears it later.
const TOLD_WITHIN: Duration = Duration::from_millis(500);

/// Longest request id.
const REQUEST_ID_BYTES: usize = 128;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers calls to the hive itself.
#[derive(Debug, Clone)]
pub(crate) struct HiveHandler {
    pub(crate) identity: Arc<Identity>,
    pub(crate) spawner: Spawner,
    pub(crate) orders: Orders,
    pub(crate) workers: Workers,
    pub(crate) told: Told,
    pub(crate) logs: Logs,
    pub(crate) host: Host,
    pub(crate) files: Files,
    /// How long workers are kept of which a spawn says nothing.
    pub(crate) idle_ttl: Option<Duration>,
    pub(crate) telemetry: Telemetry,
    pub(crate) shutdown: CancellationToken,
}

impl HiveHandler {
    async fn hive(&self) -> rbee_proto::types::v1::Hive {
        let draining = *self.orders.draining().borrow();
        let mut hive = convert::hive_to_wire(&self.identity, &self.host.view().await, draining);
        hive.cache = self.files.cache_use().map(convert::cache_to_wire);
        hive
    }

    fn worker(&self, id: &WorkerId) -> Result<rbee_proto::types::v1::Worker, Fault> {
        let worker = self.workers.get(id);
        let worker = worker.ok_or_else(|| status::worker_not_found(id.as_str()))?;
        Ok(self.worker_to_wire(&worker))
    }

    /// Has a worker leave for good, and waits until it has.
    async fn stop(&self, id: &WorkerId, grace: Option<Duration>) -> Result<Worker, Fault> {
        let Some(mut worker) = self.workers.follow(id) else {
            let departed = self.workers.departed(id);
            return departed.ok_or_else(|| status::worker_not_found(id.as_str()));
        };
        match self.orders.stop(id, grace).await {
            // Somebody else's word that it leaves is as good.
            Ok(()) | Err(OrderError::Unknown) => {}
            Err(error) => return Err(status::order(&error)),
        }
        // Cancelling this does not cancel the leaving.
        while worker.changed().await.is_ok() {}
        let last = worker.borrow().clone();
        // So that who asks the catalog next does not find it there.
        self.told.wait_until_gone(id, TOLD_WITHIN).await;
        Ok(last)
    }

    /// Waits until no worker has a process.
    async fn until_empty(&self) {
        let (_, _, mut changes) = self.workers.watch();
        while self
            .workers
            .list()
            .iter()
            .any(|worker| worker.state.has_process())
        {
            // Which change does not matter, nor how many were missed.
            if let Err(RecvError::Closed) = changes.recv().await {
                return;
            }
        }
    }

    fn worker_to_wire(&self, worker: &crate::domain::Worker) -> rbee_proto::types::v1::Worker {
        convert::worker_to_wire(worker, &self.identity)
    }
}

#[tonic::async_trait]
impl HiveService for HiveHandler {
    type SpawnWorkerStream = Answers<wire::SpawnWorkerResponse>;
    type WatchWorkersStream = Answers<wire::WatchWorkersResponse>;
    type StreamLogsStream = Answers<wire::StreamLogsResponse>;
    type WatchTelemetryStream = Answers<wire::WatchTelemetryResponse>;

    async fn get_hive(
        &self,
        _: Request<wire::GetHiveRequest>,
    ) -> Result<Response<wire::GetHiveResponse>, Status> {
        Ok(Response::new(wire::GetHiveResponse {
            hive: Some(self.hive().await),
        }))
    }

    async fn list_devices(
        &self,
        _: Request<wire::ListDevicesRequest>,
    ) -> Result<Response<wire::ListDevicesResponse>, Status> {
        let devices = convert::devices_to_wire(&self.host.view().await);
        Ok(Response::new(wire::ListDevicesResponse { devices }))
    }

    async fn check_spawn(
        &self,
        request: Request<wire::CheckSpawnRequest>,
    ) -> Result<Response<wire::CheckSpawnResponse>, Status> {
        let request = convert::check_from_wire(request.get_ref())?;
        let check = self
            .spawner
            .check(&request)
            .await
            .map_err(|error| status::spawn(&error))?;
        Ok(Response::new(convert::check_to_wire(&check)))
    }

    async fn spawn_worker(
        &self,
        request: Request<wire::SpawnWorkerRequest>,
    ) -> Result<Response<Self::SpawnWorkerStream>, Status> {
        let mut request = request.into_inner();
        let request_id = std::mem::take(&mut request.request_id);
        if request_id.len() > REQUEST_ID_BYTES {
            return Err(Fault::invalid("request_id", "must not be longer than 128 bytes").into());
        }
        let keep = Keep {
            pinned: request.pinned,
            idle_ttl: convert::idle_ttl_from_wire(request.idle_ttl)?.unwrap_or(self.idle_ttl),
        };
        let wanted = convert::spawn_from_wire(&request)?;
        let record = self.spawner.spawn(request_id, wanted, keep).await?;
        let worker_id = record.worker_id().to_string();
        let identity = self.identity.clone();
        let answers = record.follow().map(move |event| {
            let event = convert::spawn_event_to_wire(event, &identity).map_err(|error| {
                let fault = status::spawn(&error).with("worker_id", &worker_id);
                Status::from(fault)
            })?;
            Ok(wire::SpawnWorkerResponse {
                worker_id: worker_id.clone(),
                event: Some(event),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn stop_worker(
        &self,
        request: Request<wire::StopWorkerRequest>,
    ) -> Result<Response<wire::StopWorkerResponse>, Status> {
        let request = request.get_ref();
        let id = worker_id(&request.worker_id)?;
        let grace = convert::drain_grace_from_wire(request.drain_grace)?;
        let worker = self.stop(&id, grace).await?;
        Ok(Response::new(wire::StopWorkerResponse {
            worker: Some(self.worker_to_wire(&worker)),
        }))
    }

    async fn get_worker(
        &self,
        request: Request<wire::GetWorkerRequest>,
    ) -> Result<Response<wire::GetWorkerResponse>, Status> {
        let id = worker_id(&request.get_ref().worker_id)?;
        Ok(Response::new(wire::GetWorkerResponse {
            worker: Some(self.worker(&id)?),
        }))
    }

    async fn list_workers(
        &self,
        _: Request<wire::ListWorkersRequest>,
    ) -> Result<Response<wire::ListWorkersResponse>, Status> {
        let workers = self
            .workers
            .list()
            .iter()
            .map(|worker| self.worker_to_wire(worker))
            .collect();
        Ok(Response::new(wire::ListWorkersResponse { workers }))
    }

    async fn watch_workers(
        &self,
        _: Request<wire::WatchWorkersRequest>,
    ) -> Result<Response<Self::WatchWorkersStream>, Status> {
        use wire::watch_workers_response::Event;

        let (revision, workers, changes) = self.workers.watch();
        let answer = |revision, event| wire::WatchWorkersResponse {
            revision,
            event: Some(event),
        };
        let mut snapshot: Vec<_> = workers
            .iter()
            .map(|worker| Ok(answer(revision, Event::Upserted(self.worker_to_wire(worker)))))
            .collect();
        snapshot.push(Ok(answer(revision, Event::Synced(wire::WorkersSynced {}))));

        let handler = self.clone();
        let changes = BroadcastStream::new(changes).map(move |change| match change {
            Ok(Change::Upserted { revision, worker }) => {
                Ok(answer(revision, Event::Upserted(handler.worker_to_wire(&worker))))
            }
            Ok(Change::Removed { revision, id }) => Ok(answer(revision, Event::RemovedId(id.to_string()))),
            // The client can't know what it missed.
            Err(_) => Err(Status::from(Fault::watch_lagged())),
        });
        let answers = stream::iter(snapshot)
            .chain(until_error(changes))
            .take_until(self.shutdown.clone().cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }

    async fn restart_worker(
        &self,
        request: Request<wire::RestartWorkerRequest>,
    ) -> Result<Response<wire::RestartWorkerResponse>, Status> {
        let request = request.get_ref();
        let id = worker_id(&request.worker_id)?;
        let grace = convert::drain_grace_from_wire(request.drain_grace)?;
        let mut followed = self
            .workers
            .follow(&id)
            .ok_or_else(|| status::worker_not_found(id.as_str()))?;
        followed.mark_unchanged();
        match self.orders.restart(&id, grace).await {
            Ok(()) => {}
            Err(OrderError::Unknown) => return Err(status::worker_leaving(id.as_str()).into()),
            Err(error) => return Err(status::order(&error).into()),
        }
        // Until it shows; one that leaves already for another restart shows nothing new.
        let _ = tokio::time::timeout(SHOWN_WITHIN, followed.changed()).await;
        let worker = self.worker_to_wire(&followed.borrow().clone());
        Ok(Response::new(wire::RestartWorkerResponse {
            worker: Some(worker),
        }))
    }

    async fn update_worker(
        &self,
        request: Request<wire::UpdateWorkerRequest>,
    ) -> Result<Response<wire::UpdateWorkerResponse>, Status> {
        let request = request.into_inner();
        let id = worker_id(&request.worker_id)?;
        let (pinned, idle_ttl) = (request.pinned, convert::idle_ttl_from_wire(request.idle_ttl)?);
        let mut followed = self
            .workers
            .follow(&id)
            .ok_or_else(|| status::worker_not_found(id.as_str()))?;
        let change = move |keep: &mut Keep| {
            keep.pinned = pinned.unwrap_or(keep.pinned);
            keep.idle_ttl = idle_ttl.unwrap_or(keep.idle_ttl);
        };
        match self.orders.keep(&id, change).await {
            Ok(()) => {}
            Err(OrderError::Unknown) => return Err(status::worker_not_found(id.as_str()).into()),
            Err(error) => return Err(status::order(&error).into()),
        }
        // The task that owns the worker shows it in a moment.
        let shown = |worker: &Worker| {
            pinned.is_none_or(|pinned| worker.keep.pinned == pinned)
                && idle_ttl.is_none_or(|ttl| worker.keep.idle_ttl == ttl)
        };
        let worker = match followed.wait_for(shown).await {
            Ok(worker) => worker.clone(),
            Err(_) => return Err(status::worker_not_found(id.as_str()).into()),
        };
        Ok(Response::new(wire::UpdateWorkerResponse {
            worker: Some(self.worker_to_wire(&worker)),
        }))
    }

    async fn attach_add_ons(
        &self,
        request: Request<wire::AttachAddOnsRequest>,
    ) -> Result<Response<wire::AttachAddOnsResponse>, Status> {
        let request = request.get_ref();
        let id = worker_id(&request.worker_id)?;
        let worker = self.workers.get(&id);
        let worker = worker.ok_or_else(|| status::worker_not_found(id.as_str()))?;
        let add_ons = convert::add_ons_from_wire(&request.model_ids)?;
        let attached = self.spawner.attach(&id, worker.worker_type, &add_ons).await;
        let model_ids = attached.map_err(|error| match error {
            SpawnError::Order(OrderError::Unknown) => status::worker_not_found(id.as_str()),
            error => status::spawn(&error),
        })?;
        Ok(Response::new(wire::AttachAddOnsResponse {
            model_ids: model_ids.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn stream_logs(
        &self,
        request: Request<wire::StreamLogsRequest>,
    ) -> Result<Response<Self::StreamLogsStream>, Status> {
        let id = worker_id(&request.get_ref().worker_id)?;
        if self.workers.get(&id).is_none() {
            return Err(status::worker_not_found(id.as_str()).into());
        }
        let lines = super::logs::stream(self.logs.get(&id), request.get_ref()).await?;
        let lines = lines.take_until(self.shutdown.clone().cancelled_owned());
        Ok(Response::new(Box::pin(lines)))
    }

    async fn watch_telemetry(
        &self,
        request: Request<wire::WatchTelemetryRequest>,
    ) -> Result<Response<Self::WatchTelemetryStream>, Status> {
        let interval = telemetry::interval_from_wire(request.get_ref())?;
        let files = self.files.clone();
        let answers = telemetry::watch(self.telemetry.clone(), interval)
            .map(move |mut answer| {
                answer.cache = files.cache_use().map(convert::cache_to_wire);
                Ok(answer)
            })
            .take_until(self.shutdown.clone().cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }

    async fn drain(
        &self,
        request: Request<wire::DrainRequest>,
    ) -> Result<Response<wire::DrainResponse>, Status> {
        let grace = convert::drain_grace_from_wire(request.get_ref().drain_grace)?;
        self.orders
            .drain(grace)
            .await
            .map_err(|error| status::order(&error))?;
        self.until_empty().await;
        let workers = self.workers.list();
        Ok(Response::new(wire::DrainResponse {
            hive: Some(self.hive().await),
            worker_ids: workers.iter().map(|worker| worker.id.to_string()).collect(),
        }))
    }

    async fn resume(
        &self,
        _: Request<wire::ResumeRequest>,
    ) -> Result<Response<wire::ResumeResponse>, Status> {
        self.orders
            .resume()
            .await
            .map_err(|error| status::order(&error))?;
        Ok(Response::new(wire::ResumeResponse {
            hive: Some(self.hive().await),
        }))
    }
}

/// A stream that ends with its first error.
fn until_error<T>(stream: impl Stream<Item = Result<T, Status>>) -> impl Stream<Item = Result<T, Status>> {
    stream.scan(false, |failed, answer| {
        let over = std::mem::replace(failed, answer.is_err());
        std::future::ready((!over).then_some(answer))
    })
}

/// Reads a worker's id. What is no id is the id of no worker.
fn worker_id(text: &str) -> Result<WorkerId, Status> {
    text.parse().map_err(|_| status::worker_not_found(text).into())
}
