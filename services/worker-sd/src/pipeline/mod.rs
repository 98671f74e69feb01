//! From settings to pictures: text, noise, steps, decoding.

mod model;

pub use model::{
    CHUNK_TOKENS, Distilled, Family, ImageModel, LATENT_CHANNELS, LATENT_PIXELS, ModelError, ModelTraits,
    Pause, Posterior, TextRow, TextState, TowerTraits, UnetInput,
};
