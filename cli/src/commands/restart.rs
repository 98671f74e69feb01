//! `rbee worker restart`.

use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::watch_workers_response::Event;
use rbee_proto::hive::v1::{
    GetWorkerRequest, RestartWorkerRequest, WatchWorkersRequest, WatchWorkersResponse,
};
use rbee_proto::types::v1::{Worker, WorkerState};
use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::reason;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use super::Session;
use super::interrupt::{Outcome, or_ctrl_c};
use crate::args::RestartArgs;
use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::{Output, note};
use crate::render::workers::serves;
use crate::render::{human, plain_text, views, workers};

/// Starts workers anew, one after the other, so that of several with one model the others go on serving.
pub(super) async fn run(
    arguments: &RestartArgs,
    cluster: &Cluster,
    session: &Session,
) -> Result<(), Failure> {
    for worker in cluster.workers_named(&arguments.ids).await? {
        let channel = cluster.hive_channel(&worker.hive_address).await?;
        let before = before(channel.clone(), &worker.id).await?;
        let begun = begin(channel.clone(), &worker.id, arguments).await?;
        if arguments.no_wait {
            told(&begun, "is being restarted", session.output)?;
            continue;
        }
        let ready = match or_ctrl_c(wait(channel, &before, &begun, session.output)).await {
            Outcome::Done(ready) => ready?,
            Outcome::Interrupted => return Err(left(&worker.id)),
        };
        told(&ready, "is ready again", session.output)?;
    }
    Ok(())
}

/// How the worker is before it is restarted, as its hive has it.
async fn before(channel: ClientChannel, id: &str) -> Result<Worker, Failure> {
    let request = GetWorkerRequest {
        worker_id: id.to_owned(),
    };
    let answer = HiveServiceClient::new(channel).get_worker(request).await;
    Ok(answer
        .doing(|| doing(id))?
        .into_inner()
        .worker
        .unwrap_or_default())
}

async fn begin(channel: ClientChannel, id: &str, arguments: &RestartArgs) -> Result<Worker, Failure> {
    let request = RestartWorkerRequest {
        worker_id: id.to_owned(),
        drain_grace: arguments.grace.to_proto(),
    };
    let answer = HiveServiceClient::new(channel).restart_worker(request).await;
    let begun = answer.doing(|| doing(id))?.into_inner().worker;
    Ok(begun.unwrap_or_else(|| Worker {
        id: id.to_owned(),
        ..Worker::default()
    }))
}

/// Watches the worker until it is ready again or never will be.
async fn wait(
    channel: ClientChannel,
    before: &Worker,
    begun: &Worker,
    output: Output,
) -> Result<Worker, Failure> {
    let mut told = Told::new(output);
    if !is_as_before(before, begun) {
        told.state(begun)?;
    }
    loop {
        let watch = HiveServiceClient::new(channel.clone())
            .watch_workers(WatchWorkersRequest {})
            .await
            .doing(|| lost(&begun.id))?;
        match follow(watch.into_inner(), before, &mut told).await {
            // Too slow for a hive with much to tell: a new watch begins with how things are.
            Err(failure) if failure.reason.as_deref() == Some(reason::WATCH_LAGGED) => {}
            result => return result,
        }
    }
}

async fn follow(
    mut watch: impl Stream<Item = Result<WatchWorkersResponse, Status>> + Unpin,
    before: &Worker,
    told: &mut Told,
) -> Result<Worker, Failure> {
    let id = before.id.as_str();
    let mut seen = false;
    while let Some(message) = watch.next().await {
        let worker = match message.doing(|| lost(id))?.event {
            Some(Event::Upserted(worker)) if worker.id == id => worker,
            Some(Event::RemovedId(removed)) if removed == id => return Err(gone(id)),
            Some(Event::Synced(_)) if !seen => return Err(gone(id)),
            _ => continue,
        };
        seen = true;
        if is_as_before(before, &worker) {
            continue;
        }
        told.state(&worker)?;
        if let Some(result) = end(worker) {
            return result;
        }
    }
    Err(Failure::new(Exit::Failed, lost(id))
        .because("the hive stopped telling about its workers")
        .hint("`rbee worker ls` shows what became of it"))
}

/// Whether nothing has come of the restart yet: the hive answers when it has ordered it, and the worker's old process
/// may serve for a moment more, or its old failure stand.
fn is_as_before(before: &Worker, now: &Worker) -> bool {
    if serves(now.state) {
        // Without a process nobody serves: the old one has just ended, and its state is not told yet.
        now.process_id.is_none() || now.process_id == before.process_id
    } else {
        now.state == before.state && now.state_since == before.state_since
    }
}

/// What a worker's state means to who waits for it; absent while there is something to wait for.
fn end(worker: Worker) -> Option<Result<Worker, Failure>> {
    match worker.state() {
        state if serves(state as i32) => Some(Ok(worker)),
        WorkerState::Failed | WorkerState::CrashLooping => Some(Err(failed(&worker))),
        WorkerState::Stopped => Some(Err(gone(&worker.id))),
        _ => None,
    }
}

/// What was said last of a worker, so that each state is told once.
struct Told {
    output: Output,
    last: (i32, String),
}

impl Told {
    fn new(output: Output) -> Self {
        Self {
            output,
            last: (0, String::new()),
        }
    }

    /// A line for a state that is new: to scripts as a result, to people as a remark. The last one is the
    /// command's result, and told with that.
    fn state(&mut self, worker: &Worker) -> Result<(), Failure> {
        let reason = worker.failure.as_ref().map(|failure| failure.reason.clone());
        let now = (worker.state, reason.unwrap_or_default());
        if now == self.last || serves(worker.state) {
            return Ok(());
        }
        self.last = now;
        if self.output.json {
            self.output.json_line(&views::Worker::from(worker))?;
        } else {
            let state = workers::state(worker, &human::now());
            let tone = workers::tone(worker);
            note(&format!(
                "{} is {}",
                plain_text::one_line(&worker.id),
                self.output.remark_paint.tone(tone, &plain_text::one_line(&state))
            ));
        }
        Ok(())
    }
}

fn told(worker: &Worker, what: &str, output: Output) -> Result<(), Failure> {
    if output.json {
        output.json_line(&views::Worker::from(worker))?;
    } else {
        output.line(&format!("{} {what}", plain_text::one_line(&worker.id)))?;
    }
    Ok(())
}

fn doing(id: &str) -> String {
    format!("can't restart worker {id}")
}

fn lost(id: &str) -> String {
    format!("worker {id} is being restarted, but can't be watched")
}

/// Why it did not get ready again.
fn failed(worker: &Worker) -> Failure {
    let message = format!("worker {} did not get ready again", worker.id);
    let show = format!("`rbee worker show {}` shows what it logged last", worker.id);
    let Some(why) = &worker.failure else {
        return Failure::new(Exit::Failed, message).hint(show);
    };
    let failure = Failure::new(Exit::of_reason(&why.reason), message).because(&why.message);
    failure.hint(show).reason(&why.reason)
}

fn gone(id: &str) -> Failure {
    Failure::new(Exit::Failed, format!("worker {id} did not get ready again"))
        .because("it was stopped meanwhile")
        .hint("`rbee worker spawn` starts another")
}

/// What to say to who leaves a restart alone.
fn left(id: &str) -> Failure {
    Failure::new(Exit::Interrupted, "stopped watching")
        .because(format!("worker {id} goes on being restarted"))
        .hint(format!("`rbee worker show {id}` shows how far it is"))
}

#[cfg(test)]
mod tests {
    use rbee_proto::hive::v1::WorkersSynced;
    use rbee_proto::types::v1::WorkerFailure;

    use super::*;
    use crate::output::Output;

    fn worker(id: &str, state: WorkerState) -> Event {
        Event::Upserted(Worker {
            id: id.into(),
            state: state as i32,
            process_id: serves(state as i32).then_some(18),
            failure: Some(WorkerFailure {
                reason: reason::WORKER_EXITED.into(),
                message: "killed by signal 9".into(),
                ..WorkerFailure::default()
            }),
            ..Worker::default()
        })
    }

    async fn ends(events: Vec<Event>) -> Result<Worker, Failure> {
        let messages = events.into_iter().map(|event| {
            Ok(WatchWorkersResponse {
                revision: 1,
                event: Some(event),
            })
        });
        let before = Worker {
            id: "w1".into(),
            state: WorkerState::Ready as i32,
            process_id: Some(17),
            ..Worker::default()
        };
        follow(
            tokio_stream::iter(messages),
            &before,
            &mut Told::new(Output::new(true)),
        )
        .await
    }

    const SYNCED: Event = Event::Synced(WorkersSynced {});

    #[tokio::test]
    async fn it_waits_until_the_worker_serves() {
        let ready = ends(vec![
            worker("w1", WorkerState::Draining),
            worker("w2", WorkerState::Ready),
            SYNCED,
            worker("w1", WorkerState::Pending),
            worker("w2", WorkerState::Failed),
            worker("w1", WorkerState::Loading),
            worker("w1", WorkerState::Ready),
        ])
        .await;
        assert_eq!(ready.unwrap().state(), WorkerState::Ready);
    }

    #[tokio::test]
    async fn what_was_before_is_no_result() {
        let serving = |process_id| {
            let Event::Upserted(worker) = worker("w1", WorkerState::Busy) else {
                unreachable!("it was made so");
            };
            Event::Upserted(Worker { process_id, ..worker })
        };
        let ready = ends(vec![serving(Some(17)), SYNCED, serving(None), serving(Some(18))]).await;
        assert_eq!(ready.unwrap().process_id, Some(18), "the old process is not it");

        let failed = |seconds| Worker {
            state: WorkerState::Failed as i32,
            state_since: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            ..Worker::default()
        };
        assert!(is_as_before(&failed(1), &failed(1)));
        assert!(!is_as_before(&failed(1), &failed(2)), "it has failed again");
    }

    #[tokio::test]
    async fn it_says_why_a_worker_does_not_come_back() {
        let failure = ends(vec![worker("w1", WorkerState::CrashLooping)])
            .await
            .unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(failure.reason.as_deref(), Some(reason::WORKER_EXITED));
        assert_eq!(failure.why, ["killed by signal 9"]);
        assert!(failure.hints[0].contains("rbee worker show w1"));
    }

    #[tokio::test]
    async fn a_worker_that_is_gone_is_no_success() {
        for events in [
            vec![SYNCED],
            vec![
                worker("w1", WorkerState::Draining),
                SYNCED,
                Event::RemovedId("w1".into()),
            ],
            vec![worker("w1", WorkerState::Stopped)],
            vec![worker("w1", WorkerState::Loading), SYNCED],
        ] {
            assert_eq!(ends(events).await.unwrap_err().exit, Exit::Failed);
        }
    }
}
