//! Image generation: one worker, one model, one device.

pub mod fidelity;
pub mod kernels;
pub mod model;
pub mod pipeline;
pub mod prompt;
pub mod random;
pub mod sampler;
pub mod schedule;
