//! What is measured, running: a catalog, the program `rbee-hive`, a worker that it spawned, and the naive proxy.

use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rbee_artifacts::Platform;
use rbee_catalog::{Catalog, CatalogConfig};
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::worker_binary_service_client::WorkerBinaryServiceClient;
use rbee_proto::catalog::v1::{CreateModelRequest, CreateWorkerBinaryRequest};
use rbee_proto::hive::v1::SpawnWorkerRequest;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::spawn_worker_response::Event;
use rbee_proto::types::v1 as types;
use rbee_service_kit::client::{ClientChannel, unix_channel};
use rbee_service_kit::{Auth, Lifecycle, Listener, ServerBuilder, Target};
use rbee_store::{Ingest, Store};

use super::client;
use super::cores::Cores;
use super::worker::SOCKET;

/// How long anything may take to start.
const DEADLINE: Duration = Duration::from_secs(60);

/// A process of ours that ends with its owner.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All that takes part.
pub(crate) struct Rig {
    pub(crate) hive: Process,
    pub(crate) naive: Process,
    pub(crate) pump: Process,
    /// The worker through its hive.
    pub(crate) through_hive: ClientChannel,
    /// The worker through the naive proxy.
    pub(crate) through_naive: ClientChannel,
    /// The worker through the pump.
    pub(crate) through_pump: ClientChannel,
    /// The worker's own socket.
    pub(crate) direct: ClientChannel,
}

impl Rig {
    pub(crate) async fn start(program: &Path, folder: &Path, cores: &Cores) -> anyhow::Result<Self> {
        let store = folder.join("store");
        let store = store.to_str().context("the folder's name is text")?;
        let catalog = start_catalog(store).await?;
        let (hive, address) = start_hive(program, folder, store, &catalog.address, cores)?;
        fill(store, &catalog.connect(DEADLINE).await?).await?;
        let target = Target {
            address: format!("http://{address}"),
            token: None,
            ..Target::default()
        };
        let channel = target.connect(DEADLINE).await?;
        let worker_id = spawn_worker(channel.clone()).await?;
        let through_hive = channel.for_worker(&worker_id)?;
        let answer = client::ask(&through_hive, 0, 0).await?;
        let socket = answer
            .headers
            .get(SOCKET)
            .context("the worker names its socket")?;
        let socket = Path::new(socket.to_str()?);
        let (naive, through_naive) = start_peer("--naive", socket, cores).await?;
        let (pump, through_pump) = start_peer("--pump", socket, cores).await?;
        Ok(Self {
            hive,
            naive,
            pump,
            through_hive,
            through_naive,
            through_pump,
            direct: unix_channel(socket, None)?,
        })
    }
}

/// A catalog in this process, which does nothing while it is measured but take heartbeats.
async fn start_catalog(store: &str) -> anyhow::Result<Target> {
    let lifecycle = Lifecycle::new();
    let config = CatalogConfig {
        store: Some(store.to_owned()),
        ..CatalogConfig::default()
    };
    let catalog = Catalog::start(config, &lifecycle).await?;
    let mut server = ServerBuilder::new(Auth::Open);
    catalog.mount(&mut server);
    let listener = Listener::tcp("127.0.0.1:0".parse()?).await?;
    let address = listener.local_addr().context("it listens on a port")?;
    tokio::spawn(async move { server.serve(listener, &lifecycle, Duration::ZERO).await });
    Ok(Target {
        address: format!("http://{address}"),
        token: None,
        ..Target::default()
    })
}

/// Starts the hive as an operator would; gives where it listens.
fn start_hive(
    program: &Path,
    folder: &Path,
    store: &str,
    catalog: &str,
    cores: &Cores,
) -> anyhow::Result<(Process, String)> {
    let mut command = Command::new(program);
    command
        .args(["--listen", "127.0.0.1:0", "--store", store, "--catalog", catalog])
        .arg("--folder")
        .arg(folder.join("hive"))
        .env_remove("RBEE_DEVICES")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = cores.spawn_on_proxy_core(&mut command)?;
    let stderr = child.stderr.take().context("no standard error")?;
    let process = Process(child);
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let address = lines
        .by_ref()
        .find_map(|line| {
            Some(
                line.split_once("address=")?
                    .1
                    .split_whitespace()
                    .next()?
                    .to_owned(),
            )
        })
        .context("the hive ended without saying where it listens")?;
    std::thread::spawn(move || lines.for_each(|line| eprintln!("rbee-hive: {line}")));
    Ok((process, address))
}

/// Starts this program as a proxy of another kind.
async fn start_peer(kind: &str, socket: &Path, cores: &Cores) -> anyhow::Result<(Process, ClientChannel)> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(kind)
        .arg(socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = cores.spawn_on_proxy_core(&mut command)?;
    let stdout = child.stdout.take().context("no standard output")?;
    let process = Process(child);
    let mut address = String::new();
    BufReader::new(stdout).read_line(&mut address)?;
    let target = Target {
        address: format!("http://{}", address.trim()),
        token: None,
        ..Target::default()
    };
    Ok((process, target.connect(DEADLINE).await?))
}

/// Installs this program as a worker program, and adds a model for it.
async fn fill(store: &str, catalog: &ClientChannel) -> anyhow::Result<()> {
    let store = Store::open(store).await?;
    let go_on = |_| ControlFlow::Continue(());
    let program = store
        .put_file(&std::env::current_exe()?, Ingest::Copy, None, go_on)
        .await?;
    let platform = Platform::current();
    let binary = types::WorkerBinary {
        worker_type: types::WorkerType::CpuLlm.into(),
        version: "0.1.0-bench".into(),
        platform: Some(types::Platform {
            os: platform.os().into(),
            arch: platform.arch().into(),
        }),
        size_bytes: program.size_bytes,
        sha256: program.sha256.to_string(),
        source: "bundled".into(),
        ..types::WorkerBinary::default()
    };
    let request = CreateWorkerBinaryRequest {
        worker_binary: Some(binary),
        request_id: String::new(),
    };
    WorkerBinaryServiceClient::new(catalog.clone())
        .create_worker_binary(request)
        .await?;

    let weights = tempfile::NamedTempFile::new()?;
    std::fs::write(weights.path(), b"none")?;
    let weights = store.put_file(weights.path(), Ingest::Copy, None, go_on).await?;
    let llm = types::LlmModel {
        architecture: "made up".into(),
    };
    let model = types::Model {
        id: "local:bench".into(),
        name: "bench".into(),
        size_bytes: weights.size_bytes,
        state: types::ModelState::Available.into(),
        model_type: Some(types::ModelType {
            kind: Some(types::model_type::Kind::Llm(llm)),
        }),
        vendor: types::Vendor::Local.into(),
        files: vec![types::ModelFile {
            name: "bench.gguf".into(),
            size_bytes: weights.size_bytes,
            sha256: weights.sha256.to_string(),
        }],
        ..types::Model::default()
    };
    let request = CreateModelRequest {
        model: Some(model),
        request_id: String::new(),
    };
    ModelServiceClient::new(catalog.clone())
        .create_model(request)
        .await?;
    Ok(())
}

async fn spawn_worker(hive: ClientChannel) -> anyhow::Result<String> {
    let request = SpawnWorkerRequest {
        model_id: "local:bench".into(),
        worker_type: types::WorkerType::CpuLlm.into(),
        device_id: "cpu:0".into(),
        ..SpawnWorkerRequest::default()
    };
    let mut steps = HiveServiceClient::new(hive)
        .spawn_worker(request)
        .await?
        .into_inner();
    while let Some(step) = steps.message().await? {
        if let Some(Event::Ready(worker)) = step.event {
            return Ok(worker.id);
        }
    }
    anyhow::bail!("the worker did not get ready")
}
