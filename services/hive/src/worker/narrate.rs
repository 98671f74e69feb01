//! What is told of a worker's life.

use rbee_service_kit::{narrate, narrate_error, narrate_warn};

use crate::domain::plan::describe_bytes;
use crate::domain::{State, Worker};

/// Tells that a worker came into its state. Being ready is told by [`narrate_ready`] the first time of each run.
pub(super) fn narrate_state(worker: &Worker) {
    let id = &worker.id;
    let state = worker.state.name();
    let failure = worker.failure.as_ref();
    match (worker.state, failure) {
        (State::Failed, Some(failure)) => {
            narrate_error!(worker_id = %id, state, reason = failure.reason, "worker {id} failed: {}", failure.message);
        }
        (State::CrashLooping, Some(failure)) => narrate_error!(
            worker_id = %id,
            state,
            reason = failure.reason,
            "worker {id} crashed too often and is left alone until it is restarted: {}",
            failure.message
        ),
        (State::Pending, Some(failure)) if worker.next_attempt_at.is_some() => narrate_warn!(
            worker_id = %id,
            state,
            reason = failure.reason,
            "worker {id} is tried again in a moment: {}",
            failure.message
        ),
        (State::Pending, _) => narrate!(worker_id = %id, state, "worker {id} waits"),
        (State::Validating, _) => {
            narrate!(worker_id = %id, state, "worker {id} for {} is being checked", worker.model_id);
        }
        (State::Fetching { .. }, _) => {
            narrate!(worker_id = %id, state, "worker {id}: fetching files of {}", worker.model_id);
        }
        (State::Starting, _) => narrate!(worker_id = %id, state, "worker {id} is being started"),
        (State::Loading { .. }, _) => {
            narrate!(worker_id = %id, state, "worker {id} loads {}", worker.model_id);
        }
        // Told with what it took, and every request would be told twice.
        (State::Ready | State::Busy, _) => {}
        (State::Draining, _) => {
            narrate!(worker_id = %id, state, "worker {id} takes no more requests and finishes those that run");
        }
        (State::Stopping, _) => narrate!(worker_id = %id, state, "worker {id} is being ended"),
        (State::Stopped, _) => narrate!(worker_id = %id, state, "worker {id} has stopped"),
        (State::Failed | State::CrashLooping, None) => {
            narrate_error!(worker_id = %id, state, "worker {id} failed");
        }
    }
}

/// Tells that a worker's process is ready, and how right its estimate was.
pub(super) fn narrate_ready(worker: &Worker) {
    let id = &worker.id;
    let memory = worker.memory;
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
