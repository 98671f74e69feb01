//! The one task that owns a worker.

use std::time::Duration;

use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::fault::Chain;
use rbee_service_kit::{narrate, narrate_error, reason};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::folder::WorkerFolder;
use super::probe::{Patience, probe};
use super::table::Place;
use crate::domain::plan::describe_bytes;
use crate::domain::{Command, Event, Failure, Life, Report, State};
use crate::host::{Hold, Host};
use crate::process::{Launched, Launcher, Output, WorkerCommand, WorkerProcess, capture};

/// Lines of its log that a failed worker keeps.
const LOG_TAIL: usize = 50;

/// How long to go on reading what an ended process wrote.
const DRAIN_LIMIT: Duration = Duration::from_millis(250);

/// How patient the hive is with a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Supervision {
    /// It must be ready after this long.
    pub(crate) ready_timeout: Duration,
    /// After it was told to leave, it is killed after this long.
    pub(crate) stop_grace: Duration,
    /// How its health is checked.
    pub(crate) health: Patience,
}

/// A worker that is to run.
#[derive(Debug)]
pub(crate) struct Assignment {
    /// Its place in the table, in [`State::Starting`].
    pub(crate) place: Place,
    /// Its folder.
    pub(crate) folder: WorkerFolder,
    /// Its process.
    pub(crate) command: WorkerCommand,
    /// Where its health is asked.
    pub(crate) health: ClientChannel,
    /// Cancelled when it is to leave.
    pub(crate) stop: CancellationToken,
    /// To be cancelled when it can't answer any more.
    pub(crate) gone: CancellationToken,
    /// The memory that is set aside for it, where it is known how much that must be.
    pub(crate) hold: Option<Hold>,
    /// Where its memory is measured.
    pub(crate) host: Host,
    /// How patient to be.
    pub(crate) supervision: Supervision,
}

/// Runs a worker from start to end. What it leaves in the table is a worker that failed after it
/// had been ready, for people to look at until it is told to leave. When this ends, nothing is left.
pub(crate) async fn supervise(assignment: Assignment, launcher: &Launcher) {
    let Assignment {
        place,
        folder,
        command,
        health,
        stop,
        gone,
        hold,
        host,
        supervision,
    } = assignment;
    // Whatever becomes of this task, nobody shall wait for the worker's answers.
    let _gone = gone.clone().drop_guard();
    let mut life = Life::default();
    match launcher.launch(command).await {
        Ok(launched) => {
            let mut run = Run {
                place: &place,
                life: &mut life,
                gone: &gone,
                host: &host,
                supervision,
                kill_at: None,
            };
            run.until_exit(launched, &folder, health, &stop).await;
        }
        Err(error) => {
            let message = format!("the worker could not be started: {}", Chain(&error));
            let _ = life.apply(Event::StartFailed(Failure::new(
                reason::WORKER_START_FAILED,
                message,
            )));
            publish(&place, &life, None);
        }
    }
    // Its process is gone, and its memory free for others, also while its failure is still to be seen.
    drop(hold);
    narrate_end(&place, &life);
    if life.was_ready() && matches!(life.state(), State::Failed(_)) {
        stop.cancelled().await;
    }
    // First what it had, then its place: who waits for it to be gone waits for both.
    drop(folder);
    drop(place);
}

struct Run<'a> {
    place: &'a Place,
    life: &'a mut Life,
    gone: &'a CancellationToken,
    host: &'a Host,
    supervision: Supervision,
    kill_at: Option<Instant>,
}

impl Run<'_> {
    async fn until_exit(
        &mut self,
        launched: Launched,
        folder: &WorkerFolder,
        health: ClientChannel,
        stop: &CancellationToken,
    ) {
        let Launched {
            process,
            stdout,
            stderr,
        } = launched;
        let mut output = capture(self.place.id().as_str(), stdout, stderr, &folder.log_file());
        let (health_sender, mut health_events) = mpsc::channel(1);
        let _probe = AbortOnDrop(tokio::spawn(probe(
            health,
            self.supervision.health,
            health_sender,
        )));
        let started = Instant::now();
        let ready_by = started + self.supervision.ready_timeout;
        let mut stop_seen = false;
        self.take(Event::Started, &process);

        let exit = loop {
            let loading = matches!(self.life.state(), State::Loading { .. });
            let kill_at = self.kill_at;
            // Cancel safe: receiving, waiting for an exit and waiting for a time lose nothing when
            // another branch wins, and each begins anew with the next turn.
            let event = tokio::select! {
                exit = process.wait() => break exit,
                Some(report) = output.reports.recv() => event_of(report),
                Some(event) = health_events.recv() => event,
                () = stop.cancelled(), if !stop_seen => {
                    stop_seen = true;
                    Event::StopRequested
                }
                () = tokio::time::sleep_until(ready_by), if loading => {
                    Event::DeadlinePassed(started.elapsed())
                }
                () = tokio::time::sleep_until(kill_at.unwrap_or(started)), if kill_at.is_some() => {
                    self.kill_at = None;
                    process.kill();
                    continue;
                }
            };
            self.take(event, &process);
        };

        // What it said last explains its exit.
        for report in output.drain(DRAIN_LIMIT).await {
            self.take(event_of(report), &process);
        }
        self.finish(exit, &output);
    }

    fn take(&mut self, event: Event, process: &WorkerProcess) {
        let was_ready = self.life.was_ready();
        match self.life.apply(event) {
            Some(Command::Stop) => {
                process.terminate();
                self.kill_at = Some(Instant::now() + self.supervision.stop_grace);
            }
            Some(Command::Kill) => process.kill(),
            None => {}
        }
        if matches!(self.life.state(), State::Stopping { failure: Some(_) }) {
            self.gone.cancel();
        }
        let became_ready = self.life.was_ready() && !was_ready;
        if became_ready {
            // Before others see that it is ready, so that with that they see what it took.
            self.measure(process.id());
        }
        publish(self.place, self.life, Some(process.id()));
        if became_ready {
            narrate_ready(self.place);
        }
    }

    /// Notes what the worker has taken now that its model is loaded. Asks the kernel or the driver, which answer
    /// within a few milliseconds.
    fn measure(&self, process_id: u32) {
        let device_id = self.place.worker().device_id;
        let Some(measured) = self.host.process_memory(device_id, process_id) else {
            return;
        };
        self.place.change(|worker| {
            if let Some(memory) = &mut worker.memory {
                memory.resident_bytes = Some(measured.resident_bytes);
            }
        });
    }

    fn finish(&mut self, exit: crate::domain::Exit, output: &Output) {
        let _ = self.life.apply(Event::Exited(exit));
        self.life.keep_log_tail(output.log.tail(LOG_TAIL));
        self.gone.cancel();
        publish(self.place, self.life, None);
    }
}

fn publish(place: &Place, life: &Life, process_id: Option<u32>) {
    place.change(|worker| {
        worker.state = life.state().clone();
        worker.was_ready = life.was_ready();
        worker.process_id = process_id;
    });
}

fn narrate_ready(place: &Place) {
    let id = place.id();
    let memory = place.worker().memory;
    match memory.and_then(|memory| Some((memory, memory.resident_bytes?, memory.error()?))) {
        Some((memory, resident, error)) => narrate!(
            worker_id = %id,
            resident_bytes = resident,
            estimated_bytes = memory.estimate.loaded_bytes(),
            estimate_error = error,
            "worker {id} is ready and has taken {} of the {} that were estimated until here",
            describe_bytes(resident),
            describe_bytes(memory.estimate.loaded_bytes()),
        ),
        None => narrate!(worker_id = %id, "worker {id} is ready"),
    }
}

fn narrate_end(place: &Place, life: &Life) {
    let id = place.id();
    match life.state() {
        State::Failed(failure) => {
            narrate_error!(worker_id = %id, reason = failure.reason, "worker {id} failed: {}", failure.message);
        }
        _ => narrate!(worker_id = %id, "worker {id} has stopped"),
    }
}

fn event_of(report: Report) -> Event {
    match report {
        Report::Loading(fraction) => Event::Loaded(fraction),
        Report::Ready => Event::SaidReady,
        Report::Failed(failure) => Event::SaidFailed(failure),
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
