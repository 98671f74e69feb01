//! What clients ask for and get, checked and in the worker's own words: no tokio, no prost, no tonic.

pub mod constraint;
pub mod conversation;
pub mod embedding;
pub mod generation;
pub mod message;
pub mod tool;

pub use constraint::Constraint;
pub use conversation::{Chat, ContextOverflow, Conversation};
pub use embedding::Embedding;
pub use generation::{Generation, Sampling, Stop};
pub use message::{Message, Role};
pub use rbee_worker_kit::{Violation, Violations};
pub use tool::{Tool, ToolCall, ToolChoice};
