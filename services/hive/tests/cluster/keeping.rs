//! Workers are kept: over crashes, restarts of the hive and drains, and only for as long as they are wanted.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rbee_artifacts::{DeviceKind, WorkerType};
use rbee_proto::hive::v1 as hive;
use rbee_proto::hive::v1::SpawnWorkerRequest;
use rbee_proto::hive::v1::spawn_worker_response::Event;
use rbee_proto::types::v1::{Worker, WorkerState};
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::models::fixture;
use rbee_testkit::scripted_worker::{self, Script};
use tonic::Status;

use crate::harness::{Cluster, DEADLINE, quick, request, start_hive};
use crate::memory::estimate;
use crate::proxy::chat;

impl Cluster {
    /// Ends the hive in order and starts another one on its folder.
    pub(crate) async fn restart_hive(self) -> Self {
        self.hive.stop().await;
        let Self {
            data,
            store,
            catalog,
            hive,
            handle,
        } = self;
        drop((hive, handle));
        let (hive, handle) = start_hive(data.path(), &catalog, quick()).await;
        Self {
            data,
            store,
            catalog,
            hive,
            handle,
        }
    }

    async fn restart(&self, id: &str) -> Result<Worker, RemoteFault> {
        let request = hive::RestartWorkerRequest {
            worker_id: id.into(),
            drain_grace: None,
        };
        let answer = self.hive_client().restart_worker(request).await;
        answer
            .map(|answer| answer.into_inner().worker.unwrap())
            .map_err(|status| RemoteFault::from(&status))
    }

    async fn keep(
        &self,
        id: &str,
        pinned: Option<bool>,
        idle_seconds: Option<i64>,
    ) -> Result<Worker, Status> {
        let request = hive::UpdateWorkerRequest {
            worker_id: id.into(),
            pinned,
            idle_ttl: idle_seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        };
        let answer = self.hive_client().update_worker(request).await?;
        Ok(answer.into_inner().worker.unwrap())
    }

    /// Waits until a worker fits a description, and answers it.
    pub(crate) async fn worker_that(&self, what: &str, id: &str, fits: impl Fn(&Worker) -> bool) -> Worker {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            let found = self.workers().await.into_iter().find(|worker| worker.id == id);
            match found {
                Some(worker) if fits(&worker) => return worker,
                other => assert!(tokio::time::Instant::now() < deadline, "{what}: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until_gone(&self, id: &str) {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while self.workers().await.iter().any(|worker| worker.id == id) {
            assert!(tokio::time::Instant::now() < deadline, "{id} stays");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn a_worker_that_crashes_comes_back_under_its_id() {
    let cluster = Cluster::start().await;
    let script = Script {
        exit_serving: Some(0),
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("crash", &script).await;
    assert!(
        chat(&cluster, &worker.id)
            .await
            .unwrap_err()
            .is(reason::WORKER_LOST)
    );
    let back = cluster
        .worker_that("it is back", &worker.id, |now| {
            now.state() == WorkerState::Ready && now.restart_count == 1
        })
        .await;
    assert!(back.process_id.is_some() && back.process_id != worker.process_id);
    let failure = back.failure.unwrap();
    assert_eq!(
        (failure.reason.as_str(), failure.exit_code),
        (reason::WORKER_EXITED, Some(0))
    );
    assert!(failure.occurred_at.is_some() && !failure.log_tail.is_empty());
    cluster.stop_worker(&worker.id).await.unwrap();
    cluster.assert_nothing_left().await;
}

#[tokio::test]
async fn one_that_crashes_on_and_on_is_left_alone_until_it_is_restarted() {
    let mut config = quick();
    config.restart.limit = 3;
    let cluster = Cluster::start_with(config).await;
    let script = Script {
        exit_serving: Some(1),
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("crash", &script).await;
    let looping = loop {
        let _ = chat(&cluster, &worker.id).await;
        let now = cluster.workers().await.remove(0);
        if now.state() == WorkerState::CrashLooping {
            break now;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((looping.restart_count, looping.process_id), (2, None));
    assert!(
        chat(&cluster, &worker.id)
            .await
            .unwrap_err()
            .is(reason::WORKER_CRASH_LOOPING)
    );

    cluster.restart(&worker.id).await.unwrap();
    let back = cluster.worker_in(&worker.id, WorkerState::Ready).await;
    assert_eq!(back.restart_count, 0, "its crashes are forgotten");
    assert!(
        cluster
            .restart("none-1")
            .await
            .unwrap_err()
            .is(reason::WORKER_NOT_FOUND)
    );
}

#[tokio::test]
async fn a_restart_lets_requests_finish_and_gives_a_new_process() {
    let cluster = Cluster::start().await;
    let script = Script {
        tokens: 20,
        token_ms: 50,
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("slow", &script).await;
    let mut answer = chat(&cluster, &worker.id).await.unwrap();
    answer.message().await.unwrap().unwrap();
    cluster.worker_in(&worker.id, WorkerState::Busy).await;
    let restarting = cluster.restart(&worker.id).await.unwrap();
    assert_eq!(restarting.state(), WorkerState::Draining, "it has begun");
    assert!(
        chat(&cluster, &worker.id)
            .await
            .unwrap_err()
            .is(reason::WORKER_STOPPING)
    );
    let mut messages = 1;
    while answer.message().await.unwrap().is_some() {
        messages += 1;
    }
    assert_eq!(messages, 22, "the whole answer came");
    let back = cluster
        .worker_that("it is back", &worker.id, |now| now.state() == WorkerState::Ready)
        .await;
    assert_ne!(back.process_id, worker.process_id);
    assert_eq!((back.failure, back.restart_count), (None, 0));
}

#[tokio::test]
async fn workers_come_back_with_their_hive_also_without_the_catalog() {
    let cluster = Cluster::start().await;
    let named = SpawnWorkerRequest {
        request_id: "mine".into(),
        pinned: true,
        ..request(&cluster.model("qwen", &Script::default()).await)
    };
    let first = cluster.spawn(&named).await.result.unwrap();
    let stopped = cluster.spawn_scripted("other", &Script::default()).await;
    cluster.stop_worker(&stopped.id).await.unwrap();
    let id = cluster.handle.id().to_owned();

    let cluster = cluster.restart_hive().await;
    assert_eq!(cluster.handle.id(), id);
    let back = cluster.worker_in(&first.id, WorkerState::Ready).await;
    assert!(back.pinned && back.created_at == first.created_at && back.process_id != first.process_id);
    assert_eq!(cluster.workers().await.len(), 1, "what was stopped stays away");
    let again = cluster.spawn(&named).await;
    assert_eq!(
        again.worker_id.as_ref(),
        Some(&first.id),
        "the same request is the same worker"
    );
    assert_eq!(again.result.unwrap().id, first.id);

    cluster.catalog.stop().await;
    let cluster = cluster.restart_hive().await;
    cluster.worker_in(&first.id, WorkerState::Ready).await;
    chat(&cluster, &first.id).await.unwrap();
}

#[tokio::test]
async fn a_drained_hive_is_empty_over_a_restart_until_it_is_resumed() {
    let cluster = Cluster::start().await;
    let worker = cluster.spawn_scripted("qwen", &Script::default()).await;
    let drained = cluster
        .hive_client()
        .drain(hive::DrainRequest { drain_grace: None })
        .await
        .unwrap()
        .into_inner();
    assert!(drained.hive.unwrap().draining);
    assert_eq!(drained.worker_ids, std::slice::from_ref(&worker.id));
    assert_eq!(
        cluster.left_on_host(),
        Vec::<String>::new(),
        "no process, folder or socket"
    );
    let resting = cluster.worker_in(&worker.id, WorkerState::Pending).await;
    assert_eq!((resting.process_id, resting.next_attempt_at), (None, None));
    let refused = cluster.spawn(&request("local:qwen")).await;
    assert_eq!(refused.reason(), reason::HIVE_DRAINING);

    let cluster = cluster.restart_hive().await;
    cluster.worker_in(&worker.id, WorkerState::Pending).await;
    let hive = cluster
        .hive_client()
        .get_hive(hive::GetHiveRequest {})
        .await
        .unwrap();
    assert!(hive.into_inner().hive.unwrap().draining);
    cluster
        .hive_client()
        .resume(hive::ResumeRequest {})
        .await
        .unwrap();
    cluster.worker_in(&worker.id, WorkerState::Ready).await;
    cluster.spawn(&request("local:qwen")).await.result.unwrap();
}

#[tokio::test]
async fn one_that_is_idle_for_too_long_leaves_unless_it_is_pinned() {
    let cluster = Cluster::start().await;
    let idle = cluster.spawn_scripted("idle", &Script::default()).await;
    let pinned = cluster.spawn_scripted("pinned", &Script::default()).await;
    let kept = cluster.keep(&pinned.id, Some(true), Some(1)).await.unwrap();
    assert!(kept.pinned && kept.idle_ttl.is_some());
    let changed = cluster.keep(&idle.id, None, Some(1)).await.unwrap();
    assert!(!changed.pinned);
    cluster.until_gone(&idle.id).await;
    assert_eq!(cluster.workers().await.len(), 1);

    let unpinned = cluster.keep(&pinned.id, Some(false), None).await.unwrap();
    assert_eq!(unpinned.idle_ttl, kept.idle_ttl);
    cluster.until_gone(&pinned.id).await;
    cluster.assert_nothing_left().await;
    let bad = cluster.keep(&idle.id, None, Some(-1)).await.unwrap_err();
    assert_eq!(RemoteFault::from(&bad).violations[0].0, "idle_ttl");
}

#[tokio::test]
async fn room_is_made_by_stopping_the_one_that_is_idle_for_longest() {
    // Room for two workers of this model, and not for three: on a declared device nothing is shared.
    let model = std::fs::read(fixture("llm/tiny/qwen2/qwen2-q8_0.gguf")).unwrap();
    let room = 2 * estimate(DeviceKind::Cuda, None).total_bytes() + 100_000;
    let cluster = Cluster::bare_with_devices(quick(), &format!("+cuda:0,memory={room}B")).await;
    let program = std::fs::read(scripted_worker::program()).unwrap();
    cluster.install(WorkerType::CudaLlm, &program).await;
    let on_cuda = |model: &str| SpawnWorkerRequest {
        worker_type: rbee_proto::types::v1::WorkerType::CudaLlm.into(),
        device_id: "cuda:0".into(),
        ..request(model)
    };
    let mut running = Vec::new();
    let mut number = 0;
    // As many as fit.
    let refused = loop {
        number += 1;
        // Another byte at the end, so that each is a model of its own.
        let content = [model.as_slice(), &vec![0; number]].concat();
        let id = cluster.model_of_bytes(&format!("tiny-{number}"), &content).await;
        match cluster.spawn(&on_cuda(&id)).await.result {
            Ok(worker) => running.push(worker),
            Err(fault) => {
                assert!(fault.is(reason::INSUFFICIENT_MEMORY), "{fault:?}");
                break id;
            }
        }
        assert!(number < 20, "the device is never full");
    };
    assert_eq!(running.len(), 2);
    cluster.keep(&running[0].id, Some(true), None).await.unwrap();

    let spawned = cluster
        .spawn(&SpawnWorkerRequest {
            evict: true,
            ..on_cuda(&refused)
        })
        .await;
    let evicted: Vec<_> = spawned
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Evicted(evicted) => Some(evicted.worker_id.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(evicted, [running[1].id.clone()], "the oldest that is not pinned");
    spawned.result.unwrap();
    assert_eq!(cluster.workers().await.len(), running.len());
}

#[tokio::test]
async fn what_cannot_be_remembered_is_not_begun() {
    if nix::unistd::geteuid().is_root() {
        // Root writes anywhere but where the file is a folder.
        let cluster = Cluster::start().await;
        let ledger = cluster.data.path().join("hive/ledger.json");
        let _ = std::fs::remove_file(&ledger);
        std::fs::create_dir_all(ledger.join("in the way")).unwrap();
        refuses_and_recovers(cluster, || std::fs::remove_dir_all(&ledger).unwrap()).await;
    } else {
        let cluster = Cluster::start().await;
        let folder = cluster.data.path().join("hive");
        let mode = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o500);
        refuses_and_recovers(cluster, || mode(0o700)).await;
    }
}

async fn refuses_and_recovers(cluster: Cluster, mend: impl FnOnce()) {
    let model = cluster.model("qwen", &Script::default()).await;
    let fault = cluster.spawn(&request(&model)).await.result.unwrap_err();
    assert!(
        fault.is(reason::LEDGER_UNAVAILABLE) && fault.retry_after.is_some(),
        "{fault:?}"
    );
    cluster.assert_nothing_left().await;
    mend();
    cluster.spawn(&request(&model)).await.result.unwrap();
}
