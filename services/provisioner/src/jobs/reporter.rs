//! How a job at work tells how it goes.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::output::Output;
use crate::domain::imported::{ImportJob, Imported};
use crate::domain::job::{JobEvent, JobPhase};
use crate::domain::progress::Progress;

/// Tells the followers of a job how it goes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    pub(super) job: Arc<watch::Sender<ImportJob>>,
    pub(super) output: Arc<Output>,
}

impl Reporter {
    /// It begins to do this.
    pub(crate) fn enter(&self, phase: JobPhase) {
        self.apply(JobEvent::Entered(phase));
    }

    /// It got on.
    pub(crate) fn advance(&self, progress: Progress) {
        self.apply(JobEvent::Advanced(progress));
    }

    /// It is at this file.
    pub(crate) fn file(&self, name: impl Into<String>) {
        self.apply(JobEvent::Reached(name.into()));
    }

    /// A person who watches should know this now.
    pub(crate) fn note(&self, note: impl Into<String>) {
        self.apply(JobEvent::Noted(note.into()));
    }

    /// Its program printed a line.
    pub(crate) fn line(&self, line: impl AsRef<str>) {
        self.output.line(line.as_ref());
    }

    fn apply(&self, event: JobEvent<Imported>) {
        self.apply_at(event, Timestamp::now());
    }

    pub(super) fn apply_at(&self, event: JobEvent<Imported>, now: Timestamp) {
        self.job.send_modify(|job| {
            if let Err(error) = job.apply(event, now) {
                debug_assert!(false, "{error}");
                tracing::error!(job_id = %job.id, %error, "a job was told something impossible");
            }
        });
    }
}
