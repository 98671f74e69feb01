//! Errors as clients get them.

use rbee_service_kit::{Fault, narrate, reason};
use rbee_worker_kit::refusal::RETRY_SOON;
pub(super) use rbee_worker_kit::refusal::invalid;
use tonic::{Code, Status};

use crate::engine::EngineError;

/// Most characters of a message.
const MAX_CHARACTERS: usize = 500;

/// What [`EngineError`] is to a client.
pub(super) fn fault(error: &EngineError) -> Fault {
    let words: String = error.to_string().chars().take(MAX_CHARACTERS).collect();
    match error {
        EngineError::Invalid(violations) => invalid(violations),
        EngineError::QueueFull {
            slots,
            queue,
            retry_after,
        } => Fault::new(Code::ResourceExhausted, reason::QUEUE_FULL, words)
            .with("slot_count", slots)
            .with("queue_length", queue)
            .retry_after(*retry_after),
        EngineError::AddOnNotFound { model_id } => {
            Fault::new(Code::NotFound, reason::ADD_ON_NOT_FOUND, words).with("model_id", model_id)
        }
        EngineError::AddOnUnsuitable { model_id, .. } => {
            Fault::new(Code::FailedPrecondition, reason::ADD_ON_UNSUITABLE, words).with("model_id", model_id)
        }
        EngineError::OutOfMemory { .. } => Fault::new(Code::ResourceExhausted, reason::OUT_OF_MEMORY, words),
        EngineError::NotFinite => Fault::new(Code::Internal, reason::PICTURE_NOT_FINITE, words),
        EngineError::Stopping => {
            Fault::new(Code::Unavailable, reason::WORKER_STOPPING, words).retry_after(RETRY_SOON)
        }
        EngineError::Failed { .. } => Fault::new(Code::Internal, reason::ENGINE_FAILED, words),
    }
}

/// Refuses a request, and tells so.
pub(super) fn refuse(worker_id: &str, error: &EngineError) -> Status {
    let fault = fault(error);
    let reason = fault.reason();
    narrate!(worker_id = %worker_id, reason, "refused a request: {reason}");
    tracing::debug!("{}", fault.message());
    fault.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rbee_artifacts::ModelId;
    use rbee_service_kit::RemoteFault;

    use super::*;

    fn remote(error: &EngineError) -> RemoteFault {
        RemoteFault::from(&Status::from(fault(error)))
    }

    #[test]
    fn an_add_on_is_named() {
        let model_id = ModelId::local("honey").unwrap();
        let missing = remote(&EngineError::AddOnNotFound {
            model_id: model_id.clone(),
        });
        assert_eq!(missing.code, Code::NotFound);
        assert!(missing.is(reason::ADD_ON_NOT_FOUND));
        assert_eq!(missing.metadata["model_id"], "local:honey");
        let unsuitable = remote(&EngineError::AddOnUnsuitable {
            model_id,
            problem: "it is made for xl".into(),
        });
        assert_eq!(unsuitable.code, Code::FailedPrecondition);
        assert!(unsuitable.is(reason::ADD_ON_UNSUITABLE) && unsuitable.message.contains("made for xl"));
    }

    #[test]
    fn numbers_that_are_no_picture_and_memory_have_reasons_of_their_own() {
        assert!(remote(&EngineError::NotFinite).is(reason::PICTURE_NOT_FINITE));
        let memory = remote(&EngineError::OutOfMemory {
            message: "4 GiB".into(),
        });
        assert!(memory.is(reason::OUT_OF_MEMORY));
        assert_eq!(memory.code, Code::ResourceExhausted);
        let failed = remote(&EngineError::Failed { message: "x".into() });
        assert!(failed.is(reason::ENGINE_FAILED));
    }

    #[test]
    fn what_may_work_later_says_when() {
        let full = remote(&EngineError::QueueFull {
            slots: 1,
            queue: 2,
            retry_after: Duration::from_secs(3),
        });
        assert_eq!(full.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(full.metadata["queue_length"], "2");
        assert!(remote(&EngineError::Stopping).retry_after.is_some());
    }
}
