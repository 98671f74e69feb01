//! The tensors a decoder of given dimensions must have, and their shapes.

use super::decoder::DecoderFacts;
use super::error::GgufError;
use super::header::GgufHeader;

/// Checks the tensors of one model against its dimensions.
struct Shapes<'a> {
    header: &'a GgufHeader,
}

impl Shapes<'_> {
    fn require(&self, name: &str, shape: &[u64]) -> Result<(), GgufError> {
        let tensor = self.header.require_tensor(name, shape)?;
        if tensor.kind.is_integer() {
            return Err(GgufError::invalid(
                format!("tensor {name}"),
                format!("holds integers ({}), but must hold weights", tensor.kind),
            ));
        }
        Ok(())
    }

    fn allow(&self, name: &str, shape: &[u64]) -> Result<(), GgufError> {
        if self.has(name) {
            self.require(name, shape)
        } else {
            Ok(())
        }
    }

    fn has(&self, name: &str) -> bool {
        self.header.tensor(name).is_some()
    }
}

impl DecoderFacts {
    /// Checks that the tensors of a model of these dimensions are there, each in its right shape and
    /// none of them of integers. Covers what Llama and its relatives share, in the layouts in use:
    /// query, key and value apart or in one matrix, gate and up apart or in one matrix, dense blocks or
    /// experts, an output matrix or the embedding in its place. Biases and further norms are checked
    /// where they are present; an architecture that needs them asks with
    /// [`GgufHeader::require_tensor`].
    ///
    /// # Errors
    /// Names the first tensor that is absent or of another shape.
    pub fn check_tensors(&self, header: &GgufHeader) -> Result<(), GgufError> {
        let shapes = Shapes { header };
        let embedding = u64::from(self.embedding_length);
        let vocab = u64::from(self.vocab_size);
        shapes.require("token_embd.weight", &[embedding, vocab])?;
        for block in 0..self.block_count {
            self.check_attention(&shapes, &format!("blk.{block}"))?;
            self.check_feed_forward(&shapes, &format!("blk.{block}"))?;
        }
        shapes.require("output_norm.weight", &[embedding])?;
        shapes.allow("output.weight", &[embedding, vocab])?;
        shapes.allow("rope_freqs.weight", &[u64::from(self.rope_dimension_count / 2)])
    }

    fn check_attention(&self, shapes: &Shapes<'_>, block: &str) -> Result<(), GgufError> {
        let [embedding, heads, heads_kv, head_dim, value_dim] = [
            self.embedding_length,
            self.head_count,
            self.head_count_kv,
            self.head_dim,
            self.value_head_dim,
        ]
        .map(u64::from);
        let (query, key, value) = (heads * head_dim, heads_kv * head_dim, heads_kv * value_dim);
        let name = |part: &str| format!("{block}.{part}");

        shapes.require(&name("attn_norm.weight"), &[embedding])?;
        if shapes.has(&name("attn_qkv.weight")) {
            shapes.require(&name("attn_qkv.weight"), &[embedding, query + key + value])?;
            shapes.allow(&name("attn_qkv.bias"), &[query + key + value])?;
        } else {
            for (part, rows) in [("attn_q", query), ("attn_k", key), ("attn_v", value)] {
                shapes.require(&name(&format!("{part}.weight")), &[embedding, rows])?;
                shapes.allow(&name(&format!("{part}.bias")), &[rows])?;
            }
        }
        shapes.require(&name("attn_output.weight"), &[heads * value_dim, embedding])?;
        shapes.allow(&name("attn_output.bias"), &[embedding])?;
        shapes.allow(&name("attn_q_norm.weight"), &[head_dim])?;
        shapes.allow(&name("attn_k_norm.weight"), &[head_dim])?;
        shapes.allow(&name("post_attention_norm.weight"), &[embedding])
    }

    fn check_feed_forward(&self, shapes: &Shapes<'_>, block: &str) -> Result<(), GgufError> {
        let [embedding, inner, experts] =
            [self.embedding_length, self.feed_forward_length, self.expert_count].map(u64::from);
        let name = |part: &str| format!("{block}.{part}.weight");

        shapes.require(&name("ffn_norm"), &[embedding])?;
        shapes.allow(&name("post_ffw_norm"), &[embedding])?;
        if shapes.has(&name("ffn_gate_inp")) {
            shapes.require(&name("ffn_gate_inp"), &[embedding, experts])?;
            shapes.require(&name("ffn_gate_exps"), &[embedding, inner, experts])?;
            shapes.require(&name("ffn_up_exps"), &[embedding, inner, experts])?;
            return shapes.require(&name("ffn_down_exps"), &[inner, embedding, experts]);
        }
        // One matrix for gate and up has twice the rows, and no gate beside it.
        let fused = !shapes.has(&name("ffn_gate"))
            && shapes
                .header
                .tensor(&name("ffn_up"))
                .is_some_and(|up| up.has_shape(&[embedding, 2 * inner]));
        if !fused {
            shapes.require(&name("ffn_gate"), &[embedding, inner])?;
            shapes.require(&name("ffn_up"), &[embedding, inner])?;
        }
        shapes.require(&name("ffn_down"), &[inner, embedding])
    }
}
