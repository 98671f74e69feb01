//! Jobs at work: each in a task of its own that outlives the client which asked for it, and written down so that
//! it outlives the program too.
//!
//! A job is written down when it is admitted, when it is decided what it fetches, when it is asked to end, and when
//! it has ended; never for its progress. What has not ended when the program stops is begun anew by the next
//! start, under the same id.

mod handle;
mod journal;
mod output;
mod reporter;

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::Mutex;
use rbee_artifacts::JobId;
use rbee_service_kit::{Lifecycle, narrate, narrate_error, narrate_warn, reason};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub(crate) use handle::JobHandle;
use handle::Recorded;
use journal::{Found, JobRecord, Journal};
pub(crate) use output::Output;
pub(crate) use reporter::Reporter;

use crate::domain::board::{Admission, Board, BoardLimits, Refusal};
use crate::domain::imported::{ImportJob, Imported};
use crate::domain::job::{Job, JobEvent, JobFailure, JobState};
use crate::domain::progress::ProgressMeter;
use crate::domain::request::JobRequest;
use crate::error::JobError;
use crate::grpc::{io_reason, job_failure};
use crate::work::Work;

/// All jobs. Cheap to clone; all clones are the same jobs.
#[derive(Debug, Clone)]
pub(crate) struct Jobs {
    board: Arc<Mutex<Board<JobHandle>>>,
    turns: Arc<Semaphore>,
    journal: Journal,
    work: Work,
    lifecycle: Lifecycle,
}

/// What a job's work has at hand.
#[derive(Debug, Clone)]
pub(crate) struct JobContext {
    /// The job's id, which is that of its requests to the catalog.
    pub(crate) id: String,
    /// Tells how it goes.
    pub(crate) reporter: Reporter,
    /// Says that it is to end.
    pub(crate) cancel: CancellationToken,
    /// What is written down of it.
    pub(crate) handle: JobHandle,
}

impl JobContext {
    /// What the store calls with the bytes of one of several files: tells how far the job is with those before
    /// it, and breaks off once the job is to end.
    pub(crate) fn metered(
        &self,
        meter: &Arc<Mutex<ProgressMeter>>,
        before_bytes: u64,
    ) -> impl FnMut(u64) -> ControlFlow<()> + Send + 'static + use<> {
        let (meter, reporter, cancel) = (Arc::clone(meter), self.reporter.clone(), self.cancel.clone());
        move |done_bytes| {
            if cancel.is_cancelled() {
                return ControlFlow::Break(());
            }
            if let Some(progress) = meter.lock().advance(before_bytes + done_bytes, Instant::now()) {
                reporter.advance(progress);
            }
            ControlFlow::Continue(())
        }
    }
}

impl Jobs {
    /// Opens the journal in `folder`; nothing runs before [`Jobs::resume`].
    pub(crate) fn open(
        folder: PathBuf,
        limits: BoardLimits,
        concurrent: usize,
        work: Work,
        lifecycle: &Lifecycle,
    ) -> io::Result<Self> {
        Ok(Self {
            board: Arc::new(Mutex::new(Board::new(limits))),
            turns: Arc::new(Semaphore::new(concurrent.max(1))),
            journal: Journal::open(folder)?,
            work,
            lifecycle: lifecycle.clone(),
        })
    }

    /// Lists the jobs of earlier lives of the program again, and goes on with those that have not ended.
    pub(crate) async fn resume(&self) -> io::Result<()> {
        let journal = self.journal.clone();
        let Found { records, set_aside } = tokio::task::spawn_blocking(move || journal.read())
            .await
            .map_err(io::Error::other)??;
        for (path, problem) in set_aside {
            narrate_warn!(path = %path.display(), "a job's document is damaged and was set aside: {problem}");
        }
        for mut record in records {
            let (id, request) = (record.job.id.clone(), record.request.clone());
            if record.job.state.has_ended() {
                let (handle, _) = self.handle(record);
                let forgotten = self.board.lock().put_ended(id, request, handle);
                self.forget(forgotten);
                continue;
            }
            // It begins anew; what is there of it is found by those who do the work.
            record.job = Job::new(id.clone(), &request, record.job.created_at);
            let cancelled = record.cancel_requested;
            let (handle, reporter) = self.handle(record);
            if cancelled {
                handle.cancel.cancel();
            }
            narrate!(job_id = %id, "going on with {}", request.in_words());
            self.board.lock().put(id, request.clone(), handle.clone());
            self.begin(request, handle, reporter, None);
        }
        Ok(())
    }

    /// Begins a job, or joins the one that does the same already. When this returns, the job is written down.
    pub(crate) async fn submit(&self, request: JobRequest) -> Result<JobHandle, Refusal> {
        let (handle, written) = self.admit(request)?;
        if let Some(written) = written {
            // An error says that the program ends.
            let _ = written.await;
        }
        Ok(handle)
    }

    fn admit(&self, request: JobRequest) -> Result<(JobHandle, Option<oneshot::Receiver<()>>), Refusal> {
        let mut board = self.board.lock();
        if let Admission::Shared(id) = board.admit(&request)?
            && let Some(handle) = board.get(&id)
        {
            return Ok((handle.clone(), None));
        }
        let id = JobId::from(uuid::Uuid::now_v7());
        let job = Job::new(id.clone(), &request, Timestamp::now());
        let (handle, reporter) = self.handle(JobRecord::new(request.clone(), job));
        board.put(id, request.clone(), handle.clone());
        drop(board);
        let (done, written) = oneshot::channel();
        self.begin(request, handle.clone(), reporter, Some(done));
        Ok((handle, Some(written)))
    }

    fn handle(&self, record: JobRecord) -> (JobHandle, Reporter) {
        let (sender, updates) = watch::channel(record.job.clone());
        let output = Arc::new(Output::default());
        let handle = JobHandle {
            updates,
            output: Arc::clone(&output),
            // At shutdown all work stops.
            cancel: self.lifecycle.token().child_token(),
            record: Arc::new(Recorded {
                journal: self.journal.clone(),
                record: Mutex::new(record),
            }),
        };
        let reporter = Reporter {
            job: Arc::new(sender),
            output,
        };
        (handle, reporter)
    }

    /// The job of this id.
    pub(crate) fn get(&self, id: &JobId) -> Option<JobHandle> {
        self.board.lock().get(id).cloned()
    }

    /// All jobs, newest first.
    pub(crate) fn list(&self) -> Vec<ImportJob> {
        self.board.lock().newest_first().map(JobHandle::job).collect()
    }

    /// Asks a job to end; with `discard`, also to leave nothing to go on from.
    pub(crate) async fn cancel(&self, job: &JobHandle, discard: bool) -> io::Result<()> {
        job.cancel(discard).await?;
        if discard && job.job().state.has_ended() {
            self.work.discard(&job.request().await, job).await;
        }
        Ok(())
    }

    /// The jobs that run or wait.
    pub(crate) fn active(&self) -> Vec<JobHandle> {
        self.board.lock().active().cloned().collect()
    }

    fn begin(
        &self,
        request: JobRequest,
        handle: JobHandle,
        reporter: Reporter,
        written: Option<oneshot::Sender<()>>,
    ) {
        let id = handle.job().id;
        // Within the trace of the call that asked for it, which it outlives.
        let span = tracing::info_span!("job", job_id = %id, subject = request.subject());
        let life = self.clone().live(id, request, handle, reporter, written);
        self.lifecycle.spawn(life.instrument(span));
    }

    async fn live(
        self,
        id: JobId,
        request: JobRequest,
        handle: JobHandle,
        reporter: Reporter,
        written: Option<oneshot::Sender<()>>,
    ) {
        let unwritten = match written {
            None => None,
            Some(written) => {
                let outcome = handle.record(|_| {}).await;
                // An error says that the client has left; its job goes on.
                let _ = written.send(());
                outcome.err()
            }
        };
        let end = match unwritten {
            Some(error) => JobEvent::Failed(JobFailure {
                reason: io_reason(&error),
                message: format!("the job cannot be written down: {error}"),
            }),
            None => self.work(&id, &request, &handle, &reporter).await,
        };
        if matches!(end, JobEvent::Cancelled) && !handle.was_cancelled().await {
            // The program ends, and the next start goes on with the job.
            return;
        }
        if handle.is_to_discard().await {
            self.work.discard(&request, &handle).await;
        }
        let now = Timestamp::now();
        let mut ended = handle.job();
        if ended.apply(end.clone(), now).is_ok() {
            let written = handle.record(move |record| record.job = ended).await;
            if let Err(error) = written {
                narrate_warn!(job_id = %id, "the end of a job cannot be written down, it is begun anew at the next start: {error}");
            }
        }
        // The subject is free before anybody learns that the job has ended, so that whoever waited
        // for that can ask for the next.
        let mut board = self.board.lock();
        let forgotten = board.ended(&id);
        reporter.apply_at(end, now);
        drop(board);
        self.forget(forgotten);
        tell(&request, &reporter.job.borrow());
    }

    /// Waits for a turn and works.
    async fn work(
        &self,
        id: &JobId,
        request: &JobRequest,
        handle: &JobHandle,
        reporter: &Reporter,
    ) -> JobEvent<Imported> {
        let cancel = handle.cancel.clone();
        // Cancel safe: a turn that was not taken is nobody's.
        let turn = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            turn = self.turns.clone().acquire_owned() => turn.ok(),
        };
        let Some(_turn) = turn else {
            return JobEvent::Cancelled;
        };
        let context = JobContext {
            id: id.to_string(),
            reporter: reporter.clone(),
            cancel,
            handle: handle.clone(),
        };
        let (work, request) = (self.work.clone(), request.clone());
        // In a task of its own, so that a panic is that job's failure and leaves no job without an end.
        let work = async move { work.run(request, &context).await };
        match self.lifecycle.spawn(work.in_current_span()).await {
            Ok(Ok(imported)) => JobEvent::Succeeded(imported),
            Ok(Err(JobError::Cancelled)) => JobEvent::Cancelled,
            Ok(Err(error)) => JobEvent::Failed(job_failure(&error)),
            Err(error) if error.is_panic() => {
                tracing::error!(job_id = %id, "the job's task panicked");
                JobEvent::Failed(JobFailure {
                    reason: reason::INTERNAL,
                    message: "the job failed for a reason within rbee; the provisioner's log says more"
                        .into(),
                })
            }
            Err(_) => JobEvent::Cancelled,
        }
    }

    /// Removes the documents of jobs that are not shown any more.
    fn forget(&self, ids: Vec<JobId>) {
        if ids.is_empty() {
            return;
        }
        let journal = self.journal.clone();
        self.lifecycle.spawn(async move {
            let removal =
                tokio::task::spawn_blocking(move || ids.iter().try_for_each(|id| journal.remove(id)));
            if let Ok(Err(error)) = removal.await {
                tracing::warn!(%error, "the document of a job that is not shown any more stays");
            }
        });
    }
}

fn tell(request: &JobRequest, job: &ImportJob) {
    let (id, doing) = (&job.id, request.in_words());
    match &job.state {
        JobState::Succeeded(_) => narrate!(job_id = %id, "{doing} is done"),
        JobState::Failed(JobFailure { reason, message }) => {
            narrate_error!(job_id = %id, reason, "{doing} failed: {message}");
        }
        JobState::Cancelled => narrate!(job_id = %id, "{doing} was cancelled"),
        JobState::Pending | JobState::Running(_) => {}
    }
}
