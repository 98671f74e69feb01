//! A client: one watch over the cluster, and calls to workers through their hives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rbee_proto::catalog::v1::WatchClusterRequest;
use rbee_proto::catalog::v1::registry_service_client::RegistryServiceClient;
use rbee_proto::catalog::v1::watch_cluster_response::Event;
use rbee_proto::types::v1::{Hive, HiveState, Worker};
use rbee_proto::worker::v1::chat_response::Event as ChatEvent;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rbee_proto::worker::v1::{ChatRequest, ChatResponse, GetInfoRequest};
use rbee_service_kit::Target;
use rbee_service_kit::client::ClientChannel;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::{Status, Streaming};

/// Long enough for a loaded machine; nothing here waits that long when it works.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// How often conditions are looked at.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// A channel to an address, connected with its first call.
pub(crate) fn channel(address: &str) -> ClientChannel {
    let target = Target {
        address: address.to_owned(),
        token: None,
        ..Target::default()
    };
    target.connect_lazy().unwrap()
}

/// Waits until something holds, and answers how long that took.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
    began.elapsed()
}

/// The cluster as a watch has told of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) hives: BTreeMap<String, Hive>,
    pub(crate) workers: BTreeMap<String, Worker>,
    pub(crate) synced: bool,
    /// Hives by name, each time that one was told to be unreachable.
    pub(crate) lost: Vec<String>,
}

impl View {
    fn apply(&mut self, event: Event) {
        match event {
            Event::HiveUpserted(hive) => {
                let turned = self
                    .hives
                    .get(&hive.id)
                    .is_none_or(|known| known.state != hive.state);
                if turned && hive.state() == HiveState::Unreachable {
                    self.lost.push(hive.name.clone());
                }
                self.hives.insert(hive.id.clone(), hive);
            }
            Event::HiveRemovedId(id) => drop(self.hives.remove(&id)),
            Event::WorkerUpserted(worker) => drop(self.workers.insert(worker.id.clone(), worker)),
            Event::WorkerRemovedId(id) => drop(self.workers.remove(&id)),
            Event::Synced(_) => self.synced = true,
        }
    }

    pub(crate) fn hive(&self, name: &str) -> Option<&Hive> {
        self.hives.values().find(|hive| hive.name == name)
    }

    pub(crate) fn state(&self, name: &str) -> Option<HiveState> {
        self.hive(name).map(Hive::state)
    }
}

/// One watch, read from its beginning to its end.
pub(crate) struct Watch {
    view: watch::Receiver<View>,
    reading: JoinHandle<Result<(), Status>>,
}

impl Watch {
    pub(crate) async fn start(catalog: SocketAddr) -> Self {
        let mut registry = RegistryServiceClient::new(channel(&format!("http://{catalog}")));
        let answer = registry.watch_cluster(WatchClusterRequest {}).await;
        let mut stream = answer.unwrap().into_inner();
        let (told, view) = watch::channel(View::default());
        let reading = tokio::spawn(async move {
            while let Some(response) = stream.message().await? {
                told.send_modify(|view| view.apply(response.event.unwrap()));
            }
            Ok(())
        });
        Self { view, reading }
    }

    /// The cluster as it is told now.
    pub(crate) fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Waits until what is told is so, and answers how long that took. The watch must not end meanwhile.
    pub(crate) async fn until(&mut self, what: &str, holds: impl FnMut(&View) -> bool) -> Duration {
        let began = Instant::now();
        let told = tokio::time::timeout(DEADLINE, self.view.wait_for(holds)).await;
        let problem = match told.map(|told| told.is_ok()) {
            Ok(true) => return began.elapsed(),
            Ok(false) => "the watch ended".to_owned(),
            Err(_) => format!("{DEADLINE:?} passed"),
        };
        panic!("{problem} before {what}: {:?}", self.view());
    }

    /// Waits for the end of the watch.
    pub(crate) async fn ended(self) -> Result<(), Status> {
        tokio::time::timeout(DEADLINE, self.reading)
            .await
            .unwrap()
            .unwrap()
    }
}

/// Begins a chat.
pub(crate) async fn chat(worker: ClientChannel) -> Result<Streaming<ChatResponse>, Status> {
    let mut text = TextServiceClient::new(worker);
    Ok(text.chat(ChatRequest::default()).await?.into_inner())
}

/// Reads a chat to its end, and answers how many tokens it had.
pub(crate) async fn read(mut chat: Streaming<ChatResponse>) -> Result<u32, Status> {
    let mut tokens = 0;
    while let Some(response) = chat.message().await? {
        match response.event.unwrap() {
            ChatEvent::Finished(_) => return Ok(tokens),
            ChatEvent::Delta(_) => tokens += 1,
            ChatEvent::Started(_) | ChatEvent::Reasoning(_) | ChatEvent::ToolCall(_) => {}
        }
    }
    Err(Status::data_loss("the answer ended without its end"))
}

/// A whole chat.
pub(crate) async fn answer(worker: ClientChannel) -> Result<u32, Status> {
    let whole = async { read(chat(worker).await?).await };
    let timely = tokio::time::timeout(DEADLINE, whole).await;
    timely.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")))
}

/// How many answers a worker is giving now.
pub(crate) async fn running_requests(worker: ClientChannel) -> Result<u32, Status> {
    let mut info = WorkerServiceClient::new(worker);
    let info = info.get_info(GetInfoRequest {}).await?.into_inner();
    Ok(info.load.unwrap().running_requests)
}
