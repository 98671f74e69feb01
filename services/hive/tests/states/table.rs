//! What becomes of a worker that misbehaves: the table, as data.

use rbee_proto::types::v1::FailureCause;
use rbee_service_kit::reason;
use rbee_testkit::scripted_worker::{Act, Script, last_words};

/// Where in its life a worker is when it misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It loads and never was ready.
    LoadingFirst,
    /// It was ready before, and loads again.
    LoadingAgain,
    Ready,
    Busy,
    /// It was told to leave and finishes its requests.
    Draining,
    /// It was told to leave and has to.
    Stopping,
}

impl Phase {
    pub(crate) const ALL: [Self; 6] = [
        Self::LoadingFirst,
        Self::LoadingAgain,
        Self::Ready,
        Self::Busy,
        Self::Draining,
        Self::Stopping,
    ];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::LoadingFirst => "Loading, first start",
            Self::LoadingAgain => "Loading, again",
            Self::Ready => "Ready",
            Self::Busy => "Busy",
            Self::Draining => "Draining",
            Self::Stopping => "Stopping",
        }
    }
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The spawn ends with this reason, and nothing is left.
    Gone(&'static str),
    /// A crash with this reason: it is started anew and serves.
    Anew(&'static str),
    /// It fails for this reason and rests.
    Fails(&'static str),
    /// It goes on, or gets ready, as if nothing were.
    GoesOn,
    /// It is stopped, as was asked.
    Stops,
    /// A worker does not do that there.
    Never,
}

impl Ends {
    pub(crate) fn words(self) -> String {
        match self {
            Self::Gone(reason) => format!("gone: `{reason}`"),
            Self::Anew(reason) => format!("anew: `{reason}`"),
            Self::Fails(reason) => format!("Failed: `{reason}`"),
            Self::GoesOn => "goes on".to_owned(),
            Self::Stops => "Stopped".to_owned(),
            Self::Never => String::new(),
        }
    }
}

/// What a worker does.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// This, when the time has come.
    Acts(Vec<Act>),
    /// What this script says, from its start.
    Follows(Box<Script>),
}

/// One behaviour in every state.
#[derive(Debug)]
pub(crate) struct Row {
    /// The worker …
    pub(crate) words: &'static str,
    pub(crate) does: Does,
    /// What its failure says about the cause.
    pub(crate) cause: FailureCause,
    /// In the order of [`Phase::ALL`].
    pub(crate) ends: [Ends; 6],
}

impl Row {
    pub(crate) fn ends_in(&self, phase: Phase) -> Ends {
        let column = Phase::ALL.iter().position(|other| *other == phase);
        self.ends[column.unwrap()]
    }

    fn acts<const N: usize>(
        words: &'static str,
        acts: [Act; N],
        cause: FailureCause,
        ends: [Ends; 6],
    ) -> Self {
        Self {
            words,
            does: Does::Acts(acts.into()),
            cause,
            ends,
        }
    }

    fn follows(words: &'static str, script: Script, cause: FailureCause, ends: [Ends; 6]) -> Self {
        Self {
            words,
            does: Does::Follows(Box::new(script)),
            cause,
            ends,
        }
    }
}

const fn crash(reason: &'static str) -> [Ends; 6] {
    [
        Ends::Gone(reason),
        Ends::Anew(reason),
        Ends::Anew(reason),
        Ends::Anew(reason),
        Ends::Stops,
        Ends::Stops,
    ]
}

const GOES_ON: [Ends; 6] = [
    Ends::GoesOn,
    Ends::GoesOn,
    Ends::GoesOn,
    Ends::GoesOn,
    Ends::Stops,
    Ends::Stops,
];

const NOT_READY: [Ends; 6] = [
    Ends::Gone(reason::WORKER_NOT_READY),
    Ends::Anew(reason::WORKER_NOT_READY),
    Ends::Never,
    Ends::Never,
    Ends::Never,
    Ends::Never,
];

fn exits(words: &'static str, code: i32, cause: FailureCause) -> Row {
    Row::acts(words, [Act::Exit(code)], cause, crash(reason::WORKER_EXITED))
}

fn dies(words: &'static str, signal: i32, cause: FailureCause) -> Row {
    Row::acts(words, [Act::Signal(signal)], cause, crash(reason::WORKER_EXITED))
}

fn says(words: &'static str, text: &str, code: i32, cause: FailureCause) -> Row {
    let acts = [Act::Say(text.to_owned()), Act::Exit(code)];
    Row::acts(words, acts, cause, crash(reason::WORKER_EXITED))
}

fn goes_on(words: &'static str, act: Act) -> Row {
    Row::acts(words, [act], FailureCause::Unspecified, GOES_ON)
}

pub(crate) fn exits_with_0() -> Row {
    exits("exits with code 0", 0, FailureCause::Unspecified)
}

pub(crate) fn exits_with_1() -> Row {
    exits("exits with code 1", 1, FailureCause::Unspecified)
}

pub(crate) fn exits_with_139() -> Row {
    exits("exits with code 139", 139, FailureCause::InvalidMemoryAccess)
}

pub(crate) fn dies_by_sigsegv() -> Row {
    dies("dies by SIGSEGV", 11, FailureCause::InvalidMemoryAccess)
}

pub(crate) fn dies_by_sigkill() -> Row {
    dies("is killed by somebody else", 9, FailureCause::Killed)
}

pub(crate) fn dies_by_sigabrt() -> Row {
    dies("aborts", 6, FailureCause::Bug)
}

pub(crate) fn dies_by_sigill() -> Row {
    dies("dies by SIGILL", 4, FailureCause::IllegalInstruction)
}

pub(crate) fn has_no_device_memory() -> Row {
    says(
        "says that the GPU's memory is full, exits with code 1",
        last_words::CUDA_OUT_OF_MEMORY,
        1,
        FailureCause::OutOfDeviceMemory,
    )
}

pub(crate) fn lacks_a_library() -> Row {
    says(
        "lacks a library, exits with code 127",
        last_words::LIBRARY_MISSING,
        127,
        FailureCause::MissingFile,
    )
}

pub(crate) fn panics() -> Row {
    says(
        "panics, exits with code 101",
        last_words::PANIC,
        101,
        FailureCause::Bug,
    )
}

pub(crate) fn reports_a_corrupt_model() -> Row {
    let fails = Ends::Fails(reason::MODEL_CORRUPT);
    Row::acts(
        "reports `MODEL_CORRUPT`",
        [Act::Fail(reason::MODEL_CORRUPT.to_owned())],
        FailureCause::Unspecified,
        [
            Ends::Gone(reason::MODEL_CORRUPT),
            fails,
            fails,
            fails,
            Ends::Stops,
            Ends::Stops,
        ],
    )
}

pub(crate) fn reports_what_nobody_knows() -> Row {
    Row::acts(
        "reports a reason that the hive does not know",
        [Act::Fail("BAD_MOOD".to_owned())],
        FailureCause::Unspecified,
        crash(reason::WORKER_START_FAILED),
    )
}

pub(crate) fn never_gets_ready() -> Row {
    let script = Script {
        never_ready: true,
        ..Script::default()
    };
    Row::follows("never gets ready", script, FailureCause::Hung, NOT_READY)
}

pub(crate) fn is_ready_without_health() -> Row {
    let script = Script {
        ready_without_health: true,
        ..Script::default()
    };
    Row::follows(
        "says that it is ready, but its health does not",
        script,
        FailureCause::Hung,
        NOT_READY,
    )
}

pub(crate) fn hangs() -> Row {
    let unresponsive = Ends::Anew(reason::WORKER_UNRESPONSIVE);
    Row::acts(
        "hangs: health is not answered",
        [Act::Hang],
        FailureCause::Hung,
        [
            Ends::Gone(reason::WORKER_NOT_READY),
            Ends::Anew(reason::WORKER_NOT_READY),
            unresponsive,
            unresponsive,
            Ends::Stops,
            Ends::Stops,
        ],
    )
}

pub(crate) fn stalls() -> Row {
    goes_on("answers health but no requests", Act::Stall)
}

pub(crate) fn loads_slowly() -> Row {
    let script = Script {
        load_ms: 1500,
        ..Script::default()
    };
    let [first, again, ..] = GOES_ON;
    Row::follows(
        "loads slowly, with progress",
        script,
        FailureCause::Unspecified,
        [first, again, Ends::Never, Ends::Never, Ends::Never, Ends::Never],
    )
}

pub(crate) fn ignores_term() -> Row {
    let script = Script {
        ignore_term: true,
        ..Script::default()
    };
    Row::follows("ignores TERM", script, FailureCause::Unspecified, GOES_ON)
}

pub(crate) fn forks() -> Row {
    goes_on("forks a process into its group", Act::Fork)
}

pub(crate) fn forks_a_daemon() -> Row {
    goes_on("forks a process that leaves its group", Act::Flee)
}

pub(crate) fn floods_its_log() -> Row {
    goes_on("floods its log", Act::Flood(Some(20_000)))
}

pub(crate) fn leaks_memory() -> Row {
    let leak = Act::Leak {
        mib_per_second: 200,
        up_to_mib: 64,
    };
    goes_on("leaks memory, within its limit", leak)
}

/// The table.
pub(crate) fn rows() -> Vec<Row> {
    vec![
        exits_with_0(),
        exits_with_1(),
        exits_with_139(),
        dies_by_sigsegv(),
        dies_by_sigkill(),
        dies_by_sigabrt(),
        dies_by_sigill(),
        has_no_device_memory(),
        lacks_a_library(),
        panics(),
        reports_a_corrupt_model(),
        reports_what_nobody_knows(),
        never_gets_ready(),
        is_ready_without_health(),
        hangs(),
        stalls(),
        loads_slowly(),
        ignores_term(),
        forks(),
        forks_a_daemon(),
        floods_its_log(),
        leaks_memory(),
    ]
}
