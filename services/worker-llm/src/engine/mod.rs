//! Generation: a queue, a scheduler on a thread of its own, and an async handle.
//!
//! ```text
//! Engine (cheap to clone, async)          engine thread (no tokio)
//!   generate(request) ── job ──────────▶  Scheduler: waiting → running → finished
//!   TokenStream  ◀────── events ────────    step(): one prefill chunk, one decode batch
//!                                            Backend::step(batch) → logits → Sampler → TokenSink
//! ```
//!
//! What holds:
//! * Inference never runs on a tokio thread, and nothing on the engine thread waits for a client.
//! * `slots` sequences run and `queue` requests wait; one more is [`EngineError::QueueFull`].
//! * A dropped [`TokenStream`] ends its sequence before the next step, so within one token (or one
//!   chunk of a prompt), and frees its slot and its KV cache.
//! * A request runs when its longest answer fits into the memory for KV caches, in the order of arrival.
//! * What has ended is kept for prompts that begin alike, as long as there is memory, and goes
//!   least recently used first. A prompt's last token is always computed.
//! * The engine works on token ids. Text is made by the request's [`TokenSink`], which also finds
//!   stop strings, so that the token that completes one is the last that is computed.
//! * A panic on the engine thread ends every stream with an error and shows in [`Engine::exited`];
//!   the process is to leave then, since its state is unknown.

mod backend;
mod embedding;
mod error;
mod event;
mod handle;
mod kept;
mod request;
mod running;
mod scheduler;
mod scores;
mod stats;
mod thread;
mod untold;

pub use backend::{Backend, BackendError, HiddenStep, LogitsWanted, SequenceId, SequenceStep};
pub use embedding::EmbedRequest;
pub use error::EngineError;
pub use event::{Delta, Event, Finish, FinishReason, Timings, TokenDetails, Usage};
pub use handle::{Engine, EngineConfig, TokenStream};
pub use rbee_worker_kit::EngineExit;
pub use request::{GenerateRequest, Pushed, TokenSink};
pub use stats::StatsSnapshot;

#[cfg(test)]
mod tests;
