//! A model's tokens as constraints walk them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use llguidance::ParserFactory;
use llguidance::toktrie::{
    ApproximateTokEnv, INVALID_TOKEN, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie,
};

use super::error::ConstraintError;
use super::limits::{STACK_BYTES, limits};
use crate::text::Tokenizer;

/// Longest token that is ever allowed: the trie counts no deeper.
const MAX_TOKEN_BYTES: usize = 1_000;
/// Most bytes of all tokens together: the trie counts no further.
const MAX_BYTES: usize = 4_000_000;

/// The tokens of a model as a trie of their bytes. Made once for a model; immutable, to be shared.
///
/// What it takes was measured: see `docs/requests.md`.
pub struct ConstraintVocabulary {
    pub(super) factory: ParserFactory,
    pub(super) end_tokens: Vec<u32>,
}

impl fmt::Debug for ConstraintVocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConstraintVocabulary")
            .field("tokens", &self.trie().vocab_size())
            .finish_non_exhaustive()
    }
}

impl ConstraintVocabulary {
    /// Takes the vocabulary of a tokenizer.
    ///
    /// # Errors
    /// [`ConstraintError::Unsupported`] if there are printable ASCII characters that no token stands for, if there
    /// are too many tokens, or if there is no memory for a thread.
    pub fn build(tokenizer: &Tokenizer) -> Result<Self, ConstraintError> {
        on_a_deep_stack(|| Self::build_here(tokenizer))?
    }

    fn build_here(tokenizer: &Tokenizer) -> Result<Self, ConstraintError> {
        let words: Vec<Vec<u8>> = (0..tokenizer.vocab_size())
            .map(|id| word(tokenizer, id))
            .collect();
        for byte in b' '..=b'~' {
            if !words.iter().any(|word| word == &[byte]) {
                let character = char::from(byte);
                return Err(ConstraintError::Unsupported(format!(
                    "its vocabulary has no token for the character {character:?}"
                )));
            }
        }
        if words.iter().map(Vec::len).sum::<usize>() > MAX_BYTES {
            return Err(ConstraintError::Unsupported(
                "its vocabulary is too large".to_owned(),
            ));
        }
        let end_tokens = tokenizer.end_of_generation().to_vec();
        let first = end_tokens.first().copied().unwrap_or(INVALID_TOKEN);
        let mut trie = TokTrie::from(&TokRxInfo::new(tokenizer.vocab_size(), first), &words);
        drop(words);
        if !end_tokens.is_empty() {
            trie = trie.with_eos_tokens(&end_tokens);
        }
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&environment)
            .map_err(|error| ConstraintError::Unsupported(error.to_string()))?;
        factory.quiet();
        *factory.limits_mut() = limits();
        Ok(Self { factory, end_tokens })
    }

    pub(super) fn trie(&self) -> &TokTrie {
        self.factory.tok_env().tok_trie()
    }

    /// What a token writes; for a control token, its name.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        if token as usize >= self.trie().vocab_size() {
            return &[];
        }
        let bytes = self.trie().token(token);
        match bytes.split_first() {
            Some((&TokTrie::SPECIAL_TOKEN_MARKER, name)) if !name.is_empty() => name,
            _ => bytes,
        }
    }

    pub(super) fn capabilities() -> InferenceCapabilities {
        InferenceCapabilities::default()
    }
}

/// The bytes of a token as the trie wants them: names of control tokens behind a byte that no text has.
fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    let bytes = tokenizer.token_bytes(id);
    if bytes.len() > MAX_TOKEN_BYTES {
        return Vec::new();
    }
    match tokenizer.token_kind(id) {
        Some(kind) if kind.is_control() && !bytes.is_empty() => {
            [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat()
        }
        _ => bytes.to_vec(),
    }
}

/// Does something that may nest deeply. A panic of the library is an error.
pub(super) fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, ConstraintError> {
    let failed = |words: &str| ConstraintError::Unsupported(words.to_owned());
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("constraint".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(work)))
            .map_err(|_| failed("there is no memory for a thread"))?
            .join()
            .and_then(|result| result)
            .map_err(|_| failed("the grammar library failed"))
    })
}
