//! What the end of a process means for its worker.

use std::time::Duration;

use jiff::Timestamp;

use super::tend::Tender;
use crate::domain::{Event, Exit, FailureCause, State, cause_of_failure};

/// How a process ended.
pub(super) struct Ended {
    /// The code or signal.
    pub(super) exit: Exit,
    /// From being ready to the end; zero if it never was.
    pub(super) served: Duration,
    /// Its last lines, oldest first.
    pub(super) log_tail: Vec<String>,
    /// How many of its processes the kernel killed for memory, where that is counted.
    pub(super) oom_kills: Option<u64>,
}

impl Tender {
    /// Decides what becomes of the worker, and explains and counts what went wrong.
    pub(super) fn decide(&mut self, ended: Ended) {
        let Ended {
            exit,
            served,
            log_tail,
            oom_kills,
        } = ended;
        let before = self.life.failure().cloned();
        self.drain_over = None;
        let _ = self.apply(Event::Exited { exit, served });
        if self.life.failure() != before.as_ref() {
            self.life.explain_failure(|failure| {
                failure.log_tail = log_tail;
                let cause = cause_of_failure(failure.reason, exit, &failure.log_tail, oom_kills);
                failure.explain(cause);
                failure.occurred_at = Some(Timestamp::now());
            });
        }
        self.publish();
        let failure = self.life.failure();
        if let Some(failure) = failure.filter(|failure| before.as_ref() != Some(*failure)) {
            let cause = failure.cause.map_or("unknown", FailureCause::name);
            self.parts.metrics.crashed(cause);
            if self.life.state() == State::Pending {
                self.parts.metrics.restarted(cause);
            }
        }
    }
}
