//! The life of a worker, as a pure function over what happens to it.
//!
//! ```text
//!                    Begin            Prepared           Started           SaidReady and Serving
//!   ┌──▶ Pending ───────────▶ Validating ──────▶ Starting ──────▶ Loading ───────────────────┐
//!   │       ▲                  ⇅ Fetching           │                │                       ▼
//!   │       │ Refused, may pass │                   │ StartFailed    │ Exited        Ready ⇄ Busy
//!   │       └───────────────────┤                   ▼                ▼                  │    │
//!   │ below the limit           │               ┌─────────────────────────┐   Exited    │    │
//!   ├───────────────────────────┼───────────────┤         a crash         │◀────────────┴────┤
//!   │                           │ else          └─────────────────────────┘                  │ asked to leave
//!   │                           ▼                   │ limit reached                          ▼
//!   │ restart by hand        Failed                 ▼                                    Draining
//!   ├────────────────────────┴──────────────── CrashLooping                                  │ no request, or
//!   │                                                                                        ▼ grace over
//!   └── asked to come back, or a crash ◀──────────────────────────────────────────────── Stopping
//!                                                                                            │ for good
//!                                                                                            ▼
//!                                                                                         Stopped
//! ```
//!
//! `docs/workers.md` has the table of all states and what leads from each to which. What holds, and is tested over
//! random sequences of events:
//! - `Stopped` is final, and so is the failure of a worker that never was ready: nobody was promised anything.
//! - `Ready` is reached only from `Loading`, once the worker said so *and* its health says so.
//! - A process that must go is told so exactly once a run ([`Command::Stop`], [`Command::Kill`]), whatever happens meanwhile.
//! - The first cause of a failure is kept: that a killed worker then exits does not hide it.
//! - Once it was asked to leave for good, it is not started again.

use std::time::Duration;

use rbee_service_kit::reason;

use super::{Exit, Failure, RestartPolicy, State, describe_exit};

/// What happens to a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It is its turn.
    Begin,
    /// Files are being fetched.
    Fetching {
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes of all files.
        total_bytes: u64,
    },
    /// Everything that its process needs is there.
    Prepared,
    /// It can't be started as things are.
    Refused(Failure),
    /// Its process runs.
    Started,
    /// Its process could not be started.
    StartFailed(Failure),
    /// It said which share of the model is loaded.
    Loaded(f32),
    /// It said that it is ready.
    SaidReady,
    /// Its health says that it serves.
    Serving,
    /// It said that it can't go on, and why.
    SaidFailed(Failure),
    /// It is not ready after this long.
    DeadlinePassed(Duration),
    /// Its health did not answer for this long.
    Unresponsive(Duration),
    /// It is answering this many requests.
    Answering(u32),
    /// It is to leave, as said; requests that run may finish if there is a grace for them.
    Asked {
        /// Whether, and when, it comes back.
        leave: Leave,
        /// Whether requests that run may finish.
        drain: bool,
    },
    /// The grace for requests that run is over.
    DrainGraceOver,
    /// Its process ended, after having served for this long.
    Exited {
        /// How.
        exit: Exit,
        /// From being ready to the end; zero if it never was.
        served: Duration,
    },
}

/// Whether a worker that is asked to leave comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It does not.
    ForGood,
    /// It does as soon as its process has ended, its crashes forgotten.
    ToRestart,
    /// It does when it is told to begin.
    ToRest,
}

/// What has to be done next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// Say [`Event::Begin`] after this long.
    Wait(Duration),
    /// Say [`Event::DrainGraceOver`] after the grace.
    Drain,
    /// Tell the process to leave, and kill it if it doesn't.
    Stop,
    /// Kill the process: it doesn't listen any more.
    Kill,
}

/// Why a process is on its way out.
#[derive(Debug, Clone, PartialEq)]
enum Leaving {
    Asked(Leave),
    Broken(Failure),
}

/// The life of one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    policy: RestartPolicy,
    state: State,
    failure: Option<Failure>,
    proven: bool,
    said_ready: bool,
    serving: bool,
    leaving: Option<Leaving>,
    /// Whether its process was told to go, in this run.
    told: bool,
    crashes_in_a_row: u32,
    refusals_in_a_row: u32,
    restart_count: u32,
}

impl Life {
    /// A worker that waits for its turn. `proven` says whether it ever was ready, under an earlier hive, and `failure`
    /// what made it start anew last.
    #[must_use]
    pub fn new(policy: RestartPolicy, proven: bool, failure: Option<Failure>) -> Self {
        Self {
            policy,
            state: State::Pending,
            failure,
            proven,
            said_ready: false,
            serving: false,
            leaving: None,
            told: false,
            crashes_in_a_row: 0,
            refusals_in_a_row: 0,
            restart_count: 0,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Why it does not serve, or was started anew last.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Whether it ever was ready.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// How often it was started anew by itself.
    #[must_use]
    pub fn restart_count(&self) -> u32 {
        self.restart_count
    }

    /// Whether its process is being ended because it can't go on, and not because somebody asked for it.
    #[must_use]
    pub fn is_breaking(&self) -> bool {
        self.state == State::Stopping && matches!(self.leaving, Some(Leaving::Broken(_)))
    }

    /// Whether nothing can happen any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.state {
            State::Stopped => true,
            State::Failed => !self.proven,
            _ => false,
        }
    }

    /// Takes in what happened, and answers what has to be done about it. `random`, 0 to 1, spreads waits. An event
    /// that makes no sense in the current state changes nothing.
    #[must_use]
    pub fn apply(&mut self, event: Event, random: f64) -> Option<Command> {
        let command = self.next(event, random);
        self.told |= matches!(command, Some(Command::Stop | Command::Kill));
        command
    }

    fn next(&mut self, event: Event, random: f64) -> Option<Command> {
        match event {
            Event::Begin => self.begin(),
            Event::Fetching {
                done_bytes,
                total_bytes,
            } => self.fetching(done_bytes, total_bytes),
            Event::Prepared => self.prepared(),
            Event::Refused(failure) => self.refused(failure, random),
            Event::Started => self.started(),
            Event::StartFailed(failure) => self.start_failed(failure, random),
            Event::Loaded(share) => self.loaded(share),
            Event::SaidReady => self.said_ready(),
            Event::Serving => self.serving(),
            Event::SaidFailed(failure) => self.broken(failure, Command::Stop),
            Event::DeadlinePassed(after) => self.deadline_passed(after),
            Event::Unresponsive(after) => self.unresponsive(after),
            Event::Answering(count) => self.answering(count),
            Event::Asked { leave, drain } => self.asked(leave, drain),
            Event::DrainGraceOver => self.drain_over(),
            Event::Exited { exit, served } => self.exited(exit, served, random),
        }
    }

    /// Adds to the failure that the last event was what became known of it since.
    pub fn explain_failure(&mut self, explain: impl FnOnce(&mut Failure)) {
        if let Some(failure) = &mut self.failure {
            explain(failure);
        }
    }

    fn begin(&mut self) -> Option<Command> {
        if self.state == State::Pending {
            self.state = State::Validating;
        }
        None
    }

    fn fetching(&mut self, done_bytes: u64, total_bytes: u64) -> Option<Command> {
        if matches!(self.state, State::Validating | State::Fetching { .. }) {
            self.state = State::Fetching {
                done_bytes,
                total_bytes,
            };
        }
        None
    }

    fn prepared(&mut self) -> Option<Command> {
        if matches!(self.state, State::Validating | State::Fetching { .. }) {
            self.state = State::Starting;
            self.told = false;
            self.refusals_in_a_row = 0;
        }
        None
    }

    fn refused(&mut self, failure: Failure, random: f64) -> Option<Command> {
        if !matches!(self.state, State::Validating | State::Fetching { .. }) {
            return None;
        }
        let comes_back = self.proven && failure.may_pass();
        self.failure = Some(failure);
        if !comes_back {
            self.state = State::Failed;
            return None;
        }
        self.refusals_in_a_row += 1;
        self.state = State::Pending;
        Some(Command::Wait(self.policy.wait(self.refusals_in_a_row, random)))
    }

    fn started(&mut self) -> Option<Command> {
        match self.state {
            State::Starting => {
                self.state = State::Loading { fraction: None };
                self.said_ready = false;
                self.serving = false;
                None
            }
            // It was asked to leave while it was being started.
            State::Stopping if !self.told => Some(Command::Stop),
            _ => None,
        }
    }

    fn start_failed(&mut self, failure: Failure, random: f64) -> Option<Command> {
        match (self.state, self.leaving.take()) {
            (State::Starting, _) => self.crashed(failure, Duration::ZERO, random),
            (State::Stopping, Some(Leaving::Asked(leave))) => self.left(leave),
            (_, leaving) => {
                self.leaving = leaving;
                None
            }
        }
    }

    fn loaded(&mut self, share: f32) -> Option<Command> {
        if let State::Loading { fraction } = self.state {
            self.state = State::Loading {
                fraction: further(fraction, share),
            };
        }
        None
    }

    fn said_ready(&mut self) -> Option<Command> {
        self.said_ready |= matches!(self.state, State::Loading { .. });
        self.ready_if_both()
    }

    fn serving(&mut self) -> Option<Command> {
        self.serving |= matches!(self.state, State::Loading { .. });
        self.ready_if_both()
    }

    fn ready_if_both(&mut self) -> Option<Command> {
        if matches!(self.state, State::Loading { .. }) && self.said_ready && self.serving {
            self.state = State::Ready;
            self.proven = true;
        }
        None
    }

    fn deadline_passed(&mut self, after: Duration) -> Option<Command> {
        if matches!(self.state, State::Loading { .. }) {
            self.broken(not_ready(after), Command::Stop)
        } else {
            None
        }
    }

    fn unresponsive(&mut self, after: Duration) -> Option<Command> {
        match self.state {
            State::Ready | State::Busy => self.broken(unresponsive(after), Command::Kill),
            // It leaves anyway, for the reason that it was asked to.
            State::Draining => {
                self.state = State::Stopping;
                Some(Command::Kill)
            }
            _ => None,
        }
    }

    fn broken(&mut self, failure: Failure, command: Command) -> Option<Command> {
        match self.state {
            State::Loading { .. } | State::Ready | State::Busy => {
                self.leaving = Some(Leaving::Broken(failure));
                self.state = State::Stopping;
                Some(command)
            }
            State::Draining => {
                self.state = State::Stopping;
                Some(command)
            }
            _ => None,
        }
    }

    fn answering(&mut self, count: u32) -> Option<Command> {
        match (self.state, count) {
            (State::Ready, 1..) => self.state = State::Busy,
            (State::Busy, 0) => self.state = State::Ready,
            (State::Draining, 0) => return self.drain_over(),
            _ => {}
        }
        None
    }

    fn asked(&mut self, leave: Leave, drain: bool) -> Option<Command> {
        match self.state {
            State::Stopped => None,
            State::Pending
            | State::Validating
            | State::Fetching { .. }
            | State::Failed
            | State::CrashLooping => {
                if self.is_over() {
                    None
                } else {
                    self.left(leave)
                }
            }
            State::Busy if drain => {
                self.leaving = Some(Leaving::Asked(leave));
                self.state = State::Draining;
                Some(Command::Drain)
            }
            // Its process does not run yet; it is told when it does.
            State::Starting => {
                self.leaving = Some(Leaving::Asked(leave));
                self.state = State::Stopping;
                None
            }
            State::Loading { .. } | State::Ready | State::Busy => {
                self.leaving = Some(Leaving::Asked(leave));
                self.state = State::Stopping;
                Some(Command::Stop)
            }
            State::Draining => {
                self.now_leaving(leave);
                if drain { None } else { self.drain_over() }
            }
            State::Stopping => {
                self.now_leaving(leave);
                None
            }
        }
    }

    /// It is leaving already: what was asked last counts, but nothing brings back what leaves for good.
    fn now_leaving(&mut self, leave: Leave) {
        if self.leaving == Some(Leaving::Asked(Leave::ForGood)) {
            return;
        }
        if let Some(Leaving::Broken(failure)) = self.leaving.replace(Leaving::Asked(leave)) {
            self.failure = Some(failure);
        }
    }

    fn drain_over(&mut self) -> Option<Command> {
        if self.state != State::Draining {
            return None;
        }
        self.state = State::Stopping;
        Some(Command::Stop)
    }

    fn exited(&mut self, exit: Exit, served: Duration, random: f64) -> Option<Command> {
        if !self.state.has_process() {
            return None;
        }
        match self.leaving.take() {
            Some(Leaving::Asked(leave)) => self.left(leave),
            Some(Leaving::Broken(failure)) => {
                let failure = Failure {
                    exit: Some(exit),
                    ..failure
                };
                self.crashed(failure, served, random)
            }
            None => self.crashed(exited(&self.state, exit), served, random),
        }
    }

    /// No process runs any more, as was asked.
    fn left(&mut self, leave: Leave) -> Option<Command> {
        match leave {
            Leave::ForGood => {
                self.state = State::Stopped;
                None
            }
            Leave::ToRestart => {
                self.crashes_in_a_row = 0;
                self.refusals_in_a_row = 0;
                self.restart_count = 0;
                self.state = State::Pending;
                Some(Command::Wait(Duration::ZERO))
            }
            Leave::ToRest => {
                if !self.state.rests() {
                    self.state = State::Pending;
                }
                None
            }
        }
    }

    fn crashed(&mut self, failure: Failure, served: Duration, random: f64) -> Option<Command> {
        let comes_back = self.proven && failure.may_pass();
        self.failure = Some(failure);
        if !comes_back {
            self.state = State::Failed;
            return None;
        }
        self.crashes_in_a_row = self.policy.row_with(self.crashes_in_a_row, served);
        if self.policy.gives_up(self.crashes_in_a_row) {
            self.state = State::CrashLooping;
            return None;
        }
        self.restart_count += 1;
        self.state = State::Pending;
        Some(Command::Wait(self.policy.wait(self.crashes_in_a_row, random)))
    }
}

/// Progress never goes back, and stays within 0 to 1.
fn further(known: Option<f32>, said: f32) -> Option<f32> {
    if !said.is_finite() {
        return known;
    }
    Some(said.clamp(0.0, 1.0).max(known.unwrap_or(0.0)))
}

fn not_ready(after: Duration) -> Failure {
    Failure::new(
        reason::WORKER_NOT_READY,
        format!(
            "the worker was not ready after {} s; its log says how far it came, and \
             `worker.ready_timeout` in the hive's configuration gives it more time",
            after.as_secs()
        ),
    )
}

fn unresponsive(after: Duration) -> Failure {
    Failure::new(
        reason::WORKER_UNRESPONSIVE,
        format!(
            "the worker did not answer health checks for {} s and was ended",
            after.as_secs()
        ),
    )
}

fn exited(state: &State, exit: Exit) -> Failure {
    let when = match state {
        State::Ready | State::Busy => "while it was serving",
        _ => "before it was ready",
    };
    Failure {
        exit: Some(exit),
        ..Failure::new(reason::WORKER_EXITED, describe_exit(when, exit))
    }
}

#[cfg(test)]
mod tests;
