//! What the catalog hears of the hive.

use std::time::{Duration, Instant};

use rbee_proto::catalog::v1::ListHivesRequest;
use rbee_proto::hive::v1::{GetHiveRequest, ListDevicesRequest};
use rbee_proto::types::v1::{DeviceKind, HiveState, WorkerState};
use rbee_service_kit::Listener;
use rbee_testkit::scripted_worker::Script;

use crate::harness::{Cluster, DEADLINE, start_catalog};

#[tokio::test]
async fn a_hive_says_who_it_is() {
    let cluster = Cluster::start().await;
    tokio::time::timeout(DEADLINE, cluster.handle.registered())
        .await
        .unwrap();
    let hive = cluster
        .hive_client()
        .get_hive(GetHiveRequest {})
        .await
        .unwrap()
        .into_inner()
        .hive
        .unwrap();
    assert_eq!(hive.id, cluster.handle.id());
    assert_eq!(hive.address, cluster.hive.address);
    assert!(!hive.name.is_empty());
    let devices = cluster
        .hive_client()
        .list_devices(ListDevicesRequest {})
        .await
        .unwrap()
        .into_inner()
        .devices;
    assert_eq!(
        (devices[0].id.as_str(), devices[0].kind()),
        ("cpu:0", DeviceKind::Cpu)
    );
    assert!(devices[0].memory_total_bytes > devices[0].memory_free_bytes);

    let hives = cluster
        .registry()
        .list_hives(ListHivesRequest {})
        .await
        .unwrap()
        .into_inner()
        .hives;
    let [registered] = hives.as_slice() else {
        panic!("{hives:?}")
    };
    assert_eq!(
        (&registered.id, &registered.name, &registered.address),
        (&hive.id, &hive.name, &hive.address)
    );
    assert_eq!(registered.state(), HiveState::Ready);
}

#[tokio::test]
async fn a_catalog_that_was_away_knows_all_again_and_workers_notice_nothing() {
    let cluster = Cluster::start().await;
    let worker = cluster.spawn_scripted("stays", &Script::default()).await;
    let leaves = cluster.spawn_scripted("leaves", &Script::default()).await;

    let address = cluster
        .catalog
        .address
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    cluster.catalog.stop().await;
    cluster.stop_worker(&leaves.id).await.unwrap();
    let deadline = Instant::now() + DEADLINE;
    let listener = loop {
        // The port is free once the old connections are closed.
        match Listener::tcp(address).await {
            Ok(listener) => break listener,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let catalog = start_catalog(cluster.data.path(), listener).await;
    let cluster = Cluster { catalog, ..cluster };
    while cluster.registered_workers().await != [worker.clone()] {
        assert!(
            Instant::now() < deadline,
            "{:?}",
            cluster.registered_workers().await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(cluster.workers().await[0].state(), WorkerState::Ready);
    // And it goes on from there.
    let third = cluster.spawn_scripted("third", &Script::default()).await;
    assert_eq!(cluster.registered_workers().await, [worker, third]);
}

#[tokio::test]
async fn heartbeats_keep_the_lease() {
    let cluster = Cluster::start().await;
    tokio::time::timeout(DEADLINE, cluster.handle.registered())
        .await
        .unwrap();
    let hive = async || {
        let hives = cluster
            .registry()
            .list_hives(ListHivesRequest {})
            .await
            .unwrap()
            .into_inner()
            .hives;
        hives.into_iter().next().unwrap()
    };
    let first = hive().await.last_seen_at.unwrap();
    let deadline = Instant::now() + DEADLINE;
    // A third of the lease later it is heard of again.
    loop {
        let now = hive().await;
        assert_eq!(now.state(), HiveState::Ready);
        if now.last_seen_at.unwrap() != first {
            break;
        }
        assert!(Instant::now() < deadline, "no heartbeat");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
