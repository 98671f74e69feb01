//! What is asked of a worker, and what it answers, in each state.

use std::time::Duration;

use rbee_hive::{RestartConfig, WorkerConfig};
use rbee_proto::hive::v1::{RestartWorkerRequest, StopWorkerRequest};
use rbee_proto::types::v1::{Worker, WorkerState};
use rbee_proto::worker::v1::ChatResponse;
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::scripted_worker::{Act, Script, Starts};
use tonic::{Code, Streaming};

use WorkerState::{Draining, Loading, Pending, Ready, Stopped, Stopping, Validating};

use crate::asked_rows::{
    BUSY, Becomes, CRASH_LOOPING, Call, DRAINING, FAILED, LOADING, PENDING, READY, Row, STOPPED, STOPPING,
    VALIDATING,
};
use crate::harness::{Cluster, DEADLINE, Served, request, start_hive};
use crate::recorder::Recorder;
use crate::scene::{chat, ended, find, hasty, restart, stop, tell, until};

/// A hive whose workers are asked.
struct Asking {
    cluster: Cluster,
    recorder: Recorder,
}

impl Asking {
    async fn start() -> Self {
        Self::start_with(hasty()).await
    }

    async fn start_with(config: WorkerConfig) -> Self {
        let cluster = Cluster::start_with(config).await;
        let recorder = Recorder::start(&cluster).await;
        Self { cluster, recorder }
    }

    /// A worker that answers slowly, and else follows `script`, in only its second start if it is so told.
    async fn worker(&self, name: &str, script: Script) -> Worker {
        let script = Script {
            tokens: 1_000_000,
            token_ms: 5,
            ..script
        };
        self.cluster.spawn_scripted(name, &script).await
    }

    fn starts(&self, name: &str, until: u64) -> Option<Starts> {
        let counter = self.cluster.data.path().join(format!("starts-{name}"));
        Some(Starts {
            counter,
            from: 1,
            until,
        })
    }

    async fn in_state(&self, worker: &Worker, state: WorkerState) -> Worker {
        let what = format!("{state:?}");
        until(&self.cluster, &worker.id, &what, |worker| worker.state() == state).await
    }

    /// What a call gets is what the row says.
    async fn called(&self, row: &Row, worker: &Worker) {
        let got = chat(&self.cluster, &worker.id).await;
        check(row, got);
    }

    /// It is stopped, passing through the states that the row says.
    async fn stopped(&self, row: &Row, worker: &Worker, drain_grace: Duration) {
        let before = self.recorder.passed(&worker.id);
        let stopped = stop(&self.cluster, &worker.id, drain_grace).await;
        assert_eq!(stopped.state(), Stopped, "{}", row.state);
        assert_eq!(find(&self.cluster, &worker.id).await, None, "{}", row.state);
        self.becomes(row, row.stop, &before, worker).await;
    }

    async fn restarted(&self, row: &Row, worker: &Worker) {
        let before = self.recorder.passed(&worker.id);
        restart(&self.cluster, &worker.id).await;
        self.becomes(row, row.restart, &before, worker).await;
        let now = self.in_state(worker, Ready).await;
        assert_eq!(now.restart_count, 0, "{}: its crashes are forgotten", row.state);
    }

    async fn becomes(&self, row: &Row, becomes: Becomes, before: &[WorkerState], worker: &Worker) {
        let Becomes::Passes(states) = becomes else {
            return;
        };
        // Stopped is the answer to the one who asked; whether the others see it before it is gone is not said.
        let states = states.strip_suffix(&[Stopped]).unwrap_or(states);
        // One that is in the first of them already is not seen to come into it.
        let states = match (before, states) {
            ([.., last], [first, rest @ ..]) if last == first => rest,
            _ => states,
        };
        let path = [before, states].concat();
        self.recorder.passes(&worker.id, &path, row.state).await;
    }
}

fn check(row: &Row, got: Result<Streaming<ChatResponse>, RemoteFault>) {
    let state = row.state;
    match (row.call, got) {
        (Call::Answer, Ok(_)) => {}
        (Call::Later(reason), Err(fault)) => {
            assert_eq!(
                (fault.code, fault.reason.as_deref()),
                (Code::Unavailable, Some(reason)),
                "{state}"
            );
            assert!(fault.retry_after.is_some(), "{state}");
        }
        (Call::Never(code, reason), Err(fault)) => {
            assert_eq!(
                (fault.code, fault.reason.as_deref()),
                (code, Some(reason)),
                "{state}"
            );
            assert_eq!(fault.retry_after, None, "{state}");
        }
        (expected, Ok(_)) => panic!("{state}: an answer, and not {expected:?}"),
        (Call::Answer, Err(fault)) => panic!("{state}: {fault:?}"),
    }
}

/// Waits between two attempts for longer than any test takes.
fn patient() -> WorkerConfig {
    WorkerConfig {
        restart: RestartConfig {
            first_wait: Duration::from_secs(600),
            longest_wait: Duration::from_secs(600),
            ..RestartConfig::default()
        },
        ..hasty()
    }
}

#[tokio::test]
async fn pending() {
    let asking = Asking::start_with(patient()).await;
    for again in [true, false] {
        let worker = asking.worker(&format!("waits-{again}"), Script::default()).await;
        tell(&worker, &[Act::Exit(1)]);
        let waits = asking.in_state(&worker, Pending).await;
        assert_eq!(waits.process_id, None);
        assert_eq!(waits.failure.unwrap().reason, reason::WORKER_EXITED);
        assert!(waits.next_attempt_at.is_some());
        asking.called(&PENDING, &worker).await;
        if again {
            asking.restarted(&PENDING, &worker).await;
        } else {
            asking.stopped(&PENDING, &worker, Duration::ZERO).await;
        }
    }
}

#[tokio::test]
async fn validating() {
    let asking = Asking::start().await;
    let model = asking.cluster.model("looked-up", &Script::default()).await;
    // A catalog that takes calls and does not answer: the hive asks it about the model.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let catalog = Served {
        address,
        lifecycle: rbee_service_kit::Lifecycle::new(),
    };
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(
        asking.cluster.data.path().join("store"),
        folder.path().join("store"),
    )
    .unwrap();
    let (hive, handle) = start_hive(folder.path(), &catalog, hasty()).await;
    let silent = Cluster {
        data: folder,
        store: asking.cluster.store.clone(),
        catalog,
        hive,
        handle,
    };
    let mut spawn = silent
        .hive_client()
        .spawn_worker(request(&model))
        .await
        .unwrap()
        .into_inner();
    let id = spawn.message().await.unwrap().unwrap().worker_id;
    until(&silent, &id, "it is looked up", |worker| {
        worker.state() == Validating
    })
    .await;
    check(&VALIDATING, chat(&silent, &id).await);
    assert_eq!(stop(&silent, &id, Duration::ZERO).await.state(), Stopped);
    let end = loop {
        if let Err(status) = spawn.message().await {
            break RemoteFault::from(&status);
        }
    };
    assert!(end.is(reason::WORKER_STOPPED), "{end:?}");
    assert_eq!(silent.left_on_host(), Vec::<String>::new());
}

#[tokio::test]
async fn loading() {
    let asking = Asking::start().await;
    for again in [true, false] {
        let name = format!("loads-{again}");
        let script = Script {
            never_ready: true,
            starts: asking.starts(&name, 2),
            ..Script::default()
        };
        let worker = asking.worker(&name, script).await;
        tell(&worker, &[Act::Exit(1)]);
        asking.in_state(&worker, Loading).await;
        asking.called(&LOADING, &worker).await;
        if again {
            asking.restarted(&LOADING, &worker).await;
        } else {
            asking.stopped(&LOADING, &worker, Duration::from_secs(30)).await;
        }
    }
}

#[tokio::test]
async fn ready() {
    let asking = Asking::start().await;
    for again in [true, false] {
        let worker = asking.worker(&format!("serves-{again}"), Script::default()).await;
        asking.called(&READY, &worker).await;
        asking.in_state(&worker, Ready).await;
        if again {
            asking.restarted(&READY, &worker).await;
        } else {
            asking.stopped(&READY, &worker, Duration::from_secs(30)).await;
        }
    }
}

#[tokio::test]
async fn busy() {
    let asking = Asking::start().await;
    for again in [true, false] {
        let worker = asking.worker(&format!("busy-{again}"), Script::default()).await;
        let running = chat(&asking.cluster, &worker.id).await.unwrap();
        asking.in_state(&worker, WorkerState::Busy).await;
        asking.called(&BUSY, &worker).await;
        asking.in_state(&worker, WorkerState::Busy).await;
        if again {
            let before = asking.recorder.passed(&worker.id);
            let request = RestartWorkerRequest {
                worker_id: worker.id.clone(),
                drain_grace: Some(Duration::from_secs(1).try_into().unwrap()),
            };
            let restarted = asking.cluster.hive_client().restart_worker(request).await;
            restarted.unwrap();
            asking.becomes(&BUSY, BUSY.restart, &before, &worker).await;
        } else {
            asking.stopped(&BUSY, &worker, Duration::from_secs(1)).await;
        }
        // Longer than its grace: cut off, and told so.
        let end = ended(running, "busy").await.unwrap();
        let told = [reason::WORKER_LOST, reason::WORKER_STOPPING];
        assert!(told.iter().any(|reason| end.is(reason)), "{end:?}");
        assert_eq!(end.code, Code::Unavailable);
    }
}

#[tokio::test]
async fn requests_that_run_may_finish() {
    let asking = Asking::start().await;
    let script = Script {
        tokens: 100,
        token_ms: 10,
        ..Script::default()
    };
    let worker = asking.cluster.spawn_scripted("finishes", &script).await;
    let running = chat(&asking.cluster, &worker.id).await.unwrap();
    let (stopped, end) = tokio::join!(
        stop(&asking.cluster, &worker.id, Duration::from_secs(60)),
        ended(running, "a request that runs")
    );
    assert_eq!((stopped.state(), end), (Stopped, None), "it came to its own end");
}

#[tokio::test]
async fn draining() {
    let asking = Asking::start().await;
    let worker = asking.worker("drains", Script::default()).await;
    let running = chat(&asking.cluster, &worker.id).await.unwrap();
    asking.in_state(&worker, WorkerState::Busy).await;
    leaving(
        &asking,
        &DRAINING,
        &worker,
        Duration::from_secs(600),
        Draining,
        || {
            drop(running);
        },
    )
    .await;
}

#[tokio::test]
async fn stopping() {
    let asking = Asking::start_with(WorkerConfig {
        stop_grace: Duration::from_secs(600),
        ..hasty()
    })
    .await;
    let script = Script {
        ignore_term: true,
        ..Script::default()
    };
    let worker = asking.worker("leaves", script).await;
    leaving(&asking, &STOPPING, &worker, Duration::ZERO, Stopping, || {
        tell(&worker, &[Act::Exit(0)]);
    })
    .await;
}

/// A worker that was told to leave for good, and leaves only when `let_go` says so.
async fn leaving(
    asking: &Asking,
    row: &Row,
    worker: &Worker,
    drain_grace: Duration,
    state: WorkerState,
    let_go: impl FnOnce(),
) {
    let told = async {
        asking.in_state(worker, state).await;
        asking.called(row, worker).await;
        let request = RestartWorkerRequest {
            worker_id: worker.id.clone(),
            drain_grace: None,
        };
        let refused = asking.cluster.hive_client().restart_worker(request).await;
        let refused = RemoteFault::from(&refused.unwrap_err());
        let Becomes::Refused(reason) = row.restart else {
            panic!("{row:?}")
        };
        assert!(refused.is(reason), "{refused:?}");
        // Who asks as well is answered with the first; one more answer is no other.
        let second = tokio::spawn({
            let mut client = asking.cluster.hive_client();
            let request = StopWorkerRequest {
                worker_id: worker.id.clone(),
                drain_grace: Some(Duration::from_secs(600).try_into().unwrap()),
            };
            async move { client.stop_worker(request).await }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!second.is_finished(), "it is not gone yet");
        let_go();
        let second = tokio::time::timeout(DEADLINE, second).await.unwrap().unwrap();
        second.unwrap().into_inner().worker.unwrap()
    };
    let (first, second) = tokio::join!(stop(&asking.cluster, &worker.id, drain_grace), told);
    assert_eq!((first.state(), second.state()), (Stopped, Stopped));
    asking.cluster.assert_nothing_left().await;
}

#[tokio::test]
async fn stopped() {
    let asking = Asking::start().await;
    let worker = asking.worker("leaves", Script::default()).await;
    let first = stop(&asking.cluster, &worker.id, Duration::ZERO).await;
    asking.called(&STOPPED, &worker).await;
    assert_eq!(stop(&asking.cluster, &worker.id, Duration::ZERO).await, first);
    let request = RestartWorkerRequest {
        worker_id: worker.id,
        drain_grace: None,
    };
    let refused = asking.cluster.hive_client().restart_worker(request).await;
    let refused = RemoteFault::from(&refused.unwrap_err());
    assert!(refused.is(reason::WORKER_NOT_FOUND), "{refused:?}");
}

#[tokio::test]
async fn failed() {
    let asking = Asking::start().await;
    for again in [true, false] {
        let name = format!("fails-{again}");
        let script = Script {
            loading: vec![Act::Fail(reason::MODEL_CORRUPT.into())],
            starts: asking.starts(&name, 2),
            ..Script::default()
        };
        let worker = asking.worker(&name, script).await;
        tell(&worker, &[Act::Exit(1)]);
        let failed = asking.in_state(&worker, WorkerState::Failed).await;
        assert_eq!(failed.failure.unwrap().reason, reason::MODEL_CORRUPT);
        assert_eq!((failed.process_id, failed.next_attempt_at), (None, None));
        asking.called(&FAILED, &worker).await;
        if again {
            asking.restarted(&FAILED, &worker).await;
        } else {
            asking.stopped(&FAILED, &worker, Duration::ZERO).await;
        }
    }
}

#[tokio::test]
async fn crash_looping() {
    let mut config = hasty();
    config.restart.limit = 3;
    let asking = Asking::start_with(config).await;
    for again in [true, false] {
        let name = format!("loops-{again}");
        let script = Script {
            loading: vec![Act::Exit(7)],
            starts: asking.starts(&name, 3),
            ..Script::default()
        };
        let worker = asking.worker(&name, script).await;
        tell(&worker, &[Act::Exit(1)]);
        let looping = asking.in_state(&worker, WorkerState::CrashLooping).await;
        let failure = looping.failure.clone().unwrap();
        assert_eq!(
            (failure.reason.as_str(), failure.exit_code),
            (reason::WORKER_EXITED, Some(7)),
            "the last crash"
        );
        assert_eq!(looping.restart_count, 2, "the third crash was the last");
        assert_eq!((looping.process_id, looping.next_attempt_at), (None, None));
        asking.called(&CRASH_LOOPING, &worker).await;
        if again {
            asking.restarted(&CRASH_LOOPING, &worker).await;
        } else {
            asking.stopped(&CRASH_LOOPING, &worker, Duration::ZERO).await;
        }
    }
}
