//! Why a request was not answered, or its answer broke off.

use std::sync::Arc;
use std::time::Duration;

use super::preparation::PreparationError;
use crate::constraint::ConstraintError;
use crate::domain::Violations;
use crate::engine::EngineError;
use crate::text::TemplateError;

/// Why a request was not answered, or its answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A field is not as it must be.
    #[error(transparent)]
    Invalid(#[from] Violations),
    /// There is no chat template, it can't be used, or it refuses the conversation.
    #[error(transparent)]
    Template(#[from] Arc<TemplateError>),
    /// The prompt leaves no room for an answer.
    #[error(
        "the prompt has {prompt_tokens} tokens, but the context holds {context_length}, \
         one of them for the answer: {by_tokens} too many"
    )]
    ContextOverflow {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens the context holds.
        context_length: usize,
        /// How many are too many.
        by_tokens: usize,
    },
    /// A tool must be called, and nothing shows how this model writes calls.
    #[error(
        "a call can't be required: neither the chat template nor the vocabulary shows how this model writes calls"
    )]
    CallsUnknown,
    /// What the answer must look like can't be kept.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// A text is longer than the context.
    #[error(
        "text {input} has {prompt_tokens} tokens, but the context holds {context_length}: {by_tokens} too many"
    )]
    InputOverflow {
        /// Which text, counted from 0.
        input: usize,
        /// Its tokens.
        prompt_tokens: usize,
        /// Tokens the context holds.
        context_length: usize,
        /// How many are too many.
        by_tokens: usize,
    },
    /// The model does not say how vectors of texts are made.
    #[error("the model declares no pooling, so it was not made to turn texts into vectors")]
    EmbeddingUnsupported,
    /// No slot and no place in the queue is free.
    #[error("all {slots} slots are busy and all {queue} places in the queue are taken")]
    QueueFull {
        /// Requests that are generated at once.
        slots: usize,
        /// Requests that may wait.
        queue: usize,
        /// When another attempt makes sense.
        retry_after: Duration,
    },
    /// The worker is leaving.
    #[error("the worker is stopping and takes no more requests")]
    Stopping,
    /// The computation failed.
    #[error("{message}")]
    Engine {
        /// What went wrong.
        message: String,
    },
    /// Rendering or tokenising panicked.
    #[error("preparing the request failed")]
    Preparation(#[source] tokio::task::JoinError),
}

impl GenerateError {
    pub(super) fn from_preparation(error: PreparationError, slots: usize, queue: usize) -> Self {
        match error {
            PreparationError::Full => Self::QueueFull {
                slots,
                queue,
                retry_after: Duration::from_secs(1),
            },
            PreparationError::Panicked(source) => Self::Preparation(source),
        }
    }
}

impl From<TemplateError> for GenerateError {
    fn from(error: TemplateError) -> Self {
        Self::Template(Arc::new(error))
    }
}

impl From<EngineError> for GenerateError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::QueueFull {
                slots,
                queue,
                retry_after,
            } => Self::QueueFull {
                slots,
                queue,
                retry_after,
            },
            EngineError::ContextOverflow {
                prompt_tokens,
                context_length,
                over_by,
                ..
            } => Self::ContextOverflow {
                prompt_tokens,
                context_length,
                by_tokens: over_by,
            },
            EngineError::NoTokenLeft => Self::Invalid(Violations::of(
                "sampling.logit_bias",
                "must leave a token that can be chosen",
            )),
            EngineError::Constraint(error) => Self::Constraint(error),
            EngineError::ShuttingDown => Self::Stopping,
            // The rest was ruled out before the engine was asked, so it is ours to explain.
            other => Self::Engine {
                message: other.to_string(),
            },
        }
    }
}
