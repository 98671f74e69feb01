//! What the header says about a decoder-only transformer, checked before anything is built from it.

use super::error::{GgufError, required};
use super::header::GgufHeader;
use crate::LlmArchitecture;

/// Limits far above any published model (the largest have 126 blocks, embeddings of 18 432 and
/// contexts of 10 million), far below what would overflow in sizes computed from them.
const MAX_BLOCKS: u32 = 512;
const MAX_EMBEDDING_LENGTH: u32 = 1 << 18;
const MAX_HEADS: u32 = 1 << 12;
const MAX_HEAD_DIM: u32 = 1 << 13;
const MAX_FEED_FORWARD_LENGTH: u32 = 1 << 20;
const MAX_CONTEXT_LENGTH: u32 = 1 << 28;
const MAX_VOCAB_SIZE: u64 = 1 << 24;
const MAX_EXPERTS: u32 = 1 << 12;

/// What llama.cpp assumes where a file does not say.
const DEFAULT_ROPE_THETA: f32 = 10_000.0;

/// A change to rotary positions for contexts longer than the model was trained on. Ignoring it gives
/// wrong text, so a worker that does not know `kind` must refuse the model.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeScaling {
    /// `linear`, `yarn`, `longrope`, …, as the file says.
    pub kind: String,
    /// The factor by which the context was stretched, where the file says it.
    pub factor: Option<f32>,
}

/// The dimensions of a decoder-only transformer with RMS norms and rotary positions (Llama and its
/// relatives), every one in range and consistent with the others.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderFacts {
    /// `general.architecture`; prefixes the other keys.
    pub architecture: String,
    /// Transformer blocks.
    pub block_count: u32,
    /// Length of the hidden state.
    pub embedding_length: u32,
    /// Attention heads.
    pub head_count: u32,
    /// Heads of keys and values; divides `head_count`, and equals it where the file does not say.
    pub head_count_kv: u32,
    /// Length of one head's query and key; `embedding_length / head_count` where the file does not say.
    pub head_dim: u32,
    /// Length of one head's value; `head_dim` where the file does not say.
    pub value_head_dim: u32,
    /// Inner length of the feed-forward network (of one expert, where there are experts).
    pub feed_forward_length: u32,
    /// Experts in a block; 0 in a dense model.
    pub expert_count: u32,
    /// Experts that see a token; 0 in a dense model.
    pub expert_used_count: u32,
    /// The context the model was trained for, in tokens.
    pub context_length: u32,
    /// Rows of the embedding.
    pub vocab_size: u32,
    /// Epsilon of the RMS norms.
    pub rms_epsilon: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// How many items of a head are rotated; even.
    pub rope_dimension_count: u32,
    /// Change to the rotary positions, if any.
    pub rope_scaling: Option<RopeScaling>,
    /// Window of local attention in tokens, if any.
    pub sliding_window: Option<u32>,
}

/// The architecture of the file, which must be one that is known.
///
/// # Errors
/// When `general.architecture` is absent, no string, or not known.
pub fn require_architecture(header: &GgufHeader) -> Result<LlmArchitecture, GgufError> {
    let name = architecture(header)?;
    name.parse().map_err(|_| {
        let known: Vec<&str> = LlmArchitecture::ALL.iter().map(|known| known.as_str()).collect();
        GgufError::unsupported(
            super::summary::ARCHITECTURE_KEY,
            format!(
                "\"{}\" is not supported; supported are {}",
                name.escape_debug(),
                known.join(", ")
            ),
        )
    })
}

pub(super) fn architecture(header: &GgufHeader) -> Result<&str, GgufError> {
    let key = super::summary::ARCHITECTURE_KEY;
    let architecture = required(key, header.metadata.str(key)?)?;
    if architecture.is_empty() || architecture.len() > 64 {
        return Err(GgufError::invalid(key, "must have 1 to 64 bytes"));
    }
    Ok(architecture)
}

/// Reads keys that begin with the architecture's name.
struct Keys<'a> {
    header: &'a GgufHeader,
    architecture: &'a str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    /// An optional count from 1 to `max`.
    fn count(&self, name: &str, max: u32) -> Result<Option<u32>, GgufError> {
        let key = self.key(name);
        match self.header.metadata.u32(&key)? {
            Some(count) if (1..=max).contains(&count) => Ok(Some(count)),
            Some(count) => Err(GgufError::invalid(
                key,
                format!("is {count}, but must be from 1 to {max}"),
            )),
            None => Ok(None),
        }
    }

    fn required_count(&self, name: &str, max: u32) -> Result<u32, GgufError> {
        required(&self.key(name), self.count(name, max)?)
    }

    /// An optional count where 0 means the same as absence.
    fn count_or_zero(&self, name: &str, max: u32) -> Result<u32, GgufError> {
        match self.header.metadata.u32(&self.key(name))? {
            None | Some(0) => Ok(0),
            Some(_) => self.required_count(name, max),
        }
    }

    /// An optional number that `valid` accepts; `must` says which those are.
    fn float(&self, name: &str, valid: fn(f32) -> bool, must: &str) -> Result<Option<f32>, GgufError> {
        let key = self.key(name);
        match self.header.metadata.f32(&key)? {
            Some(number) if number.is_finite() && valid(number) => Ok(Some(number)),
            Some(number) => Err(GgufError::invalid(
                key,
                format!("is {number}, but must be {must}"),
            )),
            None => Ok(None),
        }
    }

    fn rope_scaling(&self) -> Result<Option<RopeScaling>, GgufError> {
        let positive = |number| number > 0.0;
        let factor = match self.float("rope.scaling.factor", positive, "above 0")? {
            Some(factor) => Some(factor),
            // How files from before 2023-10 say it.
            None => self.float("rope.scale_linear", positive, "above 0")?,
        };
        Ok(match self.header.metadata.str(&self.key("rope.scaling.type"))? {
            Some("none") => None,
            Some(kind) => Some(RopeScaling {
                kind: kind.to_owned(),
                factor,
            }),
            None if factor.is_some_and(|factor| factor != 1.0) => Some(RopeScaling {
                kind: "linear".to_owned(),
                factor,
            }),
            None => None,
        })
    }
}

impl DecoderFacts {
    /// Reads the dimensions and checks each for itself and against the others. Looks at no tensor but
    /// the embedding, which tells the size of the vocabulary.
    ///
    /// # Errors
    /// When a key is absent, of a wrong type, out of range or at odds with another; names the key.
    pub fn read(header: &GgufHeader) -> Result<Self, GgufError> {
        let architecture = architecture(header)?;
        let keys = Keys { header, architecture };

        let block_count = keys.required_count("block_count", MAX_BLOCKS)?;
        let embedding_length = keys.required_count("embedding_length", MAX_EMBEDDING_LENGTH)?;
        let vocab_size = vocab_size(header, &keys, embedding_length)?;
        let context_length = keys.required_count("context_length", MAX_CONTEXT_LENGTH)?;

        let head_count = keys.required_count("attention.head_count", MAX_HEADS)?;
        let head_count_kv = keys
            .count("attention.head_count_kv", MAX_HEADS)?
            .unwrap_or(head_count);
        if !head_count.is_multiple_of(head_count_kv) {
            return Err(GgufError::invalid(
                keys.key("attention.head_count_kv"),
                format!("is {head_count_kv}, which does not divide attention.head_count ({head_count})"),
            ));
        }
        let head_dim = match keys.count("attention.key_length", MAX_HEAD_DIM)? {
            Some(head_dim) => head_dim,
            None if embedding_length.is_multiple_of(head_count) => embedding_length / head_count,
            None => {
                return Err(GgufError::invalid(
                    keys.key("attention.head_count"),
                    format!("is {head_count}, which does not divide embedding_length ({embedding_length})"),
                ));
            }
        };
        let value_head_dim = keys
            .count("attention.value_length", MAX_HEAD_DIM)?
            .unwrap_or(head_dim);

        let expert_count = keys.count_or_zero("expert_count", MAX_EXPERTS)?;
        let expert_used_count = keys.count_or_zero("expert_used_count", MAX_EXPERTS)?;
        if expert_used_count > expert_count || (expert_count > 0 && expert_used_count == 0) {
            return Err(GgufError::invalid(
                keys.key("expert_used_count"),
                format!("is {expert_used_count} of {expert_count} experts"),
            ));
        }
        let feed_forward_length = if expert_count > 0
            && let Some(length) = keys.count("expert_feed_forward_length", MAX_FEED_FORWARD_LENGTH)?
        {
            length
        } else {
            keys.required_count("feed_forward_length", MAX_FEED_FORWARD_LENGTH)?
        };

        let epsilon_name = "attention.layer_norm_rms_epsilon";
        let epsilon = keys.float(
            epsilon_name,
            |number| number > 0.0 && number < 1.0,
            "between 0 and 1",
        )?;
        let rope_theta = keys.float("rope.freq_base", |number| number >= 1.0, "at least 1")?;

        let facts = Self {
            block_count,
            embedding_length,
            head_count,
            head_count_kv,
            head_dim,
            value_head_dim,
            feed_forward_length,
            expert_count,
            expert_used_count,
            context_length,
            vocab_size,
            rms_epsilon: required(&keys.key(epsilon_name), epsilon)?,
            rope_theta: rope_theta.unwrap_or(DEFAULT_ROPE_THETA),
            rope_dimension_count: rope_dimension_count(&keys, head_dim)?,
            rope_scaling: keys.rope_scaling()?,
            sliding_window: match keys.count_or_zero("attention.sliding_window", MAX_CONTEXT_LENGTH)? {
                0 => None,
                window => Some(window),
            },
            architecture: architecture.to_owned(),
        };
        facts.expect_blocks(header)?;
        Ok(facts)
    }

    /// Every block has tensors; more blocks than tensors is a count that nothing backs.
    fn expect_blocks(&self, header: &GgufHeader) -> Result<(), GgufError> {
        if self.block_count as usize <= header.tensors.len() {
            return Ok(());
        }
        Err(GgufError::invalid(
            format!("{}.block_count", self.architecture),
            format!(
                "is {}, but the file has only {} tensors",
                self.block_count,
                header.tensors.len()
            ),
        ))
    }
}

/// The rows of the embedding, whose row length must be `embedding_length`.
fn vocab_size(header: &GgufHeader, keys: &Keys<'_>, embedding_length: u32) -> Result<u32, GgufError> {
    let name = "token_embd.weight";
    let embedding = required(name, header.tensor(name))?;
    let [row, rows, ..] = embedding.dimensions;
    if row != u64::from(embedding_length) {
        return Err(GgufError::invalid(
            keys.key("embedding_length"),
            format!("is {embedding_length}, but {name} has rows of {row}"),
        ));
    }
    if rows > MAX_VOCAB_SIZE || !embedding.has_shape(&[row, rows]) {
        return Err(GgufError::invalid(
            name,
            format!("has the shape {:?}", embedding.shape()),
        ));
    }
    Ok(rows as u32)
}

fn rope_dimension_count(keys: &Keys<'_>, head_dim: u32) -> Result<u32, GgufError> {
    let name = "rope.dimension_count";
    let count = keys.count(name, MAX_HEAD_DIM)?.unwrap_or(head_dim);
    if count.is_multiple_of(2) && count <= head_dim {
        return Ok(count);
    }
    Err(GgufError::invalid(
        keys.key(name),
        format!("is {count}, but must be even and no more than the length of a head ({head_dim})"),
    ))
}
