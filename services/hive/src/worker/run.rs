//! One run of a worker's process.

use std::time::Duration;

use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::{narrate, narrate_warn};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::WorkerFolder;
use super::ended::Ended;
use super::narrate::narrate_ready;
use super::probe::{Patience, probe};
use super::table::Link;
use super::tend::{Tender, changed, served, start_failure, until};
use crate::domain::{Command, Event, Exit, Report, State, plan};
use crate::process::{Launched, WorkerCgroup, WorkerProcess, capture, kill_leftovers_of};
use crate::spawn::Prepared;

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

impl Tender {
    /// Runs the process from start to end. When this ends nothing of it is left.
    pub(super) async fn run(&mut self, prepared: Prepared) {
        self.forget_refusal();
        let Prepared {
            folder,
            command,
            link,
            health,
            proof,
            placed,
            cgroup,
            files,
        } = prepared;
        let supervision = self.parts.config.supervision(plan::ready_timeout(
            self.parts.config.ready_timeout,
            self.parts.config.load_bytes_per_second,
            proof.model.size_bytes,
        ));
        // Whatever becomes of this task, nobody shall wait for the process's answers.
        let _gone = link.gone.clone().drop_guard();
        self.log.conceal(&command.token);
        match self.parts.launcher.launch(command).await {
            Ok(launched) => {
                let mut run = Run {
                    activity: self.place.activity(),
                    tender: self,
                    supervision,
                    link: &link,
                    proof: Some(proof),
                    kill_at: None,
                    ready_since: None,
                    idle_since: None,
                };
                let process_id = launched.process.id();
                let ended = run.until_exit(launched, health, cgroup.as_ref()).await;
                self.clear_away(process_id, &folder, cgroup).await;
                self.parts.host.settled(placed.device_id, process_id).await;
                // In this order: who sees the state that follows sees that nothing is left.
                drop(folder);
                drop(files);
                drop(placed);
                self.decide(ended);
            }
            Err(error) => {
                let failure = start_failure(&error);
                self.log.hive_line(&failure.message);
                drop(folder);
                drop(files);
                drop(placed);
                let _ = self.take(Event::StartFailed(failure));
            }
        }
        self.note_failure().await;
    }

    /// Ends what fled from the process's group: all that is in its control group, or, without one, all that carries its
    /// folder's mark.
    async fn clear_away(&self, process_id: u32, folder: &WorkerFolder, cgroup: Option<WorkerCgroup>) {
        let path = folder.path().to_path_buf();
        let clear = move || match cgroup {
            // Its drop waits for the dying, and removes it.
            Some(group) => {
                group.kill();
                0
            }
            None => kill_leftovers_of(&path),
        };
        // Fails only where the runtime is ending.
        let killed = tokio::task::spawn_blocking(clear).await.unwrap_or(0);
        if killed > 0 {
            let id = self.place.id();
            narrate_warn!(worker_id = %id, "ended {killed} processes that fled from worker {id} (process {process_id})");
        }
    }
}

struct Run<'a> {
    tender: &'a mut Tender,
    activity: watch::Receiver<u32>,
    supervision: Supervision,
    link: &'a Link,
    /// Noted when the worker is ready for the first time in this run.
    proof: Option<crate::domain::Proof>,
    kill_at: Option<Instant>,
    ready_since: Option<Instant>,
    /// Since when it answers nothing; `None` while it does, and once it has asked to leave for it.
    idle_since: Option<Instant>,
}

impl Run<'_> {
    async fn until_exit(
        &mut self,
        launched: Launched,
        health: ClientChannel,
        cgroup: Option<&WorkerCgroup>,
    ) -> Ended {
        let Launched {
            process,
            stdout,
            stderr,
        } = launched;
        let id = self.tender.place.id().clone();
        let log = self.tender.log.clone();
        log.hive_line(&format!("process {} started", process.id()));
        let mut output = capture(id.as_str(), stdout, stderr, log);
        let (health_sender, mut health_events) = mpsc::channel(1);
        let _probe = AbortOnDrop(tokio::spawn(probe(
            health,
            self.supervision.health,
            health_sender,
        )));
        let started = Instant::now();
        let ready_by = started + self.supervision.ready_timeout;
        self.tender
            .place
            .change(|worker| worker.process_id = Some(process.id()));
        self.take(Event::Started, &process).await;

        let exit = loop {
            let state = self.tender.life.state();
            let loading = matches!(state, State::Loading { .. }).then_some(ready_by);
            let drain_over = self.tender.drain_over.filter(|_| state == State::Draining);
            let idle_over = self.idle_over();
            // Cancel safe: receiving, waiting for an exit, a change or a time lose nothing when another branch wins,
            // and each begins anew with the next turn.
            let event = tokio::select! {
                exit = process.wait() => break exit,
                Some(report) = output.reports.recv() => event_of(report),
                Some(event) = health_events.recv() => event,
                () = changed(&mut self.tender.wish) => {
                    let command = self.tender.heed();
                    self.obey(command, &process);
                    continue;
                }
                Ok(()) = self.activity.changed() => Event::Answering(*self.activity.borrow_and_update()),
                () = until(loading) => Event::DeadlinePassed(started.elapsed()),
                () = until(drain_over) => Event::DrainGraceOver,
                () = until(idle_over) => {
                    self.leave_idle();
                    continue;
                }
                () = until(self.kill_at) => {
                    self.kill_at = None;
                    process.kill();
                    continue;
                }
            };
            self.take(event, &process).await;
        };

        // Nobody is to wait for its answers meanwhile.
        self.link.gone.cancel();
        // What it said last explains its exit.
        for report in output.drain(DRAIN_LIMIT).await {
            self.take(event_of(report), &process).await;
        }
        // Counted by the kernel at the latest when the process was reaped.
        let oom_kills = cgroup.map(WorkerCgroup::oom_kills);
        self.process_ended(exit);
        Ended {
            exit,
            served: served(self.ready_since),
            log_tail: output.tail(LOG_TAIL),
            oom_kills,
        }
    }

    async fn take(&mut self, event: Event, process: &WorkerProcess) {
        let before = self.tender.life.state();
        let command = self.tender.apply(event);
        let now = self.tender.life.state();
        let becomes_ready = matches!(before, State::Loading { .. }) && now == State::Ready;
        if becomes_ready {
            // Before others see that it is ready, so that with that they see what it took and can reach it.
            self.measure(process.id());
            self.tender.place.set_link(Some(self.link.clone()));
        }
        self.tender.publish();
        self.obey(command, process);
        if !now.is_same(&before) {
            self.idle_since = (now == State::Ready).then(Instant::now);
        }
        if let State::Loading {
            fraction: Some(fraction),
        } = now
        {
            self.tender.record.loading(fraction);
        }
        if becomes_ready {
            self.ready_since = Some(Instant::now());
            narrate_ready(&self.tender.place.worker());
            if let Some(proof) = self.proof.take() {
                self.tender.note_proof(proof).await;
            }
            self.tender.parts.announce(&self.tender.record, process.id());
        }
    }

    fn obey(&mut self, command: Option<Command>, process: &WorkerProcess) {
        match command {
            Some(Command::Stop) => {
                process.terminate();
                self.kill_at = Some(Instant::now() + self.supervision.stop_grace);
            }
            Some(Command::Kill) => process.kill(),
            Some(Command::Wait(_) | Command::Drain) | None => {}
        }
        // One that is on its way out because it broke answers nobody any more; one that was asked to leave may finish
        // what it has begun.
        if self.tender.life.is_breaking() {
            self.link.gone.cancel();
        }
    }

    /// When it has been idle for too long, if it ever will.
    fn idle_over(&self) -> Option<Instant> {
        let limit = self.tender.wish.borrow().keep.idle_limit()?;
        self.idle_since.map(|since| since + limit)
    }

    /// Asks to be stopped for being idle. The order comes back as a wish.
    fn leave_idle(&mut self) {
        self.idle_since = None;
        let id = self.tender.place.id().clone();
        narrate!(worker_id = %id, "worker {id} has been idle for long enough and leaves");
        let orders = self.tender.orders.clone();
        self.tender.parts.lifecycle.spawn(async move {
            // Only if the hive ends it is not carried out, and then the worker leaves anyway.
            let _ = orders.stop(&id, None).await;
        });
    }

    /// Notes what the worker has taken now that its model is loaded. Asks the kernel or the driver, which answer
    /// within a few milliseconds.
    fn measure(&self, process_id: u32) {
        let place = &self.tender.place;
        let Some(device_id) = place.worker().device_id else {
            return;
        };
        let Some(measured) = self.tender.parts.host.process_memory(device_id, process_id) else {
            return;
        };
        place.change(|worker| {
            if let Some(memory) = &mut worker.memory {
                memory.resident_bytes = Some(measured.resident_bytes);
            }
        });
    }

    /// Nobody can reach the process any more. What becomes of the worker is decided when all that was its is gone.
    fn process_ended(&self, exit: Exit) {
        let tender = &*self.tender;
        tender.log.hive_line(&format!("the process ended: {exit}"));
        tender.place.set_link(None);
        tender.place.change(|worker| worker.process_id = None);
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
