//! Why a generation was refused or ended without an answer.

use std::time::Duration;

use crate::constraint::ConstraintError;
use crate::sampling::SamplingError;

/// Why a generation was refused, or ended without an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// Every slot is taken and the queue is full.
    #[error(
        "all {slots} slots are busy and {queue} requests wait already; try again in {} s",
        retry_after.as_secs().max(1)
    )]
    QueueFull {
        /// Sequences that run at once.
        slots: usize,
        /// Requests that may wait.
        queue: usize,
        /// When a slot is expected to be free, from how long requests took so far.
        retry_after: Duration,
    },
    /// Prompt and answer do not fit the context.
    #[error(
        "the prompt has {prompt_tokens} tokens and the answer may take {max_tokens}, \
         {over_by} more than the context of {context_length} tokens holds"
    )]
    ContextOverflow {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens the answer may take (1 where the request sets no limit).
        max_tokens: usize,
        /// Tokens the context holds.
        context_length: usize,
        /// How many tokens are too many.
        over_by: usize,
    },
    /// The prompt has no token, so there is nothing to go on from.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// `max_tokens` is zero.
    #[error("max_tokens must be at least 1")]
    NoTokensWanted,
    /// A prompt token is not in the model's vocabulary.
    #[error("token id {token} is not in the vocabulary of {vocab_size} tokens")]
    UnknownToken {
        /// The id.
        token: u32,
        /// Ids are below this.
        vocab_size: usize,
    },
    /// A sampling setting is out of its range.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// Every token is ruled out.
    #[error("the settings leave no token that could be chosen")]
    NoTokenLeft,
    /// The constraint can't be kept.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// The engine stops and takes no more requests, or gave this one up.
    #[error("the worker is shutting down")]
    ShuttingDown,
    /// The computation failed.
    #[error("generation failed: {message}")]
    Failed {
        /// What went wrong.
        message: String,
    },
}
