//! Jobs at work: each in a task of its own that outlives the client which asked for it.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use rbee_artifacts::JobId;
use rbee_service_kit::{Lifecycle, narrate, narrate_error};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::domain::board::{Admission, Board, BoardLimits, Refusal};
use crate::domain::imported::{ImportJob, Imported};
use crate::domain::job::{Job, JobEvent, JobFailure, JobPhase, JobState};
use crate::domain::progress::Progress;
use crate::domain::request::JobRequest;
use crate::grpc::job_failure;
use crate::import::{ImportError, Importer};

/// All jobs. Cheap to clone; all clones are the same jobs.
#[derive(Debug, Clone)]
pub(crate) struct Jobs {
    board: Arc<Mutex<Board<JobHandle>>>,
    turns: Arc<Semaphore>,
    importer: Importer,
    lifecycle: Lifecycle,
}

/// How a job is followed and ended.
#[derive(Debug, Clone)]
pub(crate) struct JobHandle {
    updates: watch::Receiver<ImportJob>,
    cancel: CancellationToken,
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

    /// Asks the job to end.
    pub(crate) fn cancel(&self) {
        self.cancel.cancel();
    }

    /// The job once it has ended.
    pub(crate) async fn ended(&self) -> ImportJob {
        let mut updates = self.updates.clone();
        // An error says that the job's task is gone, with the end of the runtime: what is known is all.
        let _ = updates.wait_for(|job| job.state.has_ended()).await;
        updates.borrow().clone()
    }
}

/// Tells the followers of a job how it goes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    job: Arc<watch::Sender<ImportJob>>,
}

impl Reporter {
    pub(crate) fn enter(&self, phase: JobPhase) {
        self.apply(JobEvent::Entered(phase));
    }

    pub(crate) fn advance(&self, progress: Progress) {
        self.apply(JobEvent::Advanced(progress));
    }

    fn apply(&self, event: JobEvent<Imported>) {
        self.job.send_modify(|job| {
            if let Err(error) = job.apply(event, Timestamp::now()) {
                debug_assert!(false, "{error}");
                tracing::error!(job_id = %job.id, %error, "a job was told something impossible");
            }
        });
    }
}

impl Jobs {
    pub(crate) fn new(
        limits: BoardLimits,
        concurrent: usize,
        importer: Importer,
        lifecycle: &Lifecycle,
    ) -> Self {
        Self {
            board: Arc::new(Mutex::new(Board::new(limits))),
            turns: Arc::new(Semaphore::new(concurrent.max(1))),
            importer,
            lifecycle: lifecycle.clone(),
        }
    }

    /// Begins a job, or joins the one that does the same already.
    pub(crate) fn submit(&self, request: JobRequest) -> Result<JobHandle, Refusal> {
        let mut board = self.board.lock();
        if let Admission::Shared(id) = board.admit(&request)?
            && let Some(handle) = board.get(&id)
        {
            return Ok(handle.clone());
        }
        let id = JobId::from(uuid::Uuid::now_v7());
        let (sender, updates) = watch::channel(Job::new(id.clone(), &request, Timestamp::now()));
        // At shutdown all jobs end.
        let cancel = self.lifecycle.token().child_token();
        let handle = JobHandle {
            updates,
            cancel: cancel.clone(),
        };
        board.put(id.clone(), request.clone(), handle.clone());
        drop(board);
        let reporter = Reporter {
            job: Arc::new(sender),
        };
        // Within the trace of the call that asked for it, which it outlives.
        let span = tracing::info_span!("job", job_id = %id, subject = request.subject());
        let work = self.clone().work(id, request, reporter, cancel);
        self.lifecycle.spawn(work.instrument(span));
        Ok(handle)
    }

    pub(crate) fn get(&self, id: &JobId) -> Option<JobHandle> {
        self.board.lock().get(id).cloned()
    }

    /// All jobs, newest first.
    pub(crate) fn list(&self) -> Vec<ImportJob> {
        self.board.lock().newest_first().map(JobHandle::job).collect()
    }

    async fn work(self, id: JobId, request: JobRequest, reporter: Reporter, cancel: CancellationToken) {
        // Cancel safe: a turn that was not taken is nobody's.
        let turn = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            turn = self.turns.clone().acquire_owned() => turn.ok(),
        };
        let end = match turn {
            None => JobEvent::Cancelled,
            Some(_turn) => self.import(&id, request, &reporter, cancel).await,
        };
        // The subject is free before anybody learns that the job has ended, so that whoever waited
        // for that can ask for the next.
        let mut board = self.board.lock();
        board.ended(&id);
        reporter.apply(end);
        drop(board);
        tell(&reporter.job.borrow());
    }

    async fn import(
        &self,
        id: &JobId,
        request: JobRequest,
        reporter: &Reporter,
        cancel: CancellationToken,
    ) -> JobEvent<Imported> {
        let (importer, request_id, reporter) = (self.importer.clone(), id.to_string(), reporter.clone());
        // In a task of its own, so that a panic is that job's failure and leaves no job without an end.
        let import = async move { importer.import(request, &request_id, &reporter, &cancel).await };
        match self.lifecycle.spawn(import.in_current_span()).await {
            Ok(Ok(imported)) => JobEvent::Succeeded(imported),
            Ok(Err(ImportError::Cancelled)) => JobEvent::Cancelled,
            Ok(Err(error)) => JobEvent::Failed(job_failure(&error)),
            Err(error) if error.is_panic() => {
                tracing::error!(job_id = %id, "the job's task panicked");
                JobEvent::Failed(JobFailure {
                    reason: rbee_service_kit::reason::INTERNAL,
                    message: "the job failed for a reason within rbee; the provisioner's log says more"
                        .into(),
                })
            }
            Err(_) => JobEvent::Cancelled,
        }
    }
}

fn tell(job: &ImportJob) {
    let ImportJob {
        id, subject, state, ..
    } = job;
    match state {
        JobState::Succeeded(_) => narrate!(job_id = %id, "{subject} was imported"),
        JobState::Failed(JobFailure { reason, message }) => {
            narrate_error!(job_id = %id, reason, "importing {subject} failed: {message}");
        }
        JobState::Cancelled => narrate!(job_id = %id, "importing {subject} was cancelled"),
        JobState::Pending | JobState::Running(_) => {}
    }
}
