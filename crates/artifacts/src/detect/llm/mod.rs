//! Language models: a GGUF file, or a folder of safetensors with its `config.json`.

mod config;
mod weights;

pub use config::LlmConfig;

use super::error::DetectError;
use super::layout::{Layout, tensors_of};
use super::precision::{parameter_count, precision};
use crate::gguf::{DecoderFacts, GgufError, GgufHeader, TokenizerFacts, require_architecture, summary};
use crate::names::named_enum;
use crate::safetensors::SafetensorsHeader;

named_enum! {
    /// The format of a language model's weights.
    pub enum LlmFormat ("format") {
        /// One GGUF file, or a split set of them.
        Gguf = "gguf",
        /// Safetensors files with a `config.json`.
        Safetensors = "safetensors",
    }
}

/// A language model; a fact the files do not tell is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmFacts {
    /// The format of its weights.
    pub format: LlmFormat,
    /// The architecture as the file names it: `qwen2`, `gemma3_text`, …
    pub architecture: String,
    /// The name that the file gives it.
    pub name: Option<String>,
    /// How the weights are stored: `Q4_K_M`, `BF16`, …
    pub quantization: Option<String>,
    /// The context it was trained for, in tokens.
    pub context_length: Option<u64>,
    /// How many numbers the weights hold. Absent where the file is one of several.
    pub parameter_count: Option<u64>,
    /// The kind of tokenizer, as the file names it.
    pub tokenizer: Option<String>,
    /// Whether it brings a chat template.
    pub has_chat_template: bool,
    /// Of how many files it consists, as the files say.
    pub file_count: u64,
}

/// What a GGUF file is, by its header, checked as a worker would before it loads the weights. The first
/// file of a split set has only some of the tensors, so only its facts are read.
///
/// # Errors
/// When the header makes no model, or one of an architecture that no worker serves.
pub fn detect_gguf(header: &GgufHeader, file: &str) -> Result<LlmFacts, DetectError> {
    let facts = || -> Result<LlmFacts, GgufError> {
        let facts = summary(header)?;
        require_architecture(header)?;
        let file_count = header.metadata.u64("split.count")?.unwrap_or(1).max(1);
        if file_count == 1 {
            let decoder = DecoderFacts::read(header)?;
            decoder.check_tensors(header)?;
            TokenizerFacts::read(header, decoder.vocab_size)?;
        }
        Ok(LlmFacts {
            format: LlmFormat::Gguf,
            architecture: facts.architecture,
            name: facts.name,
            quantization: facts.quantization,
            context_length: facts.context_length,
            parameter_count: (file_count == 1).then_some(facts.parameter_count),
            tokenizer: facts.tokenizer,
            has_chat_template: facts.has_chat_template,
            file_count,
        })
    };
    facts().map_err(|source| DetectError::Gguf {
        file: file.to_owned(),
        source,
    })
}

/// What a folder says of its tokenizer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenizerFiles {
    /// The kind of tokenizer that `tokenizer.json` says, or `SentencePiece`.
    pub kind: Option<String>,
    /// Whether there is a chat template.
    pub has_chat_template: bool,
}

/// What a folder of safetensors is: its configuration, and the headers of its weights by file name,
/// which must make the model that the configuration describes.
///
/// # Errors
/// When a tensor is missing or has another shape; names the tensor and the file it should be in.
pub fn detect_safetensors_llm(
    config: &LlmConfig,
    files: &[(String, SafetensorsHeader)],
    tokenizer: TokenizerFiles,
) -> Result<LlmFacts, DetectError> {
    let layout: Layout<'_> = files.iter().flat_map(|(_, header)| tensors_of(header)).collect();
    let file = files.first().map_or("model.safetensors", |(name, _)| name);
    weights::check(config, &layout, file)?;
    Ok(LlmFacts {
        format: LlmFormat::Safetensors,
        architecture: config.model_type.clone(),
        name: None,
        quantization: precision(&layout).map(|precision| precision.to_string()),
        context_length: config.context_length,
        parameter_count: Some(parameter_count(&layout)),
        tokenizer: tokenizer.kind,
        has_chat_template: tokenizer.has_chat_template,
        file_count: files.len() as u64,
    })
}
