//! Which tokens say that an answer is complete.

use rbee_artifacts::gguf::{GgufMetadata, TokenizerFacts};

use super::error::TokenizerError;
use super::vocabulary::{TokenKind, Vocabulary};

/// Names under which published models end a turn, a text, or (the last ones) a file of a repository in
/// a model for code. Files name only one or two of theirs in the metadata.
const NAMES: &[&str] = &[
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|endofprompt|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
    "<eos>",
    HTML,
    "<EOT>",
    "_<EOT>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
];

/// The end of a text in Llama 2, and of struck-out text in HTML: if a file has it as ordinary or
/// user-defined text (Gemma, Qwen), it is HTML.
const HTML: &str = "</s>";

/// The tokens that end an answer, sorted: those that the file names, and special tokens with a known name.
pub(super) fn read(
    metadata: &GgufMetadata,
    facts: &TokenizerFacts,
    vocabulary: &Vocabulary,
) -> Result<Vec<u32>, TokenizerError> {
    // The end of a message to a tool: the model waits for the tool's answer.
    let end_of_message = metadata.u32("tokenizer.ggml.eom_token_id")?;
    let named = [
        facts.eos,
        facts.eot,
        end_of_message.filter(|&id| id < vocabulary.len()),
    ];
    Ok(of(named.into_iter().flatten(), vocabulary))
}

/// The tokens `named`, and special tokens with a known name, sorted.
pub(super) fn of(named: impl Iterator<Item = u32>, vocabulary: &Vocabulary) -> Vec<u32> {
    let mut ids: Vec<u32> = named.collect();
    for id in 0..vocabulary.len() {
        let special = match vocabulary.kind(id) {
            Some(TokenKind::Control) => true,
            Some(TokenKind::UserDefined) => vocabulary.key(id) != HTML.as_bytes(),
            _ => false,
        };
        if special && NAMES.iter().any(|name| name.as_bytes() == vocabulary.key(id)) {
            ids.push(id);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}
