//! `rbee.hive.v1.HiveService`.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use rbee_artifacts::WorkerId;
use rbee_proto::hive::v1 as wire;
use rbee_proto::hive::v1::hive_service_server::HiveService;
use rbee_service_kit::Fault;
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::convert::{self, Identity};
use super::{status, telemetry};
use crate::host::Host;
use crate::spawn::Spawner;
use crate::telemetry::Telemetry;
use crate::worker::{Change, Workers};

/// Longest request id.
const REQUEST_ID_BYTES: usize = 128;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers calls to the hive itself.
#[derive(Debug, Clone)]
pub(crate) struct HiveHandler {
    pub(crate) identity: Arc<Identity>,
    pub(crate) spawner: Spawner,
    pub(crate) workers: Workers,
    pub(crate) host: Host,
    pub(crate) telemetry: Telemetry,
    pub(crate) shutdown: CancellationToken,
}

impl HiveHandler {
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
        let hive = convert::hive_to_wire(&self.identity, &self.host.view().await);
        Ok(Response::new(wire::GetHiveResponse { hive: Some(hive) }))
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
        let record = self
            .spawner
            .spawn(request_id, convert::spawn_from_wire(&request)?)?;
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
        let id = worker_id(&request.get_ref().worker_id)?;
        let worker = self
            .workers
            .stop(&id)
            .await
            .ok_or_else(|| status::worker_not_found(id.as_str()))?;
        Ok(Response::new(wire::StopWorkerResponse {
            worker: Some(self.worker_to_wire(&worker)),
        }))
    }

    async fn get_worker(
        &self,
        request: Request<wire::GetWorkerRequest>,
    ) -> Result<Response<wire::GetWorkerResponse>, Status> {
        let id = worker_id(&request.get_ref().worker_id)?;
        let worker = self
            .workers
            .get(&id)
            .ok_or_else(|| status::worker_not_found(id.as_str()))?;
        Ok(Response::new(wire::GetWorkerResponse {
            worker: Some(self.worker_to_wire(&worker)),
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
        _: Request<wire::RestartWorkerRequest>,
    ) -> Result<Response<wire::RestartWorkerResponse>, Status> {
        Err(Status::unimplemented("restart_worker is being built"))
    }

    async fn update_worker(
        &self,
        _: Request<wire::UpdateWorkerRequest>,
    ) -> Result<Response<wire::UpdateWorkerResponse>, Status> {
        Err(Status::unimplemented("update_worker is being built"))
    }

    async fn stream_logs(
        &self,
        _: Request<wire::StreamLogsRequest>,
    ) -> Result<Response<Self::StreamLogsStream>, Status> {
        Err(Status::unimplemented("stream_logs is being built"))
    }

    async fn watch_telemetry(
        &self,
        request: Request<wire::WatchTelemetryRequest>,
    ) -> Result<Response<Self::WatchTelemetryStream>, Status> {
        let interval = telemetry::interval_from_wire(request.get_ref())?;
        let answers = telemetry::watch(self.telemetry.clone(), interval)
            .map(Ok)
            .take_until(self.shutdown.clone().cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }

    async fn drain(&self, _: Request<wire::DrainRequest>) -> Result<Response<wire::DrainResponse>, Status> {
        Err(Status::unimplemented("drain is being built"))
    }

    async fn resume(
        &self,
        _: Request<wire::ResumeRequest>,
    ) -> Result<Response<wire::ResumeResponse>, Status> {
        Err(Status::unimplemented("resume is being built"))
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
