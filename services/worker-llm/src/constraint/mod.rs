//! Answers that must look a certain way: which tokens may come next.
//!
//! ```text
//! domain::Constraint ── compile ──▶ ConstraintState ── mask ──▶ logits ── Sampler ── token ─┐
//!                          ▲              ▲                                                 │
//!                ConstraintVocabulary     └───────────────────── accept ────────────────────┘
//! ```
//!
//! The grammars are those of the crate `llguidance`: an Earley parser over a lexer of regular-expression
//! derivatives, which walks the vocabulary as a trie of bytes and so finds all tokens that the grammar allows.
//!
//! What holds:
//! * A token is allowed only if the text with it can still become whole. The model's end tokens are allowed only
//!   where the text is whole; where nothing can follow, the answer ends by itself.
//! * Control tokens are no text. Only a Lark grammar that names one (`<tool_call>`) allows it.
//! * Grammars come from strangers. Their text is bounded ([`crate::domain::Constraint`]); compiling is bounded by
//!   the work that it may do (`limits`) and happens on a thread with a deep stack, never on the engine's; so is
//!   each step. What is beyond is [`ConstraintError::Refused`], before the answer or amid it.
//! * The mask of the next token is computed while the model computes its logits.

mod calls;
mod error;
mod gate;
mod limits;
mod mask;
mod state;
mod vocabulary;

pub use calls::compile_calls;
pub use error::ConstraintError;
pub use gate::Gate;
pub use mask::Mask;
pub use state::{Accepted, ConstraintState};
pub use vocabulary::ConstraintVocabulary;

#[cfg(test)]
mod tests;
