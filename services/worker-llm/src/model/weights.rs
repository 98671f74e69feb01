//! The tensors of a decoder by their roles.
//!
//! Roles have the names of GGUF. Files differ in how they lay matrices together: query, key and value
//! in one, gate and up in one, all experts in one. Here each is a matrix of its own, over the bytes
//! where they lie.

use std::collections::HashSet;

use super::source::TensorSource;
use super::spec::{DecoderSpec, ExpertSpec};
use crate::kernels::Matrix;

/// Divides the frequencies of the rotation, where a file has it.
pub(super) const ROPE_FACTORS: &str = "rope_freqs.weight";
/// The same for contexts up to the original one, and beyond.
pub(super) const SHORT_FACTORS: &str = "rope_factors_short.weight";
pub(super) const LONG_FACTORS: &str = "rope_factors_long.weight";

/// All weights of a decoder. Matrices stay in the file; vectors are small and are copied.
#[derive(Debug)]
pub struct Weights {
    pub(super) embedding: Matrix,
    pub(super) layers: Vec<LayerWeights>,
    pub(super) output_norm: Vec<f32>,
    /// The embedding once more where the file has no matrix of its own for it.
    pub(super) output: Matrix,
    /// Divides the frequencies of the rotation, where the file has it.
    pub(super) rope_factors: Option<Vec<f32>>,
}

/// The weights of one layer.
#[derive(Debug)]
pub(super) struct LayerWeights {
    pub(super) attention_norm: Vec<f32>,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) query_norm: Option<Vec<f32>>,
    pub(super) key_norm: Option<Vec<f32>>,
    pub(super) attention_output: Matrix,
    pub(super) post_attention_norm: Option<Vec<f32>>,
    pub(super) feed_forward_norm: Vec<f32>,
    pub(super) feed_forward: FeedForward,
    pub(super) post_feed_forward_norm: Option<Vec<f32>>,
}

/// A matrix and what is added to its product.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) matrix: Matrix,
    pub(super) bias: Option<Vec<f32>>,
}

/// The second half of a layer.
#[derive(Debug)]
pub(super) enum FeedForward {
    /// Every token takes all of it.
    Dense(GatedUnit),
    /// Every token takes the few experts that the router gives it.
    Experts {
        /// One row for each expert.
        router: Matrix,
        experts: Vec<GatedUnit>,
        spec: ExpertSpec,
    },
}

/// `down(activation(gate(x)) * up(x))` (Shazeer 2020).
#[derive(Debug)]
pub(super) struct GatedUnit {
    pub(super) gate: Matrix,
    pub(super) up: Matrix,
    pub(super) down: Matrix,
}

/// Takes tensors out of a source and remembers which.
struct Binder<'a, S> {
    source: &'a S,
    /// By the names that the source has for them.
    taken: HashSet<String>,
}

impl<S: TensorSource> Binder<'_, S> {
    fn has(&self, role: &str) -> bool {
        self.source.has(role)
    }

    fn matrix(&mut self, role: &str, rows: usize, len: usize) -> Result<Matrix, S::Error> {
        self.taken.extend(self.source.names(role));
        self.source.matrix(role, rows, len)
    }

    /// As many matrices of one shape as there are experts.
    fn stack(&mut self, role: &str, count: usize, rows: usize, len: usize) -> Result<Vec<Matrix>, S::Error> {
        self.taken.extend(self.source.names(role));
        self.source.stack(role, count, rows, len)
    }

    fn vector(&mut self, role: &str, len: usize) -> Result<Vec<f32>, S::Error> {
        self.taken.extend(self.source.names(role));
        self.source.vector(role, len)
    }

    fn vector_if(&mut self, wanted: bool, role: &str, len: usize) -> Result<Option<Vec<f32>>, S::Error> {
        wanted.then(|| self.vector(role, len)).transpose()
    }
}

impl Weights {
    /// Finds every tensor that `spec` needs.
    ///
    /// # Errors
    /// Names the first tensor that is absent, of another shape, or of a format without a kernel,
    /// and a tensor of a layer that the decoder would leave out: its result would not be the
    /// model's.
    pub fn bind<S: TensorSource>(source: &S, spec: &DecoderSpec) -> Result<Self, S::Error> {
        source.check()?;
        let mut binder = Binder {
            source,
            taken: HashSet::new(),
        };
        let (width, vocab_size) = (spec.width, spec.vocab_size);
        let embedding = binder.matrix("token_embd.weight", vocab_size, width)?;
        let output = match binder.has("output.weight") {
            true => binder.matrix("output.weight", vocab_size, width)?,
            false => embedding.clone(),
        };
        let weights = Self {
            embedding,
            output,
            output_norm: binder.vector("output_norm.weight", width)?,
            rope_factors: binder.vector_if(binder.has(ROPE_FACTORS), ROPE_FACTORS, spec.rope_dim / 2)?,
            layers: (0..spec.layers.len())
                .map(|layer| bind_layer(&mut binder, spec, &format!("blk.{layer}")))
                .collect::<Result<_, _>>()?,
        };
        let taken = &binder.taken;
        let left_out = source
            .of_layers(spec.layers.len())
            .find(|name| !taken.contains(*name));
        match left_out {
            None => Ok(weights),
            Some(name) => Err(source.left_out(name, spec.architecture)),
        }
    }
}

fn bind_layer<S: TensorSource>(
    binder: &mut Binder<'_, S>,
    spec: &DecoderSpec,
    layer: &str,
) -> Result<LayerWeights, S::Error> {
    let (width, head_dim) = (spec.width, spec.head_dim);
    let weight = |part: &str| format!("{layer}.{part}.weight");
    let [query, key, value] = bind_heads(binder, spec, layer)?;
    Ok(LayerWeights {
        attention_norm: binder.vector(&weight("attn_norm"), width)?,
        query,
        key,
        value,
        query_norm: binder.vector_if(spec.head_norms, &weight("attn_q_norm"), head_dim)?,
        key_norm: binder.vector_if(spec.head_norms, &weight("attn_k_norm"), head_dim)?,
        attention_output: binder.matrix(&weight("attn_output"), width, spec.heads * head_dim)?,
        post_attention_norm: binder.vector_if(spec.post_norms, &weight("post_attention_norm"), width)?,
        feed_forward_norm: binder.vector(&weight("ffn_norm"), width)?,
        feed_forward: match spec.experts {
            Some(experts) => bind_experts(binder, spec, experts, layer)?,
            None => FeedForward::Dense(bind_dense(binder, spec, layer)?),
        },
        post_feed_forward_norm: binder.vector_if(spec.post_norms, &weight("post_ffw_norm"), width)?,
    })
}

/// Query, key and value: three matrices, or the rows of one.
fn bind_heads<S: TensorSource>(
    binder: &mut Binder<'_, S>,
    spec: &DecoderSpec,
    layer: &str,
) -> Result<[Linear; 3], S::Error> {
    let (query, kv) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
    let fused = format!("{layer}.attn_qkv");
    if binder.has(&format!("{fused}.weight")) {
        let rows = query + 2 * kv;
        let matrix = binder.matrix(&format!("{fused}.weight"), rows, spec.width)?;
        let bias = binder.vector_if(spec.attention_bias, &format!("{fused}.bias"), rows)?;
        return Ok(
            [0..query, query..query + kv, query + kv..rows].map(|rows| Linear {
                matrix: matrix.part(rows.clone()),
                bias: bias.as_ref().map(|bias| bias[rows].to_vec()),
            }),
        );
    }
    let mut linear = |part: &str, rows: usize| {
        Ok(Linear {
            matrix: binder.matrix(&format!("{layer}.{part}.weight"), rows, spec.width)?,
            bias: binder.vector_if(spec.attention_bias, &format!("{layer}.{part}.bias"), rows)?,
        })
    };
    Ok([
        linear("attn_q", query)?,
        linear("attn_k", kv)?,
        linear("attn_v", kv)?,
    ])
}

fn bind_dense<S: TensorSource>(
    binder: &mut Binder<'_, S>,
    spec: &DecoderSpec,
    layer: &str,
) -> Result<GatedUnit, S::Error> {
    let (width, inner) = (spec.width, spec.inner_width);
    let weight = |part: &str| format!("{layer}.{part}.weight");
    let (gate, up) = if binder.has(&weight("ffn_gate")) {
        (
            binder.matrix(&weight("ffn_gate"), inner, width)?,
            binder.matrix(&weight("ffn_up"), inner, width)?,
        )
    } else {
        let both = binder.matrix(&weight("ffn_up"), 2 * inner, width)?;
        (both.part(0..inner), both.part(inner..2 * inner))
    };
    Ok(GatedUnit {
        gate,
        up,
        down: binder.matrix(&weight("ffn_down"), width, inner)?,
    })
}

fn bind_experts<S: TensorSource>(
    binder: &mut Binder<'_, S>,
    spec: &DecoderSpec,
    experts: ExpertSpec,
    layer: &str,
) -> Result<FeedForward, S::Error> {
    let (width, inner, count) = (spec.width, spec.inner_width, experts.count);
    let weight = |part: &str| format!("{layer}.{part}.weight");
    let gates = binder.stack(&weight("ffn_gate_exps"), count, inner, width)?;
    let ups = binder.stack(&weight("ffn_up_exps"), count, inner, width)?;
    let downs = binder.stack(&weight("ffn_down_exps"), count, width, inner)?;
    let units = gates.into_iter().zip(ups).zip(downs);
    Ok(FeedForward::Experts {
        router: binder.matrix(&weight("ffn_gate_inp"), count, width)?,
        experts: units
            .map(|((gate, up), down)| GatedUnit { gate, up, down })
            .collect(),
        spec: experts,
    })
}
