//! The one task that owns a worker, from the wish for it to its end.
//!
//! It waits for the worker's turn, has everything prepared, runs the process, and does so again after a crash. What to
//! do next is never decided here but by the worker's [`Life`].

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rbee_service_kit::fault::Chain;
use rbee_service_kit::{narrate_warn, reason};
use tokio::sync::watch;
use tokio::time::Instant;

use super::narrate::narrate_state;
use super::table::Place;
use crate::domain::{Aim, Command, Desired, Event, Failure, Leave, Life, Proof, State, Wish};
use crate::grpc::status;
use crate::log::Log;
use crate::random::random_fraction;
use crate::reconciler::{Note, Orders};
use crate::spawn::{Parts, Prepared, SpawnError, SpawnRecord};

/// How long the last lines of a log may take to the disk when the hive ends.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// Sees to a worker until it is over or the hive ends.
pub(crate) async fn tend(
    parts: Arc<Parts>,
    desired: Desired,
    record: Arc<SpawnRecord>,
    wish: watch::Receiver<Wish>,
    orders: Orders,
    place: Place,
    log: Log,
) {
    let life = Life::new(
        parts.config.restart.policy(),
        desired.proof.is_some(),
        desired.failure.clone(),
    );
    let mut tender = Tender {
        parts,
        desired,
        record,
        wish,
        orders,
        place,
        log,
        life,
        restarts: 0,
        next_attempt: Some(Instant::now()),
        drain_over: None,
        error: None,
    };
    tender.publish();
    while !tender.life.is_over() {
        tender.wait_for_turn().await;
        let Some(prepared) = tender.prepare().await else {
            continue;
        };
        tender.run(prepared).await;
    }
    tender.end().await;
}

/// A worker and who sees to it.
pub(super) struct Tender {
    pub(super) parts: Arc<Parts>,
    pub(super) desired: Desired,
    pub(super) record: Arc<SpawnRecord>,
    pub(super) wish: watch::Receiver<Wish>,
    pub(super) orders: Orders,
    pub(super) place: Place,
    pub(super) log: Log,
    pub(super) life: Life,
    /// Restarts by hand that were seen to.
    restarts: u64,
    next_attempt: Option<Instant>,
    pub(super) drain_over: Option<Instant>,
    /// Why the last attempt was refused, with all that a client can be told.
    error: Option<SpawnError>,
}

impl Tender {
    /// Waits until the worker is to be started, or is over.
    async fn wait_for_turn(&mut self) {
        let _ = self.heed();
        while matches!(
            self.life.state(),
            State::Pending | State::Failed | State::CrashLooping
        ) && !self.life.is_over()
        {
            let serves = matches!(self.wish.borrow().aim, Aim::Serve { .. });
            let turn = self
                .next_attempt
                .filter(|_| serves && self.life.state() == State::Pending);
            // Cancel safe: a change of the wish that was not seen is seen with the next turn.
            tokio::select! {
                () = until(turn) => { let _ = self.take(Event::Begin); }
                () = changed(&mut self.wish) => { let _ = self.heed(); }
            }
        }
    }

    /// Has everything prepared that the process needs. `None` if that is refused, or not wanted any more.
    async fn prepare(&mut self) -> Option<Prepared> {
        if self.life.state() != State::Validating {
            return None;
        }
        let parts = self.parts.clone();
        let (desired, record) = (self.desired.clone(), self.record.clone());
        let (fetched, mut fetching) = watch::channel((0, 0));
        let mut preparing = Box::pin(async move { parts.prepare(&desired, &record, &fetched).await });
        loop {
            // Cancel safe: the preparation is kept from turn to turn; of the others nothing is lost by waiting anew.
            let prepared = tokio::select! {
                prepared = &mut preparing => prepared,
                Ok(()) = fetching.changed() => {
                    let (done_bytes, total_bytes) = *fetching.borrow_and_update();
                    self.record.fetching(done_bytes, total_bytes);
                    let _ = self.take(Event::Fetching { done_bytes, total_bytes });
                    continue;
                }
                () = changed(&mut self.wish) => {
                    let _ = self.heed();
                    if matches!(self.life.state(), State::Validating | State::Fetching { .. }) {
                        continue;
                    }
                    // Dropped here: what was prepared is given back.
                    return None;
                }
            };
            match prepared {
                Ok(prepared) => {
                    let (device_id, memory) = (prepared.placed.device_id, prepared.memory());
                    self.place.change(|worker| {
                        worker.device_id = Some(device_id);
                        worker.memory = memory;
                    });
                    let _ = self.take(Event::Prepared);
                    return Some(prepared);
                }
                Err(error) => {
                    self.refuse(error).await;
                    return None;
                }
            }
        }
    }

    async fn refuse(&mut self, error: SpawnError) {
        let fault = status::spawn(&error);
        let failure = Failure {
            occurred_at: Some(Timestamp::now()),
            ..Failure::new(fault.reason(), fault.message())
        };
        self.error = Some(error);
        let _ = self.take(Event::Refused(failure));
        self.note_failure().await;
    }

    /// Does what is wished now.
    pub(super) fn heed(&mut self) -> Option<Command> {
        let wish = *self.wish.borrow_and_update();
        self.place.change(|worker| worker.keep = wish.keep);
        let drain = !wish.drain_grace.is_zero();
        let leave = match wish.aim {
            Aim::Leave => Leave::ForGood,
            Aim::Rest => Leave::ToRest,
            Aim::Serve { restarts } if restarts != self.restarts => {
                self.restarts = restarts;
                Leave::ToRestart
            }
            Aim::Serve { .. } => {
                // It may have rested: nothing is left to wait for.
                if self.life.state() == State::Pending && self.next_attempt.is_none() {
                    self.next_attempt = Some(Instant::now());
                }
                return None;
            }
        };
        if leave == Leave::ToRest {
            self.next_attempt = None;
        }
        self.take(Event::Asked { leave, drain })
    }

    /// Takes in what happened, shows it to others, and answers what has to be done with the process.
    pub(super) fn take(&mut self, event: Event) -> Option<Command> {
        let command = self.apply(event);
        self.publish();
        command
    }

    /// Takes in what happened, and answers what has to be done with the process. Others see it with
    /// [`publish`](Self::publish).
    pub(super) fn apply(&mut self, event: Event) -> Option<Command> {
        let command = self.life.apply(event, random_fraction());
        match command {
            Some(Command::Wait(wait)) => self.next_attempt = Some(Instant::now() + wait),
            Some(Command::Drain) => self.drain_over = Some(Instant::now() + self.wish.borrow().drain_grace),
            _ => {}
        }
        command
    }

    /// Shows others how it is.
    pub(super) fn publish(&self) {
        let state = self.life.state();
        let now = Timestamp::now();
        let waits = self.next_attempt.filter(|_| state == State::Pending);
        let mut is_new = false;
        self.place.change(|worker| {
            is_new = !worker.state.is_same(&state);
            if is_new {
                worker.state_since = now;
                // A time that does not move while it is waited for.
                worker.next_attempt_at = waits.and_then(|at| at_time(now, at));
            }
            worker.state = state;
            worker.proven = self.life.is_proven();
            worker.failure = self.life.failure().cloned();
            worker.restart_count = self.life.restart_count();
        });
        if is_new {
            narrate_state(&self.place.worker());
        }
    }

    /// Has the hive remember why the worker failed.
    pub(super) async fn note_failure(&mut self) {
        if let Some(failure) = self.life.failure().cloned()
            && self.life.is_proven()
            && self.desired.failure.as_ref() != Some(&failure)
        {
            self.desired.failure = Some(failure.clone());
            self.note(Note::Failed(failure)).await;
        }
    }

    /// Has the hive remember what the worker is made of, now that it is ready.
    pub(super) async fn note_proof(&mut self, proof: Proof) {
        if self.desired.proof.as_ref() != Some(&proof) {
            self.desired.proof = Some(proof.clone());
            self.note(Note::Proven(Box::new(proof))).await;
        }
    }

    async fn note(&self, note: Note) {
        if let Err(error) = self.orders.note(self.place.id(), note).await {
            // The reconciler tells of it and tries again; the worker goes on.
            tracing::debug!(worker_id = %self.place.id(), error = %Chain(&error), "a note is not written yet");
        }
    }

    /// Leaves nothing behind and tells who waits for the spawn.
    async fn end(self) {
        let id = self.place.id().clone();
        let ending = self.parts.lifecycle.is_shutting_down();
        let failed = self.life.state() == State::Failed;
        if failed
            && !ending
            && let Err(error) = self.orders.stop(&id, None).await
        {
            narrate_warn!(worker_id = %id, "worker {id} is not forgotten yet: {}", Chain(&error));
        }
        if ending {
            // One that is still wanted goes on with its log when the hive is back.
            let _ = tokio::time::timeout(LOG_PATIENCE, self.log.flushed()).await;
        } else {
            self.parts.logs.remove(&id);
        }
        drop(self.place);
        let error = match (self.error, self.life.failure()) {
            (Some(error), _) if failed => error,
            (None, Some(failure)) if failed => SpawnError::Failed(failure.clone()),
            _ if ending => SpawnError::ShuttingDown,
            _ => SpawnError::Stopped,
        };
        if !self.record.is_over() {
            let reason = status::spawn(&error).reason();
            self.parts.metrics.spawn_finished(Err(reason), self.record.age());
        }
        self.record.fail(error);
    }

    /// For a failed start, what the process had to say goes before what the last refusal had.
    pub(super) fn forget_refusal(&mut self) {
        self.error = None;
    }
}

/// Ends at a time, or never.
pub(super) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Ends when the wish is another. Whoever wishes outlives this task, but for the end of the runtime.
pub(super) async fn changed(wish: &mut watch::Receiver<Wish>) {
    if wish.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn at_time(now: Timestamp, at: Instant) -> Option<Timestamp> {
    let wait = at.saturating_duration_since(Instant::now());
    now.checked_add(jiff::SignedDuration::try_from(wait).ok()?).ok()
}

/// For how long it has served.
pub(super) fn served(since: Option<Instant>) -> Duration {
    since.map_or(Duration::ZERO, |since| since.elapsed())
}

/// A failure of the launch.
pub(super) fn start_failure(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure {
        occurred_at: Some(Timestamp::now()),
        ..Failure::new(
            reason::WORKER_START_FAILED,
            format!("the worker could not be started: {}", Chain(error)),
        )
    }
}
