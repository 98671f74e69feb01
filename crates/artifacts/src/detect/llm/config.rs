//! `config.json` of a language model, checked before anything is built from it.

use serde_json::Value;

use crate::LlmArchitecture;
use crate::detect::error::DetectError;
use crate::detect::json::JsonObject;

/// Limits far above any published model, far below what would overflow in sizes computed from them.
const MAX_LAYERS: u64 = 512;
const MAX_WIDTH: u64 = 1 << 18;
const MAX_HEADS: u64 = 1 << 12;
const MAX_HEAD_DIM: u64 = 1 << 13;
const MAX_INNER_WIDTH: u64 = 1 << 20;
const MAX_CONTEXT_LENGTH: u64 = 1 << 28;
const MAX_VOCAB_SIZE: u64 = 1 << 24;
const MAX_EXPERTS: u64 = 1 << 12;

const ACTIVATIONS: &[&str] = &[
    "silu",
    "swish",
    "gelu",
    "gelu_new",
    "gelu_pytorch_tanh",
    "gelu_fast",
    "relu",
];
/// Ignoring a kind of scaling gives wrong text, so those that are not known are refused.
const ROPE_KINDS: &[&str] = &["default", "linear", "dynamic", "yarn", "longrope", "su", "llama3"];

/// The dimensions of a decoder, every one in range and consistent with the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmConfig {
    /// `model_type`.
    pub model_type: String,
    /// Length of the hidden state.
    pub hidden_size: u64,
    /// Transformer blocks.
    pub layer_count: u64,
    /// Attention heads.
    pub head_count: u64,
    /// Heads of keys and values; divides `head_count`.
    pub head_count_kv: u64,
    /// Length of one head.
    pub head_dim: u64,
    /// Inner length of the feed-forward network (of one expert, where there are experts).
    pub inner_size: u64,
    /// Experts in a block; 0 in a dense model.
    pub expert_count: u64,
    /// Rows of the embedding.
    pub vocab_size: u64,
    /// The longest context in tokens, where the file says it.
    pub context_length: Option<u64>,
    /// Whether the embedding is used as the output matrix.
    pub ties_embeddings: bool,
}

impl LlmConfig {
    /// Reads the dimensions and checks each for itself and against the others.
    ///
    /// # Errors
    /// When a key is absent, of a wrong type, out of range or at odds with another, or when it asks for
    /// something that no worker serves; names the key.
    pub fn read(json: &JsonObject) -> Result<Self, DetectError> {
        let model_type = json.required("model_type", json.str("model_type")?)?;
        if LlmArchitecture::of_model_type(model_type).is_none() {
            let known: Vec<&str> = LlmArchitecture::ALL
                .iter()
                .flat_map(|architecture| architecture.model_types())
                .copied()
                .collect();
            return Err(unsupported(json, "model_type", model_type, &known));
        }
        if json.get("quantization_config").is_some() {
            return Err(DetectError::unsupported(
                json.file(),
                "quantization_config",
                "says that the weights are quantized in a way that no worker serves: look for a GGUF version",
            ));
        }
        for key in ["hidden_act", "hidden_activation"] {
            if let Some(activation) = json
                .str(key)?
                .filter(|activation| !ACTIVATIONS.contains(activation))
            {
                return Err(unsupported(json, key, activation, ACTIVATIONS));
            }
        }
        for key in ["rope_scaling", "rope_parameters"] {
            check_rope(json, key)?;
        }
        Self::dimensions(json, model_type)
    }

    fn dimensions(json: &JsonObject, model_type: &str) -> Result<Self, DetectError> {
        let count = |key: &str, max: u64| json.required(key, json.count(key, 1, max)?);
        let hidden_size = count("hidden_size", MAX_WIDTH)?;
        let head_count = count("num_attention_heads", MAX_HEADS)?;
        let head_count_kv = json
            .count("num_key_value_heads", 1, MAX_HEADS)?
            .unwrap_or(head_count);
        if !head_count.is_multiple_of(head_count_kv) {
            return Err(json.invalid(
                "num_key_value_heads",
                format!("is {head_count_kv}, which does not divide num_attention_heads ({head_count})"),
            ));
        }
        let head_dim = match json.count("head_dim", 1, MAX_HEAD_DIM)? {
            Some(head_dim) => head_dim,
            None if hidden_size.is_multiple_of(head_count) => hidden_size / head_count,
            None => {
                return Err(json.invalid(
                    "num_attention_heads",
                    format!("is {head_count}, which does not divide hidden_size ({hidden_size})"),
                ));
            }
        };
        let (expert_count, inner_key) = match model_type {
            "mixtral" => (count("num_local_experts", MAX_EXPERTS)?, "intermediate_size"),
            "qwen3_moe" => (count("num_experts", MAX_EXPERTS)?, "moe_intermediate_size"),
            _ => (0, "intermediate_size"),
        };
        Ok(Self {
            hidden_size,
            layer_count: count("num_hidden_layers", MAX_LAYERS)?,
            head_count,
            head_count_kv,
            head_dim,
            inner_size: count(inner_key, MAX_INNER_WIDTH)?,
            expert_count,
            vocab_size: count("vocab_size", MAX_VOCAB_SIZE)?,
            context_length: json.count("max_position_embeddings", 1, MAX_CONTEXT_LENGTH)?,
            ties_embeddings: json
                .bool("tie_word_embeddings")?
                .unwrap_or(model_type.starts_with("gemma")),
            model_type: model_type.to_owned(),
        })
    }
}

fn unsupported(json: &JsonObject, key: &str, found: &str, known: &[&str]) -> DetectError {
    DetectError::unsupported(
        json.file(),
        key,
        format!(
            "\"{}\" is not supported; supported are {}",
            crate::names::excerpt(found),
            known.join(", ")
        ),
    )
}

/// Rotary positions are described once, or once for each kind of layer.
fn check_rope(json: &JsonObject, key: &str) -> Result<(), DetectError> {
    let Some(value) = json.get(key) else {
        return Ok(());
    };
    let Value::Object(rope) = value else {
        return Err(json.invalid(key, "must be an object"));
    };
    let layers = rope
        .iter()
        .filter(|(_, value)| value.is_object())
        .map(|(_, value)| value);
    for description in std::iter::once(value).chain(layers) {
        for name in ["rope_type", "type"] {
            match description.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::String(kind)) if ROPE_KINDS.contains(&kind.as_str()) => {}
                Some(Value::String(kind)) => return Err(unsupported(json, key, kind, ROPE_KINDS)),
                Some(_) => return Err(json.invalid(key, format!("has a {name} that is no string"))),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_is_found_in_either_style() {
        let read = |rope: &str| {
            let text = format!(
                r#"{{"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1,
                "intermediate_size": 9, "vocab_size": 7, {rope}}}"#
            );
            LlmConfig::read(&JsonObject::parse("config.json", text.as_bytes()).unwrap())
        };
        for good in [
            r#""rope_scaling": null"#,
            r#""rope_scaling": {"type": "linear", "factor": 2.0}"#,
            r#""rope_parameters": {"full_attention": {"rope_type": "default"}, "sliding_attention": {"rope_type": "yarn"}}"#,
        ] {
            read(good).unwrap();
        }
        for bad in [
            r#""rope_scaling": {"type": "quux"}"#,
            r#""rope_scaling": "linear""#,
            r#""rope_scaling": {"rope_type": 3}"#,
            r#""rope_parameters": {"full_attention": {"rope_type": "quux"}}"#,
        ] {
            assert!(
                read(bad).unwrap_err().field().unwrap().starts_with("rope_"),
                "{bad}"
            );
        }
    }
}
