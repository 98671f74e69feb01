//! Text in and text out: everything between a person's words and the model's token ids.
//!
//! - [`tokenizer`]: the vocabulary of the model's file, words to ids and ids to words, whole or as
//!   they come out of a stream.
//! - [`template`]: the model's own chat template, which turns a conversation into the prompt the
//!   model was trained on.
//! - [`marks`]: how the model sets what it thinks, and its calls of tools, apart from the answer.
//! - [`stop`]: stop strings, found in a stream of text and never let through.
//!
//! All of it is plain computation on data that an untrusted model file or client wrote: lengths are
//! checked, templates have budgets, and nothing here panics on what it is given.

pub mod marks;
pub mod stop;
pub mod template;
pub mod tokenizer;

pub use marks::{CallForm, CallSpelling, Marks, ReasoningMarks};
pub use stop::{StopDelta, StopMatcher};
pub use template::{ChatMessage, ChatTemplate, Json, Prompt, PromptInput, TemplateError};
pub use tokenizer::{StreamDecoder, TokenKind, Tokenizer, TokenizerError, Utf8Stream};
