//! The engine thread: one request after the other, and nothing that fails silently.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::error::EngineError;
use super::event::{Event, Timings};
use super::handle::Counters;
use super::painter::{PaintError, Painter};
use super::queue::{Job, Next, Queue};
use super::reporter::Reporter;
use super::{EngineExit, memory};

/// Starts the thread.
pub(super) fn spawn(
    mut painter: Box<dyn Painter>,
    model_id: String,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    exited: watch::Sender<Option<EngineExit>>,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            let mut exit = EngineExit::Stopped;
            while let Next::Paint(job) = queue.next() {
                if let Err(message) = paint(&mut *painter, &job, &model_id, &queue, &counters) {
                    tracing::error!(message, "the engine thread panicked");
                    exit = EngineExit::Panicked { message };
                    break;
                }
            }
            queue.fail_all(&match &exit {
                EngineExit::Stopped => EngineError::Stopping,
                EngineExit::Panicked { message } => failed(message),
            });
            exited.send_replace(Some(exit));
        })?;
    Ok(())
}

/// Makes a job's pictures and tells how it ended. The error is what a panic said.
fn paint(
    painter: &mut dyn Painter,
    job: &Job,
    model_id: &str,
    queue: &Queue,
    counters: &Counters,
) -> Result<(), String> {
    let began = Instant::now();
    let mut reporter = Reporter {
        job,
        model_id,
        queue,
        counters,
        failure: None,
    };
    let painted = catch_unwind(AssertUnwindSafe(|| painter.paint(&job.work, &mut reporter)));
    let (end, panicked) = match painted {
        Ok(Ok(times)) => {
            let timings = Timings {
                queue: began - job.arrived,
                text: times.text,
                denoise: times.denoise,
                decode: times.decode,
            };
            (Ok(Event::Finished(timings)), Ok(()))
        }
        Ok(Err(PaintError::Failed(error))) => (Err(error), Ok(())),
        Ok(Err(PaintError::Cancelled)) => (
            Err(reporter.failure.take().unwrap_or(EngineError::Stopping)),
            Ok(()),
        ),
        Err(panic) => {
            let message = panic_message(&*panic);
            (Err(failed(&message)), Err(message))
        }
    };
    memory::give_back();
    queue.painted(end.is_ok().then(|| began.elapsed()));
    // The client may have left.
    let _ = job.events.send(end);
    panicked
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
