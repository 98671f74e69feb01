//! What each error of the hive looks like to a client.

use std::io;
use std::time::Duration;

use rbee_artifacts::ModelIdError;
use rbee_artifacts::detect::DetectError;
use rbee_artifacts::gguf::GgufError;
use rbee_service_kit::fault::Chain;
use rbee_service_kit::{Fault, reason};
use rbee_store::{FetchError, StoreError};
use tonic::Code;

use crate::catalog::CatalogError;
use crate::domain::{Failure, Fit, Refusal, State, Worker};
use crate::reconciler::OrderError;
use crate::spawn::{BinaryError, SpawnError};

/// Bytes of a worker's log that go into an error: a status travels in headers, which are bounded.
const LOG_TAIL_BYTES: usize = 2000;

/// When to try again where a worker is about to be there.
const SOON: Duration = Duration::from_secs(1);

/// Why there is no worker at the end of a spawn.
pub(crate) fn spawn(error: &SpawnError) -> Fault {
    match error {
        SpawnError::Refused(refusal) => refused(refusal),
        SpawnError::Catalog(error) => catalog(error),
        SpawnError::Binary(BinaryError::Missing { id } | BinaryError::Damaged { id }) => Fault::new(
            Code::FailedPrecondition,
            reason::WORKER_BINARY_NOT_FOUND,
            error.to_string(),
        )
        .with("worker_binary_id", id),
        SpawnError::Binary(BinaryError::Write { path, source }) if is_full(source) => Fault::new(
            Code::ResourceExhausted,
            reason::DISK_FULL,
            format!("the disk of this host is full: {}", Chain(error)),
        )
        .with("path", path.display()),
        SpawnError::Failed(failure) => failed(failure),
        SpawnError::Header(source) => {
            let reason = match source {
                DetectError::Unsupported { .. }
                | DetectError::Gguf {
                    source: GgufError::Unsupported { .. },
                    ..
                } => reason::MODEL_UNSUPPORTED,
                DetectError::Read { .. }
                | DetectError::Gguf {
                    source: GgufError::Read { .. },
                    ..
                } => reason::STORE_UNAVAILABLE,
                _ => reason::MODEL_CORRUPT,
            };
            Fault::new(Code::FailedPrecondition, reason, Chain(error).to_string()).with("file", source.file())
        }
        SpawnError::Fetch(source) => fetch(source, Chain(error).to_string()),
        SpawnError::Binary(BinaryError::Fetch { source, .. }) => fetch(source, Chain(error).to_string()),
        SpawnError::Stopped => Fault::new(Code::Aborted, reason::WORKER_STOPPED, error.to_string()),
        SpawnError::ShuttingDown => Fault::shutting_down(),
        SpawnError::Order(error) => order(error),
        SpawnError::Store(_) => {
            tracing::error!(error = %Chain(error), "the store failed");
            Fault::new(
                Code::Unavailable,
                reason::STORE_UNAVAILABLE,
                Chain(error).to_string(),
            )
            .retry_after(SOON)
        }
        SpawnError::Binary(_)
        | SpawnError::Folder(_)
        | SpawnError::Channel(_)
        | SpawnError::Random(_)
        | SpawnError::IdTaken => {
            tracing::error!(error = %Chain(error), "a worker could not be prepared");
            Fault::new(
                Code::Internal,
                reason::WORKER_START_FAILED,
                Chain(error).to_string(),
            )
        }
    }
}

/// Why a file of the store did not come to this host.
fn fetch(error: &FetchError, message: String) -> Fault {
    let no_space = match error {
        FetchError::Store(error) => match &**error {
            StoreError::NoSpace {
                needed_and_available, ..
            } => Some(*needed_and_available),
            _ => None,
        },
        _ => None,
    };
    if let Some(sizes) = no_space {
        let fault = Fault::new(Code::ResourceExhausted, reason::DISK_FULL, message);
        return match sizes {
            Some((needed, available)) => fault
                .with("needed_bytes", needed)
                .with("available_bytes", available),
            None => fault,
        };
    }
    match error {
        FetchError::Missing { sha256 } => {
            Fault::new(Code::FailedPrecondition, reason::MODEL_FILES_MISSING, message).with("sha256", sha256)
        }
        FetchError::Damaged { sha256, .. } => {
            Fault::new(Code::FailedPrecondition, reason::MODEL_CORRUPT, message).with("sha256", sha256)
        }
        FetchError::TooLarge {
            size_bytes,
            limit_bytes,
        }
        | FetchError::InUse {
            size_bytes,
            limit_bytes,
            ..
        } => Fault::new(Code::ResourceExhausted, reason::CACHE_TOO_SMALL, message)
            .with("size_bytes", size_bytes)
            .with("limit_bytes", limit_bytes),
        _ => {
            tracing::error!(error = message, "the store failed");
            Fault::new(Code::Unavailable, reason::STORE_UNAVAILABLE, message).retry_after(SOON)
        }
    }
}

/// Why an order is not carried out.
pub(crate) fn order(error: &OrderError) -> Fault {
    match error {
        // Whoever asks knows the worker's id, and says it.
        OrderError::Unknown => Fault::new(Code::NotFound, reason::WORKER_NOT_FOUND, error.to_string()),
        OrderError::Draining => Fault::new(
            Code::FailedPrecondition,
            reason::HIVE_DRAINING,
            "the hive is drained and takes no workers; `rbee hive resume` ends that",
        ),
        OrderError::ShuttingDown => Fault::shutting_down(),
        OrderError::Ledger(_) => Fault::new(
            Code::Unavailable,
            reason::LEDGER_UNAVAILABLE,
            Chain(error).to_string(),
        )
        .retry_after(SOON),
    }
}

fn refused(refusal: &Refusal) -> Fault {
    let code = match refusal {
        Refusal::ModelNotFound { .. } | Refusal::DeviceNotFound { .. } | Refusal::NoDevice { .. } => {
            Code::NotFound
        }
        Refusal::InsufficientMemory { .. } | Refusal::CacheTooSmall { .. } => Code::ResourceExhausted,
        Refusal::ContextTooLong { .. } => Code::InvalidArgument,
        _ => Code::FailedPrecondition,
    };
    let fault = Fault::new(code, refusal.reason(), refusal.to_string());
    match refusal {
        Refusal::ModelNotFound { model_id }
        | Refusal::ModelIncomplete { model_id }
        | Refusal::ModelFailed { model_id, .. }
        | Refusal::NoAddOn { model_id }
        | Refusal::FilesMissing { model_id, .. } => fault.with("model_id", model_id),
        Refusal::ModelIncompatible {
            model_id,
            worker_type,
            ..
        } => fault.with("model_id", model_id).with("worker_type", worker_type),
        Refusal::BinaryNotFound {
            worker_type,
            platform,
            ..
        } => fault.with("worker_type", worker_type).with("platform", platform),
        Refusal::DeviceNotFound { device_id, .. } => fault.with("device_id", device_id),
        Refusal::NoDevice { worker_type, .. } | Refusal::NoPictures { worker_type } => {
            fault.with("worker_type", worker_type)
        }
        Refusal::ContextTooLong { .. } => fault.field("llm.context_length", refusal.to_string()),
        Refusal::InsufficientMemory { model_id, fits } => {
            let fault = fault.with("model_id", model_id);
            match fits.first() {
                Some(best) => with_fit(fault, best),
                None => fault,
            }
        }
        Refusal::CacheTooSmall {
            model_id,
            size_bytes,
            in_use_bytes,
            limit_bytes,
        } => fault
            .with("model_id", model_id)
            .with("size_bytes", size_bytes)
            .with("in_use_bytes", in_use_bytes)
            .with("limit_bytes", limit_bytes),
        Refusal::DeviceIncompatible {
            device_id,
            worker_type,
        } => fault
            .with("device_id", device_id)
            .with("worker_type", worker_type),
    }
}

/// The estimate by its parts, in bytes, and what the device has.
fn with_fit(fault: Fault, fit: &Fit) -> Fault {
    let estimate = &fit.estimate;
    let mut fault = fault
        .with("device_id", fit.device.id)
        .with("needed_bytes", fit.needed_bytes())
        .with("weights_bytes", estimate.weights_bytes)
        .with("kv_cache_bytes", estimate.kv_cache_bytes)
        .with("activations_bytes", estimate.activations_bytes)
        .with("overhead_bytes", estimate.overhead_bytes)
        .with("shared_bytes", fit.shared_bytes);
    if let Some(available) = fit.available_bytes {
        fault = fault.with("available_bytes", available);
    }
    if let Some(context) = fit.fitting_context_length {
        fault = fault.with("fitting_context_length", context);
    }
    fault
}

/// Whether nothing can be written because there is no room.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn catalog(error: &CatalogError) -> Fault {
    match error {
        CatalogError::Refused {
            code,
            reason: Some(reason),
            message,
        } => Fault::new(*code, reason, message.clone()),
        CatalogError::Unavailable { .. } => {
            Fault::new(Code::Unavailable, reason::CATALOG_UNAVAILABLE, error.to_string()).retry_after(SOON)
        }
        CatalogError::Refused { .. } | CatalogError::Nonsense { .. } => Fault::internal(error),
    }
}

fn failed(failure: &Failure) -> Fault {
    let code = match failure.reason {
        reason::WORKER_NOT_READY => Code::DeadlineExceeded,
        reason::WORKER_EXITED | reason::WORKER_START_FAILED | reason::WORKER_UNRESPONSIVE => Code::Internal,
        // What a worker says of its model.
        _ => Code::FailedPrecondition,
    };
    with_failure(Fault::new(code, failure.reason, failure.message.clone()), failure)
}

fn with_failure(mut fault: Fault, failure: &Failure) -> Fault {
    if let Some(code) = failure.exit.and_then(crate::domain::Exit::code) {
        fault = fault.with("exit_code", code);
    }
    if let Some(signal) = failure.exit.and_then(crate::domain::Exit::signal) {
        fault = fault.with("signal", signal);
    }
    if let Some(cause) = failure.cause {
        fault = fault.with("cause", cause.name());
    }
    let tail = log_tail(&failure.log_tail);
    if tail.is_empty() {
        fault
    } else {
        fault.with("log_tail", tail)
    }
}

/// As many of the last lines as fit.
fn log_tail(lines: &[String]) -> String {
    let mut room = LOG_TAIL_BYTES;
    let fit = lines.iter().rev().take_while(|line| {
        let fits = line.len() < room;
        room = room.saturating_sub(line.len() + 1);
        fits
    });
    let mut fit: Vec<_> = fit.map(String::as_str).collect();
    fit.reverse();
    fit.join("\n")
}

pub(crate) fn invalid_model_id(error: &ModelIdError) -> Fault {
    let words = error.to_string();
    Fault::new(Code::InvalidArgument, reason::INVALID_MODEL_ID, words.clone()).field("model_id", words)
}

/// A worker that is leaving for good can't be started anew.
pub(crate) fn worker_leaving(id: &str) -> Fault {
    let message = format!("the worker {id} is leaving; spawn a new one");
    Fault::new(Code::FailedPrecondition, reason::WORKER_STOPPING, message).with("worker_id", id)
}

pub(crate) fn worker_not_found(id: &str) -> Fault {
    let shown: String = id.chars().take(128).collect();
    Fault::new(
        Code::NotFound,
        reason::WORKER_NOT_FOUND,
        format!("this hive has no worker {shown}; `rbee worker ls` lists those there are"),
    )
    .with("worker_id", shown)
}

/// A call of a worker's service without the metadata that names the worker.
pub(crate) fn worker_id_missing() -> Fault {
    Fault::new(
        Code::InvalidArgument,
        reason::WORKER_ID_MISSING,
        "which worker? name it in the metadata `rbee-worker-id`; `rbee worker ls` lists the ids",
    )
}

/// A call to a worker that can't answer, because of where it is in its life.
pub(crate) fn worker_not_serving(worker: &Worker) -> Fault {
    let (id, state) = (&worker.id, worker.state.name());
    let why = worker.failure.as_ref();
    let because = why.map_or_else(String::new, |failure| format!(": {}", failure.message));
    let fault = match worker.state {
        State::Failed => Fault::new(
            Code::Unavailable,
            reason::WORKER_FAILED,
            format!("the worker {id} has failed{because}; `rbee worker restart {id}` tries again"),
        ),
        State::CrashLooping => Fault::new(
            Code::Unavailable,
            reason::WORKER_CRASH_LOOPING,
            format!("the worker {id} crashed too often{because}; `rbee worker restart {id}` tries again"),
        ),
        State::Draining | State::Stopping | State::Stopped => Fault::new(
            Code::Unavailable,
            reason::WORKER_STOPPING,
            format!("the worker {id} is {state} and takes no more calls"),
        )
        .retry_after(SOON),
        // Its process has just ended, and what becomes of it is being decided.
        State::Ready | State::Busy => Fault::new(
            Code::Unavailable,
            reason::WORKER_NOT_READY,
            format!("the process of the worker {id} has just ended; try again in a moment"),
        )
        .retry_after(SOON),
        _ => Fault::new(
            Code::Unavailable,
            reason::WORKER_NOT_READY,
            format!("the worker {id} is {state}{because}; try again in a moment"),
        )
        .retry_after(SOON),
    };
    let fault = fault.with("worker_id", id).with("state", state);
    match why {
        Some(failure) => fault.with("failure", failure.reason),
        None => fault,
    }
}

/// A call that a worker did not finish.
pub(crate) fn worker_lost(id: &str) -> Fault {
    let message =
        format!("the worker {id} broke off in the middle of the call; `rbee worker show {id}` tells more");
    Fault::new(Code::Unavailable, reason::WORKER_LOST, message)
        .with("worker_id", id)
        .retry_after(SOON)
}

#[cfg(test)]
mod tests {
    use rbee_service_kit::RemoteFault;
    use tonic::Status;

    use super::*;
    use crate::domain::Exit;

    #[test]
    fn a_failed_worker_tells_how_it_ended() {
        let failure = Failure {
            exit: Some(Exit::Code(139)),
            log_tail: (0..1000).map(|line| format!("line {line}")).collect(),
            ..Failure::new(reason::WORKER_EXITED, "the worker ended")
        };
        let fault = RemoteFault::from(&Status::from(spawn(&SpawnError::Failed(failure))));
        assert!(fault.is(reason::WORKER_EXITED));
        assert_eq!(fault.metadata["exit_code"], "139");
        let tail = &fault.metadata["log_tail"];
        assert!(
            tail.len() <= LOG_TAIL_BYTES && tail.ends_with("line 998\nline 999"),
            "{tail}"
        );
    }

    #[test]
    fn a_line_that_is_too_long_for_a_header_is_left_out() {
        assert_eq!(log_tail(&["x".repeat(5000)]), "");
        assert_eq!(log_tail(&["x".repeat(5000), "end".into()]), "end");
    }

    fn worker(state: State, failure: Option<Failure>) -> Worker {
        Worker {
            id: "w-1".parse().unwrap(),
            model_id: "local:qwen".parse().unwrap(),
            worker_type: rbee_artifacts::WorkerType::CpuLlm,
            device_id: None,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            context_length: None,
            memory: None,
            process_id: None,
            state,
            state_since: jiff::Timestamp::UNIX_EPOCH,
            failure,
            proven: true,
            restart_count: 0,
            next_attempt_at: None,
            keep: crate::domain::Keep::default(),
        }
    }

    #[test]
    fn a_worker_that_rests_is_not_worth_another_try() {
        let fault =
            |state, failure| RemoteFault::from(&Status::from(worker_not_serving(&worker(state, failure))));
        for state in [
            State::Pending,
            State::Validating,
            State::Loading { fraction: None },
        ] {
            let fault = fault(state, None);
            assert!(fault.is(reason::WORKER_NOT_READY) && fault.retry_after.is_some());
        }
        assert!(fault(State::Draining, None).is(reason::WORKER_STOPPING));
        let crash = || Some(Failure::new(reason::WORKER_EXITED, "it ended"));
        for (state, reason) in [
            (State::Failed, reason::WORKER_FAILED),
            (State::CrashLooping, reason::WORKER_CRASH_LOOPING),
        ] {
            let fault = fault(state, crash());
            assert!(fault.is(reason) && fault.retry_after.is_none() && fault.message.contains("it ended"));
            assert_eq!(fault.metadata["failure"], reason::WORKER_EXITED);
        }
    }
}
