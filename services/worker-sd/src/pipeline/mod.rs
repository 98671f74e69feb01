//! From settings to pictures: text, noise, steps, decoding.
//!
//! ```text
//! Settings ─▶ prompts ─▶ ImageModel::encode_text ─▶ what the UNet is told
//!          ─▶ table of noise levels, noise ─▶ sampler ⇄ ImageModel::denoise ─▶ latents ─▶ ImageModel::decode ─▶ Picture
//! ```
//!
//! The model is behind [`ImageModel`] and knows nothing of prompts, noise and methods; all that is here is plain
//! numbers. What holds: no more than one step passes before an [`Observer`] that says [`Break`](std::ops::ControlFlow)
//! is heard, and numbers that are not finite end a generation instead of giving a black picture.

mod conditioning;
mod generate;
mod generation;
mod guidance;
mod model;
mod pixels;
mod preview;
mod settings;
mod start;

pub use conditioning::{Conditioning, Prompts, prompt_tokens};
pub use generate::{GenerateError, Observer, StepDone, Timings, generate, generate_from};
pub use generation::{Generation, advance};
pub use model::{
    CHUNK_TOKENS, Distilled, Family, ImageModel, LATENT_CHANNELS, LATENT_PIXELS, ModelError, ModelTraits,
    Pause, Posterior, TextRow, TextState, TowerTraits, UnetInput,
};
pub use settings::{HighResolution, Initial, Mask, Picture, Sampling, Settings, SettingsError, Size};

#[cfg(test)]
mod tests;
