//! A worker that was ready once is to start again, and something that it needs is missing.

use rbee_proto::catalog::v1::DeleteModelRequest;
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::types::v1::{Worker, WorkerState};
use rbee_service_kit::reason;
use rbee_testkit::scripted_worker::{Act, Script};

use crate::harness::{Cluster, request, start_hive_with};
use crate::recorder::Recorder;
use crate::scene::{hasty, tell, until};

/// What is missing, and what becomes of the worker.
#[derive(Debug)]
pub(crate) struct Row {
    words: &'static str,
    reason: Option<&'static str>,
    ends: &'static str,
}

impl Row {
    pub(crate) fn line(&self) -> String {
        let reason = self.reason.map(|reason| format!("`{reason}`"));
        format!(
            "| {} | {} | {} |",
            self.words,
            reason.unwrap_or_default(),
            self.ends
        )
    }
}

const FAILED: &str = "Failed";
const TRIED_AGAIN: &str = "Pending, and tried again; no crash";
const SERVES: &str = "serves: the hive remembers what it needs";

/// The table. The test of each row has its name.
pub(crate) const ROWS: [&Row; 5] = [&NO_CATALOG, &NO_MODEL, &NO_FILES, &NO_DEVICE, &NO_MEMORY];

const NO_CATALOG: Row = Row {
    words: "the catalog is away",
    reason: None,
    ends: SERVES,
};
const NO_MODEL: Row = Row {
    words: "the model was deleted",
    reason: Some(reason::MODEL_NOT_FOUND),
    ends: FAILED,
};
const NO_FILES: Row = Row {
    words: "the model's files are gone",
    reason: Some(reason::MODEL_FILES_MISSING),
    ends: FAILED,
};
const NO_DEVICE: Row = Row {
    words: "the device is gone",
    reason: Some(reason::DEVICE_NOT_FOUND),
    ends: FAILED,
};
const NO_MEMORY: Row = Row {
    words: "the device has not enough memory free",
    reason: Some(reason::INSUFFICIENT_MEMORY),
    ends: TRIED_AGAIN,
};

/// It crashes and fails for the reason that the row says, with that crash as its only one.
async fn fails(cluster: &Cluster, worker: &Worker, row: &Row) {
    tell(worker, &[Act::Exit(1)]);
    let failed = until(cluster, &worker.id, row.words, |worker| {
        worker.state() == WorkerState::Failed
    })
    .await;
    assert_eq!(failed.failure.unwrap().reason, row.reason.unwrap());
    assert_eq!(failed.restart_count, 1);
}

#[tokio::test]
async fn no_catalog() {
    let cluster = Cluster::start_with(hasty()).await;
    let worker = cluster.spawn_scripted("remembered", &Script::default()).await;
    cluster.catalog.stop().await;
    tell(&worker, &[Act::Exit(1)]);
    until(&cluster, &worker.id, NO_CATALOG.words, |worker| {
        worker.state() == WorkerState::Ready && worker.restart_count == 1
    })
    .await;
}

#[tokio::test]
async fn no_model() {
    let cluster = Cluster::start_with(hasty()).await;
    let worker = cluster.spawn_scripted("deleted", &Script::default()).await;
    let request = DeleteModelRequest {
        id: worker.model_id.clone(),
    };
    let mut client = ModelServiceClient::new(cluster.catalog.channel());
    client.delete_model(request).await.unwrap();
    fails(&cluster, &worker, &NO_MODEL).await;
}

#[tokio::test]
async fn no_files() {
    let cluster = Cluster::start_with(hasty()).await;
    let script = Script {
        tokens: 7,
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("lost", &script).await;
    let sha256 = rbee_artifacts::Sha256::digest(&script.to_model());
    assert!(cluster.store.delete_blob(&sha256).await.unwrap());
    fails(&cluster, &worker, &NO_FILES).await;
}

/// A worker of a hive that is started again with other devices.
async fn under_a_hive_with(devices: &str) -> (Cluster, Worker) {
    let first = Cluster::start_with(hasty()).await;
    // A real header: what a worker needs is estimated from it.
    let model = std::fs::read(rbee_testkit::models::fixture("llm/tiny/qwen2/qwen2-q8_0.gguf")).unwrap();
    let model = first.model_of_bytes("stays", &model).await;
    let worker = first.spawn(&request(&model)).await.result.unwrap();
    first.hive.stop().await;
    let Cluster {
        data,
        store,
        catalog,
        hive,
        handle,
    } = first;
    drop((hive, handle));
    let (hive, handle) = start_hive_with(data.path(), &catalog, |config| {
        config.worker = hasty();
        config.devices = devices.to_owned();
    })
    .await;
    let second = Cluster {
        data,
        store,
        catalog,
        hive,
        handle,
    };
    (second, worker)
}

#[tokio::test]
async fn no_device() {
    let (cluster, worker) = under_a_hive_with("-cpu:0").await;
    let failed = until(&cluster, &worker.id, NO_DEVICE.words, |worker| {
        worker.state() == WorkerState::Failed
    })
    .await;
    assert_eq!(failed.failure.unwrap().reason, NO_DEVICE.reason.unwrap());
}

#[tokio::test]
async fn no_memory() {
    let (cluster, worker) = under_a_hive_with("+cpu:0,memory=1MiB").await;
    let recorder = Recorder::start(&cluster).await;
    let again = [
        WorkerState::Pending,
        WorkerState::Validating,
        WorkerState::Pending,
        WorkerState::Validating,
    ];
    recorder.passes(&worker.id, &again, NO_MEMORY.words).await;
    let waits = until(&cluster, &worker.id, NO_MEMORY.words, |worker| {
        worker.state() == WorkerState::Pending
    })
    .await;
    assert_eq!(waits.failure.unwrap().reason, NO_MEMORY.reason.unwrap());
    assert_eq!(waits.restart_count, 0, "it did not crash");
}
