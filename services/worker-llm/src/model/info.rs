//! What is known about a loaded model.

use super::pooling::Pooling;

/// The facts of a loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// The architecture, as GGUF names it: `qwen2`, `gemma3`.
    pub architecture: String,
    /// The name its maker gave it.
    pub name: Option<String>,
    /// How its weights are stored, in the words people know: `Q4_K_M`, `F16`.
    pub quantization: Option<String>,
    /// Logits per position; token ids are below it.
    pub vocab_size: usize,
    /// Tokens of prompt and answer together, as this worker serves it.
    pub context_length: usize,
    /// Tokens it was trained for.
    pub trained_context_length: usize,
    /// Width of the residual stream.
    pub embedding_length: usize,
    /// Decoder layers.
    pub layer_count: usize,
    /// Numbers in its weights.
    pub parameter_count: u64,
    /// Size of its weights in the file.
    pub weights_bytes: u64,
    /// How vectors of texts are made, if the model declares it.
    pub pooling: Option<Pooling>,
    /// KV cache of one token.
    pub kv_bytes_per_token: u64,
}
