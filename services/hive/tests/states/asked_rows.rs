//! What is asked of a worker in each state, and what becomes of that: the table, as data.

use rbee_proto::types::v1::WorkerState;
use rbee_service_kit::reason;
use tonic::Code;

use WorkerState::{Draining, Loading, Pending, Ready, Starting, Stopped, Stopping, Validating};

/// What a call to a worker gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Answer,
    /// `UNAVAILABLE` with this reason, and when to try again.
    Later(&'static str),
    /// This code and reason: another attempt would end alike.
    Never(Code, &'static str),
}

impl Call {
    fn words(self) -> String {
        match self {
            Self::Answer => "is answered".to_owned(),
            Self::Later(reason) => format!("`UNAVAILABLE`, `{reason}`, `RetryInfo`"),
            Self::Never(Code::NotFound, reason) => format!("`NOT_FOUND`, `{reason}`"),
            Self::Never(_, reason) => format!("`UNAVAILABLE`, `{reason}`"),
        }
    }
}

/// What becomes of a worker that is asked for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Becomes {
    /// It passes through these states.
    Passes(&'static [WorkerState]),
    /// It is refused with this reason.
    Refused(&'static str),
    /// It is leaving already: the answer comes when it is gone.
    Leaves,
    /// It has left already.
    AsItWas,
}

impl Becomes {
    fn words(self) -> String {
        match self {
            Self::Passes(states) => {
                let (states, anew) = match states.strip_suffix(&ANEW) {
                    Some(before) => (before, Some("Pending, and anew")),
                    None => (states, None),
                };
                let names = states.iter().map(|state| name(*state)).chain(anew);
                names.collect::<Vec<_>>().join(" → ")
            }
            Self::Refused(reason) => format!("`{reason}`"),
            Self::Leaves => "answers when it is gone".to_owned(),
            Self::AsItWas => "answers as it was".to_owned(),
        }
    }
}

fn name(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Unspecified => "unspecified",
        WorkerState::Pending => "Pending",
        WorkerState::Validating => "Validating",
        WorkerState::Fetching => "Fetching",
        WorkerState::Starting => "Starting",
        WorkerState::Loading => "Loading",
        WorkerState::Ready => "Ready",
        WorkerState::Busy => "Busy",
        WorkerState::Draining => "Draining",
        WorkerState::Stopping => "Stopping",
        WorkerState::Stopped => "Stopped",
        WorkerState::Failed => "Failed",
        WorkerState::CrashLooping => "CrashLooping",
    }
}

/// One state, and what is asked there.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) state: &'static str,
    pub(crate) call: Call,
    pub(crate) stop: Becomes,
    pub(crate) restart: Becomes,
}

impl Row {
    pub(crate) fn line(&self) -> String {
        format!(
            "| {} | {} | {} | {} |",
            self.state,
            self.call.words(),
            self.stop.words(),
            self.restart.words()
        )
    }
}

const STOPS: Becomes = Becomes::Passes(&[Stopping, Stopped]);
const ANEW: [WorkerState; 5] = [Pending, Validating, Starting, Loading, Ready];
const BEGINS: Becomes = Becomes::Passes(&ANEW);
const LEAVES_AND_BEGINS: Becomes =
    Becomes::Passes(&[Stopping, Pending, Validating, Starting, Loading, Ready]);
const NOT_READY: Call = Call::Later(reason::WORKER_NOT_READY);

pub(crate) const PENDING: Row = Row {
    state: "Pending",
    call: NOT_READY,
    stop: Becomes::Passes(&[Stopped]),
    restart: BEGINS,
};
pub(crate) const VALIDATING: Row = Row {
    state: "Validating, Fetching",
    call: NOT_READY,
    stop: Becomes::Passes(&[Stopped]),
    restart: BEGINS,
};
pub(crate) const LOADING: Row = Row {
    state: "Starting, Loading",
    call: NOT_READY,
    stop: STOPS,
    restart: LEAVES_AND_BEGINS,
};
pub(crate) const READY: Row = Row {
    state: "Ready",
    call: Call::Answer,
    stop: STOPS,
    restart: LEAVES_AND_BEGINS,
};
pub(crate) const BUSY: Row = Row {
    state: "Busy",
    call: Call::Answer,
    stop: Becomes::Passes(&[Draining, Stopping, Stopped]),
    restart: Becomes::Passes(&[Draining, Stopping, Pending, Validating, Starting, Loading, Ready]),
};
pub(crate) const DRAINING: Row = Row {
    state: "Draining, to be stopped",
    call: Call::Later(reason::WORKER_STOPPING),
    stop: Becomes::Leaves,
    restart: Becomes::Refused(reason::WORKER_STOPPING),
};
pub(crate) const STOPPING: Row = Row {
    state: "Stopping, to be stopped",
    call: Call::Later(reason::WORKER_STOPPING),
    stop: Becomes::Leaves,
    restart: Becomes::Refused(reason::WORKER_STOPPING),
};
pub(crate) const STOPPED: Row = Row {
    state: "Stopped",
    call: Call::Never(Code::NotFound, reason::WORKER_NOT_FOUND),
    stop: Becomes::AsItWas,
    restart: Becomes::Refused(reason::WORKER_NOT_FOUND),
};
pub(crate) const FAILED: Row = Row {
    state: "Failed",
    call: Call::Never(Code::Unavailable, reason::WORKER_FAILED),
    stop: Becomes::Passes(&[Stopped]),
    restart: BEGINS,
};
pub(crate) const CRASH_LOOPING: Row = Row {
    state: "CrashLooping",
    call: Call::Never(Code::Unavailable, reason::WORKER_CRASH_LOOPING),
    stop: Becomes::Passes(&[Stopped]),
    restart: BEGINS,
};

/// The table. The test of each row has its name.
pub(crate) const ROWS: [&Row; 10] = [
    &PENDING,
    &VALIDATING,
    &LOADING,
    &READY,
    &BUSY,
    &DRAINING,
    &STOPPING,
    &STOPPED,
    &FAILED,
    &CRASH_LOOPING,
];
