//! The life of a worker, as a pure function over what happens to it.
//!
//! ```text
//!             Started               SaidReady and Serving
//!  Starting ───────────▶ Loading ───────────────────────▶ Ready
//!     │                     │                               │
//!     │ StopRequested       │ StopRequested                 │ StopRequested
//!     │                     │ SaidFailed, DeadlinePassed    │ SaidFailed, Unresponsive
//!     ▼                     ▼                               ▼
//!  ┌──────────────────────────────────────────────────────────────┐
//!  │ Stopping, with the failure if there is one                   │
//!  └──────────────────────────────────────────────────────────────┘
//!     │ Exited, no failure                  │ Exited, with a failure
//!     ▼                                     ▼
//!  Stopped                               Failed ◀── StartFailed in Starting
//!                                           ▲
//!                                           └────── Exited in Starting, Loading, Ready
//! ```
//!
//! What holds, and is tested over random sequences of events:
//! - `Stopped` and `Failed` are final, and no process runs in them.
//! - `Ready` is reached only from `Loading`, once the worker said so *and* its health says so.
//! - A process that must go is told so exactly once ([`Command`]), whatever happens meanwhile.
//! - The first cause of a failure is kept: that a killed worker then exits does not hide it.

use std::time::Duration;

use rbee_service_kit::reason;

use super::{Exit, Failure};

/// Where a worker is in its life.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// The process is being started.
    Starting,
    /// The process runs and loads the model.
    Loading {
        /// Share that is loaded, 0 to 1, as far as the worker said.
        fraction: Option<f32>,
    },
    /// It answers requests.
    Ready,
    /// The process was told to leave.
    Stopping {
        /// Why it had to go, unless it was asked to.
        failure: Option<Failure>,
    },
    /// It left because it was asked to.
    Stopped,
    /// It ended by itself, never got ready, or stopped answering.
    Failed(Failure),
}

impl State {
    /// Whether nothing can happen any more: no process runs.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Stopped | Self::Failed(_))
    }

    /// The state's name, in lower case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Loading { .. } => "loading",
            Self::Ready => "ready",
            Self::Stopping { .. } => "stopping",
            Self::Stopped => "stopped",
            Self::Failed(_) => "failed",
        }
    }
}

/// What happens to a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
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
    /// Somebody wants it to leave, or the hive itself leaves.
    StopRequested,
    /// Its process ended.
    Exited(Exit),
}

/// What has to be done with the worker's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Tell it to leave, and kill it if it doesn't.
    Stop,
    /// Kill it: it doesn't listen any more.
    Kill,
}

/// The life of one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    state: State,
    said_ready: bool,
    serving: bool,
    was_ready: bool,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            state: State::Starting,
            said_ready: false,
            serving: false,
            was_ready: false,
        }
    }
}

impl Life {
    /// Where it is.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether it ever was ready.
    #[must_use]
    pub fn was_ready(&self) -> bool {
        self.was_ready
    }

    /// Takes in what happened, and answers what has to be done about it. An event that makes no
    /// sense in the current state changes nothing.
    #[must_use]
    pub fn apply(&mut self, event: Event) -> Option<Command> {
        use State::{Failed, Loading, Ready, Starting, Stopped, Stopping};

        let (next, command) = match (self.state.clone(), event) {
            (Starting, Event::Started) => (Loading { fraction: None }, None),
            (Starting, Event::StartFailed(failure)) => (Failed(failure), None),
            (Stopping { .. }, Event::StartFailed(_)) => (Stopped, None),

            (Loading { fraction }, Event::Loaded(share)) => (
                Loading {
                    fraction: further(fraction, share),
                },
                None,
            ),
            (Loading { fraction }, Event::SaidReady) => {
                self.said_ready = true;
                (self.loaded(fraction), None)
            }
            (Loading { fraction }, Event::Serving) => {
                self.serving = true;
                (self.loaded(fraction), None)
            }

            (Loading { .. } | Ready, Event::SaidFailed(failure)) => (
                Stopping {
                    failure: Some(failure),
                },
                Some(Command::Stop),
            ),
            (Loading { .. }, Event::DeadlinePassed(after)) => (
                Stopping {
                    failure: Some(not_ready(after)),
                },
                Some(Command::Stop),
            ),
            (Ready, Event::Unresponsive(after)) => (
                Stopping {
                    failure: Some(unresponsive(after)),
                },
                Some(Command::Kill),
            ),
            (Starting | Loading { .. } | Ready, Event::StopRequested) => {
                (Stopping { failure: None }, Some(Command::Stop))
            }

            (state @ (Starting | Loading { .. } | Ready), Event::Exited(exit)) => {
                (Failed(exited(&state, exit)), None)
            }
            (Stopping { failure: None }, Event::Exited(_)) => (Stopped, None),
            (
                Stopping {
                    failure: Some(failure),
                },
                Event::Exited(exit),
            ) => (
                Failed(Failure {
                    exit: Some(exit),
                    ..failure
                }),
                None,
            ),

            (state, _) => (state, None),
        };
        self.was_ready |= next == Ready;
        self.state = next;
        command
    }

    /// Hangs the last lines of the log onto a failed worker.
    pub fn keep_log_tail(&mut self, lines: Vec<String>) {
        if let State::Failed(failure) = &mut self.state {
            failure.log_tail = lines;
        }
    }

    fn loaded(&self, fraction: Option<f32>) -> State {
        if self.said_ready && self.serving {
            State::Ready
        } else {
            State::Loading { fraction }
        }
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
        State::Ready => "while it was serving",
        _ => "before it was ready",
    };
    Failure {
        exit: Some(exit),
        ..Failure::new(
            reason::WORKER_EXITED,
            format!("the worker ended {when} ({exit}); its log may say why"),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failure() -> Failure {
        Failure::new(reason::MODEL_CORRUPT, "a tensor reaches past the end of the file")
    }

    fn after(events: impl IntoIterator<Item = Event>) -> (Life, Vec<Command>) {
        let mut life = Life::default();
        let commands = events.into_iter().filter_map(|event| life.apply(event)).collect();
        (life, commands)
    }

    const READY: [Event; 3] = [Event::Started, Event::SaidReady, Event::Serving];

    #[test]
    fn ready_takes_the_workers_word_and_its_health() {
        for order in [
            [Event::SaidReady, Event::Serving],
            [Event::Serving, Event::SaidReady],
        ] {
            let [first, second] = order;
            let (mut life, _) = after([Event::Started, Event::Loaded(0.5), first]);
            assert_eq!(*life.state(), State::Loading { fraction: Some(0.5) });
            assert_eq!(life.apply(second), None);
            assert_eq!(*life.state(), State::Ready);
            assert!(life.was_ready());
        }
    }

    #[test]
    fn what_the_worker_said_outlives_its_exit() {
        let (life, commands) = after([
            Event::Started,
            Event::SaidFailed(failure()),
            Event::Exited(Exit::Code(2)),
        ]);
        assert_eq!(commands, [Command::Stop]);
        assert_eq!(
            *life.state(),
            State::Failed(Failure {
                exit: Some(Exit::Code(2)),
                ..failure()
            })
        );
    }

    #[test]
    fn a_silent_exit_is_a_failure_that_says_when() {
        for (events, words) in [
            (vec![Event::Started], "before it was ready"),
            (READY.to_vec(), "while it was serving"),
        ] {
            let (mut life, _) = after(events);
            assert_eq!(life.apply(Event::Exited(Exit::Signal(11))), None);
            let State::Failed(failure) = life.state() else {
                panic!("{life:?}")
            };
            assert_eq!(failure.reason, reason::WORKER_EXITED);
            assert_eq!(failure.exit, Some(Exit::Signal(11)));
            assert!(failure.message.contains(words), "{}", failure.message);
        }
    }

    #[test]
    fn one_that_is_asked_to_leave_has_not_failed() {
        let (life, commands) = after(
            [
                READY.as_slice(),
                &[Event::StopRequested, Event::Exited(Exit::Signal(9))],
            ]
            .concat(),
        );
        assert_eq!(commands, [Command::Stop]);
        assert_eq!(*life.state(), State::Stopped);
    }

    #[test]
    fn one_that_stopped_answering_is_killed_and_has_failed() {
        let (life, commands) = after(
            [
                READY.as_slice(),
                &[
                    Event::Unresponsive(Duration::from_secs(6)),
                    Event::StopRequested,
                    Event::Exited(Exit::Signal(9)),
                ],
            ]
            .concat(),
        );
        assert_eq!(commands, [Command::Kill]);
        assert!(
            matches!(life.state(), State::Failed(failure) if failure.reason == reason::WORKER_UNRESPONSIVE)
        );
    }

    #[test]
    fn a_stop_before_the_process_runs_is_a_stop() {
        let start_failed = Event::StartFailed(Failure::new(reason::WORKER_START_FAILED, "no such file"));
        let (life, _) = after([Event::StopRequested, start_failed]);
        assert_eq!(*life.state(), State::Stopped);
    }

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Started),
            Just(Event::StartFailed(Failure::new(
                reason::WORKER_START_FAILED,
                "no such file"
            ))),
            any::<f32>().prop_map(Event::Loaded),
            Just(Event::SaidReady),
            Just(Event::Serving),
            Just(Event::SaidFailed(failure())),
            Just(Event::DeadlinePassed(Duration::from_secs(60))),
            Just(Event::Unresponsive(Duration::from_secs(6))),
            Just(Event::StopRequested),
            Just(Event::Exited(Exit::Code(1))),
        ]
    }

    fn rank(state: &State) -> u8 {
        match state {
            State::Starting => 0,
            State::Loading { .. } => 1,
            State::Ready => 2,
            State::Stopping { .. } => 3,
            State::Stopped | State::Failed(_) => 4,
        }
    }

    proptest! {
        #[test]
        fn the_promises_hold_whatever_happens(events in proptest::collection::vec(events(), 0..24)) {
            let mut life = Life::default();
            let mut commands = 0;
            for event in events {
                let before = life.clone();
                let command = life.apply(event.clone());
                commands += usize::from(command.is_some());

                prop_assert!(rank(life.state()) >= rank(before.state()), "it never goes back");
                if before.state().is_final() {
                    prop_assert_eq!(&life, &before, "an end is an end");
                }
                if *life.state() == State::Ready && *before.state() != State::Ready {
                    let loading = matches!(before.state(), State::Loading { .. });
                    prop_assert!(loading, "ready comes from loading");
                    prop_assert!(life.said_ready && life.serving);
                }
                if let (State::Loading { fraction: Some(old) }, State::Loading { fraction }) =
                    (before.state(), life.state())
                {
                    prop_assert!(fraction.is_some_and(|new| new >= *old && (0.0..=1.0).contains(&new)));
                }
                if command.is_some() {
                    let stopping = matches!(life.state(), State::Stopping { .. });
                    prop_assert!(stopping, "who is told to leave is leaving");
                    prop_assert!(rank(before.state()) < 3);
                }
                if matches!(event, Event::Exited(_)) {
                    prop_assert!(life.state().is_final(), "no process, no life");
                }
                if let (State::Stopping { failure: Some(cause) }, State::Failed(failure)) =
                    (before.state(), life.state())
                {
                    prop_assert_eq!(cause.reason, failure.reason, "the first cause is kept");
                }
            }
            prop_assert!(commands <= 1, "told at most once");
        }
    }
}
