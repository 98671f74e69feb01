//! One pass over a file: attempts with ticks beside them, and an end that leaves the part in order.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::download::{Download, Downloader, blocking};
use super::error::{AnswerProblem, DownloadError, Failure};
use super::meter::{Meter, Progress};
use super::part::{Part, disk};
use super::pipeline::{Closed, Pipeline};
use super::ranges::RangeSet;
use super::state::PartState;

/// Progress is told this often.
const TICK: Duration = Duration::from_millis(100);

/// What is to come, and what is on its way.
#[derive(Debug)]
pub(super) struct Plan {
    /// Handed to the writer.
    pub(super) sent: RangeSet,
    /// That, and what connections of this attempt are after.
    pub(super) claimed: RangeSet,
}

/// One pass over a file.
pub(super) struct Session<'a> {
    pub(super) with: &'a Downloader,
    pub(super) what: &'a Download,
    pub(super) part: Arc<Part>,
    pub(super) pipeline: Pipeline,
    /// Key, size, validator; the ranges in it are put in when it is saved.
    state: Mutex<PartState>,
    plan: Mutex<Plan>,
    /// Bytes that came from the network.
    pub(super) received: AtomicU64,
    /// Held while the state is written, or taken back.
    pub(super) gate: Arc<tokio::sync::Mutex<()>>,
    /// What went wrong while it was written.
    pub(super) trouble: Arc<Mutex<Option<DownloadError>>>,
    resumed_bytes: u64,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<Closed> for Failure {
    fn from(Closed: Closed) -> Self {
        Self::Pipeline
    }
}

impl<'a> Session<'a> {
    /// Takes up what is there.
    pub(super) async fn open(
        with: &'a Downloader,
        what: &'a Download,
        part: &Arc<Part>,
    ) -> Result<Self, DownloadError> {
        let (key, digest) = (
            what.key.clone(),
            what.expected.digest.map(|digest| digest.to_string()),
        );
        let (loading, size_bytes) = (Arc::clone(part), what.expected.size_bytes);
        let (mut state, done) = blocking(move || loading.load(&key, digest, size_bytes)).await?;
        state.size_bytes = state.size_bytes.or(size_bytes);
        let pipeline =
            Pipeline::start(part, done.clone()).map_err(disk("start writing", &part.paths.part))?;
        Ok(Self {
            with,
            what,
            part: Arc::clone(part),
            pipeline,
            state: Mutex::new(state),
            resumed_bytes: done.covered(),
            plan: Mutex::new(Plan {
                claimed: done.clone(),
                sent: done,
            }),
            received: AtomicU64::new(0),
            gate: Arc::default(),
            trouble: Arc::default(),
        })
    }

    pub(super) fn resumed_bytes(&self) -> u64 {
        self.resumed_bytes
    }

    /// One at a time: a guard lives to the end of its statement, and none is held while another is taken.
    pub(super) fn state(&self) -> MutexGuard<'_, PartState> {
        lock(&self.state)
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        lock(&self.plan)
    }

    /// Until the file is whole: its size and SHA-256. However it ends, the part is left resumable, or, with nothing
    /// in it, not at all.
    pub(super) async fn run(
        mut self,
        cancel: &CancellationToken,
        on_progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<(u64, [u8; 32]), DownloadError> {
        let result = self.drive(cancel, on_progress).await;
        let (drained, result) = match result {
            Ok(()) => {
                // The wait can be dropped: the threads end by themselves.
                let drained = tokio::select! {
                    drained = self.pipeline.drain(true) => Some(drained),
                    () = cancel.cancelled() => None,
                };
                match drained {
                    Some(drained) => (drained, Ok(())),
                    None => (self.pipeline.drain(false).await, Err(self.cancelled())),
                }
            }
            Err(error) => (self.pipeline.drain(false).await, Err(error)),
        };
        // A write under way goes first.
        let gate = self.gate.lock().await;
        let closed = self.close().await;
        drop(gate);
        match (drained, result) {
            (Err(source), Err(Failure::Pipeline) | Ok(())) => Err(self.disk_failure(source).await),
            (_, Err(failure)) => Err(self.told(failure)),
            (Ok(drained), Ok(())) => {
                closed?;
                let size = self.state().size_bytes;
                match drained.sha256 {
                    Some(sha256) if Some(drained.hashed_bytes) == size => Ok((drained.hashed_bytes, sha256)),
                    _ => {
                        let cause = std::io::Error::other("not all that was written could be hashed");
                        Err(disk("read", &self.part.paths.part)(cause))
                    }
                }
            }
        }
    }

    fn cancelled(&self) -> Failure {
        Failure::Final(DownloadError::Cancelled {
            name: self.what.name.clone(),
        })
    }

    /// Attempts, with ticks beside them.
    async fn drive(
        &self,
        cancel: &CancellationToken,
        on_progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<(), Failure> {
        self.check_space().await?;
        let (mut meter, begun) = (Meter::default(), Instant::now());
        let mut told = None;
        let mut tell = |meter: &mut Meter| {
            meter.note(begun.elapsed(), self.received.load(Ordering::Relaxed));
            let there = self.plan().sent.covered();
            let total = self.state().size_bytes;
            let progress = meter.progress(there, total);
            if told != Some(progress) {
                told = Some(progress);
                on_progress(progress);
            }
        };
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut flushed, mut flushed_bytes) = (begun, self.resumed_bytes);
        let mut work = pin!(self.work());
        loop {
            // All are cancel safe: what `work` did is in the plan, and what it was doing is done again.
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(self.cancelled()),
                done = &mut work => {
                    tell(&mut meter);
                    return done;
                }
                _ = tick.tick() => {
                    tell(&mut meter);
                    if let Some(trouble) = lock(&self.trouble).take() {
                        return Err(trouble.into());
                    }
                    let there = self.plan().sent.covered();
                    if flushed.elapsed() >= self.with.config.flush_every && there != flushed_bytes {
                        (flushed, flushed_bytes) = (Instant::now(), there);
                        self.flush();
                    }
                }
            }
        }
    }

    /// Attempts until the file is whole or the policy says enough.
    async fn work(&self) -> Result<(), Failure> {
        let mut failures = 0;
        let mut came = self.received.load(Ordering::Relaxed);
        loop {
            let failure = match self.attempt().await {
                Ok(()) if self.is_whole() => return Ok(()),
                // Less came than was asked for, in good order.
                Ok(()) => self.shorter_than_asked(),
                Err(failure) if failure.is_transient() => failure,
                Err(failure) => return Err(failure),
            };
            let now = self.received.load(Ordering::Relaxed);
            // A hundredth of the file, or a mebibyte: a byte each time is no progress.
            let enough = self
                .state()
                .size_bytes
                .map_or(1 << 20, |size| (size / 100).clamp(1, 1 << 20));
            if now - came >= enough {
                (failures, came) = (0, now);
            }
            failures += 1;
            let Some(pause) = self.with.config.retry.draw_pause(failures, failure.wait()) else {
                return Err(failure);
            };
            tracing::debug!(name = self.what.name, ?failure, failures, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    fn shorter_than_asked(&self) -> Failure {
        let got_bytes = self.plan().sent.covered();
        Failure::Answer {
            host: "the server".to_owned(),
            problem: AnswerProblem::Short {
                got_bytes,
                expected_bytes: self.state().size_bytes.unwrap_or(got_bytes),
            },
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        let size = self.state().size_bytes;
        size.is_some_and(|size| self.plan().sent.is_whole(size))
    }

    /// The failure as callers hear of it.
    fn told(&self, failure: Failure) -> DownloadError {
        match failure {
            Failure::Http(error) => error.into(),
            Failure::Answer { host, problem } => DownloadError::Answer {
                host,
                name: self.what.name.clone(),
                problem,
            },
            Failure::Final(error) => error,
            Failure::Pipeline => {
                disk("write", &self.part.paths.part)(std::io::Error::other("writing ended early"))
            }
        }
    }
}
