//! Errors as clients get them.

use rbee_service_kit::{Fault, narrate, reason};
use rbee_worker_kit::refusal::RETRY_SOON;
pub(super) use rbee_worker_kit::refusal::invalid;
use tonic::{Code, Status};

use crate::constraint::ConstraintError;
use crate::generator::{GenerateError, Generator};
use crate::text::TemplateError;
use crate::text::template::TemplateOrigin;

/// Most characters of a message.
const MAX_CHARACTERS: usize = 500;

/// What [`GenerateError`] is to a client.
pub(super) fn fault(error: &GenerateError) -> Fault {
    // A template's own words may be long; trailers must not be.
    let words: String = error.to_string().chars().take(MAX_CHARACTERS).collect();
    match error {
        GenerateError::Invalid(violations) => invalid(violations),
        GenerateError::Template(error) => template(error, words),
        GenerateError::ContextOverflow {
            prompt_tokens,
            context_length,
            by_tokens,
        } => Fault::new(Code::InvalidArgument, reason::CONTEXT_OVERFLOW, words)
            .with("prompt_tokens", prompt_tokens)
            .with("context_length", context_length)
            .with("by_tokens", by_tokens),
        GenerateError::CallsUnknown => {
            Fault::new(Code::FailedPrecondition, reason::TOOLS_UNSUPPORTED, words.clone())
                .field("tool_choice", words)
        }
        GenerateError::Constraint(error) => constraint(error, words),
        GenerateError::InputOverflow {
            input,
            prompt_tokens,
            context_length,
            by_tokens,
        } => Fault::new(Code::InvalidArgument, reason::CONTEXT_OVERFLOW, words)
            .with("input", input)
            .with("prompt_tokens", prompt_tokens)
            .with("context_length", context_length)
            .with("by_tokens", by_tokens),
        GenerateError::EmbeddingUnsupported => {
            Fault::new(Code::FailedPrecondition, reason::EMBEDDING_UNSUPPORTED, words)
        }
        GenerateError::QueueFull {
            slots,
            queue,
            retry_after,
        } => Fault::new(Code::ResourceExhausted, reason::QUEUE_FULL, words)
            .with("slot_count", slots)
            .with("queue_length", queue)
            .retry_after(*retry_after),
        GenerateError::Stopping => {
            Fault::new(Code::Unavailable, reason::WORKER_STOPPING, words).retry_after(RETRY_SOON)
        }
        GenerateError::Engine { .. } => Fault::new(Code::Internal, reason::ENGINE_FAILED, words),
        GenerateError::Preparation(_) => Fault::internal(error),
    }
}

/// What a request asks for is the caller's to change; what the model's vocabulary lacks is not.
fn constraint(error: &ConstraintError, words: String) -> Fault {
    match error {
        ConstraintError::Unsupported(_) => {
            Fault::new(Code::FailedPrecondition, reason::CONSTRAINT_UNSUPPORTED, words)
        }
        ConstraintError::Refused { field, problem } => {
            Fault::new(Code::InvalidArgument, reason::INVALID_ARGUMENT, words)
                .field(field.as_ref(), problem.as_str())
        }
    }
}

/// A template of the request, and a conversation that a template refuses, are the caller's to change;
/// a model's own broken template is not.
fn template(error: &TemplateError, words: String) -> Fault {
    use TemplateOrigin::{Model, Request};
    let origin = match error {
        TemplateError::NoChatTemplate => {
            return Fault::new(Code::FailedPrecondition, reason::NO_CHAT_TEMPLATE, words);
        }
        TemplateError::Refused { .. } => {
            return Fault::new(Code::InvalidArgument, reason::CHAT_TEMPLATE_FAILED, words.clone())
                .field("messages", words);
        }
        TemplateError::NoTools { .. } => {
            return Fault::new(Code::FailedPrecondition, reason::TOOLS_UNSUPPORTED, words.clone())
                .field("tools", words);
        }
        TemplateError::NoHelper { .. } => return Fault::new(Code::Internal, reason::ENGINE_FAILED, words),
        TemplateError::TooLong { origin, .. }
        | TemplateError::TooMuchWork { origin }
        | TemplateError::TooMuchOutput { origin }
        | TemplateError::Broken { origin, .. } => origin,
    };
    match origin {
        Model => Fault::new(Code::FailedPrecondition, reason::CHAT_TEMPLATE_FAILED, words),
        Request => Fault::new(Code::InvalidArgument, reason::CHAT_TEMPLATE_FAILED, words.clone())
            .field("chat_template", words),
    }
}

/// Refuses a request, and tells so. Why in full only at debug level: a template's own words may quote the
/// prompt.
pub(super) fn refuse(generator: &Generator, error: &GenerateError) -> Status {
    let fault = fault(error);
    let reason = fault.reason();
    narrate!(worker_id = %generator.worker_id(), reason, "refused a request: {reason}");
    tracing::debug!("{}", fault.message());
    fault.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rbee_service_kit::RemoteFault;

    use super::*;

    fn remote(error: &GenerateError) -> RemoteFault {
        RemoteFault::from(&Status::from(fault(error)))
    }

    #[test]
    fn a_template_is_whose_it_is() {
        let of = |error: TemplateError| remote(&GenerateError::from(error));
        assert!(of(TemplateError::NoChatTemplate).is(reason::NO_CHAT_TEMPLATE));
        let refused = of(TemplateError::Refused {
            origin: TemplateOrigin::Model,
            message: "no".into(),
        });
        assert_eq!(
            (refused.code, refused.violations[0].0.as_str()),
            (Code::InvalidArgument, "messages")
        );
        let tools = of(TemplateError::NoTools {
            origin: TemplateOrigin::Model,
        });
        assert_eq!(
            (tools.code, tools.violations[0].0.as_str()),
            (Code::FailedPrecondition, "tools")
        );
        assert!(tools.is(reason::TOOLS_UNSUPPORTED));
        let own = of(TemplateError::TooMuchWork {
            origin: TemplateOrigin::Request,
        });
        assert_eq!(
            (own.code, own.violations[0].0.as_str()),
            (Code::InvalidArgument, "chat_template")
        );
        let models = of(TemplateError::TooMuchWork {
            origin: TemplateOrigin::Model,
        });
        assert_eq!(
            (models.code, models.violations.len()),
            (Code::FailedPrecondition, 0)
        );
        assert!(models.is(reason::CHAT_TEMPLATE_FAILED));
    }

    #[test]
    fn a_constraint_is_refused_by_its_field_or_the_model() {
        let refused = remote(&GenerateError::from(ConstraintError::Refused {
            field: "constraint.regex".into(),
            problem: "can't be used: unclosed group".into(),
        }));
        assert_eq!(refused.code, Code::InvalidArgument);
        assert!(refused.is(reason::INVALID_ARGUMENT));
        assert_eq!(refused.violations[0].0, "constraint.regex");
        assert!(refused.message.contains("unclosed group"), "{}", refused.message);
        let unsupported = remote(&GenerateError::from(ConstraintError::Unsupported("no {".into())));
        assert_eq!(unsupported.code, Code::FailedPrecondition);
        assert!(unsupported.is(reason::CONSTRAINT_UNSUPPORTED));
    }

    #[test]
    fn an_overflow_says_by_how_much() {
        let error = GenerateError::ContextOverflow {
            prompt_tokens: 110,
            context_length: 100,
            by_tokens: 11,
        };
        let remote = remote(&error);
        assert!(remote.is(reason::CONTEXT_OVERFLOW));
        assert_eq!(remote.metadata["by_tokens"], "11");
        assert_eq!(remote.metadata["context_length"], "100");
        assert_eq!(remote.metadata["prompt_tokens"], "110");
        assert!(remote.message.contains("11 too many"), "{}", remote.message);
    }

    #[test]
    fn what_may_work_later_says_when() {
        let full = remote(&GenerateError::QueueFull {
            slots: 4,
            queue: 2,
            retry_after: Duration::from_secs(3),
        });
        assert_eq!(full.code, Code::ResourceExhausted);
        assert_eq!(full.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(full.metadata["queue_length"], "2");
        let stopping = remote(&GenerateError::Stopping);
        assert_eq!(stopping.code, Code::Unavailable);
        assert!(stopping.retry_after.is_some());
    }
}
