//! What an architecture does, as data.

mod config;
mod config_rope;
mod gguf;
mod rope;

use rbee_artifacts::LlmArchitecture;

use crate::kernels::KvType;

pub use rope::{LongRope, RopeScale, RopeSpec, Yarn};

/// The function between the two halves of the feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// The tanh approximation of GELU.
    Gelu,
}

/// Which items of a head turn together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeLayout {
    /// Item `i` of the first half with item `i` of the second.
    Halves,
    /// Item `2i` with item `2i + 1`: how GGUF keeps the Llama family.
    Neighbours,
}

/// What differs from layer to layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerSpec {
    /// How many positions a position sees, itself included; `None` for all before it.
    pub window: Option<usize>,
    /// Which of [`DecoderSpec::ropes`] it uses.
    pub rope: usize,
}

/// A feed-forward part of which each token takes a few pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertSpec {
    /// How many there are.
    pub count: usize,
    /// How many see a token, at least one.
    pub used: usize,
    /// The shares of the chosen ones are made to sum to one.
    pub shares_sum_to_one: bool,
}

/// A decoder as a list of facts: dimensions, and which parts it has.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderSpec {
    /// Which build it is.
    pub architecture: LlmArchitecture,
    /// Width of the residual stream.
    pub width: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
    /// Width of the feed-forward part (of one expert, where there are experts).
    pub inner_width: usize,
    /// Rows of the embedding: one logit each.
    pub vocab_size: usize,
    /// Positions that it is served with: those that it was trained for, until fewer are asked for.
    pub context_length: usize,
    /// Added to the mean square in normalisations.
    pub epsilon: f32,
    /// Multiplies the embeddings.
    pub embedding_scale: Option<f32>,
    /// Multiplies the attention scores.
    pub attention_scale: f32,
    /// Bounds the attention scores.
    pub attention_soft_cap: Option<f32>,
    /// Bounds the logits.
    pub logit_soft_cap: Option<f32>,
    /// Query, key and value have a bias.
    pub attention_bias: bool,
    /// Queries and keys are normalised head by head.
    pub head_norms: bool,
    /// The outputs of attention and feed-forward are normalised before they are added.
    pub post_norms: bool,
    /// Between the halves of the feed-forward part.
    pub activation: Activation,
    /// The feed-forward part has experts.
    pub experts: Option<ExpertSpec>,
    /// Numbers of a head that turn.
    pub rope_dim: usize,
    /// Which of them turn together.
    pub rope_layout: RopeLayout,
    /// The rotations in use.
    pub ropes: Vec<RopeSpec>,
    /// One for each layer.
    pub layers: Vec<LayerSpec>,
}

impl DecoderSpec {
    /// Bytes that the KV cache keeps for one position, over all layers.
    #[must_use]
    pub fn kv_bytes(&self, kind: KvType) -> usize {
        self.layers.len() * self.kv_heads * kind.bytes(self.head_dim) * 2
    }
}
