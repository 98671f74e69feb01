//! The facts of a `config.json`, in both styles that transformers has written.

use rbee_artifacts::LlmArchitecture;
use rbee_artifacts::detect::{DetectError, JsonObject, LlmConfig};
use serde_json::Value;

use super::{Activation, DecoderSpec, ExpertSpec, LayerSpec, RopeLayout};

/// What transformers takes where a file does not say.
const GEMMA_QUERY_SCALAR: f32 = 256.0;
const GEMMA2_ATTENTION_SOFT_CAP: f32 = 50.0;
const GEMMA2_LOGIT_SOFT_CAP: f32 = 30.0;
const GEMMA_WINDOW: u64 = 4096;
const GEMMA3_PERIOD: u64 = 6;
const MAX_WINDOW: u64 = 1 << 28;

/// The names of transformers for layers that see everything, and for those with a window.
pub(super) const GLOBAL: &str = "full_attention";
pub(super) const LOCAL: &str = "sliding_attention";

/// Reads fields with their errors.
pub(super) struct Fields<'a> {
    pub(super) json: &'a JsonObject,
    pub(super) config: &'a LlmConfig,
    pub(super) architecture: LlmArchitecture,
}

impl DecoderSpec {
    /// Takes the facts of a `config.json` and adds what the architecture implies.
    ///
    /// # Errors
    /// When a variant is not supported, or a fact makes no sense; names the field.
    pub fn from_config(
        json: &JsonObject,
        config: &LlmConfig,
        architecture: LlmArchitecture,
    ) -> Result<Self, DetectError> {
        let fields = Fields {
            json,
            config,
            architecture,
        };
        let gemma = fields.is_gemma();
        let head_dim = config.head_dim as usize;
        let context = json.required("max_position_embeddings", config.context_length)?;
        let norm_epsilon = json.required("rms_norm_eps", fields.number("rms_norm_eps", 0.0)?)?;
        let query_scalar = match gemma {
            true => fields
                .number("query_pre_attn_scalar", 1.0)?
                .unwrap_or(GEMMA_QUERY_SCALAR),
            false => head_dim as f32,
        };
        let layers = fields.layers()?;
        Ok(Self {
            architecture,
            width: config.hidden_size as usize,
            heads: config.head_count as usize,
            kv_heads: config.head_count_kv as usize,
            head_dim,
            inner_width: config.inner_size as usize,
            vocab_size: config.vocab_size as usize,
            context_length: context as usize,
            epsilon: norm_epsilon,
            embedding_scale: gemma.then(|| (config.hidden_size as f32).sqrt()),
            attention_scale: 1.0 / query_scalar.sqrt(),
            attention_soft_cap: fields.soft_cap("attn_logit_softcapping", GEMMA2_ATTENTION_SOFT_CAP)?,
            logit_soft_cap: fields.soft_cap("final_logit_softcapping", GEMMA2_LOGIT_SOFT_CAP)?,
            attention_bias: architecture == LlmArchitecture::Qwen2
                || json.bool("attention_bias")?.unwrap_or(false),
            head_norms: matches!(
                architecture,
                LlmArchitecture::Qwen3 | LlmArchitecture::Qwen3Moe | LlmArchitecture::Gemma3
            ),
            post_norms: gemma,
            activation: fields.activation()?,
            experts: fields.experts()?,
            rope_dim: fields.rope_dim()?,
            rope_layout: RopeLayout::Halves,
            ropes: fields.ropes()?,
            layers,
        })
    }
}

impl Fields<'_> {
    fn is_gemma(&self) -> bool {
        matches!(
            self.architecture,
            LlmArchitecture::Gemma2 | LlmArchitecture::Gemma3
        )
    }

    pub(super) fn invalid(&self, field: &str, problem: impl Into<String>) -> DetectError {
        DetectError::Invalid {
            file: self.json.file().to_owned(),
            field: field.to_owned(),
            problem: problem.into(),
        }
    }

    pub(super) fn unsupported(&self, field: &str, problem: impl Into<String>) -> DetectError {
        DetectError::Unsupported {
            file: self.json.file().to_owned(),
            field: field.to_owned(),
            problem: problem.into(),
        }
    }

    /// The number at `key`, which must be above 0 and at least `least`.
    pub(super) fn number(&self, key: &str, least: f32) -> Result<Option<f32>, DetectError> {
        self.json
            .get(key)
            .map(|value| self.checked(key, value, least))
            .transpose()
    }

    pub(super) fn checked(&self, key: &str, value: &Value, least: f32) -> Result<f32, DetectError> {
        match value.as_f64().map(|number| number as f32) {
            Some(number) if number.is_finite() && number > 0.0 && number >= least => Ok(number),
            _ => Err(self.invalid(key, format!("must be a number above 0, at least {least}"))),
        }
    }

    /// Gemma 2's caps; null switches them off.
    fn soft_cap(&self, key: &str, default: f32) -> Result<Option<f32>, DetectError> {
        let told = self.number(key, 0.0)?;
        let by_default = self.architecture == LlmArchitecture::Gemma2 && !self.json.mentions(key);
        Ok(told.or(by_default.then_some(default)))
    }

    fn activation(&self) -> Result<Activation, DetectError> {
        // Gemma's `hidden_act` is left over from its first version and means nothing.
        let (key, default) = match self.is_gemma() {
            true => ("hidden_activation", "gelu_pytorch_tanh"),
            false => ("hidden_act", "silu"),
        };
        match self.json.str(key)?.unwrap_or(default) {
            "silu" | "swish" => Ok(Activation::Silu),
            "gelu_pytorch_tanh" | "gelu_new" => Ok(Activation::Gelu),
            other => Err(self.unsupported(
                key,
                format!("is {other:?}; silu and gelu_pytorch_tanh are supported"),
            )),
        }
    }

    fn experts(&self) -> Result<Option<ExpertSpec>, DetectError> {
        let count = self.config.expert_count;
        if count == 0 {
            return Ok(None);
        }
        let dense = self.json.get("mlp_only_layers").and_then(Value::as_array);
        if dense.is_some_and(|layers| !layers.is_empty()) {
            return Err(self.unsupported("mlp_only_layers", "asks for layers without experts"));
        }
        if self
            .json
            .count("decoder_sparse_step", 0, MAX_WINDOW)?
            .unwrap_or(1)
            != 1
        {
            return Err(self.unsupported("decoder_sparse_step", "asks for layers without experts"));
        }
        let key = "num_experts_per_tok";
        let used = self.json.required(key, self.json.count(key, 1, count)?)?;
        Ok(Some(ExpertSpec {
            count: count as usize,
            used: used as usize,
            shares_sum_to_one: match self.architecture {
                LlmArchitecture::Qwen3Moe => self.json.bool("norm_topk_prob")?.unwrap_or(false),
                _ => true,
            },
        }))
    }

    fn layers(&self) -> Result<Vec<LayerSpec>, DetectError> {
        let local = self.local_layers()?;
        let window = match (self.json.count("sliding_window", 1, MAX_WINDOW)?, self.is_gemma()) {
            (None, true) => GEMMA_WINDOW,
            (window, _) => window.unwrap_or(MAX_WINDOW),
        };
        let gemma3 = self.architecture == LlmArchitecture::Gemma3;
        let layers = local.into_iter().map(|local| LayerSpec {
            window: local.then_some(window as usize),
            rope: usize::from(local && gemma3),
        });
        Ok(layers.collect())
    }

    /// Which layers have a window.
    fn local_layers(&self) -> Result<Vec<bool>, DetectError> {
        let count = self.config.layer_count;
        if let Some(types) = self.json.get("layer_types") {
            return self.told_layers(types);
        }
        let windowed = self.json.get("sliding_window").is_some();
        let every = |is_local: &dyn Fn(u64) -> bool| (0..count).map(is_local).collect();
        Ok(match self.architecture {
            LlmArchitecture::Gemma2 => every(&|layer| layer % 2 == 0),
            LlmArchitecture::Gemma3 => {
                let period = self.json.count("sliding_window_pattern", 1, MAX_WINDOW)?;
                let period = period.unwrap_or(GEMMA3_PERIOD);
                every(&|layer| (layer + 1) % period != 0)
            }
            LlmArchitecture::Qwen2 | LlmArchitecture::Qwen3 | LlmArchitecture::Qwen3Moe => {
                let used = self.json.bool("use_sliding_window")?.unwrap_or(false) && windowed;
                let first = self.json.count("max_window_layers", 0, MAX_WINDOW)?.unwrap_or(28);
                every(&|layer| used && layer >= first)
            }
            LlmArchitecture::Phi3 => every(&|_| windowed),
            // Of the builds under this name only Llama itself has no window.
            LlmArchitecture::Llama => {
                let windowed = windowed && self.config.model_type != "llama";
                every(&|_| windowed)
            }
        })
    }

    fn told_layers(&self, types: &Value) -> Result<Vec<bool>, DetectError> {
        let key = "layer_types";
        let types = types
            .as_array()
            .filter(|types| types.len() as u64 == self.config.layer_count);
        let types = types.ok_or_else(|| {
            self.invalid(
                key,
                format!("must be a list of {} names", self.config.layer_count),
            )
        })?;
        let is_local = |kind: &Value| match kind.as_str() {
            Some(GLOBAL) => Ok(false),
            Some(LOCAL) => Ok(true),
            _ => Err(self.unsupported(key, format!("has layers that are neither {GLOBAL} nor {LOCAL}"))),
        };
        types.iter().map(is_local).collect()
    }
}
