//! The facts of a GGUF header, and what its architecture implies.

use rbee_artifacts::LlmArchitecture;
use rbee_artifacts::gguf::{
    DecoderFacts, GgufArray, GgufError, GgufHeader, GgufValue, require_architecture, required,
};

use super::{Activation, DecoderSpec, ExpertSpec, LayerSpec, RopeLayout, RopeScale, RopeSpec};
use crate::model::weights::ROPE_FACTORS;

/// Gemma 3's base of the rotation in local layers, where the file does not tell it (Gemma 3
/// technical report, section 2).
const GEMMA3_LOCAL_ROPE_THETA: f32 = 10_000.0;
/// Every how many layers Gemma 3 has a global one, where the file does not tell it.
const GEMMA3_PERIOD: usize = 6;
/// Every how many layers Gemma 2 has a global one (Gemma 2 report, section 2).
const GEMMA2_PERIOD: usize = 2;
/// The 27B models of Gemma 2 and 3, told by their layers, scale by width over heads and not by the
/// head's length. Files do not say it.
const GEMMA2_27B_LAYERS: usize = 46;
const GEMMA3_27B_LAYERS: usize = 62;
/// What Gemma 2 has where the file does not tell it.
const GEMMA2_ATTENTION_SOFT_CAP: f32 = 50.0;
const GEMMA2_LOGIT_SOFT_CAP: f32 = 30.0;

/// A header with the prefix of its keys.
struct Keys<'a> {
    header: &'a GgufHeader,
    architecture: LlmArchitecture,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    fn unsupported(&self, name: &str, problem: String) -> GgufError {
        GgufError::Unsupported {
            field: self.key(name),
            problem,
        }
    }

    /// A number of at least `least`, or `default` where the file does not tell it.
    fn number(&self, name: &str, least: f32, default: f32) -> Result<f32, GgufError> {
        let key = self.key(name);
        let number = self.header.metadata.f32(&key)?.unwrap_or(default);
        if number.is_finite() && number >= least {
            return Ok(number);
        }
        Err(GgufError::Invalid {
            field: key,
            problem: format!("is {number}, but must be at least {least}"),
        })
    }
}

impl DecoderSpec {
    /// Takes the facts of a GGUF header and adds what the architecture implies.
    ///
    /// # Errors
    /// When the architecture or one of its variants is not supported, or a fact makes no sense;
    /// names the field. Of tensors it is only asked whether optional ones are there.
    pub fn read(header: &GgufHeader) -> Result<Self, GgufError> {
        let keys = Keys {
            header,
            architecture: require_architecture(header)?,
        };
        let facts = DecoderFacts::read(header)?;
        if facts.value_head_dim != facts.head_dim {
            return Err(keys.unsupported(
                "attention.value_length",
                format!(
                    "is {} and not the length of keys, {}",
                    facts.value_head_dim, facts.head_dim
                ),
            ));
        }
        let spec = plain(&keys, &facts)?;
        match keys.architecture {
            LlmArchitecture::Llama => Ok(Self {
                // Qwen's build under Llama's name, as some converters write it.
                attention_bias: header.tensor("blk.0.attn_q.bias").is_some(),
                rope_layout: RopeLayout::Neighbours,
                ..spec
            }),
            LlmArchitecture::Qwen2 => Ok(Self {
                attention_bias: true,
                ..spec
            }),
            LlmArchitecture::Qwen3 | LlmArchitecture::Qwen3Moe => Ok(Self {
                head_norms: true,
                ..spec
            }),
            LlmArchitecture::Phi3 => spec.phi3(&keys, &facts),
            LlmArchitecture::Gemma2 => spec.gemma2(&keys, &facts),
            LlmArchitecture::Gemma3 => spec.gemma3(&keys, &facts),
        }
    }

    /// Phi 3's window counts in every layer (llama.cpp leaves it out).
    fn phi3(self, keys: &Keys<'_>, facts: &DecoderFacts) -> Result<Self, GgufError> {
        let long_rope = ["rope_factors_long.weight", "rope_factors_short.weight"];
        if let Some(name) = long_rope
            .into_iter()
            .find(|name| keys.header.tensor(name).is_some())
        {
            return Err(GgufError::Unsupported {
                field: format!("tensor {name}"),
                problem: "asks for positions by longrope, which this worker does not know".to_owned(),
            });
        }
        let window = facts.sliding_window.map(|window| window as usize);
        let layers = self.layers.iter().map(|layer| LayerSpec { window, ..*layer });
        Ok(Self {
            layers: layers.collect(),
            ..self
        })
    }

    fn gemma2(self, keys: &Keys<'_>, facts: &DecoderFacts) -> Result<Self, GgufError> {
        let window = window(keys, facts)?;
        let cap = |name, default| keys.number(name, f32::MIN_POSITIVE, default).map(Some);
        let layers = (1..=self.layers.len()).map(|layer| LayerSpec {
            window: (!layer.is_multiple_of(GEMMA2_PERIOD)).then_some(window),
            rope: 0,
        });
        Ok(Self {
            attention_soft_cap: cap("attn_logit_softcapping", GEMMA2_ATTENTION_SOFT_CAP)?,
            logit_soft_cap: cap("final_logit_softcapping", GEMMA2_LOGIT_SOFT_CAP)?,
            layers: layers.collect(),
            ..self.gemma(GEMMA2_27B_LAYERS)
        })
    }

    fn gemma3(self, keys: &Keys<'_>, facts: &DecoderFacts) -> Result<Self, GgufError> {
        let window = window(keys, facts)?;
        let local_rope = RopeSpec {
            theta: keys.number("rope.freq_base_swa", 1.0, GEMMA3_LOCAL_ROPE_THETA)?,
            scaling: RopeScale::None,
        };
        let local = local_layers(keys.header, self.layers.len())?;
        let layers = local.into_iter().map(|local| LayerSpec {
            window: local.then_some(window),
            rope: usize::from(local),
        });
        Ok(Self {
            head_norms: true,
            ropes: vec![self.ropes[0], local_rope],
            layers: layers.collect(),
            ..self.gemma(GEMMA3_27B_LAYERS)
        })
    }

    /// What both of them do. `scaled_by_width` is the number of layers of the one size that scales its
    /// attention otherwise.
    fn gemma(self, scaled_by_width: usize) -> Self {
        let attention_scale = if self.layers.len() == scaled_by_width {
            1.0 / (self.width as f32 / self.heads as f32).sqrt()
        } else {
            self.attention_scale
        };
        Self {
            embedding_scale: Some((self.width as f32).sqrt()),
            attention_scale,
            post_norms: true,
            activation: Activation::Gelu,
            ..self
        }
    }
}

/// The dimensions, without any of the parts that only some architectures have.
fn plain(keys: &Keys<'_>, facts: &DecoderFacts) -> Result<DecoderSpec, GgufError> {
    let head_dim = facts.head_dim as usize;
    let rope = RopeSpec {
        theta: facts.rope_theta,
        scaling: rope_scale(keys, facts)?,
    };
    // Windows count where an architecture says so: Qwen's and Mistral's files have some that are not used.
    let layer = LayerSpec {
        window: None,
        rope: 0,
    };
    Ok(DecoderSpec {
        architecture: keys.architecture,
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
        attention_soft_cap: None,
        logit_soft_cap: None,
        attention_bias: false,
        head_norms: false,
        post_norms: false,
        activation: Activation::Silu,
        experts: (facts.expert_count > 0).then_some(ExpertSpec {
            count: facts.expert_count as usize,
            used: facts.expert_used_count as usize,
            // Files do not say it; it is so in every model of the architectures that are known here.
            shares_sum_to_one: true,
        }),
        rope_dim: facts.rope_dimension_count as usize,
        rope_layout: RopeLayout::Halves,
        ropes: vec![rope],
        layers: vec![layer; facts.block_count as usize],
    })
}

/// A kind of scaling that is not known must not be left out: the text would be wrong.
fn rope_scale(keys: &Keys<'_>, facts: &DecoderFacts) -> Result<RopeScale, GgufError> {
    let by_tensor = keys.header.tensor(ROPE_FACTORS).is_some();
    let Some(scaling) = &facts.rope_scaling else {
        return Ok(if by_tensor {
            RopeScale::Tensor
        } else {
            RopeScale::None
        });
    };
    match (scaling.kind.as_str(), scaling.factor) {
        ("linear", Some(factor)) if !by_tensor => Ok(RopeScale::Linear(factor)),
        (kind, _) => Err(keys.unsupported(
            "rope.scaling.type",
            format!("is {kind:?}; linear scaling with a factor is supported, and factors in {ROPE_FACTORS}"),
        )),
    }
}

fn window(keys: &Keys<'_>, facts: &DecoderFacts) -> Result<usize, GgufError> {
    required(&keys.key("attention.sliding_window"), facts.sliding_window).map(|window| window as usize)
}

/// Which layers of a Gemma 3 see a window only.
fn local_layers(header: &GgufHeader, layer_count: usize) -> Result<Vec<bool>, GgufError> {
    let key = "gemma3.attention.sliding_window_pattern";
    let every = |period: usize| (1..=layer_count).map(|layer| layer % period != 0).collect();
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
