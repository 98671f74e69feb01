//! The tokenizer of a GGUF file, or of a folder (`checkpoint`).
//!
//! A text goes through three steps. `special` cuts it at tokens that stand for themselves (control
//! tokens such as `<|im_end|>`, user-defined ones such as Gemma's runs of spaces). What is left goes to
//! one of two algorithms: `bpe` (byte-level pairs with ranked merges, `gpt2` in the file, after
//! `split` has cut the text into words) or `sentence_piece` (merges by score with byte fallback,
//! `llama` in the file). Both run on `merge`, and find tokens in the `vocabulary`.
//!
//! Ids are those of llama.cpp on the same file, with one intended difference: a control token is one
//! that the *file* calls a control token. llama.cpp also promotes ordinary tokens by their text alone
//! (`</s>` of Qwen2.5-Coder, an HTML tag in Gemma), by which a page of HTML could end an answer.

mod bpe;
mod checkpoint;
mod end_of_generation;
mod error;
mod merge;
mod sentence_piece;
mod special;
mod split;
mod stream;
mod vocabulary;

use rbee_artifacts::gguf::{GgufHeader, TokenizerFacts, TokenizerKind, required};

use self::bpe::BytePairs;
use self::checkpoint::Checkpoint;
use self::merge::Merger;
use self::sentence_piece::SentencePiece;
use self::special::{Fragment, SpecialTokens};
use self::vocabulary::Vocabulary;
use super::template::Prompt;

pub use self::checkpoint::chat_template;
pub use self::error::TokenizerError;
pub use self::special::ControlTexts;
pub use self::stream::{StreamDecoder, Utf8Stream};
pub use self::vocabulary::TokenKind;

const TOKENS_KEY: &str = "tokenizer.ggml.tokens";

/// Turns text into the ids of one model, and back. Immutable: share it in an `Arc`.
#[derive(Debug)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    special: SpecialTokens,
    algorithm: Algorithm,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    add_eos: bool,
    /// SentencePiece of Llama 2 and its kin: a text begins with a space that is not in it.
    add_space_prefix: bool,
    /// Sorted.
    end_of_generation: Vec<u32>,
}

#[derive(Debug)]
enum Algorithm {
    BytePairs(BytePairs),
    SentencePiece(SentencePiece),
    Checkpoint(Box<Checkpoint>),
}

impl Tokenizer {
    /// Reads the tokenizer of a GGUF file.
    ///
    /// # Errors
    /// When a list or an id is absent, of a wrong type, too short or out of range, or when the file asks
    /// for a tokenizer that is not supported; [`TokenizerError::field`] names the metadata key.
    pub fn from_gguf(header: &GgufHeader) -> Result<Self, TokenizerError> {
        let metadata = &header.metadata;
        let tokens = required(TOKENS_KEY, metadata.strings(TOKENS_KEY)?)?;
        let token_count = u32::try_from(tokens.len())
            .map_err(|_| TokenizerError::invalid(TOKENS_KEY, "has more tokens than ids can count"))?;
        let facts = TokenizerFacts::read(header, token_count)?;
        let vocabulary = Vocabulary::read(metadata, tokens, facts.kind)?;
        let (algorithm, add_bos, add_space_prefix) = match facts.kind {
            TokenizerKind::ByteLevelBpe => {
                let pairs = BytePairs::read(metadata, &facts, &vocabulary)?;
                let add_bos = pairs.begins_with_bos();
                (Algorithm::BytePairs(pairs), add_bos, false)
            }
            TokenizerKind::SentencePiece => {
                let pieces = SentencePiece::read(metadata, &facts, &vocabulary)?;
                (
                    Algorithm::SentencePiece(pieces),
                    true,
                    facts.add_space_prefix.unwrap_or(true),
                )
            }
        };
        Ok(Self {
            special: SpecialTokens::read(metadata, &vocabulary)?,
            end_of_generation: end_of_generation::read(metadata, &facts, &vocabulary)?,
            bos: facts.bos,
            eos: facts.eos,
            add_bos: facts.add_bos.unwrap_or(add_bos) && facts.bos.is_some(),
            add_eos: facts.add_eos.unwrap_or(false) && facts.eos.is_some(),
            add_space_prefix,
            vocabulary,
            algorithm,
        })
    }

    /// The ids of `text`.
    ///
    /// With `add_special` the tokens that begin and end a text are added where the model wants them.
    /// With `parse_special` the name of a control token in the text (`<|im_end|>`) becomes that token;
    /// without, it is text like any other: **what users wrote is to be encoded without.**
    #[must_use]
    pub fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Vec<u32> {
        let fragments = self.special.split(text, parse_special, &[]);
        let mut ids = Vec::with_capacity(text.len() / 3 + 2);
        if let (true, true, Some(bos)) = (add_special, self.add_bos, self.bos) {
            ids.push(bos);
        }
        self.encode_fragments(&fragments, &mut ids);
        if let (true, true, Some(eos)) = (add_special, self.add_eos, self.eos) {
            ids.push(eos);
        }
        ids
    }

    /// The ids of a rendered conversation: control tokens where the template wrote them, plain text
    /// where a person did. Begins with `bos` if the model wants that and the template did not write it.
    #[must_use]
    pub fn encode_prompt(&self, prompt: &Prompt) -> Vec<u32> {
        let fragments = self.special.split(&prompt.text, true, &prompt.literal);
        let mut ids = Vec::with_capacity(prompt.text.len() / 3 + 2);
        if let (true, Some(bos)) = (self.add_bos, self.bos)
            && !matches!(fragments.first(), Some(Fragment::Token(id)) if *id == bos)
        {
            ids.push(bos);
        }
        self.encode_fragments(&fragments, &mut ids);
        ids
    }

    fn encode_fragments(&self, fragments: &[Fragment<'_>], ids: &mut Vec<u32>) {
        let mut merger = Merger::default();
        // SentencePiece puts its space before the first text, and before each text after a token.
        let mut after_token = true;
        for (place, fragment) in fragments.iter().enumerate() {
            let is_first = place == 0;
            match (fragment, &self.algorithm) {
                (Fragment::Token(id), _) => ids.push(*id),
                (Fragment::Text(text), Algorithm::BytePairs(pairs)) => {
                    pairs.encode(&self.vocabulary, text, &mut merger, ids);
                }
                (Fragment::Text(text), Algorithm::SentencePiece(pieces)) => {
                    let space = self.add_space_prefix && after_token;
                    pieces.encode(&self.vocabulary, text, space, &mut merger, ids);
                }
                (Fragment::Text(text), Algorithm::Checkpoint(checkpoint)) => {
                    checkpoint.encode(text, is_first, ids);
                }
            }
            after_token = matches!(fragment, Fragment::Token(_));
        }
    }

    /// The text of `ids`. Bytes that are not UTF-8 become U+FFFD, as `String::from_utf8_lossy` has it.
    /// Control tokens are left out, or shown by their names with `show_special`. Ids that the model
    /// does not have are left out.
    ///
    /// The space that SentencePiece puts before a text is taken off again, unless a token such as `bos`
    /// stands first (as llama.cpp does). For the text of a stream use [`StreamDecoder`].
    #[must_use]
    pub fn decode(&self, ids: &[u32], show_special: bool) -> String {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for (place, &id) in ids.iter().enumerate() {
            let piece = self.shown_bytes(id, show_special);
            // llama.cpp takes it off the first token, transformers off the text.
            let is_start = match self.algorithm {
                Algorithm::Checkpoint(_) => bytes.is_empty(),
                _ => place == 0,
            };
            let skip = is_start && self.add_space_prefix && piece.first() == Some(&b' ');
            bytes.extend_from_slice(&piece[usize::from(skip)..]);
        }
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }

    /// The bytes that a token stands for; for control tokens, their names. A character may be spread
    /// over several tokens. Empty for ids that the model does not have, and for unused ones.
    #[must_use]
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.vocabulary.piece(id)
    }

    /// What a token is; `None` if the model has no such token.
    #[must_use]
    pub fn token_kind(&self, id: u32) -> Option<TokenKind> {
        self.vocabulary.kind(id)
    }

    /// The bytes that an answer shows for a token: none for control tokens, unless asked for.
    fn shown_bytes(&self, id: u32, show_special: bool) -> &[u8] {
        match self.vocabulary.kind(id) {
            Some(kind) if show_special || !kind.is_control() => self.vocabulary.piece(id),
            _ => &[],
        }
    }

    /// The special token with this name: a control token, or one that is found in texts as it is.
    #[must_use]
    pub fn special_token(&self, name: &str) -> Option<u32> {
        self.special.find(name)
    }

    /// How many tokens there are. Ids go from 0 to one less.
    #[must_use]
    pub fn vocab_size(&self) -> u32 {
        self.vocabulary.len()
    }

    /// The token that begins a text.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends a text.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Whether [`Tokenizer::encode`] puts `bos` before a text when it may add special tokens.
    #[must_use]
    pub fn adds_bos(&self) -> bool {
        self.add_bos
    }

    /// Whether the model says with this token that its answer is complete: `eos`, the end of a turn,
    /// and the control tokens known to mean so.
    #[must_use]
    pub fn is_end_of_generation(&self, id: u32) -> bool {
        self.end_of_generation.binary_search(&id).is_ok()
    }

    /// All tokens for which [`Tokenizer::is_end_of_generation`] holds, in rising order.
    #[must_use]
    pub fn end_of_generation(&self) -> &[u32] {
        &self.end_of_generation
    }

    /// The name of a token as a template prints it (`bos_token`); empty if there is none.
    #[must_use]
    pub fn token_name(&self, id: Option<u32>) -> String {
        id.map(|id| String::from_utf8_lossy(self.token_bytes(id)).into_owned())
            .unwrap_or_default()
    }

    /// The names of the control tokens (and of user-defined ones that set turns apart), to be kept out of
    /// what people write.
    #[must_use]
    pub fn control_texts(&self) -> &ControlTexts {
        self.special.control_texts()
    }
}
