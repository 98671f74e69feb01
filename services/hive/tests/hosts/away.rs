//! A catalog that is away costs nothing but freshness.

use std::time::{Duration, Instant};

use rbee_proto::catalog::v1::ListHivesRequest;
use rbee_proto::catalog::v1::registry_service_client::RegistryServiceClient;
use rbee_proto::types::v1::{HiveState, Worker, WorkerState};
use rbee_proto::worker::v1::chat_response::Event;

use crate::client::{Watch, answer, chat, until};
use crate::cluster::{Cluster, LONG, SHORT, way_to};
use crate::network::{Host, Network};

/// Longer than the lease of 5 s, so that hives count as unreachable where somebody is there to count.
const AWAY: Duration = Duration::from_secs(8);

/// A cluster with a worker on each host, and one more that answers for long.
struct Scene {
    cluster: Cluster,
    watch: Watch,
    workers: Vec<Worker>,
}

impl Scene {
    async fn set() -> Self {
        let cluster = Cluster::start(Network::of_relays().await).await;
        let mut watch = cluster.watch().await;
        watch
            .until("both hives are there", |view| {
                view.state("attic").is_some() && view.state("cellar").is_some()
            })
            .await;
        let view = watch.view();
        for (hive, model) in [("attic", SHORT), ("cellar", SHORT), ("attic", LONG)] {
            cluster.spawn(&view.hive(hive).unwrap().address, model).await;
        }
        watch
            .until("all workers are there", |view| view.workers.len() == 3)
            .await;
        let workers = watch.view().workers.into_values().collect();
        Self {
            cluster,
            watch,
            workers,
        }
    }

    fn serving(&self, model: &str) -> Vec<Worker> {
        let workers = self.workers.iter();
        workers
            .filter(|worker| worker.model_id == model)
            .cloned()
            .collect()
    }

    /// Chats until the time has passed: one that began before goes on without a pause, and new ones are answered.
    async fn chat_meanwhile(&self, long: &mut tonic::Streaming<rbee_proto::worker::v1::ChatResponse>) {
        let end = Instant::now() + AWAY;
        let (mut longest, mut last, mut tokens) = (Duration::ZERO, Instant::now(), 0);
        let going_on = async {
            while Instant::now() < end {
                let response = long.message().await.unwrap().expect("it goes on for minutes");
                assert!(matches!(response.event, Some(Event::Delta(_))), "{response:?}");
                longest = longest.max(last.elapsed());
                last = Instant::now();
                tokens += 1;
            }
        };
        let new_ones = async {
            let mut answered = 0;
            while Instant::now() < end {
                for worker in self.serving(SHORT) {
                    assert_eq!(answer(way_to(&worker)).await.unwrap(), 5);
                    answered += 1;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            answered
        };
        let ((), answered) = tokio::join!(going_on, new_ones);
        println!(
            "while the catalog was away for {AWAY:?}: {answered} chats answered, {tokens} tokens of a chat that had \
             begun, the longest pause {longest:?}"
        );
    }

    /// What the registry shall say again.
    fn is_right(&self, view: &crate::client::View) -> bool {
        ["attic", "cellar"]
            .iter()
            .all(|name| view.state(name) == Some(HiveState::Ready))
            && view.workers.len() == self.workers.len()
            && self.workers.iter().all(|worker| {
                view.workers.get(&worker.id).is_some_and(|now| {
                    // The one that answers for long is or was busy.
                    let serves = matches!(now.state(), WorkerState::Ready | WorkerState::Busy);
                    serves && !now.unreachable && now.process_id == worker.process_id
                })
            })
    }
}

#[tokio::test]
async fn a_catalog_that_is_killed_is_missed_by_nobody_and_knows_all_again() {
    let mut scene = Scene::set().await;
    let mut long = chat(way_to(&scene.serving(LONG)[0])).await.unwrap();
    long.message().await.unwrap();

    scene.cluster.catalog.as_mut().unwrap().kill();
    scene.chat_meanwhile(&mut long).await;
    scene.cluster.start_catalog().await;
    let back_at = Instant::now();
    let mut watch = scene.cluster.watch().await;
    watch
        .until("the registry is right", |view| scene.is_right(view))
        .await;
    println!(
        "the registry was right {:?} after the catalog was back",
        back_at.elapsed()
    );
    assert!(
        scene.watch.ended().await.is_err(),
        "the old watch did not outlive its catalog"
    );
    drop(long);
    scene.cluster.stop().await;
}

#[tokio::test]
async fn a_catalog_that_is_cut_off_is_missed_by_nobody_and_knows_all_again() {
    let scene = Scene::set().await;
    let mut long = chat(way_to(&scene.serving(LONG)[0])).await.unwrap();
    long.message().await.unwrap();

    scene.cluster.network.cut(Host::Shelf);
    scene.chat_meanwhile(&mut long).await;
    scene.cluster.network.heal(Host::Shelf);
    let back_at = Instant::now();
    // Its own watch may have been given up meanwhile: then the client asks anew, as clients do.
    let mut watch = scene.cluster.watch().await;
    watch
        .until("the registry is right", |view| scene.is_right(view))
        .await;
    println!(
        "the registry was right {:?} after the catalog was back",
        back_at.elapsed()
    );
    drop(long);
    scene.cluster.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_lost_without_a_word_is_replaced() {
    let scene = Scene::set().await;
    let last_heard = async || {
        let mut registry = RegistryServiceClient::new(scene.cluster.catalog_channel());
        let hives = registry.list_hives(ListHivesRequest {}).await.unwrap();
        let hives = hives.into_inner().hives;
        let attic = hives.into_iter().find(|hive| hive.name == "attic");
        attic.unwrap().last_seen_at.unwrap()
    };
    scene.cluster.network.lose_connections_to_catalog(Host::Attic);
    let before = last_heard().await;
    let took = until("the hive is heard again", async || last_heard().await != before).await;
    println!("heard again {took:?} after its connection was lost");
    // By keepalive alone the connection is noticed to be lost after 15 s.
    assert!(took < Duration::from_secs(13), "{took:?}");
    scene.cluster.stop().await;
}
