//! What becomes of workers: crashes, hangs, stops, and the end of the hive.

use std::time::{Duration, Instant};

use rbee_proto::hive::v1::watch_workers_response::Event;
use rbee_proto::hive::v1::{GetWorkerRequest, WatchWorkersRequest};
use rbee_proto::types::v1::WorkerState;
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::scripted_worker::Script;

use crate::harness::{Cluster, DEADLINE, quick, quick_without_restarts, request};
use crate::proxy::chat;

#[tokio::test]
async fn a_worker_that_ends_while_it_serves_is_kept_until_it_is_stopped() {
    let cluster = Cluster::start_with(quick_without_restarts()).await;
    let script = Script {
        exit_serving: Some(3),
        fork: true,
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("crash", &script).await;
    assert!(
        chat(&cluster, &worker.id)
            .await
            .unwrap_err()
            .is(reason::WORKER_LOST)
    );
    let failed = cluster.worker_in(&worker.id, WorkerState::CrashLooping).await;
    let failure = failed.failure.clone().unwrap();
    assert_eq!(
        (failure.reason.as_str(), failure.exit_code),
        (reason::WORKER_EXITED, Some(3))
    );
    assert!(
        failure
            .log_tail
            .iter()
            .any(|line| line.contains("as the script says")),
        "{failure:?}"
    );
    assert_eq!(failed.process_id, None);

    // The registry hears of it, too.
    let deadline = Instant::now() + DEADLINE;
    while cluster.registered_workers().await != [failed.clone()] {
        assert!(
            Instant::now() < deadline,
            "{:?}",
            cluster.registered_workers().await
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let left = cluster.left_on_host();
    assert!(
        !left.iter().any(|entry| entry.starts_with("process")),
        "what it forked ended with it: {left:?}"
    );

    let stopped = cluster.stop_worker(&worker.id).await.unwrap();
    assert_eq!(stopped.state(), WorkerState::Stopped);
    assert_eq!(stopped.failure, failed.failure, "why it crashed is still told");
    cluster.assert_nothing_left().await;
}

#[tokio::test]
async fn a_signal_is_told_as_one() {
    let cluster = Cluster::start_with(quick_without_restarts()).await;
    let worker = cluster
        .spawn_scripted(
            "abort",
            &Script {
                abort_serving: true,
                ..Script::default()
            },
        )
        .await;
    assert!(
        chat(&cluster, &worker.id)
            .await
            .unwrap_err()
            .is(reason::WORKER_LOST)
    );
    let failed = cluster.worker_in(&worker.id, WorkerState::CrashLooping).await;
    assert_eq!(failed.failure.unwrap().signal, Some(6));
}

#[tokio::test]
async fn one_that_ignores_the_request_to_leave_is_killed_with_all_it_forked() {
    let cluster = Cluster::start().await;
    let worker = cluster
        .spawn_scripted(
            "deaf",
            &Script {
                ignore_term: true,
                fork: true,
                ..Script::default()
            },
        )
        .await;
    let asked = Instant::now();
    let stopped = cluster.stop_worker(&worker.id).await.unwrap();
    assert_eq!(stopped.state(), WorkerState::Stopped);
    assert!(asked.elapsed() >= quick().stop_grace, "it had its grace");
    cluster.assert_nothing_left().await;
}

#[tokio::test]
async fn one_that_hangs_is_ended() {
    let mut config = quick_without_restarts();
    config.health_timeout = Duration::from_millis(800);
    let cluster = Cluster::start_with(config).await;
    let script = Script {
        hang_serving: true,
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("hang", &script).await;
    // Not even a call that was waiting is left hanging, whether its answer had begun or not.
    let fault = match chat(&cluster, &worker.id).await {
        Err(fault) => fault,
        Ok(mut answer) => loop {
            match answer.message().await {
                Ok(message) => assert!(message.is_some(), "it can't have finished"),
                Err(status) => break RemoteFault::from(&status),
            }
        },
    };
    assert!(fault.is(reason::WORKER_LOST), "{fault:?}");
    let failed = cluster.worker_in(&worker.id, WorkerState::CrashLooping).await;
    let failure = failed.failure.unwrap();
    assert_eq!(
        (failure.reason.as_str(), failure.signal),
        (reason::WORKER_UNRESPONSIVE, Some(9))
    );
    cluster.stop_worker(&worker.id).await.unwrap();
    cluster.assert_nothing_left().await;
}

#[tokio::test]
async fn the_end_of_the_hive_is_the_end_of_its_workers() {
    let cluster = Cluster::start().await;
    let serving = Script {
        fork: true,
        ..Script::default()
    };
    cluster.spawn_scripted("serving", &serving).await;
    cluster
        .spawn_scripted(
            "deaf",
            &Script {
                ignore_term: true,
                ..serving
            },
        )
        .await;
    let (mut loading, _id) = cluster.spawn_loading("loading").await;

    cluster.hive.stop().await;
    assert_eq!(cluster.left_on_host(), Vec::<String>::new());
    assert_eq!(cluster.registered_workers().await, [], "the hive said farewell");
    // The spawn that was under way has ended, one way or the other.
    while let Ok(Some(_)) = loading.message().await {}
}

#[tokio::test]
async fn a_watch_tells_what_is_there_and_what_changes() {
    let cluster = Cluster::start().await;
    let first = cluster.spawn_scripted("first", &Script::default()).await;
    let mut watch = cluster
        .hive_client()
        .watch_workers(WatchWorkersRequest {})
        .await
        .unwrap()
        .into_inner();
    let mut next = async || {
        let step = tokio::time::timeout(DEADLINE, watch.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        (step.revision, step.event.unwrap())
    };
    let (snapshot, event) = next().await;
    assert_eq!(event, Event::Upserted(first.clone()));
    assert!(matches!(next().await, (revision, Event::Synced(_)) if revision == snapshot));

    let second = cluster.spawn_scripted("second", &Script::default()).await;
    let mut revision = snapshot;
    let mut states = Vec::new();
    while states.last() != Some(&WorkerState::Ready) {
        let (at, Event::Upserted(worker)) = next().await else {
            panic!("only workers come up")
        };
        assert!(at > revision && worker.id == second.id);
        revision = at;
        states.push(worker.state());
    }
    let (first_state, last_before) = (states[0], states[states.len() - 2]);
    assert_eq!(
        (first_state, last_before),
        (WorkerState::Pending, WorkerState::Loading),
        "{states:?}"
    );

    cluster.stop_worker(&second.id).await.unwrap();
    loop {
        match next().await.1 {
            Event::RemovedId(id) => break assert_eq!(id, second.id),
            Event::Upserted(worker) => assert_eq!(worker.id, second.id),
            Event::Synced(_) => panic!("there is one snapshot"),
        }
    }
    let gone = cluster
        .hive_client()
        .get_worker(GetWorkerRequest { worker_id: second.id })
        .await
        .unwrap_err();
    assert!(RemoteFault::from(&gone).is(reason::WORKER_NOT_FOUND));
}

#[tokio::test]
async fn fifty_workers_come_and_go_without_a_descriptor_left() {
    let cluster = Cluster::start().await;
    let model = cluster.model("qwen", &Script::default()).await;
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let mut before = None;
    for round in 0..50 {
        let worker = cluster.spawn(&request(&model)).await.result.unwrap();
        cluster.stop_worker(&worker.id).await.unwrap();
        if round == 4 {
            before = Some((open(), threads()));
        }
    }
    cluster.assert_nothing_left().await;
    let (open_before, threads_before) = before.unwrap();
    let deadline = Instant::now() + DEADLINE;
    // Closing connections and idle threads takes the runtime a moment.
    while open() > open_before + 3 || threads() > threads_before + 3 {
        assert!(
            Instant::now() < deadline,
            "{open_before} descriptors grew to {}, {threads_before} threads to {}",
            open(),
            threads()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
