//! A catalog and a hive, each on a port of its own.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rbee_artifacts::{Platform, WorkerType};
use rbee_catalog::{Catalog, CatalogConfig};
use rbee_hive::{Hive, HiveConfig, RestartConfig, WorkerConfig, process};
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::registry_service_client::RegistryServiceClient;
use rbee_proto::catalog::v1::worker_binary_service_client::WorkerBinaryServiceClient;
use rbee_proto::catalog::v1::{self as catalog};
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::spawn_worker_response::Event;
use rbee_proto::hive::v1::{self as hive, SpawnWorkerRequest};
use rbee_proto::types::v1 as types;
use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::{Auth, Lifecycle, Listener, RemoteFault, ServerBuilder, Target};
use rbee_store::{Ingest, Store};
use rbee_testkit::scripted_worker::{self, Script};
use tempfile::TempDir;
use tonic::{Code, Status};

/// Long enough for a loaded machine; nothing here waits that long when it works.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A server with its own life.
pub(crate) struct Served {
    pub(crate) address: String,
    pub(crate) lifecycle: Lifecycle,
}

impl Served {
    async fn start(listener: Listener, server: ServerBuilder, lifecycle: Lifecycle) -> Self {
        let address = format!("http://{}", listener.local_addr().unwrap());
        let life = lifecycle.clone();
        lifecycle.spawn(async move { server.serve(listener, &life, Duration::from_millis(200)).await });
        Self { address, lifecycle }
    }

    pub(crate) fn channel(&self) -> ClientChannel {
        Target {
            address: self.address.clone(),
            token: None,
            ..Target::default()
        }
        .connect_lazy()
        .unwrap()
    }

    pub(crate) async fn stop(&self) {
        assert!(self.lifecycle.finish(DEADLINE).await, "it does not end");
    }
}

/// A cluster of one host.
pub(crate) struct Cluster {
    pub(crate) data: TempDir,
    pub(crate) store: Store,
    pub(crate) catalog: Served,
    pub(crate) hive: Served,
    pub(crate) handle: Hive,
}

/// Quick where patience would only slow tests down.
pub(crate) fn quick() -> WorkerConfig {
    WorkerConfig {
        ready_timeout: Duration::from_secs(20),
        stop_grace: Duration::from_millis(500),
        health_interval: Duration::from_millis(100),
        health_timeout: Duration::from_secs(10),
        restart: RestartConfig {
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_millis(400),
            ..RestartConfig::default()
        },
        ..WorkerConfig::default()
    }
}

/// The same, and a worker that crashes is left alone at once.
pub(crate) fn quick_without_restarts() -> WorkerConfig {
    let mut config = quick();
    config.restart.limit = 1;
    config
}

pub(crate) async fn start_catalog(data: &Path, listener: Listener) -> Served {
    let lifecycle = Lifecycle::new();
    let config = CatalogConfig {
        store: Some(data.join("store").to_str().unwrap().to_owned()),
        lease: Duration::from_secs(3),
        ..CatalogConfig::default()
    };
    let catalog = Catalog::start(config, &lifecycle).await.unwrap();
    let mut server = ServerBuilder::new(Auth::Open);
    catalog.mount(&mut server);
    Served::start(listener, server, lifecycle).await
}

pub(crate) async fn start_hive(data: &Path, catalog: &Served, worker: WorkerConfig) -> (Served, Hive) {
    start_hive_with(data, catalog, |config| config.worker = worker).await
}

/// The same with whatever else is configured.
pub(crate) async fn start_hive_with(
    data: &Path,
    catalog: &Served,
    change: impl FnOnce(&mut HiveConfig),
) -> (Served, Hive) {
    let lifecycle = Lifecycle::new();
    let listener = any_port().await;
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut config = HiveConfig {
        folder: Some(data.join("hive")),
        store: Some(data.join("store").to_str().unwrap().to_owned()),
        worker: quick(),
        ..HiveConfig::default()
    };
    change(&mut config);
    let target = Target {
        address: catalog.address.clone(),
        token: None,
        ..Target::default()
    };
    let hive = Hive::start(config, target, address, &lifecycle).await.unwrap();
    let mut server = ServerBuilder::new(Auth::Open);
    hive.mount(&mut server);
    (Served::start(listener, server, lifecycle).await, hive)
}

pub(crate) async fn any_port() -> Listener {
    Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

impl Cluster {
    /// A cluster in which the scripted worker is installed as `cpu-llm`.
    pub(crate) async fn start() -> Self {
        Self::start_with(quick()).await
    }

    pub(crate) async fn start_with(worker: WorkerConfig) -> Self {
        let cluster = Self::bare(worker).await;
        cluster.install_scripted().await;
        cluster
    }

    /// Installs the scripted worker as `cpu-llm`.
    pub(crate) async fn install_scripted(&self) {
        let program = std::fs::read(scripted_worker::program()).unwrap();
        self.install(WorkerType::CpuLlm, &program).await;
    }

    /// A cluster without a worker program.
    pub(crate) async fn bare(worker: WorkerConfig) -> Self {
        Self::bare_with_devices(worker, "").await
    }

    /// The same with devices that are hidden and declared by these rules.
    pub(crate) async fn bare_with_devices(worker: WorkerConfig, devices: &str) -> Self {
        Self::bare_with(|config| {
            config.worker = worker;
            config.devices = devices.to_owned();
        })
        .await
    }

    /// The same with whatever else is configured.
    pub(crate) async fn bare_with(change: impl FnOnce(&mut HiveConfig)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let catalog = start_catalog(data.path(), any_port().await).await;
        let store = Store::open(data.path().join("store").to_str().unwrap())
            .await
            .unwrap();
        let (hive, handle) = start_hive_with(data.path(), &catalog, change).await;
        Self {
            data,
            store,
            catalog,
            hive,
            handle,
        }
    }

    pub(crate) fn hive_client(&self) -> HiveServiceClient<ClientChannel> {
        HiveServiceClient::new(self.hive.channel())
    }

    pub(crate) fn registry(&self) -> RegistryServiceClient<ClientChannel> {
        RegistryServiceClient::new(self.catalog.channel())
    }

    /// A channel to a worker through the hive.
    pub(crate) fn worker(&self, id: &str) -> ClientChannel {
        self.hive.channel().for_worker(id).unwrap()
    }

    async fn put(&self, content: &[u8]) -> String {
        let source = tempfile::NamedTempFile::new_in(self.data.path()).unwrap();
        std::fs::write(source.path(), content).unwrap();
        let blob = self
            .store
            .put_file(source.path(), Ingest::Copy, None, |_| ControlFlow::Continue(()))
            .await;
        blob.unwrap().sha256.to_string()
    }

    pub(crate) async fn install(&self, worker_type: WorkerType, program: &[u8]) {
        let sha256 = self.put(program).await;
        let platform = Platform::current();
        let wire_type = match worker_type {
            WorkerType::CpuLlm => types::WorkerType::CpuLlm,
            WorkerType::CudaLlm => types::WorkerType::CudaLlm,
            WorkerType::CpuSd => types::WorkerType::CpuSd,
            other => panic!("no test needs {other}"),
        };
        let binary = types::WorkerBinary {
            worker_type: wire_type.into(),
            version: "0.1.0-scripted".into(),
            platform: Some(types::Platform {
                os: platform.os().into(),
                arch: platform.arch().into(),
            }),
            size_bytes: program.len() as u64,
            sha256,
            source: "bundled".into(),
            ..types::WorkerBinary::default()
        };
        let request = catalog::CreateWorkerBinaryRequest {
            worker_binary: Some(binary),
            request_id: String::new(),
        };
        let mut client = WorkerBinaryServiceClient::new(self.catalog.channel());
        client.create_worker_binary(request).await.unwrap();
    }

    /// Adds the model `local:<name>`, whose file is the script, and answers its id.
    pub(crate) async fn model(&self, name: &str, script: &Script) -> String {
        self.model_in(name, script, |_| {}).await
    }

    pub(crate) async fn model_in(
        &self,
        name: &str,
        script: &Script,
        change: impl FnOnce(&mut types::Model),
    ) -> String {
        self.add_model(name, &script.to_model(), change).await
    }

    /// Adds the model `local:<name>` with this file, and answers its id. A worker that finds no script in it
    /// behaves.
    pub(crate) async fn model_of_bytes(&self, name: &str, content: &[u8]) -> String {
        self.add_model(name, content, |_| {}).await
    }

    async fn add_model(&self, name: &str, content: &[u8], change: impl FnOnce(&mut types::Model)) -> String {
        let size_bytes = content.len() as u64;
        let file = types::ModelFile {
            name: format!("{name}.gguf"),
            size_bytes,
            sha256: self.put(content).await,
        };
        let llm = types::LlmModel {
            architecture: "scripted".into(),
        };
        let mut model = types::Model {
            id: format!("local:{name}"),
            name: name.into(),
            size_bytes,
            state: types::ModelState::Available.into(),
            model_type: Some(types::ModelType {
                kind: Some(types::model_type::Kind::Llm(llm)),
            }),
            vendor: types::Vendor::Local.into(),
            metadata: BTreeMap::new(),
            files: vec![file],
            ..types::Model::default()
        };
        change(&mut model);
        let request = catalog::CreateModelRequest {
            model: Some(model),
            request_id: String::new(),
        };
        let mut client = ModelServiceClient::new(self.catalog.channel());
        client
            .create_model(request)
            .await
            .unwrap()
            .into_inner()
            .model
            .unwrap()
            .id
    }

    /// Adds a model and spawns a `cpu-llm` worker for it.
    pub(crate) async fn spawn_scripted(&self, name: &str, script: &Script) -> types::Worker {
        let model = self.model(name, script).await;
        self.spawn(&request(&model)).await.result.unwrap()
    }

    /// Begins the spawn of a worker that loads for ever; gives its stream and the worker's id.
    pub(crate) async fn spawn_loading(
        &self,
        name: &str,
    ) -> (tonic::Streaming<hive::SpawnWorkerResponse>, String) {
        let script = Script {
            never_ready: true,
            ..Script::default()
        };
        let model = self.model(name, &script).await;
        let mut spawn = self
            .hive_client()
            .spawn_worker(request(&model))
            .await
            .unwrap()
            .into_inner();
        let id = spawn.message().await.unwrap().unwrap().worker_id;
        self.worker_in(&id, types::WorkerState::Loading).await;
        (spawn, id)
    }

    pub(crate) async fn spawn(&self, request: &SpawnWorkerRequest) -> Spawned {
        match self.hive_client().spawn_worker(request.clone()).await {
            Ok(stream) => Spawned::read(stream.into_inner()).await,
            Err(status) => Spawned::failed(&status),
        }
    }

    pub(crate) async fn workers(&self) -> Vec<types::Worker> {
        self.hive_client()
            .list_workers(hive::ListWorkersRequest {})
            .await
            .unwrap()
            .into_inner()
            .workers
    }

    pub(crate) async fn registered_workers(&self) -> Vec<types::Worker> {
        let request = catalog::ListWorkersRequest {
            model_id: String::new(),
        };
        self.registry()
            .list_workers(request)
            .await
            .unwrap()
            .into_inner()
            .workers
    }

    pub(crate) async fn stop_worker(&self, id: &str) -> Result<types::Worker, RemoteFault> {
        let request = hive::StopWorkerRequest {
            worker_id: id.into(),
            drain_grace: None,
        };
        match self.hive_client().stop_worker(request).await {
            Ok(response) => Ok(response.into_inner().worker.unwrap()),
            Err(status) => Err(RemoteFault::from(&status)),
        }
    }

    /// Waits until a worker is in a state, and answers it.
    pub(crate) async fn worker_in(&self, id: &str, state: types::WorkerState) -> types::Worker {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            let found = self.workers().await.into_iter().find(|worker| worker.id == id);
            if let Some(worker) = found
                && worker.state() == state
            {
                return worker;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{id} is not {state:?} within {DEADLINE:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn workers_folder(&self) -> PathBuf {
        self.data.path().canonicalize().unwrap().join("hive/workers")
    }

    /// What is left of workers on this host: processes, folders and sockets.
    pub(crate) fn left_on_host(&self) -> Vec<String> {
        let folder = self.workers_folder();
        let mut left = entries(&folder);
        left.extend(entries(&self.data.path().join("hive/sockets")));
        left.extend(
            processes_below(&folder)
                .into_iter()
                .map(|id| format!("process {id}")),
        );
        left
    }

    /// Asserts that there is no trace of any worker.
    pub(crate) async fn assert_nothing_left(&self) {
        assert_eq!(self.left_on_host(), Vec::<String>::new());
        assert_eq!(self.workers().await, []);
        assert_eq!(entries(&self.data.path().join("hive/logs")), Vec::<String>::new());
        let deadline = tokio::time::Instant::now() + DEADLINE;
        // The registry is told right after.
        while !self.registered_workers().await.is_empty() {
            assert!(
                tokio::time::Instant::now() < deadline,
                "the registry keeps a worker"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What lies in a folder; nothing if there is none.
pub(crate) fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect()
}

/// Processes, zombies aside, that carry a folder below this one as their mark.
pub(crate) fn processes_below(folder: &Path) -> Vec<u32> {
    let mark = format!("{}={}/", process::environment::FOLDER_MARK, folder.display());
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|id| {
            let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark)
        })
        .collect()
}

/// A request to spawn a `cpu-llm` worker on `cpu:0`.
pub(crate) fn request(model_id: &str) -> SpawnWorkerRequest {
    SpawnWorkerRequest {
        model_id: model_id.into(),
        worker_type: types::WorkerType::CpuLlm.into(),
        device_id: "cpu:0".into(),
        ..SpawnWorkerRequest::default()
    }
}

/// What a client sees of a spawn.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) worker_id: Option<String>,
    pub(crate) events: Vec<Event>,
    pub(crate) result: Result<types::Worker, RemoteFault>,
}

impl Spawned {
    fn failed(status: &Status) -> Self {
        Self {
            worker_id: None,
            events: Vec::new(),
            result: Err(RemoteFault::from(status)),
        }
    }

    pub(crate) async fn read(mut stream: tonic::Streaming<hive::SpawnWorkerResponse>) -> Self {
        let mut spawned = Self::failed(&Status::new(Code::Unknown, "the stream ended without a result"));
        loop {
            match stream.message().await {
                Ok(None) => return spawned,
                Err(status) => {
                    spawned.result = Err(RemoteFault::from(&status));
                    return spawned;
                }
                Ok(Some(response)) => {
                    spawned.worker_id = Some(response.worker_id);
                    match response.event.unwrap() {
                        Event::Ready(worker) => spawned.result = Ok(worker),
                        event => spawned.events.push(event),
                    }
                }
            }
        }
    }

    pub(crate) fn reason(&self) -> &str {
        self.result
            .as_ref()
            .unwrap_err()
            .reason
            .as_deref()
            .unwrap_or("none")
    }
}
