//! Who tells: the catalog of who there is, and each hive of what it does. Whoever can't be heard is
//! tried again until they can.

use std::collections::HashMap;
use std::time::Duration;

use rbee_proto::catalog::v1::WatchClusterRequest;
use rbee_proto::catalog::v1::watch_cluster_response::Event;
use rbee_proto::hive::v1::WatchTelemetryRequest;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_stream::Stream;
use tokio_stream::StreamExt as _;
use tonic::Status;

use crate::args::to_proto;
use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::render::top::{Model, Update};

/// News that may wait. A view that does not keep up holds the feeds up, and hives then send less.
const WAITING: usize = 64;
/// Time until somebody who can't be heard is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a hive may be silent beyond its interval.
const SILENCE: Duration = Duration::from_secs(10);

/// All who tell. Dropping it ends their tasks.
#[derive(Debug)]
pub(super) struct Feeds {
    cluster: Cluster,
    interval: Duration,
    sender: mpsc::Sender<Update>,
    news: mpsc::Receiver<Update>,
    /// By the hive's id: its address, and the task that listens to it.
    hives: HashMap<String, (String, Task)>,
    _catalog: Task,
}

/// A task that ends when it is dropped.
#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Feeds {
    /// Begins to listen to the catalog, and to the hives that it will name.
    pub(super) fn start(cluster: Cluster, interval: Duration) -> Self {
        let (sender, news) = mpsc::channel(WAITING);
        let catalog = tokio::spawn(listen_to_catalog(cluster.clone(), sender.clone()));
        Self {
            cluster,
            interval,
            sender,
            news,
            hives: HashMap::new(),
            _catalog: Task(catalog.abort_handle()),
        }
    }

    /// The next news. Begins to listen to the hives of the model that are new, and ends it for those that have left.
    ///
    /// Safe to cancel: no news are lost.
    pub(super) async fn next(&mut self, model: &Model) -> Update {
        self.follow(model);
        let next = self.news.recv().await;
        next.expect("this keeps a sender itself")
    }

    fn follow(&mut self, model: &Model) {
        let known: HashMap<&str, &str> = model.addresses().collect();
        self.hives
            .retain(|id, (address, _)| known.get(id.as_str()) == Some(&address.as_str()));
        for (id, address) in known {
            if !self.hives.contains_key(id) {
                let listening = listen_to_hive(
                    self.cluster.clone(),
                    id.to_owned(),
                    address.to_owned(),
                    self.interval,
                    self.sender.clone(),
                );
                let task = Task(tokio::spawn(listening).abort_handle());
                self.hives.insert(id.to_owned(), (address.to_owned(), task));
            }
        }
    }
}

async fn listen_to_catalog(cluster: Cluster, news: mpsc::Sender<Update>) {
    loop {
        let why = match hear_catalog(&cluster, &news).await {
            // Nobody wants to know any more.
            Ok(()) => return,
            Err(failure) => in_short(&failure),
        };
        if news.send(Update::ClusterLost { why }).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Passes on what the catalog tells, as long as somebody wants it.
async fn hear_catalog(cluster: &Cluster, news: &mpsc::Sender<Update>) -> Result<(), Failure> {
    let doing = || "can't watch the cluster".to_owned();
    let mut watch = cluster
        .registry()
        .watch_cluster(WatchClusterRequest {})
        .await
        .doing(doing)?
        .into_inner();
    let (mut hives, mut workers) = (Vec::new(), Vec::new());
    let mut synced = false;
    while let Some(message) = watch.message().await.doing(doing)? {
        let update = match message.event {
            Some(Event::Synced(_)) => {
                synced = true;
                Update::Cluster {
                    hives: std::mem::take(&mut hives),
                    workers: std::mem::take(&mut workers),
                }
            }
            Some(event) if synced => Update::Change(Box::new(event)),
            Some(Event::HiveUpserted(hive)) => {
                hives.push(hive);
                continue;
            }
            Some(Event::WorkerUpserted(worker)) => {
                workers.push(worker);
                continue;
            }
            _ => continue,
        };
        if news.send(update).await.is_err() {
            return Ok(());
        }
    }
    Err(ended())
}

async fn listen_to_hive(
    cluster: Cluster,
    hive_id: String,
    address: String,
    interval: Duration,
    news: mpsc::Sender<Update>,
) {
    loop {
        let why = match hear_hive(&cluster, &hive_id, &address, interval, &news).await {
            Ok(()) => return,
            Err(failure) => in_short(&failure),
        };
        let lost = Update::HiveLost {
            hive_id: hive_id.clone(),
            why,
        };
        if news.send(lost).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn hear_hive(
    cluster: &Cluster,
    hive_id: &str,
    address: &str,
    interval: Duration,
    news: &mpsc::Sender<Update>,
) -> Result<(), Failure> {
    let doing = || "can't watch the hive".to_owned();
    let patience = interval + SILENCE;
    let begin = async {
        let mut hive = HiveServiceClient::new(cluster.hive_channel(address).await?);
        let request = WatchTelemetryRequest {
            interval: Some(to_proto(interval)),
        };
        Ok::<_, Failure>(hive.watch_telemetry(request).await.doing(doing)?.into_inner())
    };
    let mut measured = tokio::time::timeout(patience, begin)
        .await
        .map_err(|_| silent(patience))??;
    while let Some(measured) = next(&mut measured, patience).await? {
        let hive_id = hive_id.to_owned();
        if news.send(Update::Telemetry { hive_id, measured }).await.is_err() {
            return Ok(());
        }
    }
    Err(ended())
}

async fn next<T>(
    messages: &mut (impl Stream<Item = Result<T, Status>> + Unpin),
    patience: Duration,
) -> Result<Option<T>, Failure> {
    let next = tokio::time::timeout(patience, messages.next()).await;
    let next = next.map_err(|_| silent(patience))?;
    next.transpose().doing(|| "can't watch the hive".to_owned())
}

fn silent(patience: Duration) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!("it said nothing for {} s", patience.as_secs()),
    )
}

fn ended() -> Failure {
    Failure::new(Exit::Unreachable, "it ended the watch, as when it shuts down")
}

/// A failure in one line: the cause, which says more than what was being done.
fn in_short(failure: &Failure) -> String {
    failure.why.last().unwrap_or(&failure.message).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hive_that_says_nothing_is_lost() {
        let mut silent = tokio_stream::pending::<Result<u32, Status>>();
        let failure = next(&mut silent, Duration::from_secs(11)).await.unwrap_err();
        assert_eq!(in_short(&failure), "it said nothing for 11 s");
        let mut telling = tokio_stream::iter([Ok(7), Err(Status::unavailable("gone"))]);
        assert_eq!(next(&mut telling, SILENCE).await.unwrap(), Some(7));
        assert_eq!(in_short(&next(&mut telling, SILENCE).await.unwrap_err()), "gone");
        assert_eq!(next(&mut telling, SILENCE).await.unwrap(), None);
    }
}
