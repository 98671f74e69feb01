//! What a generation says while it runs, and at its end.

use std::time::Duration;

/// One message of a [`TokenStream`](super::TokenStream).
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The request has a slot and its prompt is computed now. Always the first event.
    Started,
    /// The next tokens of the prompt and how likely they were. Before any token of the answer, and only if
    /// it was asked for.
    Prompt(Vec<TokenDetails>),
    /// A token was generated.
    Token(Delta),
    /// The generation is over; nothing comes after it.
    Finished(Finish),
}

/// One generated token.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta {
    /// Its id.
    pub token: u32,
    /// The text that became certain with it. Empty while a character or a possible stop string is
    /// incomplete; the text of a stop string is never in it.
    pub text: String,
    /// The tokens whose text is out now, if it was asked how likely they were. Tokens of a stop string never are.
    pub details: Vec<TokenDetails>,
}

/// A token and how likely it was, by the model alone: before temperature, penalties, bias and constraint.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenDetails {
    /// Its id.
    pub token: u32,
    /// Natural logarithm of its probability; none for the first token of a prompt.
    pub log_probability: Option<f32>,
    /// The likeliest tokens in its place with theirs, likeliest first.
    pub top: Vec<(u32, f32)>,
}

/// How a generation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// Text held back until now (the start of a stop string that did not come, broken UTF-8).
    pub text: String,
    /// The tokens that have not been told of.
    pub details: Vec<TokenDetails>,
    /// Token counts.
    pub usage: Usage,
    /// Measured times.
    pub timings: Timings,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model gave an end-of-generation token.
    EndOfGeneration,
    /// The token limit of the request, or the end of the context, was reached.
    Length,
    /// A stop string was completed.
    StopString,
    /// The constraint is fulfilled and nothing can follow.
    Constraint,
    /// The receiver went away. Seen only in counters: nobody is there to get this event.
    Cancelled,
}

/// Token counts of one generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, special tokens included.
    pub prompt_tokens: usize,
    /// How many of them were in the KV cache already and were not computed again.
    pub cached_tokens: usize,
    /// Tokens of the answer, the end-of-generation token not counted.
    pub completion_tokens: usize,
}

/// Measured times of one generation. What was not measured is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timings {
    /// From the request's arrival until it had a slot.
    pub queue: Duration,
    /// From the request's arrival until its first token.
    pub time_to_first_token: Option<Duration>,
    /// Speed of computing the prompt (cached tokens left out), in tokens per second.
    pub prefill_tokens_per_second: Option<f64>,
    /// Speed of the answer from its first token to its last, in tokens per second; absent for
    /// answers of fewer than two tokens.
    pub decode_tokens_per_second: Option<f64>,
}
