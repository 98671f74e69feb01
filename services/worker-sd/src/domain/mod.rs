//! What clients ask for and get, checked and in the worker's own words: no tokio, no prost, no tonic.

pub mod choices;
pub mod request;

pub use choices::{Choices, Facts};
pub use rbee_worker_kit::{Violation, Violations};
pub use request::{
    EmbeddingUse, Format, HighResolution, ImageRequest, Initial, LoraUse, PromptSyntax, Sampling,
};
