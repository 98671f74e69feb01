//! How a job is followed, ended and written down.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::journal::{JobRecord, Journal};
use super::output::Output;
use crate::domain::imported::ImportJob;
use crate::domain::plan::Plan;
use crate::domain::request::JobRequest;

/// One job, for all who have to do with it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct JobHandle {
    pub(super) updates: watch::Receiver<ImportJob>,
    pub(super) output: Arc<Output>,
    pub(super) cancel: CancellationToken,
    pub(super) record: Arc<Recorded>,
}

/// A job's document. The lock is held while it is written, so that a later state never loses against an
/// earlier one; only threads that may block take it.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) journal: Journal,
    pub(super) record: Mutex<JobRecord>,
}

impl JobHandle {
    /// The job as it is now.
    pub(crate) fn job(&self) -> ImportJob {
        self.updates.borrow().clone()
    }

    /// The job as it goes on. A slow reader misses steps, never the last one; closed after it.
    pub(crate) fn updates(&self) -> watch::Receiver<ImportJob> {
        self.updates.clone()
    }

    /// What its programs print.
    pub(crate) fn output(&self) -> Arc<Output> {
        Arc::clone(&self.output)
    }

    /// What it was asked to do.
    pub(crate) async fn request(&self) -> JobRequest {
        self.look(|record| record.request.clone()).await
    }

    /// What it fetches, once that was decided.
    pub(crate) async fn plan(&self) -> Option<Plan> {
        self.look(|record| record.plan.as_deref().cloned()).await
    }

    /// Writes down what it fetches.
    pub(crate) async fn set_plan(&self, plan: Option<Plan>) -> io::Result<()> {
        self.record(move |record| record.plan = plan.map(Box::new)).await
    }

    /// Whether its part is to go with it.
    pub(super) async fn is_to_discard(&self) -> bool {
        self.look(|record| record.discard).await
    }

    /// Whether it was asked to end; otherwise its work stops because the program does.
    pub(crate) async fn was_cancelled(&self) -> bool {
        self.look(|record| record.cancel_requested).await
    }

    /// Asks the job to end, and lets it be forgotten by no restart.
    pub(super) async fn cancel(&self, discard: bool) -> io::Result<()> {
        let written = self
            .record(move |record| {
                // What has ended stays as it is.
                record.cancel_requested |= !record.job.state.has_ended();
                record.discard |= discard;
            })
            .await;
        self.cancel.cancel();
        written
    }

    /// The job once it has ended.
    pub(crate) async fn ended(&self) -> ImportJob {
        let mut updates = self.updates.clone();
        // An error says that the job's task is gone, with the end of the runtime: what is known is all.
        let _ = updates.wait_for(|job| job.state.has_ended()).await;
        updates.borrow().clone()
    }

    /// Changes what is written down of it. Once begun it is finished, even if the future is dropped.
    pub(super) async fn record(
        &self,
        change: impl FnOnce(&mut JobRecord) + Send + 'static,
    ) -> io::Result<()> {
        let recorded = Arc::clone(&self.record);
        tokio::task::spawn_blocking(move || {
            let mut record = recorded.record.lock();
            change(&mut record);
            recorded.journal.write(&record)
        })
        .await
        .unwrap_or_else(|failed| Err(io::Error::other(failed)))
    }

    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&JobRecord) -> T + Send + 'static) -> T {
        let recorded = Arc::clone(&self.record);
        match tokio::task::spawn_blocking(move || look(&recorded.record.lock())).await {
            Ok(seen) => seen,
            // The runtime is being shut down, and this future with it.
            Err(failed) if failed.is_cancelled() => std::future::pending().await,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
}
