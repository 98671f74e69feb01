//! The registry service, with leases that end.

use std::time::Duration;

use crate::running::{DEADLINE, Running, reason};
use rbee_proto::catalog::v1::watch_cluster_response::Event;
use rbee_proto::catalog::v1::{
    DeregisterHiveRequest, DeregisterWorkerRequest, HiveHeartbeatRequest, ListHivesRequest,
    ListWorkersRequest, RegisterHiveRequest, RegisterWorkerRequest, UpdateWorkerRequest, WatchClusterRequest,
    WatchClusterResponse,
};
use rbee_proto::types::v1::{Device, DeviceKind, Hive, HiveState, Platform, Worker, WorkerState, WorkerType};
use tonic::Streaming;

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
        draining: false,
    };
    assert_eq!(
        reason(registry.hive_heartbeat(heartbeat.clone()).await),
        "HIVE_NOT_REGISTERED"
    );
    let request = RegisterHiveRequest {
        hive: Some(hive()),
        workers: vec![worker("w-1", WorkerState::Ready)],
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

    registry.hive_heartbeat(heartbeat).await.unwrap();
    assert!(matches!(next(&mut watch).await, Event::HiveUpserted(hive) if hive.state() == HiveState::Ready));
}

#[tokio::test]
async fn workers_come_change_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let mut registry = running.registry();
    let register = |id| RegisterWorkerRequest {
        worker: Some(worker(id, WorkerState::Starting)),
    };
    assert_eq!(
        reason(registry.register_worker(register("w-1")).await),
        "HIVE_NOT_REGISTERED"
    );
    registry
        .register_hive(RegisterHiveRequest {
            hive: Some(hive()),
            workers: vec![],
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
    };
    registry.update_worker(update("w-1")).await.unwrap();
    assert!(
        matches!(next(&mut watch).await, Event::WorkerUpserted(worker) if worker.state() == WorkerState::Ready)
    );
    assert_eq!(
        reason(registry.update_worker(update("w-2")).await),
        "WORKER_NOT_FOUND"
    );
    let bad = UpdateWorkerRequest {
        worker: Some(Worker {
            state: 0,
            ..worker("w-1", WorkerState::Ready)
        }),
    };
    assert_eq!(reason(registry.update_worker(bad).await), "INVALID_ARGUMENT");

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
    assert_eq!(reason(end), "SHUTTING_DOWN");
}
