//! A job as a stream of messages.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use rbee_proto::provisioner::v1::Job;
use rbee_service_kit::Fault;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::ProvisionerRpc;
use crate::domain::imported::ImportJob;
use crate::grpc::convert::job_to_wire;
use crate::jobs::{JobHandle, Output};

/// A stream of answers.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Lines that come within this time go out together.
const LINES_EVERY: Duration = Duration::from_millis(100);

/// Where a client is in a job.
struct Following {
    job: watch::Receiver<ImportJob>,
    output: Arc<Output>,
    lines: watch::Receiver<u64>,
    /// Lines that the client has.
    read: u64,
    told_at: Instant,
    shutdown: CancellationToken,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begins,
    Follows,
    Ended,
}

impl Following {
    /// The next message: the job as it is now, and the lines since the message before. `None` behind the end.
    async fn next(&mut self) -> Option<Result<(Job, Vec<String>), Status>> {
        match self.state {
            State::Ended => return None,
            State::Begins => self.state = State::Follows,
            State::Follows => {
                let lines_due = self.told_at + LINES_EVERY;
                // Cancel safe: what was not told is still to be seen. A job's steps go out as they come, since
                // they are rare or paced where they are made; lines are gathered.
                let changed = tokio::select! {
                    biased;
                    () = self.shutdown.cancelled() => None,
                    changed = self.job.changed() => Some(changed.is_ok()),
                    changed = async {
                        tokio::time::sleep_until(lines_due).await;
                        self.lines.changed().await
                    } => Some(changed.is_ok()),
                };
                match changed {
                    Some(true) => {}
                    // The job's task is gone without an end: the service leaves.
                    Some(false) | None => {
                        self.state = State::Ended;
                        return Some(Err(Fault::shutting_down().into()));
                    }
                }
            }
        }
        let job = self.job.borrow_and_update().clone();
        self.lines.mark_unchanged();
        self.told_at = Instant::now();
        if job.state.has_ended() {
            self.state = State::Ended;
        }
        let lines = self.output.take(&mut self.read);
        Some(Ok((job_to_wire(&job), lines)))
    }
}

impl ProvisionerRpc {
    /// The job as it is now, then as it goes on, until it ends or the service does.
    pub(super) fn follow<T: Send + 'static>(
        &self,
        job: &JobHandle,
        wrap: fn(Job, Vec<String>) -> T,
    ) -> Answers<T> {
        let output = job.output();
        let following = Following {
            job: job.updates(),
            lines: output.count(),
            output,
            read: 0,
            told_at: Instant::now(),
            shutdown: self.shutdown.clone(),
            state: State::Begins,
        };
        Box::pin(stream::unfold(following, move |mut following| async move {
            let next = following.next().await?;
            Some((next.map(|(job, lines)| wrap(job, lines)), following))
        }))
    }
}
