//! What a generation needs of a model, as plain numbers: the border between the pipeline and whatever computes.

use std::error::Error;
use std::ops::ControlFlow;

use crate::sampler::Prediction;

/// Tokens of one pass through a text encoder, the begin and end token included.
pub const CHUNK_TOKENS: usize = 77;
/// Channels of latents.
pub const LATENT_CHANNELS: usize = 4;
/// Pixels of a latent's edge.
pub const LATENT_PIXELS: usize = 8;

/// What a pipeline's code between parts of a computation says: on, or no further.
pub type Pause<'a> = &'a mut dyn FnMut() -> ControlFlow<()>;

/// The kind of Stable Diffusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// 1.x.
    Sd15,
    /// 2.x.
    Sd21,
    /// XL.
    Sdxl,
}

/// What a model was distilled to do in few steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distilled {
    /// Latent consistency.
    Lcm,
    /// Adversarial distillation ("Turbo").
    Turbo,
}

/// A text encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TowerTraits {
    /// Numbers of a token's state.
    pub width: usize,
    /// The token that fills up the chunks.
    pub pad_id: u32,
    /// Whether it gives a pooled state.
    pub pooled: bool,
}

/// What the pipeline must know of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelTraits {
    /// The kind of Stable Diffusion.
    pub family: Family,
    /// What the UNet tells.
    pub prediction: Prediction,
    /// Channels that the UNet takes: 4, or 9 for one that paints masked parts.
    pub unet_channels: usize,
    /// What the VAE's latents are multiplied with.
    pub latent_scaling: f32,
    /// The text encoders in the order in which their states stand side by side.
    pub towers: Vec<TowerTraits>,
    /// What the model was distilled to do, where that can be told.
    pub distilled: Option<Distilled>,
}

impl ModelTraits {
    /// Numbers of a token's state, of all encoders together.
    #[must_use]
    pub fn context_width(&self) -> usize {
        self.towers.iter().map(|tower| tower.width).sum()
    }
}

/// One pass through a text encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct TextRow {
    /// [`CHUNK_TOKENS`] token ids.
    pub ids: Vec<u32>,
    /// Vectors that stand in place of tokens' embeddings: where, and of the encoder's width.
    pub vectors: Vec<(usize, Vec<f32>)>,
}

/// What a text encoder makes of a [`TextRow`].
#[derive(Debug, Clone, PartialEq)]
pub struct TextState {
    /// A state for each token, one after the other.
    pub states: Vec<f32>,
    /// One state for all, at the first of the tokens with the largest id.
    pub pooled: Option<Vec<f32>>,
}

/// One pass through the UNet.
#[derive(Debug, Clone, Copy)]
pub struct UnetInput<'a> {
    /// How many are computed side by side.
    pub rows: usize,
    /// Channels of `samples`.
    pub channels: usize,
    /// Height of the latents.
    pub height: usize,
    /// Width of the latents.
    pub width: usize,
    /// rows × channels × height × width numbers.
    pub samples: &'a [f32],
    /// The time of each row, 0 to 999; it may have a fraction.
    pub timesteps: &'a [f32],
    /// rows × tokens × [`ModelTraits::context_width`] numbers.
    pub context: &'a [f32],
    /// Tokens of the context.
    pub tokens: usize,
    /// For SDXL: rows × the last encoder's pooled width.
    pub pooled: Option<&'a [f32]>,
    /// For SDXL: rows × 6 numbers: height and width, top and left of the crop, height and width of the aim.
    pub time_ids: Option<&'a [f32]>,
}

/// What the VAE makes of a picture: means and logarithms of variances, before the latent scaling.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// 4 × height × width means.
    pub mean: Vec<f32>,
    /// As many logarithms of variances, -30 to 20.
    pub logvar: Vec<f32>,
}

/// Why a model did not compute.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// There is no memory for it.
    #[error("not enough memory: {0}")]
    OutOfMemory(String),
    /// The pause between two parts said to stop.
    #[error("it was stopped")]
    Stopped,
    /// Anything else.
    #[error("the computation failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// A model that pictures can be made with. All pictures and latents are channel by channel, row by row.
pub trait ImageModel {
    /// What it is.
    fn traits(&self) -> &ModelTraits;

    /// Passes through the text encoder `tower` (an index into [`ModelTraits::towers`]).
    ///
    /// `clip_skip` counts the blocks left out as the web interfaces do, 1 for none; absent for the family's own.
    ///
    /// # Errors
    /// When there is no memory for it, or the computation fails.
    fn encode_text(
        &mut self,
        tower: usize,
        rows: &[TextRow],
        clip_skip: Option<u32>,
    ) -> Result<Vec<TextState>, ModelError>;

    /// Passes through the UNet: rows × 4 × height × width numbers, unscaled.
    ///
    /// # Errors
    /// When there is no memory for it, or the computation fails.
    fn denoise(&mut self, input: UnetInput<'_>) -> Result<Vec<f32>, ModelError>;

    /// Latents, as the UNet knows them, become 3 × 8 height × 8 width colours from -1 to 1, a little more at times.
    ///
    /// # Errors
    /// When there is no memory for it, the computation fails, or `pause`, asked between parts, says to stop.
    fn decode(
        &mut self,
        latents: &[f32],
        height: usize,
        width: usize,
        pause: Pause<'_>,
    ) -> Result<Vec<f32>, ModelError>;

    /// As [`Self::decode`], in a fraction of the time and not quite the same; nothing where there is no such way.
    ///
    /// # Errors
    /// When there is no memory for it, or the computation fails.
    fn preview(
        &mut self,
        latents: &[f32],
        height: usize,
        width: usize,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        let _ = (latents, height, width);
        Ok(None)
    }

    /// 3 × height × width colours from -1 to 1 become latents.
    ///
    /// # Errors
    /// As for [`ImageModel::decode`].
    fn encode(
        &mut self,
        colours: &[f32],
        height: usize,
        width: usize,
        pause: Pause<'_>,
    ) -> Result<Posterior, ModelError>;
}
