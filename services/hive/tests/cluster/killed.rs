//! `kill -9` of the hive: its workers leave, and its successor clears away what is left.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rbee_proto::catalog::v1::ListHivesRequest;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::types::v1::WorkerState;
use rbee_service_kit::Target;
use rbee_testkit::scripted_worker::Script;

use crate::harness::{Cluster, DEADLINE, Spawned, entries, processes_below, request};

/// The program, killed when a test fails.
struct HiveProcess(Child);

impl HiveProcess {
    fn start(cluster: &Cluster, folder: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_rbee-hive"))
            .args(["--listen", "127.0.0.1:0", "--catalog", &cluster.catalog.address])
            .arg("--folder")
            .arg(folder)
            .arg("--store")
            .arg(cluster.data.path().join("store"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for HiveProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn until(what: &str, limit: Duration, holds: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_hive_that_is_killed_leaves_no_worker_and_its_successor_no_trace() {
    let cluster = Cluster::start().await;
    let model = cluster
        .model(
            "qwen",
            &Script {
                fork: true,
                ..Script::default()
            },
        )
        .await;
    let folder = cluster.data.path().canonicalize().unwrap().join("second");
    let workers = folder.join("workers");
    let address_of_second = async || {
        let hives = cluster
            .registry()
            .list_hives(ListHivesRequest {})
            .await
            .unwrap()
            .into_inner()
            .hives;
        hives
            .into_iter()
            .map(|hive| hive.address)
            .find(|address| *address != cluster.hive.address)
    };

    let mut killed = HiveProcess::start(&cluster, &folder);
    until("it registers", DEADLINE, async || {
        address_of_second().await.is_some()
    })
    .await;
    let address = address_of_second().await.unwrap();
    let channel = Target {
        address,
        token: None,
        ..Target::default()
    }
    .connect_lazy()
    .unwrap();
    let stream = HiveServiceClient::new(channel)
        .spawn_worker(request(&model))
        .await
        .unwrap();
    let spawned = Spawned::read(stream.into_inner()).await.result.unwrap();
    let worker = spawned.process_id.unwrap();
    assert_eq!(
        processes_below(&workers).len(),
        2,
        "the worker, and what it forked"
    );

    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    until("the worker leaves", Duration::from_secs(2), async || {
        !processes_below(&workers).contains(&worker)
    })
    .await;
    assert_eq!(
        entries(&workers).len(),
        1,
        "nobody was there to clear its folder away"
    );

    let mut successor = HiveProcess::start(&cluster, &folder);
    let registered = async || {
        let workers = cluster.registered_workers().await;
        workers.into_iter().find(|worker| worker.id == spawned.id)
    };
    until("the worker that was wanted is back", DEADLINE, async || {
        registered().await.is_some_and(|back| {
            back.state() == WorkerState::Ready
                && back.process_id.is_some_and(|process| process != worker)
                && back.hive_address != spawned.hive_address
        })
    })
    .await;
    assert_eq!(
        processes_below(&workers).len(),
        2,
        "the new worker and what it forked; of the old one nothing is left"
    );
    assert_eq!(
        (entries(&workers).len(), entries(&folder.join("sockets")).len()),
        (1, 1)
    );
    kill(Pid::from_raw(successor.0.id().cast_signed()), Signal::SIGTERM).unwrap();
    // Not waited for on this thread, which has the catalog to run.
    let status = tokio::task::spawn_blocking(move || successor.0.wait().unwrap())
        .await
        .unwrap();
    assert!(status.success(), "told to leave, it leaves in order");
    assert!(processes_below(&workers).is_empty() && entries(&workers).is_empty());
    until("it said farewell", DEADLINE, async || {
        address_of_second().await.is_none()
    })
    .await;
}
