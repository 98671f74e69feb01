//! Playing one row of the table: a worker for each state.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use rbee_hive::{RestartConfig, WorkerConfig};
use rbee_proto::hive::v1::{RestartWorkerRequest, StopWorkerRequest};
use rbee_proto::types::v1::{Worker, WorkerFailure, WorkerState};
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::{ChatRequest, ChatResponse};
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::scripted_worker::{Act, Script, Starts};
use tonic::{Code, Streaming};

use crate::harness::{Cluster, DEADLINE, quick, request};
use crate::recorder::Recorder;
use crate::table::{Does, Ends, Phase, Row};

/// As quick as a loaded machine can bear: a worker that behaves must never seem to hang.
pub(crate) fn hasty() -> WorkerConfig {
    WorkerConfig {
        ready_timeout: Duration::from_secs(6),
        health_timeout: Duration::from_secs(4),
        stop_grace: Duration::from_secs(1),
        restart: RestartConfig {
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_millis(200),
            ..RestartConfig::default()
        },
        ..quick()
    }
}

/// A worker for each state, all at once, and nothing left of any.
pub(crate) async fn play(row: &Row) {
    let cluster = Cluster::start_with(hasty()).await;
    let recorder = Recorder::start(&cluster).await;
    let scene = Scene {
        cluster: &cluster,
        recorder: &recorder,
        row,
    };
    let phases = Phase::ALL
        .into_iter()
        .filter(|phase| row.ends_in(*phase) != Ends::Never);
    join_all(phases.map(|phase| scene.play(phase))).await;
    cluster.assert_nothing_left().await;
}

struct Scene<'a> {
    cluster: &'a Cluster,
    recorder: &'a Recorder,
    row: &'a Row,
}

impl Scene<'_> {
    async fn play(&self, phase: Phase) {
        let what = format!("{} while {}", self.row.words, phase.words());
        match phase {
            Phase::LoadingFirst => self.loading_first(&what).await,
            Phase::LoadingAgain => self.loading_again(&what).await,
            Phase::Ready | Phase::Busy => self.serving(phase, &what).await,
            Phase::Draining => self.draining(&what).await,
            Phase::Stopping => self.stopping(&what).await,
        }
    }

    /// A worker whose answers take their time.
    fn script(&self) -> Script {
        let script = match &self.row.does {
            Does::Acts(_) => Script::default(),
            Does::Follows(script) => Script::clone(script),
        };
        Script {
            tokens: 1_000_000,
            token_ms: 5,
            ..script
        }
    }

    /// One that misbehaves while it loads.
    fn loading_script(&self) -> Script {
        let loading = match &self.row.does {
            Does::Acts(acts) => acts.clone(),
            Does::Follows(_) => Vec::new(),
        };
        Script {
            loading,
            ..self.script()
        }
    }

    async fn loading_first(&self, what: &str) {
        let model = self.cluster.model("loading-first", &self.loading_script()).await;
        let spawned = self.cluster.spawn(&request(&model)).await;
        match self.row.ends_in(Phase::LoadingFirst) {
            Ends::Gone(reason) => {
                assert_eq!(spawned.reason(), reason, "{what}: {spawned:?}");
                let id = spawned.worker_id.unwrap();
                assert_eq!(self.find(&id).await, None, "{what}: it is gone");
            }
            Ends::GoesOn => {
                let worker = spawned.result.unwrap();
                assert_eq!(worker.restart_count, 0, "{what}");
                self.stops(&worker, what).await;
            }
            other => panic!("{what}: a first start does not end with {other:?}"),
        }
    }

    async fn loading_again(&self, what: &str) {
        let counter = self.cluster.data.path().join("starts-again");
        let script = Script {
            // The second start only: what it does there is over with the third.
            starts: Some(Starts {
                counter,
                from: 1,
                until: 2,
            }),
            ..self.loading_script()
        };
        let worker = self.cluster.spawn_scripted("loading-again", &script).await;
        tell(&worker, &[Act::Exit(1)]);
        match self.row.ends_in(Phase::LoadingAgain) {
            Ends::Anew(reason) => {
                let failure = self.serves_anew(&worker, 2, what).await;
                self.check_failure(&failure, reason, what);
            }
            Ends::Fails(reason) => self.fails(&worker, reason, what).await,
            Ends::GoesOn => {
                let failure = self.serves_anew(&worker, 1, what).await;
                // Of what made it load again.
                assert_eq!(failure.reason, reason::WORKER_EXITED, "{what}");
            }
            other => panic!("{what}: no restart ends with {other:?}"),
        }
        self.stops(&worker, what).await;
    }

    async fn serving(&self, phase: Phase, what: &str) {
        let name = format!("{phase:?}").to_lowercase();
        let worker = self.cluster.spawn_scripted(&name, &self.script()).await;
        let mut chats = Vec::new();
        if phase == Phase::Busy {
            chats = vec![self.chat(&worker.id).await, self.chat(&worker.id).await];
            self.recorder.passes(&worker.id, &[WorkerState::Busy], what).await;
        }
        self.misbehaves(&worker);
        match self.row.ends_in(phase) {
            Ends::Anew(reason) => {
                lost(chats, what).await;
                let failure = self.serves_anew(&worker, 1, what).await;
                self.check_failure(&failure, reason, what);
            }
            Ends::Fails(reason) => {
                lost(chats, what).await;
                self.fails(&worker, reason, what).await;
            }
            Ends::GoesOn => self.goes_on(&worker, phase, chats, what).await,
            other => panic!("{what}: one that serves does not end with {other:?}"),
        }
        self.stops(&worker, what).await;
    }

    async fn draining(&self, what: &str) {
        let worker = self.cluster.spawn_scripted("draining", &self.script()).await;
        let chat = self.chat(&worker.id).await;
        self.recorder.passes(&worker.id, &[WorkerState::Busy], what).await;
        let told = async {
            self.recorder
                .passes(&worker.id, &[WorkerState::Draining], what)
                .await;
            self.misbehaves(&worker);
        };
        let (stopped, ()) = tokio::join!(self.stop(&worker.id, Duration::from_secs(2)), told);
        assert_eq!(stopped.state(), WorkerState::Stopped, "{what}");
        ended(chat, what).await;
    }

    async fn stopping(&self, what: &str) {
        let script = Script {
            // It must still be there to misbehave.
            ignore_term: true,
            ..self.script()
        };
        let worker = self.cluster.spawn_scripted("stopping", &script).await;
        let told = async {
            self.recorder
                .passes(&worker.id, &[WorkerState::Stopping], what)
                .await;
            self.misbehaves(&worker);
        };
        let (stopped, ()) = tokio::join!(self.stop(&worker.id, Duration::ZERO), told);
        assert_eq!(stopped.state(), WorkerState::Stopped, "{what}");
    }

    fn misbehaves(&self, worker: &Worker) {
        if let Does::Acts(acts) = &self.row.does {
            tell(worker, acts);
        }
    }

    /// It was started anew so many times, and answers. Gives the failure that it came back from last.
    async fn serves_anew(&self, worker: &Worker, restarts: u32, what: &str) -> WorkerFailure {
        let anew = [
            WorkerState::Ready,
            WorkerState::Pending,
            WorkerState::Validating,
            WorkerState::Starting,
            WorkerState::Loading,
        ];
        let mut path = anew.repeat(restarts as usize);
        if restarts > 1 {
            // In the middle it did not get ready.
            path.remove(anew.len());
        }
        path.push(WorkerState::Ready);
        self.recorder.passes(&worker.id, &path, what).await;
        let now = self
            .until(&worker.id, what, |worker| {
                worker.state() == WorkerState::Ready && worker.restart_count == restarts
            })
            .await;
        assert_ne!(now.process_id, worker.process_id, "{what}: it is another process");
        if self.answers() {
            let mut chat = self.chat(&worker.id).await;
            assert!(chat.message().await.unwrap().is_some(), "{what}: it answers");
        }
        now.failure.unwrap()
    }

    async fn fails(&self, worker: &Worker, reason: &str, what: &str) {
        let failed = self
            .until(&worker.id, what, |worker| worker.state() == WorkerState::Failed)
            .await;
        self.check_failure(failed.failure.as_ref().unwrap(), reason, what);
        assert_eq!(failed.process_id, None, "{what}");
        let refused = chat(self.cluster, &worker.id).await.unwrap_err();
        assert!(refused.is(reason::WORKER_FAILED), "{what}: {refused:?}");
        assert_eq!(refused.retry_after, None, "{what}");
        // By hand it is tried again, and this start is a good one.
        restart(self.cluster, &worker.id).await;
        let again = self
            .until(&worker.id, what, |worker| worker.state() == WorkerState::Ready)
            .await;
        assert_eq!(again.restart_count, 0, "{what}: its crashes are forgotten");
    }

    /// Whether a worker that goes on answers requests.
    fn answers(&self) -> bool {
        !matches!(&self.row.does, Does::Acts(acts) if acts.contains(&Act::Stall))
    }

    fn check_failure(&self, failure: &WorkerFailure, reason: &str, what: &str) {
        assert_eq!(failure.reason, reason, "{what}: {failure:?}");
        assert_eq!(failure.cause(), self.row.cause, "{what}: {failure:?}");
        assert!(failure.occurred_at.is_some(), "{what}");
    }

    async fn goes_on(&self, worker: &Worker, phase: Phase, chats: Vec<Streaming<ChatResponse>>, what: &str) {
        // Long enough for a hive that would do something about it.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = self.find(&worker.id).await.unwrap();
        let expected = match phase {
            Phase::Busy => WorkerState::Busy,
            _ => WorkerState::Ready,
        };
        assert_eq!(now.state(), expected, "{what}");
        assert_eq!(
            (now.process_id, now.restart_count, now.failure),
            (worker.process_id, 0, None),
            "{what}"
        );
        for mut chat in chats {
            if self.answers() {
                assert!(
                    chat.message().await.unwrap().is_some(),
                    "{what}: the answer goes on"
                );
            }
        }
        if self.answers() {
            let mut chat = self.chat(&worker.id).await;
            assert!(chat.message().await.unwrap().is_some(), "{what}: it answers");
        }
    }

    /// It can be stopped, whatever it has done.
    async fn stops(&self, worker: &Worker, what: &str) {
        let stopped = self.stop(&worker.id, Duration::ZERO).await;
        assert_eq!(stopped.state(), WorkerState::Stopped, "{what}");
        assert_eq!(self.find(&worker.id).await, None, "{what}: it is gone");
    }

    async fn stop(&self, id: &str, drain_grace: Duration) -> Worker {
        stop(self.cluster, id, drain_grace).await
    }

    async fn chat(&self, id: &str) -> Streaming<ChatResponse> {
        let mut chat = chat(self.cluster, id).await.unwrap();
        chat.message().await.unwrap().unwrap();
        chat
    }

    async fn find(&self, id: &str) -> Option<Worker> {
        find(self.cluster, id).await
    }

    async fn until(&self, id: &str, what: &str, holds: impl Fn(&Worker) -> bool) -> Worker {
        until(self.cluster, id, what, holds).await
    }
}

/// Makes a worker do this now. One that is gone does nothing more.
pub(crate) fn tell(worker: &Worker, acts: &[Act]) {
    let folder = format!("/proc/{}/cwd", worker.process_id.unwrap());
    let _ = Act::put_all(acts, Path::new(&folder));
}

pub(crate) async fn find(cluster: &Cluster, id: &str) -> Option<Worker> {
    cluster.workers().await.into_iter().find(|worker| worker.id == id)
}

/// Waits until this is true of a worker.
pub(crate) async fn until(
    cluster: &Cluster,
    id: &str,
    what: &str,
    holds: impl Fn(&Worker) -> bool,
) -> Worker {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let found = find(cluster, id).await;
        match found {
            Some(worker) if holds(&worker) => return worker,
            other => assert!(
                tokio::time::Instant::now() < deadline,
                "{what}: not within {DEADLINE:?}; it is {other:?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn stop(cluster: &Cluster, id: &str, drain_grace: Duration) -> Worker {
    let request = StopWorkerRequest {
        worker_id: id.into(),
        drain_grace: Some(drain_grace.try_into().unwrap()),
    };
    let stopped = tokio::time::timeout(DEADLINE, async {
        cluster.hive_client().stop_worker(request).await
    });
    stopped.await.unwrap().unwrap().into_inner().worker.unwrap()
}

pub(crate) async fn restart(cluster: &Cluster, id: &str) -> Worker {
    let request = RestartWorkerRequest {
        worker_id: id.into(),
        drain_grace: Some(prost_types::Duration::default()),
    };
    let restarted = cluster.hive_client().restart_worker(request).await;
    restarted.unwrap().into_inner().worker.unwrap()
}

pub(crate) async fn chat(cluster: &Cluster, id: &str) -> Result<Streaming<ChatResponse>, RemoteFault> {
    let call = TextServiceClient::new(cluster.worker(id))
        .chat(ChatRequest::default())
        .await;
    call.map(tonic::Response::into_inner)
        .map_err(|status| RemoteFault::from(&status))
}

/// Reads an answer to its end, which must come.
pub(crate) async fn ended(mut chat: Streaming<ChatResponse>, what: &str) -> Option<RemoteFault> {
    let reading = async {
        loop {
            match chat.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(RemoteFault::from(&status)),
            }
        }
    };
    match tokio::time::timeout(DEADLINE, reading).await {
        Ok(end) => end,
        Err(_) => panic!("{what}: an answer is left hanging"),
    }
}

/// Answers that were cut off say so, and that another attempt is worth it.
async fn lost(chats: Vec<Streaming<ChatResponse>>, what: &str) {
    for chat in chats {
        let fault = ended(chat, what).await.unwrap();
        assert!(fault.is(reason::WORKER_LOST), "{what}: {fault:?}");
        assert_eq!(fault.code, Code::Unavailable, "{what}");
        assert!(fault.retry_after.is_some(), "{what}");
    }
}
