//! The engine thread: takes commands, steps the scheduler, and survives nothing silently.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError};

use tokio::sync::watch;

use super::EngineExit;
use super::embedding::EmbedJob;
use super::error::EngineError;
use super::scheduler::{Job, Scheduler};

/// What a handle tells the thread.
pub(super) enum Command {
    /// Take a request.
    Generate(Box<Job>),
    /// Make vectors.
    Embed(Box<EmbedJob>),
    /// End when everything accepted is done.
    Drain,
    /// End now.
    Abort,
}

/// Starts the thread. `exited` gets its value before the inbox closes, so that a handle that finds
/// the inbox closed can tell why.
pub(super) fn spawn(
    mut scheduler: Scheduler,
    inbox: Receiver<Command>,
    exited: watch::Sender<Option<EngineExit>>,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut scheduler, &inbox)));
            let exit = match outcome {
                Ok(()) => EngineExit::Stopped,
                Err(panic) => EngineExit::Panicked {
                    message: panic_message(&*panic),
                },
            };
            if let EngineExit::Panicked { message } = &exit {
                tracing::error!(message, "the engine thread panicked");
                scheduler.fail_all(&EngineError::Failed {
                    message: message.clone(),
                });
            }
            // What the panic left of the model is not to be trusted, not even to be dropped with care;
            // the process leaves right after this.
            exited.send_replace(Some(exit));
            drop(inbox);
        })?;
    Ok(())
}

fn run(scheduler: &mut Scheduler, inbox: &Receiver<Command>) {
    let mut draining = false;
    loop {
        // Sleep only when there is nothing to compute.
        if scheduler.is_idle() {
            if draining {
                return;
            }
            match inbox.recv() {
                Ok(command) => {
                    if take(scheduler, command, &mut draining) {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
        loop {
            match inbox.try_recv() {
                Ok(command) => {
                    if take(scheduler, command, &mut draining) {
                        return;
                    }
                }
                Err(TryRecvError::Empty) => break,
                // Nobody can ask for more, but streams may still be read.
                Err(TryRecvError::Disconnected) => {
                    draining = true;
                    break;
                }
            }
        }
        scheduler.step();
    }
}

/// Takes one command; true when the thread is to end now.
fn take(scheduler: &mut Scheduler, command: Command, draining: &mut bool) -> bool {
    match command {
        Command::Generate(job) => scheduler.accept(*job),
        Command::Embed(job) => scheduler.accept_embedding(*job),
        Command::Drain => *draining = true,
        Command::Abort => {
            scheduler.fail_all(&EngineError::ShuttingDown);
            return true;
        }
    }
    false
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
