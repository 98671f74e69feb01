//! `rbee hive drain`.

use std::collections::HashMap;

use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::watch_workers_response::Event;
use rbee_proto::hive::v1::{DrainRequest, DrainResponse, WatchWorkersRequest, WatchWorkersResponse};
use rbee_proto::types::v1::{Worker, WorkerState};
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use super::Session;
use super::interrupt::{Outcome, or_ctrl_c};
use crate::args::DrainArgs;
use crate::connect::{Cluster, choose_hive};
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::{Output, note};
use crate::render::{human, plain_text, views, workers};

/// Empties a hive and shows how its workers leave.
pub(super) async fn run(arguments: &DrainArgs, cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let hives = cluster.all_hives().await?;
    let hive = choose_hive(&hives, arguments.hive.as_deref())?;
    let doing = || format!("can't drain the hive {}", hive.name);
    let channel = cluster.hive_channel(&hive.address).await?;
    let (mut client, mut watcher) = (
        HiveServiceClient::new(channel.clone()),
        HiveServiceClient::new(channel),
    );
    let request = DrainRequest {
        drain_grace: arguments.grace.to_proto(),
    };
    let outcome = or_ctrl_c(async {
        let workers = watcher.watch_workers(WatchWorkersRequest {}).await.doing(doing)?;
        let drained = async { client.drain(request).await.doing(doing) };
        let telling = tell(workers.into_inner(), Leaving::default(), session.output);
        // Both futures live until the drain has ended: a watch that ends early is no reason to stop.
        tokio::pin!(drained, telling);
        let mut told = false;
        loop {
            tokio::select! {
                // What was told before the drain ended is shown before that.
                biased;
                result = &mut telling, if !told => {
                    result?;
                    told = true;
                }
                answer = &mut drained => break answer,
            }
        }
    })
    .await;
    match outcome {
        Outcome::Done(answer) => end(&answer?.into_inner(), &hive.name, session.output),
        Outcome::Interrupted => Err(left(&hive.name)),
    }
}

/// Tells of each worker that comes into another state, until the watch ends.
async fn tell(
    mut watch: impl Stream<Item = Result<WatchWorkersResponse, Status>> + Unpin,
    mut leaving: Leaving,
    output: Output,
) -> Result<(), Failure> {
    while let Some(Ok(message)) = watch.next().await {
        let Some(worker) = message.event.and_then(|event| leaving.news(event)) else {
            continue;
        };
        if output.json {
            output.json_line(&views::Drain::Worker {
                worker: Box::new((&worker).into()),
            })?;
        } else {
            note(&line(&worker, output));
        }
    }
    Ok(())
}

/// Which workers there were, so that what has changed can be told.
#[derive(Debug, Default)]
struct Leaving {
    synced: bool,
    states: HashMap<String, (i32, bool)>,
}

impl Leaving {
    /// The worker, if it is in another state than before. How things were at first is no news, unless it leaves
    /// already: the drain may be quicker than the watch.
    fn news(&mut self, event: Event) -> Option<Worker> {
        match event {
            Event::Synced(_) => self.synced = true,
            Event::Upserted(worker) => {
                let state = (worker.state, worker.process_id.is_some());
                let before = self.states.insert(worker.id.clone(), state);
                let leaves = matches!(worker.state(), WorkerState::Draining | WorkerState::Stopping);
                return ((self.synced || leaves) && before != Some(state)).then_some(worker);
            }
            Event::RemovedId(id) => {
                self.states.remove(&id);
            }
        }
        None
    }
}

fn line(worker: &Worker, output: Output) -> String {
    let state = workers::state(worker, &human::now());
    let tone = workers::tone(worker);
    let process = match worker.process_id {
        Some(_) => "",
        None => ", its process has ended",
    };
    format!(
        "{} is {}{process}",
        plain_text::one_line(&worker.id),
        output.remark_paint.tone(tone, &plain_text::one_line(&state))
    )
}

fn end(drained: &DrainResponse, name: &str, output: Output) -> Result<(), Failure> {
    if output.json {
        let hive = drained.hive.clone().unwrap_or_default();
        output.json_line(&views::Drain::Drained {
            hive: Box::new((&hive).into()),
            worker_ids: &drained.worker_ids,
        })?;
    } else {
        output.line(&plain_text::one_line(&result(drained, name)))?;
    }
    Ok(())
}

/// What came of it: who comes back, and how.
fn result(drained: &DrainResponse, name: &str) -> String {
    match drained.worker_ids.as_slice() {
        [] => format!("{name} is drained: `rbee hive resume {name}` lets it take workers again"),
        ids => format!(
            "{name} is drained: `rbee hive resume {name}` brings {} back ({})",
            human::number(ids.len() as u64, "worker"),
            ids.join(", ")
        ),
    }
}

/// What to say to who leaves a drain alone.
fn left(name: &str) -> Failure {
    Failure::new(Exit::Interrupted, "stopped watching")
        .because(format!("the hive {name} takes no workers"))
        .hint(format!(
            "`rbee hive show {name}` shows whether it is empty, `rbee hive resume {name}` ends the drain"
        ))
}

#[cfg(test)]
mod tests {
    use rbee_proto::hive::v1::WorkersSynced;

    use super::*;

    fn worker(state: WorkerState, process_id: Option<u32>) -> Event {
        Event::Upserted(Worker {
            id: "w1".into(),
            state: state as i32,
            process_id,
            ..Worker::default()
        })
    }

    #[test]
    fn only_what_changes_is_told() {
        let mut leaving = Leaving::default();
        let mut states = |event| leaving.news(event).map(|worker| worker.state());
        assert_eq!(states(worker(WorkerState::Busy, Some(1))), None);
        assert_eq!(states(Event::Synced(WorkersSynced {})), None);
        assert_eq!(states(worker(WorkerState::Busy, Some(1))), None);
        assert_eq!(
            states(worker(WorkerState::Draining, Some(1))),
            Some(WorkerState::Draining)
        );
        assert_eq!(
            states(worker(WorkerState::Pending, None)),
            Some(WorkerState::Pending)
        );
        assert_eq!(states(worker(WorkerState::Pending, None)), None);
    }

    #[test]
    fn the_result_says_who_comes_back() {
        let drained = |ids: &[&str]| DrainResponse {
            worker_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..DrainResponse::default()
        };
        assert_eq!(
            result(&drained(&["qwen-1", "gemma-2"]), "desk"),
            "desk is drained: `rbee hive resume desk` brings 2 workers back (qwen-1, gemma-2)"
        );
        assert!(result(&drained(&[]), "desk").contains("take workers again"));
    }
}
