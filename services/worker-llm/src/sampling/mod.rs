//! Choosing the next token from the model's logits: plain arithmetic, no I/O.

mod params;
mod random;
mod sampler;

pub use params::{SamplingError, SamplingParams};
pub use random::Random;
pub use sampler::Sampler;
