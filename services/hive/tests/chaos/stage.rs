//! Who takes part: a catalog, a hive, a way to it that can be cut, and clients.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::{ListWorkersRequest, WatchWorkersRequest};
use rbee_proto::types::v1::Worker;
use rbee_proto::worker::v1::ChatRequest;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_service_kit::Target;
use rbee_service_kit::client::ClientChannel;
use rbee_testkit::scripted_worker::{Act, Script};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::calls::Calls;
use crate::harness::Cluster;
use crate::processes::{Program, catalog_program, free_address};
use crate::relay::Relay;

/// Clients that chat all the time.
const CHATTING: usize = 4;

/// Quick, since much is to happen; a machine that is busy with other tests must not look like a worker that hangs.
const CONFIG: &str = r#"
[server]
shutdown_grace = "10s"
[hive.worker]
ready_timeout = "20s"
stop_grace = "500ms"
health_interval = "200ms"
health_timeout = "5s"
[hive.worker.restart]
first_wait = "50ms"
longest_wait = "500ms"
limit = 5
healthy_after = "1s"
"#;

/// What the clients know of a worker that they asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is being spawned, as far as the client heard.
    Spawning,
    /// It was ready, and nobody asked to stop it.
    Wanted,
    /// Somebody asked to stop it, and was not answered yet, or never.
    Stopping,
    /// It was stopped, or its spawn failed.
    Stopped,
}

/// Everything. The fields are dropped in their order: processes before the folder that they use.
pub(crate) struct Stage {
    pub(crate) hive: Program,
    pub(crate) catalog: Program,
    pub(crate) relay: Relay,
    pub(crate) models: Vec<String>,
    pub(crate) calls: Calls,
    pub(crate) known: Arc<Mutex<BTreeMap<String, Known>>>,
    pub(crate) running: JoinSet<()>,
    pub(crate) done: BTreeMap<&'static str, u64>,
    pub(crate) chatting: CancellationToken,
    pub(crate) chats: JoinSet<()>,
    /// Descriptors of a hive without workers and clients that has had some.
    pub(crate) descriptors: usize,
    pub(crate) data: TempDir,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let (data, models) = prepare().await;
        let at = |name: &str| data.path().join(name).display().to_string();
        std::fs::write(at("hive.toml"), CONFIG).unwrap();
        let arguments = |arguments: &[&str]| arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut catalog = Program::new(
            "catalog",
            catalog_program(),
            free_address(),
            arguments(&["--store", &at("store"), "--lease", "2s"]),
            data.path(),
        );
        catalog.start().await;
        let listens = free_address();
        let relay = Relay::to(listens).await;
        let mut hive = Program::new(
            "hive",
            PathBuf::from(env!("CARGO_BIN_EXE_rbee-hive")),
            listens,
            arguments(&[
                "--config",
                &at("hive.toml"),
                "--catalog",
                &format!("http://{}", catalog.listens),
                "--folder",
                &at("bees"),
                "--store",
                &at("store"),
                "--advertise",
                &relay.address,
            ]),
            data.path(),
        );
        hive.start().await;
        let mut stage = Self {
            hive,
            catalog,
            relay,
            models,
            calls: Calls::default(),
            known: Arc::default(),
            running: JoinSet::new(),
            done: BTreeMap::new(),
            chatting: CancellationToken::new(),
            chats: JoinSet::new(),
            descriptors: 0,
            data,
        };
        stage.warm_up().await;
        for number in 0..CHATTING {
            stage.chat_on(number);
        }
        stage.watch_on();
        stage
    }

    /// Where workers' folders are.
    pub(crate) fn workers_folder(&self) -> PathBuf {
        self.data.path().canonicalize().unwrap().join("bees/workers")
    }

    /// A connection of its own to the hive, through what can be cut.
    pub(crate) fn channel(&self) -> ClientChannel {
        channel(&self.relay.address)
    }

    /// The hive's workers as it tells them, over a way that nobody cuts.
    pub(crate) async fn workers(&self) -> Vec<Worker> {
        let mut client = HiveServiceClient::new(channel(&format!("http://{}", self.hive.listens)));
        let listed = client.list_workers(ListWorkersRequest {}).await;
        listed.unwrap().into_inner().workers
    }

    /// A worker comes and goes, so that what a hive opens once is open.
    async fn warm_up(&mut self) {
        let model = self.models[0].clone();
        self.spawn(model);
        self.finish_running().await;
        let spawned: Vec<_> = self.known.lock().keys().cloned().collect();
        assert_eq!(spawned.len(), 1, "{}", self.hive.log());
        self.stop(spawned[0].clone(), Duration::ZERO);
        self.finish_running().await;
        self.descriptors = self.hive.descriptors();
    }

    pub(crate) async fn finish_running(&mut self) {
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
    }

    /// A client that chats with one worker after the other.
    fn chat_on(&mut self, number: usize) {
        let (calls, known, stop) = (self.calls.clone(), self.known.clone(), self.chatting.clone());
        let channel = self.channel();
        self.chats.spawn(async move {
            let mut round = number;
            while !stop.is_cancelled() {
                round += 1;
                let ids: BTreeSet<String> = known
                    .lock()
                    .iter()
                    .filter(|(_, known)| **known != Known::Stopped)
                    .map(|(id, _)| id.clone())
                    .collect();
                let Some(id) = ids.iter().nth(round % ids.len().max(1)).cloned() else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                let mut client = TextServiceClient::new(channel.for_worker(&id).unwrap());
                let chat = async {
                    let mut answer = client.chat(ChatRequest::default()).await?.into_inner();
                    while answer.message().await?.is_some() {}
                    Ok(())
                };
                if calls.make("chat", chat).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
            }
        });
    }

    /// A client that watches, and watches again whenever that ends.
    fn watch_on(&mut self) {
        let (calls, stop) = (self.calls.clone(), self.chatting.clone());
        let channel = self.channel();
        self.chats.spawn(async move {
            while !stop.is_cancelled() {
                let mut client = HiveServiceClient::new(channel.clone());
                let watch = async {
                    let mut watch = client.watch_workers(WatchWorkersRequest {}).await?.into_inner();
                    // Cancel safe: who is told to end drops the watch.
                    while let Some(Ok(Some(_))) = stop.run_until_cancelled(watch.message()).await {}
                    Ok(())
                };
                let _ = tokio::time::timeout(Duration::from_secs(20), calls.make("watch", watch)).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
}

pub(crate) fn channel(address: &str) -> ClientChannel {
    let target = Target {
        address: address.to_owned(),
        token: None,
        ..Target::default()
    };
    target.connect_lazy().unwrap()
}

/// A store with the scripted worker and models in it.
async fn prepare() -> (TempDir, Vec<String>) {
    let cluster = Cluster::start().await;
    let answers = Script {
        tokens: 60,
        token_ms: 5,
        ..Script::default()
    };
    let scripts = [
        ("plain", answers.clone()),
        (
            "forks",
            Script {
                fork: true,
                ..answers.clone()
            },
        ),
        (
            "flees",
            Script {
                loading: vec![Act::Flee],
                ..answers.clone()
            },
        ),
        (
            "slow",
            Script {
                load_ms: 400,
                ..answers.clone()
            },
        ),
        (
            "deaf",
            Script {
                ignore_term: true,
                ..answers.clone()
            },
        ),
        (
            "broken",
            Script {
                loading: vec![Act::Exit(3)],
                ..answers
            },
        ),
    ];
    let mut models = Vec::new();
    for (name, script) in scripts {
        models.push(cluster.model(name, &script).await);
    }
    cluster.hive.stop().await;
    cluster.catalog.stop().await;
    (cluster.data, models)
}
