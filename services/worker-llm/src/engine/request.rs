//! What a caller asks of the engine.

use std::fmt;

use crate::constraint::ConstraintState;
use crate::sampling::SamplingParams;

/// A prompt and how to go on from it.
pub struct GenerateRequest {
    /// Token ids of the prompt, special tokens included; at least one.
    pub prompt: Vec<u32>,
    /// How the next token is chosen.
    pub sampling: SamplingParams,
    /// The most tokens the answer may have, at least 1. `None`: until the context is full.
    pub max_tokens: Option<usize>,
    /// Token ids that end the generation; empty to ignore the model's wish to end.
    pub end_tokens: Vec<u32>,
    /// The answer must be the same whatever was computed before: of what is in the KV cache, only that is
    /// taken which was computed in the portions in which it would be computed now. Otherwise the
    /// order of some sums may differ, and with it the last digits.
    pub reproducible: bool,
    /// Tell how likely each token was, and this many of the likeliest.
    pub log_probabilities: Option<usize>,
    /// Tell it of the prompt, too, if it is told at all: [`Event::Prompt`](super::Event::Prompt). All of the prompt
    /// is computed then, in small portions.
    pub prompt_log_probabilities: bool,
    /// What the answer must look like.
    pub constraint: Option<ConstraintState>,
    /// Turns the answer's tokens into text and finds stop strings. It is called on the engine
    /// thread, so it must be quick and must not block.
    pub sink: Box<dyn TokenSink>,
}

impl GenerateRequest {
    /// No prompt yet; everything as it is by default.
    #[must_use]
    pub fn new(sink: Box<dyn TokenSink>) -> Self {
        Self {
            prompt: Vec::new(),
            sampling: SamplingParams::default(),
            max_tokens: None,
            end_tokens: Vec::new(),
            reproducible: false,
            log_probabilities: None,
            prompt_log_probabilities: false,
            constraint: None,
            sink,
        }
    }
}

impl GenerateRequest {
    /// Whether it is told of the prompt's tokens.
    pub(super) fn tells_prompt(&self) -> bool {
        self.prompt_log_probabilities && self.log_probabilities.is_some()
    }
}

impl fmt::Debug for GenerateRequest {
    /// Leaves the prompt out: logs hold none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenerateRequest")
            .field("prompt_tokens", &self.prompt.len())
            .field("sampling", &self.sampling)
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

/// Makes text of the tokens of one answer.
pub trait TokenSink: Send {
    /// Takes the next token.
    fn push(&mut self, token: u32) -> Pushed;

    /// Gives the text that was held back. Not called after [`Pushed::stop`].
    fn finish(&mut self) -> String;
}

/// What a token meant to a [`TokenSink`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Text that is certain now.
    pub text: String,
    /// A stop string is complete; `text` ends before it.
    pub stop: bool,
    /// Bytes of text that are known, and held back since they may begin a stop string.
    pub held: usize,
}
