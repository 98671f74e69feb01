//! Transformers over the pixels of a level, which look at the text (Rombach et al. 2022).

use candle_core::Tensor;
use rbee_artifacts::detect::DetectError;

use super::Rules;
use crate::model::attention::Attention;
use crate::model::builder::Scope;
use crate::model::layers::{Added, Linear};
use crate::model::norm::Norm;

/// The variance's addition before the first projection.
const EPSILON: f64 = 1e-6;
/// The variance's addition inside.
const ROW_EPSILON: f64 = 1e-5;

#[derive(Debug)]
pub(super) struct Transformer {
    norm: Norm,
    proj_in: Linear,
    blocks: Vec<Block>,
    proj_out: Linear,
}

#[derive(Debug)]
struct Block {
    norm1: Norm,
    to_itself: Attention,
    norm2: Norm,
    to_text: Attention,
    norm3: Norm,
    gated: Linear,
    down: Linear,
}

impl Transformer {
    pub(super) fn new(scope: &Scope<'_>, width: usize, rules: &Rules) -> Result<Self, DetectError> {
        let depth = scope.count("transformer_blocks");
        let blocks = (0..depth)
            .map(|block| Block::new(&scope.at(&format!("transformer_blocks.{block}")), width, rules))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            norm: Norm::of_groups(scope, "norm", width, EPSILON)?,
            proj_in: Linear::new(scope, "proj_in", width, width)?,
            blocks,
            proj_out: Linear::new(scope, "proj_out", width, width)?,
        })
    }

    /// `input` is `[images, height, width, channels]`, `context` `[images, tokens, width]`.
    pub(super) fn forward(&self, input: &Tensor, context: &Tensor) -> candle_core::Result<Tensor> {
        let (images, height, width, channels) = input.dims4()?;
        let pixels = (images, height * width, channels);
        let normal = self.norm.groups(input, false)?.reshape(pixels)?;
        let mut hidden = self.proj_in.forward(&normal, &Added::default())?;
        for block in &self.blocks {
            hidden = block.forward(&hidden, context)?;
        }
        let input = input.reshape(pixels)?;
        self.proj_out
            .forward(&hidden, &Added::residual(&input))?
            .reshape((images, height, width, channels))
    }
}

impl Block {
    fn new(scope: &Scope<'_>, width: usize, rules: &Rules) -> Result<Self, DetectError> {
        let heads = rules.heads(width);
        let inner = scope.size("ff.net.2.weight", 1)?;
        Ok(Self {
            norm1: Norm::new(scope, "norm1", width, ROW_EPSILON)?,
            to_itself: Attention::without_bias(&scope.at("attn1"), width, width, heads)?,
            norm2: Norm::new(scope, "norm2", width, ROW_EPSILON)?,
            to_text: Attention::without_bias(&scope.at("attn2"), width, rules.context_width, heads)?,
            norm3: Norm::new(scope, "norm3", width, ROW_EPSILON)?,
            gated: Linear::gated(scope, "ff.net.0.proj", width, inner)?,
            down: Linear::new(scope, "ff.net.2", inner, width)?,
        })
    }

    fn forward(&self, input: &Tensor, context: &Tensor) -> candle_core::Result<Tensor> {
        let normal = self.norm1.rows(input)?;
        let hidden = self.to_itself.forward(&normal, &normal, input)?;
        let hidden = self
            .to_text
            .forward(&self.norm2.rows(&hidden)?, context, &hidden)?;
        let gated = self
            .gated
            .forward(&self.norm3.rows(&hidden)?, &Added::default())?;
        self.down.forward(&gated, &Added::residual(&hidden))
    }
}
