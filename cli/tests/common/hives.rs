//! A scripted hive with its catalog: the contract's real servers with answers of the test's own, for what the command
//! line makes of them.

use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use rbee_proto::catalog::v1 as catalog;
use rbee_proto::catalog::v1::registry_service_server::{RegistryService, RegistryServiceServer};
use rbee_proto::hive::v1::hive_service_server::{HiveService, HiveServiceServer};
use rbee_proto::hive::v1::*;
use rbee_proto::types::v1::{Hive, HiveState, Worker};
use rbee_service_kit::Fault;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::{Said, rbee_command, run};

/// What it answers, and what it was asked.
#[derive(Debug, Default)]
pub struct Script {
    /// The hives; one without an address is this one.
    pub hives: Vec<Hive>,
    /// The workers; one without a hive's address is this one's.
    pub workers: Vec<Worker>,
    /// The answers to RestartWorker, StopWorker and UpdateWorker.
    pub changed: Worker,
    /// The events of a watch, which then stays open.
    pub watched: Vec<watch_workers_response::Event>,
    /// The messages of a log, which then ends.
    pub logs: Vec<StreamLogsResponse>,
    /// What is measured, again and again.
    pub telemetry: WatchTelemetryResponse,
    /// The events of a spawn.
    pub spawned: Vec<SpawnWorkerResponse>,
    /// The answer to CheckSpawn.
    pub checked: CheckSpawnResponse,
    /// Ids of workers that come back after a drain.
    pub drained: Vec<String>,
    /// What the next call to the hive is refused with.
    pub refusal: Option<Fault>,
    /// Each request to the hive, as `Call { field: value }`.
    pub asked: Vec<String>,
}

/// The running hive.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    // Its threads end with it.
    _runtime: Runtime,
}

impl Scripted {
    /// Starts it on a free port.
    pub fn start(script: Script) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), script)
    }

    /// Starts it at an address.
    pub fn start_at(address: SocketAddr, mut script: Script) -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(address))
            .expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        complete(&mut script, address);
        let script = Arc::new(Mutex::new(script));
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(HiveServiceServer::new(Service(script.clone())))
                .add_service(RegistryServiceServer::new(Service(script.clone())))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self {
            address,
            script,
            _runtime: runtime,
        }
    }

    /// A command that talks to it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rbee_command();
        command
            .env("RBEE_SERVER", format!("http://{}", self.address))
            .args(arguments);
        command
    }

    /// Runs a command that talks to it.
    pub fn rbee(&self, arguments: &[&str]) -> Said {
        run(self.command(arguments))
    }

    /// Changes what it answers from now on.
    pub fn change(&self, change: impl FnOnce(&mut Script)) {
        let mut script = self.script.lock().expect("no call panics");
        change(&mut script);
        complete(&mut script, self.address);
    }

    /// The requests since the last look.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.script.lock().expect("no call panics").asked)
    }
}

/// Fills in what every hive and worker has.
fn complete(script: &mut Script, address: SocketAddr) {
    for hive in &mut script.hives {
        if hive.address.is_empty() {
            hive.address = format!("http://{address}");
        }
        hive.state = HiveState::Ready as i32;
    }
    for worker in script
        .workers
        .iter_mut()
        .filter(|worker| worker.hive_address.is_empty())
    {
        worker.hive_address = format!("http://{address}");
    }
}

#[derive(Debug)]
struct Service(Arc<Mutex<Script>>);

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

impl Service {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().expect("no call panics")
    }

    /// Writes down what was asked, and refuses it if the script says so.
    fn hear<T: std::fmt::Debug>(&self, request: &Request<T>) -> Result<MutexGuard<'_, Script>, Status> {
        let mut script = self.script();
        script.asked.push(format!("{:?}", request.get_ref()));
        match script.refusal.take() {
            Some(fault) => Err(fault.into()),
            None => Ok(script),
        }
    }
}

fn stream<T: Send + 'static>(messages: Vec<T>) -> impl Stream<Item = Result<T, Status>> + Send {
    tokio_stream::iter(messages.into_iter().map(Ok))
}

fn not_asked<T>() -> Answer<T> {
    Err(Status::unimplemented("no test asks for this"))
}

#[tonic::async_trait]
impl HiveService for Service {
    type SpawnWorkerStream = Streamed<SpawnWorkerResponse>;
    type WatchWorkersStream = Streamed<WatchWorkersResponse>;
    type StreamLogsStream = Streamed<StreamLogsResponse>;
    type WatchTelemetryStream = Streamed<WatchTelemetryResponse>;

    async fn get_hive(&self, request: Request<GetHiveRequest>) -> Answer<GetHiveResponse> {
        let hive = self.hear(&request)?.hives.first().cloned();
        Ok(Response::new(GetHiveResponse { hive }))
    }

    async fn list_devices(&self, request: Request<ListDevicesRequest>) -> Answer<ListDevicesResponse> {
        let devices = self.hear(&request)?.telemetry.devices.clone();
        Ok(Response::new(ListDevicesResponse { devices }))
    }

    async fn check_spawn(&self, request: Request<CheckSpawnRequest>) -> Answer<CheckSpawnResponse> {
        Ok(Response::new(self.hear(&request)?.checked.clone()))
    }

    async fn spawn_worker(&self, request: Request<SpawnWorkerRequest>) -> Answer<Self::SpawnWorkerStream> {
        let events = self.hear(&request)?.spawned.clone();
        Ok(Response::new(Box::pin(stream(events))))
    }

    async fn stop_worker(&self, request: Request<StopWorkerRequest>) -> Answer<StopWorkerResponse> {
        let mut script = self.hear(&request)?;
        script.changed.id.clone_from(&request.get_ref().worker_id);
        let worker = Some(script.changed.clone());
        Ok(Response::new(StopWorkerResponse { worker }))
    }

    async fn restart_worker(&self, request: Request<RestartWorkerRequest>) -> Answer<RestartWorkerResponse> {
        let worker = Some(self.hear(&request)?.changed.clone());
        Ok(Response::new(RestartWorkerResponse { worker }))
    }

    async fn attach_add_ons(&self, _: Request<AttachAddOnsRequest>) -> Answer<AttachAddOnsResponse> {
        not_asked()
    }

    async fn update_worker(&self, request: Request<UpdateWorkerRequest>) -> Answer<UpdateWorkerResponse> {
        let worker = Some(self.hear(&request)?.changed.clone());
        Ok(Response::new(UpdateWorkerResponse { worker }))
    }

    async fn get_worker(&self, request: Request<GetWorkerRequest>) -> Answer<GetWorkerResponse> {
        let workers = self.hear(&request)?.workers.clone();
        let wanted = &request.get_ref().worker_id;
        let worker = workers.into_iter().find(|worker| worker.id == *wanted);
        Ok(Response::new(GetWorkerResponse { worker }))
    }

    async fn list_workers(&self, _: Request<ListWorkersRequest>) -> Answer<ListWorkersResponse> {
        not_asked()
    }

    async fn watch_workers(&self, request: Request<WatchWorkersRequest>) -> Answer<Self::WatchWorkersStream> {
        let events = self.hear(&request)?.watched.clone();
        let messages = events.into_iter().map(|event| WatchWorkersResponse {
            revision: 1,
            event: Some(event),
        });
        let messages = stream(messages.collect()).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(messages)))
    }

    async fn stream_logs(&self, request: Request<StreamLogsRequest>) -> Answer<Self::StreamLogsStream> {
        let messages = self.hear(&request)?.logs.clone();
        Ok(Response::new(Box::pin(stream(messages))))
    }

    async fn watch_telemetry(
        &self,
        request: Request<WatchTelemetryRequest>,
    ) -> Answer<Self::WatchTelemetryStream> {
        drop(self.hear(&request)?);
        let interval = request.get_ref().interval.unwrap_or_default();
        let interval = interval.try_into().unwrap_or(std::time::Duration::from_secs(1));
        let script = self.0.clone();
        let messages = futures_util::stream::unfold(tokio::time::interval(interval), move |mut times| {
            let script = script.clone();
            async move {
                times.tick().await;
                let measured = script.lock().expect("no call panics").telemetry.clone();
                Some((Ok(measured), times))
            }
        });
        Ok(Response::new(Box::pin(messages)))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Answer<DrainResponse> {
        let mut script = self.hear(&request)?;
        script.hives[0].draining = true;
        let (hive, worker_ids) = (script.hives.first().cloned(), script.drained.clone());
        Ok(Response::new(DrainResponse { hive, worker_ids }))
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Answer<ResumeResponse> {
        let mut script = self.hear(&request)?;
        script.hives[0].draining = false;
        let hive = script.hives.first().cloned();
        Ok(Response::new(ResumeResponse { hive }))
    }
}

#[tonic::async_trait]
impl RegistryService for Service {
    type WatchClusterStream = Streamed<catalog::WatchClusterResponse>;

    async fn list_hives(&self, _: Request<catalog::ListHivesRequest>) -> Answer<catalog::ListHivesResponse> {
        let hives = self.script().hives.clone();
        Ok(Response::new(catalog::ListHivesResponse {
            hives,
            settling: false,
        }))
    }

    async fn list_workers(
        &self,
        _: Request<catalog::ListWorkersRequest>,
    ) -> Answer<catalog::ListWorkersResponse> {
        let workers = self.script().workers.clone();
        Ok(Response::new(catalog::ListWorkersResponse { workers }))
    }

    async fn watch_cluster(
        &self,
        _: Request<catalog::WatchClusterRequest>,
    ) -> Answer<Self::WatchClusterStream> {
        use catalog::watch_cluster_response::Event;
        let script = self.script();
        let hives = script.hives.iter().cloned().map(Event::HiveUpserted);
        let workers = script.workers.iter().cloned().map(Event::WorkerUpserted);
        let synced = Event::Synced(catalog::ClusterSynced {});
        let messages = hives
            .chain(workers)
            .chain([synced])
            .map(|event| catalog::WatchClusterResponse {
                revision: 1,
                event: Some(event),
            });
        let messages = stream(messages.collect()).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(messages)))
    }

    async fn register_hive(
        &self,
        _: Request<catalog::RegisterHiveRequest>,
    ) -> Answer<catalog::RegisterHiveResponse> {
        not_asked()
    }

    async fn hive_heartbeat(
        &self,
        _: Request<catalog::HiveHeartbeatRequest>,
    ) -> Answer<catalog::HiveHeartbeatResponse> {
        not_asked()
    }

    async fn deregister_hive(
        &self,
        _: Request<catalog::DeregisterHiveRequest>,
    ) -> Answer<catalog::DeregisterHiveResponse> {
        not_asked()
    }

    async fn register_worker(
        &self,
        _: Request<catalog::RegisterWorkerRequest>,
    ) -> Answer<catalog::RegisterWorkerResponse> {
        not_asked()
    }

    async fn update_worker(
        &self,
        _: Request<catalog::UpdateWorkerRequest>,
    ) -> Answer<catalog::UpdateWorkerResponse> {
        not_asked()
    }

    async fn deregister_worker(
        &self,
        _: Request<catalog::DeregisterWorkerRequest>,
    ) -> Answer<catalog::DeregisterWorkerResponse> {
        not_asked()
    }
}
