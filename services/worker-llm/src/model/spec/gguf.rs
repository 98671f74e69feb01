//! The facts of a GGUF header, and what its architecture implies.

use rbee_artifacts::LlmArchitecture;
use rbee_artifacts::gguf::{
    DecoderFacts, GgufArray, GgufError, GgufHeader, GgufValue, require_architecture, required,
};

use super::{
    Activation, DecoderSpec, ExpertSpec, LayerSpec, LongRope, RopeLayout, RopeScale, RopeSpec, Yarn,
};
use crate::model::weights::{LONG_FACTORS, ROPE_FACTORS, SHORT_FACTORS};

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
            LlmArchitecture::Phi3 => Ok(spec.phi3(&facts)),
            LlmArchitecture::Gemma2 => spec.gemma2(&keys, &facts),
            LlmArchitecture::Gemma3 => spec.gemma3(&keys, &facts),
        }
    }

    /// Phi 3's window counts in every layer (llama.cpp leaves it out).
    fn phi3(self, facts: &DecoderFacts) -> Self {
        let window = facts.sliding_window.map(|window| window as usize);
        let layers = self.layers.iter().map(|layer| LayerSpec { window, ..*layer });
        Self {
            layers: layers.collect(),
            ..self
        }
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
        let theta = keys.number("rope.freq_base_swa", 1.0, GEMMA3_LOCAL_ROPE_THETA)?;
        let local = local_layers(keys.header, self.layers.len())?;
        let layers = local.into_iter().map(|local| LayerSpec {
            window: local.then_some(window),
            rope: usize::from(local),
        });
        Ok(Self {
            head_norms: true,
            ropes: vec![self.ropes[0].clone(), RopeSpec::plain(theta)],
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
    let rope = rope(keys, facts)?;
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
fn rope(keys: &Keys<'_>, facts: &DecoderFacts) -> Result<RopeSpec, GgufError> {
    let has = |name| keys.header.tensor(name).is_some();
    let (by_tensor, long) = (has(ROPE_FACTORS), has(LONG_FACTORS) || has(SHORT_FACTORS));
    let scaling = facts.rope_scaling.as_ref();
    let kind = scaling.map_or("none", |scaling| scaling.kind.as_str());
    let plain = |scaling| RopeSpec {
        scaling,
        ..RopeSpec::plain(facts.rope_theta)
    };
    match (kind, scaling.and_then(|scaling| scaling.factor)) {
        ("none", _) if by_tensor => Ok(plain(RopeScale::Tensor)),
        ("none" | "longrope", _) if long => long_rope(keys, facts),
        ("none", _) => Ok(plain(RopeScale::None)),
        ("linear", Some(factor)) if !by_tensor && !long => Ok(plain(RopeScale::Linear(factor))),
        ("yarn", Some(factor)) if !by_tensor && !long => yarn(keys, facts, factor),
        (kind, _) => Err(keys.unsupported(
            "rope.scaling.type",
            format!(
                "is {kind:?}; linear and yarn with a factor are supported, longrope with its tensors, \
                 and factors in {ROPE_FACTORS}"
            ),
        )),
    }
}

/// What converters write for YaRN, and what llama.cpp takes where they do not.
fn yarn(keys: &Keys<'_>, facts: &DecoderFacts, factor: f32) -> Result<RopeSpec, GgufError> {
    let key = "rope.scaling.yarn_log_multiplier";
    if keys
        .header
        .metadata
        .f32(&keys.key(key))?
        .is_some_and(|by| by != 0.0)
    {
        return Err(keys.unsupported(key, "is set, which only DeepSeek's architectures know".to_owned()));
    }
    let least = f32::MIN_POSITIVE;
    let kept = match keys.number("rope.scaling.yarn_ext_factor", -1.0, -1.0)? {
        kept if kept < 0.0 => 1.0,
        kept => kept,
    };
    let told = keys.number("rope.scaling.attn_factor", least, 1.0)?
        * keys.number("rope.scaling.yarn_attn_factor", least, 1.0)?;
    let own = if kept > 0.0 {
        Yarn::magnitude(factor, 1.0)
    } else {
        1.0
    };
    Ok(RopeSpec {
        theta: facts.rope_theta,
        magnitude: told * own,
        scaling: RopeScale::Yarn(Yarn {
            factor,
            original_context: original_context(keys, facts)?,
            fast_turns: keys.number("rope.scaling.yarn_beta_fast", least, 32.0)?,
            slow_turns: keys.number("rope.scaling.yarn_beta_slow", least, 1.0)?,
            whole_pairs: true,
            kept,
        }),
    })
}

/// The factors themselves are tensors.
fn long_rope(keys: &Keys<'_>, facts: &DecoderFacts) -> Result<RopeSpec, GgufError> {
    Ok(RopeSpec {
        theta: facts.rope_theta,
        magnitude: keys.number("rope.scaling.attn_factor", f32::MIN_POSITIVE, 1.0)?,
        scaling: RopeScale::Long(LongRope {
            original_context: original_context(keys, facts)? as usize,
            short: Vec::new(),
            long: Vec::new(),
        }),
    })
}

fn original_context(keys: &Keys<'_>, facts: &DecoderFacts) -> Result<f32, GgufError> {
    let key = keys.key("rope.scaling.original_context_length");
    match keys.header.metadata.u32(&key)? {
        Some(0) => Err(GgufError::Invalid {
            field: key,
            problem: "must be at least 1".to_owned(),
        }),
        told => Ok(told.unwrap_or(facts.context_length) as f32),
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
