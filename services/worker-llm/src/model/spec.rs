//! What each architecture does, as data.

use rbee_artifacts::gguf::{
    DecoderFacts, GgufArray, GgufError, GgufHeader, GgufValue, require_architecture, required,
};

/// The architectures that [`DecoderSpec`] knows, as GGUF names them.
pub const SUPPORTED_ARCHITECTURES: &[&str] = &["qwen2", "qwen3", "gemma3"];

/// Gemma 3's base of the rotation in local layers, where the file does not tell it (Gemma 3
/// technical report, section 2).
const GEMMA3_LOCAL_ROPE_THETA: f32 = 10_000.0;
/// Every how many layers Gemma 3 has a global one, where the file does not tell it.
const GEMMA3_PERIOD: usize = 6;
/// Gemma 3 27B, told by its layers, scales by width over heads and not by the head's length.
const GEMMA3_27B_LAYERS: usize = 62;

/// The function between the two halves of the feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// The tanh approximation of GELU.
    Gelu,
}

/// A rotary position embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeSpec {
    /// Base of the frequencies.
    pub theta: f32,
    /// Positions are divided by it (linear scaling).
    pub position_divisor: f32,
}

/// What differs from layer to layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerSpec {
    /// How many positions a position sees, itself included; `None` for all before it.
    pub window: Option<usize>,
    /// Which of [`DecoderSpec::ropes`] it uses.
    pub rope: usize,
}

/// A decoder as a list of facts: dimensions, and which parts it has.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderSpec {
    /// As GGUF names it.
    pub architecture: String,
    /// Width of the residual stream.
    pub width: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
    /// Width of the feed-forward part.
    pub inner_width: usize,
    /// Rows of the embedding: one logit each.
    pub vocab_size: usize,
    /// Positions it was trained for.
    pub context_length: usize,
    /// Added to the mean square in normalisations.
    pub epsilon: f32,
    /// Multiplies the embeddings.
    pub embedding_scale: Option<f32>,
    /// Multiplies the attention scores.
    pub attention_scale: f32,
    /// Query, key and value have a bias.
    pub attention_bias: bool,
    /// Queries and keys are normalised head by head.
    pub head_norms: bool,
    /// The outputs of attention and feed-forward are normalised before they are added.
    pub post_norms: bool,
    /// Between the halves of the feed-forward part.
    pub activation: Activation,
    /// Numbers of a head that turn.
    pub rope_dim: usize,
    /// The rotations in use.
    pub ropes: Vec<RopeSpec>,
    /// One for each layer.
    pub layers: Vec<LayerSpec>,
}

impl DecoderSpec {
    /// Takes the facts of a header and adds what the architecture implies.
    ///
    /// # Errors
    /// When the architecture or one of its variants is not supported, or a fact makes no sense;
    /// names the field. Tensors are not looked at.
    pub fn read(header: &GgufHeader) -> Result<Self, GgufError> {
        require_architecture(header, SUPPORTED_ARCHITECTURES)?;
        let facts = DecoderFacts::read(header)?;
        let key = |name: &str| format!("{}.{name}", facts.architecture);
        let unsupported = |name: &str, problem: String| GgufError::Unsupported {
            field: key(name),
            problem,
        };
        if facts.value_head_dim != facts.head_dim {
            return Err(unsupported(
                "attention.value_length",
                format!(
                    "is {} and not the length of keys, {}",
                    facts.value_head_dim, facts.head_dim
                ),
            ));
        }
        if facts.expert_count > 0 {
            return Err(unsupported(
                "expert_count",
                "says that this is a mixture of experts".to_owned(),
            ));
        }
        let position_divisor = match &facts.rope_scaling {
            None => 1.0,
            Some(scaling) => match (scaling.kind.as_str(), scaling.factor) {
                ("linear", Some(factor)) => factor,
                (kind, _) => {
                    return Err(unsupported(
                        "rope.scaling.type",
                        format!("is {kind:?}; linear scaling with a factor is supported"),
                    ));
                }
            },
        };
        let rope = RopeSpec {
            theta: facts.rope_theta,
            position_divisor,
        };
        let layer_count = facts.block_count as usize;
        let head_dim = facts.head_dim as usize;
        let spec = Self {
            width: facts.embedding_length as usize,
            heads: facts.head_count as usize,
            kv_heads: facts.head_count_kv as usize,
            head_dim,
            inner_width: facts.feed_forward_length as usize,
            vocab_size: facts.vocab_size as usize,
            context_length: facts.context_length as usize,
            epsilon: facts.rms_epsilon,
            embedding_scale: None,
            attention_scale: 1.0 / (head_dim as f32).sqrt(),
            attention_bias: false,
            head_norms: false,
            post_norms: false,
            activation: Activation::Silu,
            rope_dim: facts.rope_dimension_count as usize,
            ropes: vec![rope],
            // Only Gemma's window counts: Qwen's is in files that do not use it.
            layers: vec![
                LayerSpec {
                    window: None,
                    rope: 0
                };
                layer_count
            ],
            architecture: facts.architecture.clone(),
        };
        match spec.architecture.as_str() {
            "qwen2" => Ok(Self {
                attention_bias: true,
                ..spec
            }),
            "qwen3" => Ok(Self {
                head_norms: true,
                ..spec
            }),
            _ => spec.gemma3(header, &facts),
        }
    }

    fn gemma3(self, header: &GgufHeader, facts: &DecoderFacts) -> Result<Self, GgufError> {
        let window_key = "gemma3.attention.sliding_window";
        let window = required(window_key, facts.sliding_window)? as usize;
        let theta_key = "gemma3.rope.freq_base_swa";
        let theta = header.metadata.f32(theta_key)?.unwrap_or(GEMMA3_LOCAL_ROPE_THETA);
        if !(theta.is_finite() && theta >= 1.0) {
            return Err(GgufError::Invalid {
                field: theta_key.to_owned(),
                problem: format!("is {theta}, but must be at least 1"),
            });
        }
        let attention_scale = if self.layers.len() == GEMMA3_27B_LAYERS {
            1.0 / (self.width as f32 / self.heads as f32).sqrt()
        } else {
            self.attention_scale
        };
        let local = local_layers(header, self.layers.len())?;
        let layers = local.into_iter().map(|local| match local {
            true => LayerSpec {
                window: Some(window),
                rope: 1,
            },
            false => LayerSpec {
                window: None,
                rope: 0,
            },
        });
        Ok(Self {
            embedding_scale: Some((self.width as f32).sqrt()),
            attention_scale,
            head_norms: true,
            post_norms: true,
            activation: Activation::Gelu,
            ropes: vec![
                self.ropes[0],
                RopeSpec {
                    theta,
                    position_divisor: 1.0,
                },
            ],
            layers: layers.collect(),
            ..self
        })
    }

    /// Numbers that the KV cache keeps for one position, over all layers.
    #[must_use]
    pub fn kv_numbers(&self) -> usize {
        self.layers.len() * self.kv_heads * self.head_dim * 2
    }
}

/// Which layers of a Gemma 3 see a window only.
fn local_layers(header: &GgufHeader, layer_count: usize) -> Result<Vec<bool>, GgufError> {
    let key = "gemma3.attention.sliding_window_pattern";
    let every = |period: usize| (0..layer_count).map(|layer| (layer + 1) % period != 0).collect();
    match header.metadata.get(key) {
        None => Ok(every(GEMMA3_PERIOD)),
        Some(GgufValue::Array(GgufArray::Bool(local))) if local.len() == layer_count => Ok(local.clone()),
        Some(GgufValue::Array(_)) => Err(GgufError::Invalid {
            field: key.to_owned(),
            problem: format!("must be a list of {layer_count} bools, one for each layer"),
        }),
        Some(_) => match header.metadata.u32(key)? {
            Some(period @ 1..) => Ok(every(period as usize)),
            _ => Err(GgufError::Invalid {
                field: key.to_owned(),
                problem: "must be at least 1".to_owned(),
            }),
        },
    }
}
