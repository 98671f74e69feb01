//! A cluster of three hosts, whose hives run scripted workers; and what its clients see when a link is cut.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rbee_artifacts::Platform;
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::worker_binary_service_client::WorkerBinaryServiceClient;
use rbee_proto::catalog::v1::{CreateModelRequest, CreateWorkerBinaryRequest};
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::spawn_worker_response::Event;
use rbee_proto::hive::v1::{ListWorkersRequest, SpawnWorkerRequest};
use rbee_proto::types::v1::{
    HiveState, LlmModel, Model, ModelFile, ModelState, ModelType, Platform as WirePlatform, Vendor, Worker,
    WorkerBinary, WorkerType, model_type,
};
use rbee_service_kit::client::ClientChannel;
use rbee_store::{Ingest, Store};
use rbee_testkit::scripted_worker::{self, Script};
use tempfile::TempDir;
use tonic::Code;

use crate::client::{Watch, answer, channel, chat, read, running_requests, until};
use crate::namespaces::{Namespaces, Standing, enter_or_explain};
use crate::network::{Host, Network};
use crate::programs::{Program, catalog_program};

/// Answers at once.
pub(crate) const SHORT: &str = "local:short";
/// Answers for minutes.
pub(crate) const LONG: &str = "local:long";

/// What a hive is told besides where things are.
const HIVE_CONFIG: &str = r#"
[hive]
catalog_timeout = "2s"
[hive.worker]
ready_timeout = "30s"
stop_grace = "500ms"
"#;

pub(crate) struct Cluster {
    // Killed before their folder is removed and their network is taken away.
    pub(crate) catalog: Option<Program>,
    pub(crate) attic: Option<Program>,
    pub(crate) cellar: Option<Program>,
    pub(crate) network: Network,
    pub(crate) data: TempDir,
}

impl Cluster {
    /// Starts a catalog and two hives, which find a worker program and two models there.
    pub(crate) async fn start(network: Network) -> Self {
        Self::start_with(network, "").await
    }

    /// The same with a configuration for the catalog.
    pub(crate) async fn start_with(network: Network, catalog_config: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("hive.toml"), HIVE_CONFIG).unwrap();
        std::fs::write(data.path().join("catalog.toml"), catalog_config).unwrap();
        let mut cluster = Self {
            catalog: None,
            attic: None,
            cellar: None,
            network,
            data,
        };
        cluster.start_catalog().await;
        cluster.furnish().await;
        cluster.attic = Some(cluster.start_hive(Host::Attic, "attic"));
        cluster.cellar = Some(cluster.start_hive(Host::Cellar, "cellar"));
        cluster
    }

    /// Starts the catalog, or starts it again, where it was.
    pub(crate) async fn start_catalog(&mut self) {
        let listen = self.network.listen(Host::Shelf).to_string();
        let mut command = self.network.command(Host::Shelf, catalog_program());
        command.args([
            "--listen",
            &listen,
            "--allow-insecure",
            "--lease",
            "5s",
            "--store",
        ]);
        command.arg(self.store());
        command.arg("--config").arg(self.data.path().join("catalog.toml"));
        let log = self.data.path().join("catalog.log");
        self.catalog = Some(Program::start("catalog", command, log));
        until("the catalog answers", async || {
            Store::open(self.store().to_str().unwrap()).await.is_ok()
                && ModelServiceClient::new(self.catalog_channel())
                    .list_models(rbee_proto::catalog::v1::ListModelsRequest::default())
                    .await
                    .is_ok()
        })
        .await;
    }

    /// Starts a hive on a host, with the folder of this name.
    pub(crate) fn start_hive(&self, host: Host, folder: &str) -> Program {
        let listen = self.network.listen(host).to_string();
        let catalog = format!("http://{}", self.network.seen_from(Some(host), Host::Shelf));
        let advertise = format!("http://{}", self.network.seen_from(None, host));
        let mut command = self.network.command(host, env!("CARGO_BIN_EXE_rbee-hive"));
        command
            .args(["--listen", &listen, "--allow-insecure", "--name", host.name()])
            .args(["--catalog", &catalog, "--advertise", &advertise])
            .arg("--config")
            .arg(self.data.path().join("hive.toml"))
            .arg("--folder")
            .arg(self.data.path().join(folder))
            .arg("--store")
            .arg(self.store());
        let log = self.data.path().join(format!("{}.log", host.name()));
        Program::start(host.name(), command, log)
    }

    fn store(&self) -> PathBuf {
        self.data.path().join("store")
    }

    pub(crate) fn catalog_channel(&self) -> ClientChannel {
        channel(&format!("http://{}", self.network.seen_from(None, Host::Shelf)))
    }

    pub(crate) async fn watch(&self) -> Watch {
        Watch::start(self.network.seen_from(None, Host::Shelf)).await
    }

    /// Installs the scripted worker and adds the models.
    async fn furnish(&self) {
        let program = std::fs::read(scripted_worker::program()).unwrap();
        let platform = Platform::current();
        let binary = WorkerBinary {
            worker_type: WorkerType::CpuLlm.into(),
            version: "0.1.0-scripted".into(),
            platform: Some(WirePlatform {
                os: platform.os().into(),
                arch: platform.arch().into(),
            }),
            size_bytes: program.len() as u64,
            sha256: self.put(&program).await,
            source: "bundled".into(),
            ..WorkerBinary::default()
        };
        let request = CreateWorkerBinaryRequest {
            worker_binary: Some(binary),
            ..CreateWorkerBinaryRequest::default()
        };
        let mut binaries = WorkerBinaryServiceClient::new(self.catalog_channel());
        binaries.create_worker_binary(request).await.unwrap();
        let long = Script {
            tokens: 100_000,
            token_ms: 20,
            ..Script::default()
        };
        for (id, script) in [(SHORT, Script::default()), (LONG, long)] {
            self.add_model(id, &script.to_model()).await;
        }
    }

    async fn add_model(&self, id: &str, content: &[u8]) {
        let name = id.trim_start_matches("local:");
        let size_bytes = content.len() as u64;
        let architecture = "scripted".into();
        let model = Model {
            id: id.into(),
            name: name.into(),
            size_bytes,
            state: ModelState::Available.into(),
            model_type: Some(ModelType {
                kind: Some(model_type::Kind::Llm(LlmModel { architecture })),
            }),
            vendor: Vendor::Local.into(),
            files: vec![ModelFile {
                name: format!("{name}.gguf"),
                size_bytes,
                sha256: self.put(content).await,
            }],
            ..Model::default()
        };
        let request = CreateModelRequest {
            model: Some(model),
            ..CreateModelRequest::default()
        };
        let mut models = ModelServiceClient::new(self.catalog_channel());
        models.create_model(request).await.unwrap();
    }

    async fn put(&self, content: &[u8]) -> String {
        let source = tempfile::NamedTempFile::new_in(self.data.path()).unwrap();
        std::fs::write(source.path(), content).unwrap();
        let store = Store::open(self.store().to_str().unwrap()).await.unwrap();
        let go_on = |_| ControlFlow::Continue(());
        let blob = store.put_file(source.path(), Ingest::Copy, None, go_on).await;
        blob.unwrap().sha256.to_string()
    }

    /// Spawns a worker on the hive at an address, and waits until it is ready.
    pub(crate) async fn spawn(&self, hive_address: &str, model: &str) -> Worker {
        let request = SpawnWorkerRequest {
            model_id: model.into(),
            worker_type: WorkerType::CpuLlm.into(),
            device_id: "cpu:0".into(),
            ..SpawnWorkerRequest::default()
        };
        let mut hive = HiveServiceClient::new(channel(hive_address));
        let mut steps = hive.spawn_worker(request).await.unwrap().into_inner();
        while let Some(step) = steps.message().await.unwrap() {
            if let Some(Event::Ready(worker)) = step.event {
                return worker;
            }
        }
        panic!("the spawn ended without a worker");
    }

    /// Takes everything down in order.
    pub(crate) async fn stop(mut self) {
        // The catalog last: it hears the farewells.
        let programs = [self.attic.take(), self.cellar.take(), self.catalog.take()];
        for program in programs.into_iter().flatten() {
            program.stop().await;
        }
    }
}

/// A way to a worker through the hive that the watch named.
pub(crate) fn way_to(worker: &Worker) -> ClientChannel {
    channel(&worker.hive_address).for_worker(&worker.id).unwrap()
}

/// The workers of a hive, asked directly.
async fn own_workers(address: &str) -> Vec<Worker> {
    let mut hive = HiveServiceClient::new(channel(address));
    let answer = hive.list_workers(ListWorkersRequest::default()).await.unwrap();
    answer.into_inner().workers
}

/// One watch shows both hosts; a cut link shows as such, on both ends; a healed one repairs the view, and nothing
/// was restarted.
async fn both_hosts_in_one_view(network: Network) {
    let cluster = Cluster::start(network).await;
    let mut watch = cluster.watch().await;
    watch
        .until("both hives are there", |view| {
            view.synced && view.state("attic").is_some() && view.state("cellar").is_some()
        })
        .await;
    let view = watch.view();
    let address_of = |name: &str| view.hive(name).unwrap().address.clone();
    let attic = cluster.spawn(&address_of("attic"), SHORT).await;
    let cellar = cluster.spawn(&address_of("cellar"), SHORT).await;
    let busy = cluster.spawn(&address_of("cellar"), LONG).await;
    watch
        .until("all workers are there", |view| view.workers.len() == 3)
        .await;
    let seen = watch.view().workers;
    let (attic, cellar, busy) = (&seen[&attic.id], &seen[&cellar.id], &seen[&busy.id]);
    assert_eq!(attic.hive_address, address_of("attic"));
    assert_eq!(cellar.hive_address, address_of("cellar"));
    let (to_attic, to_cellar) = (way_to(attic), way_to(cellar));
    assert_eq!(answer(to_attic.clone()).await.unwrap(), 5);
    assert_eq!(answer(to_cellar.clone()).await.unwrap(), 5);
    let mut long = chat(way_to(busy)).await.unwrap();
    for _ in 0..5 {
        long.message().await.unwrap().unwrap();
    }

    cluster.network.cut(Host::Cellar);
    let cut_at = Instant::now();
    watch
        .until("the cut-off hive and its workers are shown so", |view| {
            let of_cellar = |worker: &&Worker| worker.hive_address == address_of("cellar");
            view.state("cellar") == Some(HiveState::Unreachable)
                && view
                    .workers
                    .values()
                    .filter(of_cellar)
                    .all(|worker| worker.unreachable)
        })
        .await;
    println!("unreachable in the view {:?} after the cut", cut_at.elapsed());
    assert!(!watch.view().workers[&attic.id].unreachable);
    assert_eq!(
        answer(to_attic.clone()).await.unwrap(),
        5,
        "the other is not affected"
    );
    let broken_off = read(long).await.unwrap_err();
    println!("its client was told {:?} after the cut", cut_at.elapsed());
    assert_eq!(broken_off.code(), Code::Unavailable, "{broken_off:?}");
    if let Network::Relays(_) = &cluster.network {
        // Past the link: a client that is on the host itself.
        let own = format!("http://{}", cluster.network.listen(Host::Cellar));
        let busy = channel(&own).for_worker(&busy.id).unwrap();
        until("the worker stops what nobody waits for", async || {
            running_requests(busy.clone()).await.unwrap() == 0
        })
        .await;
        println!("its worker had stopped {:?} after the cut", cut_at.elapsed());
        assert_eq!(own_workers(&own).await.len(), 2, "workers are not affected");
    }

    cluster.network.heal(Host::Cellar);
    let healed_at = Instant::now();
    watch
        .until("the view is right again", |view| {
            view.state("cellar") == Some(HiveState::Ready)
                && view.workers.values().all(|worker| !worker.unreachable)
        })
        .await;
    println!(
        "the view was right {:?} after the link healed",
        healed_at.elapsed()
    );
    let view = watch.view();
    assert_eq!(view.lost, ["cellar"], "once, and no other");
    for worker in [attic, cellar, busy] {
        let now = &view.workers[&worker.id];
        assert_eq!(
            (now.process_id, now.restart_count),
            (worker.process_id, worker.restart_count),
            "not restarted"
        );
    }
    // On the connection that was cut, too.
    until("a chat through the healed link", async || {
        answer(to_cellar.clone()).await.is_ok()
    })
    .await;
    println!(
        "a chat was answered {:?} after the link healed",
        healed_at.elapsed()
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_cut_link_shows_and_a_healed_one_repairs_the_view() {
    both_hosts_in_one_view(Network::of_relays().await).await;
}

#[tokio::test]
async fn the_same_between_network_namespaces() {
    match enter_or_explain("cluster::the_same_between_network_namespaces") {
        Standing::Inside => both_hosts_in_one_view(Network::Namespaces(Namespaces::build())).await,
        Standing::Done => {}
    }
}

/// The file with a hive's id, in its folder.
pub(crate) fn id_file(data: &Path, folder: &str) -> PathBuf {
    data.join(folder).join("id")
}

/// A chat with a worker through the hive at an address.
pub(crate) async fn answer_through(hive_address: &str, worker_id: &str) -> Result<u32, tonic::Status> {
    answer(channel(hive_address).for_worker(worker_id).unwrap()).await
}
