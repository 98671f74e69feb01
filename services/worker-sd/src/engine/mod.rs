//! The queue and the thread that paints.
//!
//! ```text
//! Engine (cheap to clone, async)               engine thread (no tokio)
//!   generate(request) ── job ──▶ waiting ──────▶ Painter::begin(work), then again and again Painter::advance
//!   PictureStream ◀── events ─────────────────────┘ started, steps, previews, pictures
//! ```
//!
//! What holds:
//! * Nothing is computed on a thread of the runtime, and nothing on the engine thread waits for a client.
//! * `slots` requests are painted and `queue` wait; one more is [`EngineError::QueueFull`]. Who waits is told how many are
//!   before.
//! * Requests begin in the order in which they came. One begins beside others if it is the next and would be computed in
//!   one with them; if it would not, it begins when they are done, and nobody passes it by.
//! * A dropped [`PictureStream`] ends its work within one step, or if it waited, gives its place free at once.
//! * A panic ends every stream with an error and shows in what [`Engine`] tells of its exit; the process is to leave then, since the
//!   state of its model is unknown.
//! * After each request the memory that it took goes back to the system.

mod error;
mod event;
mod handle;
mod memory;
mod painter;
mod queue;
mod reporter;
mod stream;
mod thread;

#[cfg(test)]
mod tests;

pub use error::EngineError;
pub use event::{Event, Picture, Started, Step, Timings};
pub use handle::{Engine, EngineConfig, Load};
pub use painter::{Outcome, PaintError, Painter, Progress, Times, Work};
pub use rbee_worker_kit::EngineExit;
pub use stream::PictureStream;
