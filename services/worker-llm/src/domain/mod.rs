//! What clients ask for and get, checked and in the worker's own words: no tokio, no prost, no tonic.

pub mod conversation;
pub mod generation;

pub use conversation::{Conversation, Message, Role};
pub use generation::{Generation, Sampling, Stop};
pub use rbee_worker_kit::{Violation, Violations};
