//! What the header says about its tokenizer: kinds, lengths and ids that fit together.

use super::error::{GgufError, required};
use super::header::GgufHeader;
use super::value::GgufMetadata;

const MODEL_KEY: &str = "tokenizer.ggml.model";
const TOKENS_KEY: &str = "tokenizer.ggml.tokens";
const SCORES_KEY: &str = "tokenizer.ggml.scores";
const TYPES_KEY: &str = "tokenizer.ggml.token_type";
const MERGES_KEY: &str = "tokenizer.ggml.merges";
pub(super) const CHAT_TEMPLATE_KEY: &str = "tokenizer.chat_template";

/// The algorithm of a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenizerKind {
    /// SentencePiece with scores; `llama` in the file.
    SentencePiece,
    /// Byte-level byte-pair encoding with merges; `gpt2` in the file.
    ByteLevelBpe,
}

/// A tokenizer whose lists have the right types and lengths. The lists themselves stay in the
/// metadata: [`GgufMetadata::strings`] of `tokenizer.ggml.tokens` and its siblings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizerFacts {
    /// The algorithm.
    pub kind: TokenizerKind,
    /// How text is split before the algorithm sees it (`tokenizer.ggml.pre`), as the file says.
    pub pre: Option<String>,
    /// How many tokens there are: as many as the embedding has rows.
    pub token_count: u32,
    /// The token that begins a text.
    pub bos: Option<u32>,
    /// The token that ends a text.
    pub eos: Option<u32>,
    /// The token that ends a turn, where it differs from `eos`.
    pub eot: Option<u32>,
    /// The token for what no other token covers.
    pub unknown: Option<u32>,
    /// Whether `bos` goes before a text, where the file says so.
    pub add_bos: Option<bool>,
    /// Whether `eos` goes after a text, where the file says so.
    pub add_eos: Option<bool>,
    /// Whether a space goes before a text, where the file says so.
    pub add_space_prefix: Option<bool>,
}

impl TokenizerFacts {
    /// Reads and checks the tokenizer of a model whose embedding has `vocab_size` rows.
    ///
    /// # Errors
    /// When a list is absent, of a wrong type or of a wrong length, when the kind of tokenizer is not
    /// supported, or when an id is no token; names the key.
    pub fn read(header: &GgufHeader, vocab_size: u32) -> Result<Self, GgufError> {
        let metadata = &header.metadata;
        let kind = kind(metadata)?;
        expect_tokens(metadata, vocab_size)?;
        expect_types(metadata, vocab_size)?;
        match kind {
            TokenizerKind::SentencePiece => expect_scores(metadata, vocab_size)?,
            TokenizerKind::ByteLevelBpe => expect_merges(metadata)?,
        }
        metadata.str(CHAT_TEMPLATE_KEY)?;

        let id = |name: &str| special_id(metadata, name, vocab_size);
        let flag = |name: &str| metadata.bool(&format!("tokenizer.ggml.{name}"));
        Ok(Self {
            kind,
            pre: metadata.str("tokenizer.ggml.pre")?.map(str::to_owned),
            token_count: vocab_size,
            bos: id("bos")?,
            eos: id("eos")?,
            eot: id("eot")?,
            unknown: id("unknown")?,
            add_bos: flag("add_bos_token")?,
            add_eos: flag("add_eos_token")?,
            add_space_prefix: flag("add_space_prefix")?,
        })
    }
}

fn kind(metadata: &GgufMetadata) -> Result<TokenizerKind, GgufError> {
    match required(MODEL_KEY, metadata.str(MODEL_KEY)?)? {
        "llama" => Ok(TokenizerKind::SentencePiece),
        "gpt2" => Ok(TokenizerKind::ByteLevelBpe),
        other => Err(GgufError::unsupported(
            MODEL_KEY,
            format!(
                "\"{}\" is not supported; supported are llama and gpt2",
                other.escape_debug()
            ),
        )),
    }
}

fn expect_tokens(metadata: &GgufMetadata, vocab_size: u32) -> Result<(), GgufError> {
    let tokens = required(TOKENS_KEY, metadata.strings(TOKENS_KEY)?)?;
    if tokens.len() == vocab_size as usize {
        return Ok(());
    }
    Err(GgufError::invalid(
        TOKENS_KEY,
        format!(
            "has {} tokens, but the embedding has {vocab_size} rows",
            tokens.len()
        ),
    ))
}

fn expect_length(key: &str, length: usize, vocab_size: u32) -> Result<(), GgufError> {
    if length == vocab_size as usize {
        return Ok(());
    }
    Err(GgufError::invalid(
        key,
        format!("has {length} items for {vocab_size} tokens"),
    ))
}

fn expect_types(metadata: &GgufMetadata, vocab_size: u32) -> Result<(), GgufError> {
    match metadata.i32_array(TYPES_KEY)? {
        Some(types) => expect_length(TYPES_KEY, types.len(), vocab_size),
        None => Ok(()),
    }
}

fn expect_scores(metadata: &GgufMetadata, vocab_size: u32) -> Result<(), GgufError> {
    let scores = required(SCORES_KEY, metadata.f32_array(SCORES_KEY)?)?;
    expect_length(SCORES_KEY, scores.len(), vocab_size)?;
    match scores.iter().position(|score| score.is_nan()) {
        Some(token) => Err(GgufError::invalid(
            SCORES_KEY,
            format!("has no number for token {token}"),
        )),
        None => Ok(()),
    }
}

fn expect_merges(metadata: &GgufMetadata) -> Result<(), GgufError> {
    let merges = required(MERGES_KEY, metadata.strings(MERGES_KEY)?)?;
    // Two parts with a space between; the first may itself begin with one.
    let is_pair = |merge: &str| {
        merge
            .char_indices()
            .skip(1)
            .any(|(_, character)| character == ' ')
    };
    match merges.iter().position(|merge| !is_pair(merge)) {
        Some(place) => Err(GgufError::invalid(
            MERGES_KEY,
            format!("has no two parts in merge {place}"),
        )),
        None => Ok(()),
    }
}

fn special_id(metadata: &GgufMetadata, name: &str, vocab_size: u32) -> Result<Option<u32>, GgufError> {
    let key = format!("tokenizer.ggml.{name}_token_id");
    match metadata.u32(&key)? {
        Some(id) if id >= vocab_size => Err(GgufError::invalid(
            key,
            format!("is {id}, but there are only {vocab_size} tokens"),
        )),
        id => Ok(id),
    }
}
