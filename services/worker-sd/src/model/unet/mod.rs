//! The UNet (Ronneberger et al. 2015; Rombach et al. 2022): from noisy latents to what is predicted of them.

mod embedding;
mod level;
mod resnet;
mod transformer;

use candle_core::{DType, Tensor};
use rbee_artifacts::detect::DetectError;

use super::builder::Scope;
use super::error::{ComputeError, Stop, go_on};
use super::layers::{Added, Linear, Movement};
use super::names::Blocks;
use super::norm::Norm;
use super::weight::Backend;
use embedding::Embedding;
use level::{Down, Middle, Up};

pub(super) use resnet::Resnet;

/// The variance's addition in residual blocks and at the end.
pub(super) const EPSILON: f64 = 1e-5;

/// How a UNet is built where its shapes do not tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Width of the text states.
    pub(super) context_width: usize,
    /// Heads of attention at each level; `None` for as many as there are 64 channels.
    pub(super) heads: Option<usize>,
}

impl Rules {
    fn heads(&self, width: usize) -> usize {
        self.heads.unwrap_or((width / 64).max(1))
    }
}

/// A UNet.
#[derive(Debug)]
pub(super) struct Unet {
    backend: Backend,
    embedding: Embedding,
    conv_in: Linear,
    downs: Vec<Down>,
    middle: Middle,
    ups: Vec<Up>,
    norm_out: Norm,
    conv_out: Linear,
    in_channels: usize,
}

/// What a UNet is fed.
#[derive(Debug, Clone, Copy)]
pub struct UnetInput<'a> {
    /// `[rows, channels, height, width]`.
    pub latents: &'a Tensor,
    /// One for each row; may lie between two whole ones.
    pub timesteps: &'a [f32],
    /// Text states: `[rows, tokens, width]`.
    pub context: &'a Tensor,
    /// What SDXL takes besides.
    pub added: Option<AddedConditions<'a>>,
    /// The guidance scale, for models that were distilled with it as an input.
    pub guidance: Option<f32>,
}

/// Conditions that SDXL takes besides the text states.
#[derive(Debug, Clone, Copy)]
pub struct AddedConditions<'a> {
    /// `[rows, width]`.
    pub pooled: &'a Tensor,
    /// Height, width, top, left, target height and target width: `[rows, 6]`.
    pub time_ids: &'a Tensor,
}

impl Unet {
    pub(super) fn new(scope: &Scope<'_>, rules: &Rules) -> Result<Self, DetectError> {
        let base = scope.size("conv_in.weight", 0)?;
        let in_channels = scope.size("conv_in.weight", 1)?;
        let embedding = Embedding::new(scope, base)?;
        let mut skips = vec![base];
        let mut width = base;
        let mut downs = Vec::new();
        for level in 0..scope.count("down_blocks") {
            let down = Down::new(
                &scope.at(&format!("down_blocks.{level}")),
                &mut width,
                embedding.width,
                rules,
                &mut skips,
            )?;
            downs.push(down);
        }
        let middle = Middle::new(&scope.at("mid_block"), width, embedding.width, rules)?;
        let mut ups = Vec::new();
        for level in 0..downs.len() {
            let scope = scope.at(&format!("up_blocks.{level}"));
            ups.push(Up::new(&scope, &mut width, embedding.width, rules, &mut skips)?);
        }
        if !skips.is_empty() {
            return Err(scope.invalid("up_blocks", "have fewer blocks than the way down needs"));
        }
        Ok(Self {
            backend: scope.backend().clone(),
            embedding,
            conv_in: Linear::convolution(scope, "conv_in", in_channels, base, 3)?,
            downs,
            middle,
            ups,
            norm_out: Norm::of_groups(scope, "conv_norm_out", width, EPSILON)?,
            conv_out: Linear::convolution(scope, "conv_out", width, scope.size("conv_out.weight", 0)?, 3)?,
            in_channels,
        })
    }

    pub(super) fn in_channels(&self) -> usize {
        self.in_channels
    }

    pub(super) fn embeds_guidance(&self) -> bool {
        self.embedding.embeds_guidance()
    }

    /// Width of the pooled text that it takes.
    pub(super) fn pooled_width(&self) -> Option<usize> {
        self.embedding.pooled_width()
    }

    /// Its blocks as the original layout numbers them.
    pub(super) fn blocks(&self) -> Blocks {
        let levels: Vec<usize> = self.downs.iter().map(Down::len).collect();
        Blocks::of_unet(&levels)
    }

    /// What it predicts: `[rows, 4, height, width]`.
    pub(super) fn forward(&self, input: &UnetInput<'_>, stop: &Stop<'_>) -> Result<Tensor, ComputeError> {
        self.check(input)?;
        let dtype = self.backend.dtype();
        let embedding = self.embedding.forward(&self.backend, input)?;
        let context = input.context.to_dtype(dtype)?.contiguous()?;
        let latents = input
            .latents
            .to_dtype(dtype)?
            .permute((0, 2, 3, 1))?
            .contiguous()?;
        let mut hidden = self
            .conv_in
            .convolve(&latents, Movement::Same, &Added::default())?;
        let mut skips = vec![hidden.clone()];
        for down in &self.downs {
            hidden = down.forward(hidden, &embedding, &context, &mut skips, stop)?;
        }
        hidden = self.middle.forward(&hidden, &embedding, &context, stop)?;
        for up in &self.ups {
            hidden = up.forward(hidden, &embedding, &context, &mut skips, stop)?;
        }
        go_on(stop)?;
        let hidden = self.norm_out.groups(&hidden, true)?;
        let predicted = self
            .conv_out
            .convolve(&hidden, Movement::Same, &Added::default())?;
        Ok(predicted
            .permute((0, 3, 1, 2))?
            .contiguous()?
            .to_dtype(DType::F32)?)
    }

    fn check(&self, input: &UnetInput<'_>) -> Result<(), ComputeError> {
        let (rows, channels, height, width) = input.latents.dims4()?;
        if channels != self.in_channels || input.timesteps.len() != rows || height == 0 || width == 0 {
            return Err(ComputeError::Input(format!(
                "the UNet takes {} channels and a timestep for each row, not {:?} and {}",
                self.in_channels,
                input.latents.dims(),
                input.timesteps.len()
            )));
        }
        // Each level but the last halves the picture.
        let smallest = 1 << self.downs.len().saturating_sub(1).min(16);
        if height * width < smallest {
            return Err(ComputeError::Input(format!(
                "latents of {width}x{height} are too small"
            )));
        }
        Ok(())
    }
}
