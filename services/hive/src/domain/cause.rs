//! What made a worker's process end, as far as its end and its last words tell.
//!
//! What the kernel says is certain; what a program wrote is evidence. A line may be old or harmless, so only the
//! lines count that a program writes when it ends: from its panic on, or else the last few.

use serde::{Deserialize, Serialize};

use rbee_service_kit::reason;

use super::Exit;

/// Lines at the end of a log that may tell why the process ended.
const LAST_WORDS: usize = 10;

const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGABRT: i32 = 6;
const SIGFPE: i32 = 8;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
/// The one of these that has another number on macOS.
const SIGBUS: i32 = if cfg!(target_os = "macos") { 10 } else { 7 };
/// Signals with which people and systems ask programs to leave: HUP, INT, QUIT, TERM.
const LEAVE: [i32; 4] = [1, 2, 3, 15];

/// The exit code of a Rust program whose main thread panicked.
const PANICKED: i32 = 101;

/// What made a worker's process end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// The host ran out of memory, or the worker reached the limit of its control group.
    OutOfMemory,
    /// The GPU ran out of memory.
    OutOfDeviceMemory,
    /// The program used an instruction that this processor does not have.
    IllegalInstruction,
    /// The program accessed memory that it does not have: a bug, or a file that shrank while it was mapped.
    InvalidMemoryAccess,
    /// The GPU, its driver or CUDA failed.
    DeviceError,
    /// A file or shared library that it needs is missing.
    MissingFile,
    /// The program found itself in a state that it can't go on from: a panic, an abort.
    Bug,
    /// Somebody killed the process, and it was not the hive.
    Killed,
    /// It did not become ready in time, or stopped answering, and the hive ended it.
    Hung,
}

impl FailureCause {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::OutOfMemory,
        Self::OutOfDeviceMemory,
        Self::IllegalInstruction,
        Self::InvalidMemoryAccess,
        Self::DeviceError,
        Self::MissingFile,
        Self::Bug,
        Self::Killed,
        Self::Hung,
    ];

    /// Its name, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfMemory => "out_of_memory",
            Self::OutOfDeviceMemory => "out_of_device_memory",
            Self::IllegalInstruction => "illegal_instruction",
            Self::InvalidMemoryAccess => "invalid_memory_access",
            Self::DeviceError => "device_error",
            Self::MissingFile => "missing_file",
            Self::Bug => "bug",
            Self::Killed => "killed",
            Self::Hung => "hung",
        }
    }

    /// What happened and what to do about it, for a person: a clause without an end.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::OutOfMemory => {
                "there was not enough memory for it on this host, or it reached its limit; \
                 spawn it with a smaller context or fewer slots, take a smaller model, or stop another worker"
            }
            Self::OutOfDeviceMemory => {
                "the GPU had not enough memory for it; spawn it with a smaller context or fewer slots, \
                 take a smaller model, or stop what else uses that GPU"
            }
            Self::IllegalInstruction => {
                "the worker program was built for a newer processor than this host has; \
                 install one that is built for this processor"
            }
            Self::InvalidMemoryAccess => {
                "the program accessed memory that it does not have, which is a bug, or the model's file was \
                 changed while it was in use; check the model's files, and report it if they are whole"
            }
            Self::DeviceError => {
                "the GPU, its driver or CUDA failed; look at the worker's log and the kernel's, \
                 update the driver, or install a worker program that suits it"
            }
            Self::MissingFile => {
                "a file or library that the program needs is not there; its log says which: install it, \
                 or a worker program that is built for this host"
            }
            Self::Bug => {
                "the program found itself in a state that it can't go on from; please report it with its log"
            }
            Self::Killed => {
                "somebody killed the process, and it was not the hive; if nobody did, the kernel may have, \
                 for want of memory: its log (dmesg) says so"
            }
            Self::Hung => "it did not answer any more and was ended; its log may say what it was doing",
        }
    }
}

/// What made a process end by itself, if that can be told: from how it ended, the last lines that it wrote, oldest
/// first, and how many processes of its control group the kernel killed for want of memory, where that is known.
/// Not for a process that the hive ended.
#[must_use]
pub fn cause(exit: Exit, log_tail: &[String], oom_kills: Option<u64>) -> Option<FailureCause> {
    use FailureCause::{Bug, IllegalInstruction, InvalidMemoryAccess, Killed, OutOfMemory};

    let killed_for_memory = oom_kills.is_some_and(|count| count > 0);
    match signal(exit) {
        Some(SIGKILL) => Some(if killed_for_memory { OutOfMemory } else { Killed }),
        Some(signal) if LEAVE.contains(&signal) => Some(Killed),
        // A driver that gave up may take its program along: what was said right before is nearer to the cause.
        Some(SIGILL) => device(last(log_tail)).or(Some(IllegalInstruction)),
        Some(SIGSEGV | SIGBUS) => device(last(log_tail)).or(Some(InvalidMemoryAccess)),
        Some(SIGABRT | SIGTRAP | SIGFPE) => told(log_tail).or(Some(Bug)),
        Some(_) => told(log_tail),
        None => match exit {
            Exit::Code(0) => None,
            Exit::Code(PANICKED) => told(log_tail).or(Some(Bug)),
            _ => told(log_tail),
        },
    }
    // One process of several was killed, and the worker ended for that.
    .or(killed_for_memory.then_some(OutOfMemory))
}

/// What made a worker fail for this reason, if that can be told: also where the hive ended the process.
#[must_use]
pub fn cause_of_failure(
    reason: &str,
    exit: Exit,
    log_tail: &[String],
    oom_kills: Option<u64>,
) -> Option<FailureCause> {
    match (reason, exit) {
        (reason::WORKER_NOT_READY | reason::WORKER_UNRESPONSIVE, _) => {
            let killed_for_memory = oom_kills.is_some_and(|count| count > 0);
            Some(if killed_for_memory {
                FailureCause::OutOfMemory
            } else {
                FailureCause::Hung
            })
        }
        // It said itself that it can't go on and was told to leave: by which signal it went tells nothing.
        (reason, Exit::Signal(_)) if reason != reason::WORKER_EXITED => told(log_tail),
        _ => cause(exit, log_tail, oom_kills),
    }
}

/// The signal that ended it, also where a shell around it says so by its exit code.
fn signal(exit: Exit) -> Option<i32> {
    match exit {
        Exit::Signal(signal) => Some(signal),
        Exit::Code(code) => {
            let signal = code - 128;
            let told = [SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV].contains(&signal)
                || LEAVE.contains(&signal);
            told.then_some(signal)
        }
    }
}

/// What a program's last words tell.
fn told(log_tail: &[String]) -> Option<FailureCause> {
    match log_tail.iter().rposition(|line| line.contains("panicked at")) {
        // What it panicked for stands in the lines from there on.
        Some(panic) => newest(&log_tail[panic..], meaning).or(Some(FailureCause::Bug)),
        None => newest(last(log_tail), meaning),
    }
}

fn device(lines: &[String]) -> Option<FailureCause> {
    newest(lines, |line| {
        let told = meaning(line)?;
        matches!(told, FailureCause::OutOfDeviceMemory | FailureCause::DeviceError).then_some(told)
    })
}

fn last(log_tail: &[String]) -> &[String] {
    &log_tail[log_tail.len().saturating_sub(LAST_WORDS)..]
}

fn newest(lines: &[String], meaning: impl Fn(&str) -> Option<FailureCause>) -> Option<FailureCause> {
    lines.iter().rev().find_map(|line| meaning(line))
}

/// How out of memory is said of a GPU: CUDA's driver and runtime, its libraries, PyTorch and candle, Metal.
const OUT_OF_DEVICE_MEMORY: &[&str] = &[
    "cuda_error_out_of_memory",
    "cudaerrormemoryallocation",
    "cuda out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "callbackerroroutofmemory",
];

/// What names a GPU in a line that says `out of memory`.
const DEVICE_WORDS: &[&str] = &[
    "cuda",
    "drivererror",
    "gpu",
    "metal",
    "mtlbuffer",
    "device memory",
    "vram",
];

/// How out of memory is said of a host: Rust's allocator, C++'s, the system's words for ENOMEM, the kernel's.
const OUT_OF_MEMORY: &[&str] = &[
    "std::bad_alloc",
    "cannot allocate memory",
    "out of memory",
    "memory exhausted",
    "insufficient memory",
];

/// How a program says that a file or library is missing: the loaders of Linux and macOS, cudarc, the system's words.
const MISSING_FILE: &[&str] = &[
    "error while loading shared libraries",
    "library not loaded:",
    "unable to dynamically load",
    "cannot open shared object file",
    "no such file or directory",
];

/// How a GPU's failure is said: CUDA's driver and runtime, its libraries, cudarc, NVIDIA's kernel module, Metal.
const DEVICE_ERROR: &[&str] = &[
    "cuda_error_",
    "cudaerror",
    "cuda error",
    "cuda driver version is insufficient",
    "cublas_status_",
    "cudnn_status_",
    "drivererror(",
    "nvrm: xid",
    "fallen off the bus",
    "no cuda-capable device",
    "iogpucommandbuffercallbackerror",
    "mtlcommandbuffererror",
];

/// What a line of a program's last words means. The more particular comes first.
fn meaning(line: &str) -> Option<FailureCause> {
    let line = line.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
    let allocation_failed = line.contains("memory allocation of ") && line.contains(" bytes failed");
    let glibc_too_old = line.contains("version `glibc") && line.contains("not found");
    if says(OUT_OF_DEVICE_MEMORY) || (says(OUT_OF_MEMORY) && says(DEVICE_WORDS)) {
        Some(FailureCause::OutOfDeviceMemory)
    } else if says(OUT_OF_MEMORY) || allocation_failed {
        Some(FailureCause::OutOfMemory)
    } else if says(MISSING_FILE) || glibc_too_old {
        Some(FailureCause::MissingFile)
    } else if says(DEVICE_ERROR) {
        Some(FailureCause::DeviceError)
    } else {
        None
    }
}

/// What stands in place of a cause.
const UNEXPLAINED: &str = "; its log may say why";

/// How a worker's end is told to a person before its cause is known. `when` goes on from `the worker ended`: `while it
/// was serving`.
#[must_use]
pub fn describe_exit(when: &str, exit: Exit) -> String {
    format!("the worker ended {when} ({exit}){UNEXPLAINED}")
}

/// A failure's message, with the cause where it says that it is not known.
#[must_use]
pub fn with_cause(message: &str, cause: FailureCause) -> String {
    match message.strip_suffix(UNEXPLAINED) {
        Some(told) => format!("{told}: {}", cause.explain()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
