//! The tensors of a decoder by their roles.

use std::collections::HashSet;

use rbee_artifacts::gguf::{DecoderFacts, GgufError};

use super::file::ModelFile;
use super::spec::DecoderSpec;
use crate::kernels::Matrix;

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
    pub(super) gate: Matrix,
    pub(super) up: Matrix,
    pub(super) down: Matrix,
    pub(super) post_feed_forward_norm: Option<Vec<f32>>,
}

/// A matrix and what is added to its product.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) matrix: Matrix,
    pub(super) bias: Option<Vec<f32>>,
}

/// Takes tensors out of a file and remembers which.
struct Binder<'a> {
    file: &'a ModelFile,
    taken: HashSet<String>,
}

impl Binder<'_> {
    fn matrix(&mut self, name: String, rows: usize, len: usize) -> Result<Matrix, GgufError> {
        let matrix = self.file.matrix(&name, rows, len);
        self.taken.insert(name);
        matrix
    }

    fn vector(&mut self, name: String, len: usize) -> Result<Vec<f32>, GgufError> {
        let vector = self.file.vector(&name, len);
        self.taken.insert(name);
        vector
    }

    fn vector_if(&mut self, wanted: bool, name: String, len: usize) -> Result<Option<Vec<f32>>, GgufError> {
        wanted.then(|| self.vector(name, len)).transpose()
    }

    fn linear(&mut self, name: &str, rows: usize, len: usize, bias: bool) -> Result<Linear, GgufError> {
        Ok(Linear {
            matrix: self.matrix(format!("{name}.weight"), rows, len)?,
            bias: self.vector_if(bias, format!("{name}.bias"), rows)?,
        })
    }
}

impl Weights {
    /// Finds every tensor that `spec` needs.
    ///
    /// # Errors
    /// Names the first tensor that is absent, of another shape, or of a format without a kernel,
    /// and a tensor of a layer that the decoder would leave out: its result would not be the
    /// model's.
    pub fn bind(file: &ModelFile, spec: &DecoderSpec) -> Result<Self, GgufError> {
        let header = file.header();
        DecoderFacts::read(header)?.check_tensors(header)?;
        let mut binder = Binder {
            file,
            taken: HashSet::new(),
        };
        let (width, vocab_size) = (spec.width, spec.vocab_size);
        let embedding = binder.matrix("token_embd.weight".to_owned(), vocab_size, width)?;
        let output = match header.tensor("output.weight") {
            Some(_) => binder.matrix("output.weight".to_owned(), vocab_size, width)?,
            None => embedding.clone(),
        };
        let rope_factors = "rope_freqs.weight";
        let weights = Self {
            embedding,
            output,
            output_norm: binder.vector("output_norm.weight".to_owned(), width)?,
            rope_factors: binder.vector_if(
                header.tensor(rope_factors).is_some(),
                rope_factors.to_owned(),
                spec.rope_dim / 2,
            )?,
            layers: (0..spec.layers.len())
                .map(|layer| bind_layer(&mut binder, spec, &format!("blk.{layer}")))
                .collect::<Result<_, _>>()?,
        };
        let layer_count = spec.layers.len();
        let left_out = header.tensors.iter().find(|tensor| {
            let layer = tensor
                .name
                .strip_prefix("blk.")
                .and_then(|name| name.split('.').next()?.parse().ok());
            layer.is_some_and(|layer: usize| layer < layer_count) && !binder.taken.contains(&tensor.name)
        });
        match left_out {
            None => Ok(weights),
            Some(tensor) => Err(GgufError::Unsupported {
                field: format!("tensor {}", tensor.name),
                problem: format!("is not a part of {} that this worker knows", spec.architecture),
            }),
        }
    }
}

fn bind_layer(binder: &mut Binder<'_>, spec: &DecoderSpec, layer: &str) -> Result<LayerWeights, GgufError> {
    let (width, inner, head_dim) = (spec.width, spec.inner_width, spec.head_dim);
    let (query_rows, kv_rows) = (spec.heads * head_dim, spec.kv_heads * head_dim);
    let name = |part: &str| format!("{layer}.{part}");
    let weight = |part: &str| format!("{layer}.{part}.weight");
    Ok(LayerWeights {
        attention_norm: binder.vector(weight("attn_norm"), width)?,
        query: binder.linear(&name("attn_q"), query_rows, width, spec.attention_bias)?,
        key: binder.linear(&name("attn_k"), kv_rows, width, spec.attention_bias)?,
        value: binder.linear(&name("attn_v"), kv_rows, width, spec.attention_bias)?,
        query_norm: binder.vector_if(spec.head_norms, weight("attn_q_norm"), head_dim)?,
        key_norm: binder.vector_if(spec.head_norms, weight("attn_k_norm"), head_dim)?,
        attention_output: binder.matrix(weight("attn_output"), width, query_rows)?,
        post_attention_norm: binder.vector_if(spec.post_norms, weight("post_attention_norm"), width)?,
        feed_forward_norm: binder.vector(weight("ffn_norm"), width)?,
        gate: binder.matrix(weight("ffn_gate"), inner, width)?,
        up: binder.matrix(weight("ffn_up"), inner, width)?,
        down: binder.matrix(weight("ffn_down"), width, inner)?,
        post_feed_forward_norm: binder.vector_if(spec.post_norms, weight("post_ffw_norm"), width)?,
    })
}
