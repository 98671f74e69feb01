//! The tensors that a model of given dimensions must have, and their shapes, in transformers' naming.

use super::config::LlmConfig;
use crate::detect::error::DetectError;
use crate::detect::layout::Layout;

struct Shapes<'a> {
    layout: &'a Layout<'a>,
    file: &'a str,
}

impl Shapes<'_> {
    fn require(&self, name: &str, shape: &[u64]) -> Result<(), DetectError> {
        let Some(tensor) = self.layout.get(name) else {
            return Err(DetectError::invalid(self.file, name, "is missing"));
        };
        if tensor.shape != shape {
            return Err(DetectError::invalid(
                self.file,
                name,
                format!(
                    "has the shape {:?}, but config.json asks for {shape:?}",
                    tensor.shape
                ),
            ));
        }
        if !tensor.dtype.is_float() {
            return Err(DetectError::invalid(
                self.file,
                name,
                format!("holds integers ({}), but must hold weights", tensor.dtype),
            ));
        }
        Ok(())
    }

    fn allow(&self, name: &str, shape: &[u64]) -> Result<(), DetectError> {
        if self.layout.has(name) {
            self.require(name, shape)
        } else {
            Ok(())
        }
    }
}

/// Checks that every tensor of the model is there in its right shape, none of them of integers.
pub(super) fn check(config: &LlmConfig, layout: &Layout<'_>, file: &str) -> Result<(), DetectError> {
    let shapes = Shapes { layout, file };
    let (hidden, vocab) = (config.hidden_size, config.vocab_size);
    shapes.require("model.embed_tokens.weight", &[vocab, hidden])?;
    for layer in 0..config.layer_count {
        let layer = format!("model.layers.{layer}");
        check_norms(config, &shapes, &layer)?;
        check_attention(config, &shapes, &layer)?;
        check_feed_forward(config, &shapes, &layer)?;
    }
    shapes.require("model.norm.weight", &[hidden])?;
    if config.ties_embeddings {
        shapes.allow("lm_head.weight", &[vocab, hidden])
    } else {
        shapes.require("lm_head.weight", &[vocab, hidden])
    }
}

fn check_norms(config: &LlmConfig, shapes: &Shapes<'_>, layer: &str) -> Result<(), DetectError> {
    let mut norms = vec!["input_layernorm", "post_attention_layernorm"];
    if config.model_type.starts_with("gemma") {
        norms.extend(["pre_feedforward_layernorm", "post_feedforward_layernorm"]);
    }
    for norm in norms {
        shapes.require(&format!("{layer}.{norm}.weight"), &[config.hidden_size])?;
    }
    Ok(())
}

fn check_attention(config: &LlmConfig, shapes: &Shapes<'_>, layer: &str) -> Result<(), DetectError> {
    let hidden = config.hidden_size;
    let (query, key) = (
        config.head_count * config.head_dim,
        config.head_count_kv * config.head_dim,
    );
    let name = |part: &str| format!("{layer}.self_attn.{part}");
    if config.model_type == "phi3" {
        shapes.require(&name("qkv_proj.weight"), &[query + 2 * key, hidden])?;
    } else {
        for (part, rows) in [("q_proj", query), ("k_proj", key), ("v_proj", key)] {
            shapes.require(&name(&format!("{part}.weight")), &[rows, hidden])?;
            shapes.allow(&name(&format!("{part}.bias")), &[rows])?;
        }
    }
    if matches!(config.model_type.as_str(), "qwen3" | "qwen3_moe" | "gemma3_text") {
        shapes.require(&name("q_norm.weight"), &[config.head_dim])?;
        shapes.require(&name("k_norm.weight"), &[config.head_dim])?;
    }
    shapes.require(&name("o_proj.weight"), &[hidden, query])?;
    shapes.allow(&name("o_proj.bias"), &[hidden])
}

fn check_feed_forward(config: &LlmConfig, shapes: &Shapes<'_>, layer: &str) -> Result<(), DetectError> {
    let (hidden, inner) = (config.hidden_size, config.inner_size);
    let matrices = |prefix: &str, [gate, up, down]: [&str; 3]| {
        shapes.require(&format!("{prefix}.{gate}.weight"), &[inner, hidden])?;
        shapes.require(&format!("{prefix}.{up}.weight"), &[inner, hidden])?;
        shapes.require(&format!("{prefix}.{down}.weight"), &[hidden, inner])
    };
    let projections = ["gate_proj", "up_proj", "down_proj"];
    let (block, names) = match config.model_type.as_str() {
        "phi3" => {
            shapes.require(&format!("{layer}.mlp.gate_up_proj.weight"), &[2 * inner, hidden])?;
            return shapes.require(&format!("{layer}.mlp.down_proj.weight"), &[hidden, inner]);
        }
        "mixtral" => ("block_sparse_moe", ["w1", "w3", "w2"]),
        _ => ("mlp", projections),
    };
    if config.expert_count == 0 {
        return matrices(&format!("{layer}.{block}"), names);
    }
    shapes.require(
        &format!("{layer}.{block}.gate.weight"),
        &[config.expert_count, hidden],
    )?;
    for expert in 0..config.expert_count {
        matrices(&format!("{layer}.{block}.experts.{expert}"), names)?;
    }
    Ok(())
}
