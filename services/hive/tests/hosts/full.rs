//! A catalog that has no room for all workers.

use rbee_proto::hive::v1::StopWorkerRequest;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;

use crate::client::channel;
use crate::cluster::{Cluster, SHORT, answer_through};
use crate::network::Network;

#[tokio::test]
async fn a_worker_without_room_in_the_registry_serves_and_is_told_of_when_there_is_room() {
    let config = "[catalog]\nmax_workers = 1\n";
    let cluster = Cluster::start_with(Network::of_relays().await, config).await;
    let mut watch = cluster.watch().await;
    watch
        .until("the hive is there", |view| view.state("attic").is_some())
        .await;
    let address = watch.view().hive("attic").unwrap().address.clone();
    let first = cluster.spawn(&address, SHORT).await;
    watch
        .until("it is told of", |view| view.workers.contains_key(&first.id))
        .await;
    let second = cluster.spawn(&address, SHORT).await;
    assert_eq!(answer_through(&address, &second.id).await.unwrap(), 5);
    assert!(!watch.view().workers.contains_key(&second.id));

    let stop = StopWorkerRequest {
        worker_id: first.id.clone(),
        ..StopWorkerRequest::default()
    };
    let mut hive = HiveServiceClient::new(channel(&address));
    hive.stop_worker(stop).await.unwrap();
    watch
        .until("the other has its place", |view| {
            view.workers.contains_key(&second.id) && !view.workers.contains_key(&first.id)
        })
        .await;
    cluster.stop().await;
}
