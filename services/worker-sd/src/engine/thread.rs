//! The engine thread: requests in their order, side by side where that helps, and nothing that fails silently.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::error::EngineError;
use super::event::{Event, Timings};
use super::handle::Counters;
use super::painter::{Outcome, PaintError, Painter, Progress};
use super::queue::{Job, Next, Queue};
use super::reporter::Reporter;
use super::{EngineExit, memory};

/// All that the thread works with.
pub(super) struct Studio {
    pub(super) painter: Box<dyn Painter>,
    pub(super) model_id: String,
    /// Requests that may be painted side by side.
    pub(super) slots: usize,
    pub(super) queue: Arc<Queue>,
    pub(super) counters: Arc<Counters>,
}

/// A job that is painted.
struct Active {
    job: Box<Job>,
    began: Instant,
    /// What went wrong in telling of it, if anything did.
    failure: Option<EngineError>,
}

impl Studio {
    /// Starts the thread.
    pub(super) fn open(mut self, exited: watch::Sender<Option<EngineExit>>) -> std::io::Result<()> {
        std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                let exit = match self.work() {
                    Ok(()) => EngineExit::Stopped,
                    Err(message) => {
                        tracing::error!(message, "the engine thread panicked");
                        EngineExit::Panicked { message }
                    }
                };
                self.queue.fail_all(&match &exit {
                    EngineExit::Stopped => EngineError::Stopping,
                    EngineExit::Panicked { message } => failed(message),
                });
                exited.send_replace(Some(exit));
            })?;
        Ok(())
    }

    /// Paints until it is told to leave. The error is what a panic said.
    fn work(&mut self) -> Result<(), String> {
        let mut active: Vec<Active> = Vec::new();
        loop {
            while let Some(job) = self.next(&active)? {
                let mut begun = Active {
                    job,
                    began: Instant::now(),
                    failure: None,
                };
                match self.begin(&mut begun)? {
                    Ok(()) => active.push(begun),
                    Err(error) => self.end(begun, Err(error)),
                }
            }
            if active.is_empty() {
                return Ok(());
            }
            for (id, outcome) in self.advance(&mut active)? {
                if let Some(index) = active.iter().position(|active| active.job.id == id) {
                    let ended = active.remove(index);
                    self.end(ended, outcome);
                }
            }
        }
    }

    /// What to begin now. If nothing is under way, it waits for something.
    fn next(&self, active: &[Active]) -> Result<Option<Box<Job>>, String> {
        if active.is_empty() {
            return Ok(match self.queue.next() {
                Next::Paint(job) => Some(job),
                Next::Leave => None,
            });
        }
        if active.len() >= self.slots {
            return Ok(None);
        }
        let Some((id, work)) = self.queue.first() else {
            return Ok(None);
        };
        let joins = guarded(|| self.painter.joins(&work))?;
        Ok(if joins { self.queue.take(id) } else { None })
    }

    fn begin(&mut self, begun: &mut Active) -> Result<Result<(), PaintError>, String> {
        let Self {
            painter,
            model_id,
            queue,
            counters,
            ..
        } = self;
        let mut reporter = begun.reporter(model_id, queue, counters);
        let work = Arc::clone(&reporter.job.work);
        guarded(|| painter.begin(reporter.job.id, &work, &mut reporter))
    }

    fn advance(&mut self, active: &mut [Active]) -> Result<Vec<(u64, Outcome)>, String> {
        let Self {
            painter,
            model_id,
            queue,
            counters,
            ..
        } = self;
        let mut reporters: Vec<Reporter<'_>> = active
            .iter_mut()
            .map(|active| active.reporter(model_id, queue, counters))
            .collect();
        let mut watched: Vec<(u64, &mut dyn Progress)> = reporters
            .iter_mut()
            .map(|reporter| (reporter.job.id, reporter as &mut dyn Progress))
            .collect();
        guarded(|| painter.advance(&mut watched))
    }

    /// Tells how a job ended.
    fn end(&self, ended: Active, outcome: Outcome) {
        let Active { job, began, failure } = ended;
        let end = match outcome {
            Ok(times) => Ok(Event::Finished(Timings {
                queue: began - job.arrived,
                text: times.text,
                denoise: times.denoise,
                decode: times.decode,
            })),
            Err(PaintError::Failed(error)) => Err(error),
            Err(PaintError::Cancelled) => Err(failure.unwrap_or(EngineError::Stopping)),
        };
        memory::give_back();
        self.queue.painted(job.id, end.is_ok().then(|| began.elapsed()));
        // The client may have left.
        let _ = job.events.send(end);
    }
}

impl Active {
    fn reporter<'a>(
        &'a mut self,
        model_id: &'a str,
        queue: &'a Queue,
        counters: &'a Counters,
    ) -> Reporter<'a> {
        Reporter {
            job: &self.job,
            model_id,
            queue,
            counters,
            failure: &mut self.failure,
        }
    }
}

/// Runs it; the error is what a panic in it said. What it worked on is not used after a panic.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panic_message(&*panic))
}

fn failed(message: &str) -> EngineError {
    EngineError::Failed {
        message: message.to_owned(),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(message) = panic.downcast_ref::<&str>() {
        (*message).to_owned()
    } else if let Some(message) = panic.downcast_ref::<String>() {
        message.clone()
    } else {
        "the engine thread panicked".to_owned()
    }
}
