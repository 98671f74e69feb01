//! The registry service, with leases that end.

use std::time::Duration;

use crate::running::{DEADLINE, Running, reason as refusal};
use rbee_proto::catalog::v1::watch_cluster_response::Event;
use rbee_proto::catalog::v1::{
    DeregisterHiveRequest, DeregisterWorkerRequest, HiveHeartbeatRequest, ListHivesRequest,
    ListWorkersRequest, RegisterHiveRequest, RegisterWorkerRequest, UpdateWorkerRequest, WatchClusterRequest,
    WatchClusterResponse,
};
use rbee_proto::types::v1::{Device, DeviceKind, Hive, HiveState, Platform, Worker, WorkerState, WorkerType};
use rbee_service_kit::{RemoteFault, reason};
use tonic::{Code, Streaming};

const LEASE: Duration = Duration::from_millis(400);

fn hive() -> Hive {
    Hive {
        id: "hive-1".into(),
        name: "host".into(),
        address: "http://127.0.0.1:7220".into(),
        devices: vec![Device {
            id: "cpu:0".into(),
            kind: DeviceKind::Cpu.into(),
            ..Device::default()
        }],
        version: "0.1.0".into(),
        platform: Some(Platform {
            os: "linux".into(),
            arch: "x86_64".into(),
        }),
        ..Hive::default()
    }
}

fn worker(id: &str, state: WorkerState) -> Worker {
    Worker {
        id: id.into(),
        model_id: "local:qwen".into(),
        worker_type: WorkerType::CpuLlm.into(),
        device_id: "cpu:0".into(),
        state: state.into(),
        hive_id: "hive-1".into(),
        ..Worker::default()
    }
}

async fn next(stream: &mut Streaming<WatchClusterResponse>) -> Event {
    let response = tokio::time::timeout(DEADLINE, stream.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    response.event.unwrap()
}

#[tokio::test]
async fn a_hive_joins_falls_silent_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |config| config.lease = LEASE).await;
    let mut registry = running.registry();
    let mut watch = registry
        .watch_cluster(WatchClusterRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(
        matches!(next(&mut watch).await, Event::Synced(_)),
        "nothing is there yet"
    );

    let heartbeat = HiveHeartbeatRequest {
        hive_id: "hive-1".into(),
        devices: hive().devices,
        ..HiveHeartbeatRequest::default()
    };
    assert_eq!(
        refusal(registry.hive_heartbeat(heartbeat.clone()).await),
        "HIVE_NOT_REGISTERED"
    );
    let request = RegisterHiveRequest {
        hive: Some(hive()),
        workers: vec![worker("w-1", WorkerState::Ready)],
        ..RegisterHiveRequest::default()
    };
    let lease = registry
        .register_hive(request)
        .await
        .unwrap()
        .into_inner()
        .lease
        .unwrap();
    assert_eq!(Duration::try_from(lease).unwrap(), LEASE);
    assert!(matches!(next(&mut watch).await, Event::HiveUpserted(hive) if hive.state() == HiveState::Ready));
    assert!(matches!(next(&mut watch).await,
        Event::WorkerUpserted(worker) if worker.hive_address == "http://127.0.0.1:7220"));

    // Silence.
    assert!(matches!(next(&mut watch).await,
        Event::HiveUpserted(hive) if hive.state() == HiveState::Unreachable && hive.last_seen_at.is_some()));
    assert!(matches!(next(&mut watch).await,
        Event::WorkerUpserted(worker) if worker.unreachable && worker.state() == WorkerState::Ready));
    let hives = registry
        .list_hives(ListHivesRequest {})
        .await
        .unwrap()
        .into_inner()
        .hives;
    assert_eq!(hives[0].state(), HiveState::Unreachable);
    let workers = registry
        .list_workers(ListWorkersRequest::default())
        .await
        .unwrap()
        .into_inner()
        .workers;
    assert_eq!(workers.len(), 1, "its workers stay listed");
    assert!(workers[0].unreachable);

    registry.hive_heartbeat(heartbeat).await.unwrap();
    assert!(matches!(next(&mut watch).await, Event::HiveUpserted(hive) if hive.state() == HiveState::Ready));
    assert!(matches!(next(&mut watch).await, Event::WorkerUpserted(worker) if !worker.unreachable));
}

#[tokio::test]
async fn a_copied_hive_is_refused_and_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let register = async |address: &str, instance_id: &str| {
        let hive = Hive {
            address: address.into(),
            ..hive()
        };
        let request = RegisterHiveRequest {
            hive: Some(hive),
            workers: vec![],
            instance_id: instance_id.into(),
        };
        running.registry().register_hive(request).await.unwrap();
    };
    let heartbeat = async |instance_id: &str| {
        let request = HiveHeartbeatRequest {
            hive_id: "hive-1".into(),
            instance_id: instance_id.into(),
            ..HiveHeartbeatRequest::default()
        };
        running.registry().hive_heartbeat(request).await
    };
    register("http://10.0.0.1:7220", "first").await;
    heartbeat("first").await.unwrap();
    register("http://10.0.0.2:7220", "second").await;
    heartbeat("second").await.unwrap();

    let refused = heartbeat("first").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let fault = RemoteFault::from(&refused);
    assert!(fault.is(reason::HIVE_ID_TAKEN), "{fault:?}");
    assert_eq!(fault.metadata["address"], "http://10.0.0.2:7220");
    assert!(
        fault.message.contains("remove the file `id`"),
        "{}",
        fault.message
    );

    let farewell = DeregisterHiveRequest {
        hive_id: "hive-1".into(),
        instance_id: "first".into(),
    };
    let mut registry = running.registry();
    let removed = registry
        .deregister_hive(farewell)
        .await
        .unwrap()
        .into_inner()
        .removed;
    assert!(!removed, "it is not the one that leaves");
    heartbeat("second").await.unwrap();
    let endless = heartbeat(&"x".repeat(100)).await;
    assert_eq!(refusal(endless), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn hives_and_workers_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |config| {
        config.max_hives = 2;
        config.max_workers = 1;
    })
    .await;
    let register = async |id: &str| {
        let hive = Hive {
            id: id.into(),
            ..hive()
        };
        let request = RegisterHiveRequest {
            hive: Some(hive),
            ..RegisterHiveRequest::default()
        };
        running.registry().register_hive(request).await
    };
    register("hive-1").await.unwrap();
    register("hive-2").await.unwrap();
    let refused = register("hive-3").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let fault = RemoteFault::from(&refused);
    assert!(
        fault.is(reason::REGISTRY_FULL) && fault.metadata["limit"] == "2",
        "{fault:?}"
    );
    let add = async |id: &str| {
        let request = RegisterWorkerRequest {
            worker: Some(worker(id, WorkerState::Ready)),
            ..RegisterWorkerRequest::default()
        };
        running.registry().register_worker(request).await
    };
    add("w-1").await.unwrap();
    assert_eq!(refusal(add("w-2").await), "REGISTRY_FULL");
    add("w-1").await.unwrap();
}

#[tokio::test]
async fn workers_come_change_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let mut registry = running.registry();
    let register = |id| RegisterWorkerRequest {
        worker: Some(worker(id, WorkerState::Starting)),
        ..RegisterWorkerRequest::default()
    };
    assert_eq!(
        refusal(registry.register_worker(register("w-1")).await),
        "HIVE_NOT_REGISTERED"
    );
    registry
        .register_hive(RegisterHiveRequest {
            hive: Some(hive()),
            ..RegisterHiveRequest::default()
        })
        .await
        .unwrap();
    registry.register_worker(register("w-1")).await.unwrap();
    let mut watch = registry
        .watch_cluster(WatchClusterRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(matches!(next(&mut watch).await, Event::HiveUpserted(_)));
    assert!(matches!(next(&mut watch).await, Event::WorkerUpserted(_)));
    assert!(matches!(next(&mut watch).await, Event::Synced(_)));

    let update = |id| UpdateWorkerRequest {
        worker: Some(worker(id, WorkerState::Ready)),
        ..UpdateWorkerRequest::default()
    };
    registry.update_worker(update("w-1")).await.unwrap();
    assert!(
        matches!(next(&mut watch).await, Event::WorkerUpserted(worker) if worker.state() == WorkerState::Ready)
    );
    assert_eq!(
        refusal(registry.update_worker(update("w-2")).await),
        "WORKER_NOT_FOUND"
    );
    let bad = UpdateWorkerRequest {
        worker: Some(Worker {
            state: 0,
            ..worker("w-1", WorkerState::Ready)
        }),
        ..UpdateWorkerRequest::default()
    };
    assert_eq!(refusal(registry.update_worker(bad).await), "INVALID_ARGUMENT");

    let list = async |model_id: &str| {
        let request = ListWorkersRequest {
            model_id: model_id.into(),
        };
        running
            .registry()
            .list_workers(request)
            .await
            .unwrap()
            .into_inner()
            .workers
            .len()
    };
    assert_eq!(
        (
            list("").await,
            list("local:qwen").await,
            list("local:x").await,
            list("??").await
        ),
        (1, 1, 0, 0)
    );

    let gone = DeregisterWorkerRequest {
        hive_id: "hive-1".into(),
        worker_id: "w-1".into(),
        ..DeregisterWorkerRequest::default()
    };
    assert!(
        registry
            .deregister_worker(gone.clone())
            .await
            .unwrap()
            .into_inner()
            .removed
    );
    assert!(
        !registry
            .deregister_worker(gone)
            .await
            .unwrap()
            .into_inner()
            .removed
    );
    assert_eq!(next(&mut watch).await, Event::WorkerRemovedId("w-1".into()));

    let farewell = DeregisterHiveRequest {
        hive_id: "hive-1".into(),
        ..DeregisterHiveRequest::default()
    };
    assert!(
        registry
            .deregister_hive(farewell.clone())
            .await
            .unwrap()
            .into_inner()
            .removed
    );
    assert!(
        !registry
            .deregister_hive(farewell)
            .await
            .unwrap()
            .into_inner()
            .removed
    );
    assert_eq!(next(&mut watch).await, Event::HiveRemovedId("hive-1".into()));

    running.lifecycle.shutdown();
    let end = tokio::time::timeout(DEADLINE, watch.message()).await.unwrap();
    assert_eq!(refusal(end), "SHUTTING_DOWN");
}

#[tokio::test]
async fn a_catalog_that_was_restarted_says_that_hives_may_still_come() {
    let folder = tempfile::tempdir().unwrap();
    // Long enough for a busy machine to ask within half of it.
    let lease = |config: &mut rbee_catalog::CatalogConfig| config.lease = Duration::from_secs(8);
    let settling = async |running: &Running| {
        let answer = running.registry().list_hives(ListHivesRequest {}).await;
        answer.unwrap().into_inner().settling
    };
    let first = Running::start(folder.path(), lease).await;
    assert!(!settling(&first).await, "a new catalog has no earlier hives");
    let blob = crate::running::blob(folder.path(), b"a model").await;
    let request = rbee_proto::catalog::v1::CreateModelRequest {
        model: Some(crate::running::model("local:a", &blob)),
        ..Default::default()
    };
    first.models().create_model(request).await.unwrap();
    first.vanish().await;

    let second = Running::start(folder.path(), lease).await;
    assert!(settling(&second).await);
    let end = tokio::time::Instant::now() + DEADLINE;
    while settling(&second).await {
        assert!(tokio::time::Instant::now() < end, "half of a lease is over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
