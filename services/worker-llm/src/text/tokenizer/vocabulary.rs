//! The tokens: what each stands for, what kind it is, and which one a text is.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use rbee_artifacts::gguf::{GgufMetadata, StringArray, TokenizerKind};

use super::bpe::bytes_of_characters;
use super::error::TokenizerError;
use super::sentence_piece::{SPACE_MARK, byte_of_name};

const TYPES_KEY: &str = "tokenizer.ggml.token_type";
const TOKENS_KEY: &str = "tokenizer.ggml.tokens";

/// What a token is (`llama_token_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Text.
    Normal,
    /// What stands for text that no token covers.
    Unknown,
    /// A mark that is no text: the begin of a turn, the end of an answer.
    Control,
    /// Text that is taken whole wherever it stands, before the algorithm sees the rest.
    UserDefined,
    /// A place without a meaning.
    Unused,
    /// One byte, for text that no other token covers.
    Byte,
}

impl TokenKind {
    /// Whether the token is no text: it is not shown in an answer, and users' text never becomes it.
    #[must_use]
    pub fn is_control(self) -> bool {
        matches!(self, Self::Control | Self::Unknown)
    }

    /// Whether the algorithms may produce the token from text.
    fn is_text(self) -> bool {
        matches!(self, Self::Normal | Self::UserDefined | Self::Unused)
    }

    fn from_id(id: i32) -> Option<Self> {
        Some(match id {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }
}

/// Byte strings in one allocation.
#[derive(Debug, Default)]
struct PackedBytes {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl PackedBytes {
    fn get(&self, index: usize) -> &[u8] {
        let Some(&end) = self.ends.get(index) else {
            return &[];
        };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start as usize..end as usize]
    }

    /// Ends the string whose bytes were appended.
    fn end(&mut self) {
        // A GGUF header, and so all of its strings, is at most 64 MiB long.
        self.ends.push(self.bytes.len() as u32);
    }
}

/// All tokens of a model.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// What the algorithms look up: for byte-level BPE the bytes themselves, for SentencePiece the text
    /// as the file has it (`▁` for a space).
    keys: PackedBytes,
    /// What a token adds to an answer, where that differs from the keys (SentencePiece).
    pieces: Option<PackedBytes>,
    kinds: Vec<TokenKind>,
    /// Ids by key. Control and byte tokens are not in it: text never becomes one by merging.
    by_key: HashTable<u32>,
    hasher: RandomState,
}

impl Vocabulary {
    pub(super) fn read(
        metadata: &GgufMetadata,
        tokens: &StringArray,
        algorithm: TokenizerKind,
    ) -> Result<Self, TokenizerError> {
        let kinds = kinds(metadata, tokens.len())?;
        match algorithm {
            TokenizerKind::ByteLevelBpe => Ok(Self::byte_level(tokens.iter(), kinds)),
            TokenizerKind::SentencePiece => Self::sentence_piece(tokens.iter(), kinds, false),
        }
    }

    /// Tokens in which each byte is written as a character.
    pub(super) fn byte_level<'a>(tokens: impl Iterator<Item = &'a str>, kinds: Vec<TokenKind>) -> Self {
        Self::new(byte_level_keys(tokens, &kinds), None, kinds)
    }

    /// Tokens in which `▁` is a space; with `all` also in user-defined ones, which GGUF has as they are.
    ///
    /// # Errors
    /// When a token is called a byte that is none.
    pub(super) fn sentence_piece<'a>(
        tokens: impl Iterator<Item = &'a str> + Clone,
        kinds: Vec<TokenKind>,
        all: bool,
    ) -> Result<Self, TokenizerError> {
        let mut keys = PackedBytes::default();
        for token in tokens.clone() {
            keys.bytes.extend_from_slice(token.as_bytes());
            keys.end();
        }
        let pieces = sentence_pieces(tokens, &kinds, all)?;
        Ok(Self::new(keys, Some(pieces), kinds))
    }

    fn new(keys: PackedBytes, pieces: Option<PackedBytes>, kinds: Vec<TokenKind>) -> Self {
        let mut vocabulary = Self {
            by_key: HashTable::with_capacity(kinds.len()),
            hasher: RandomState::new(),
            keys,
            pieces,
            kinds,
        };
        vocabulary.index();
        vocabulary
    }

    fn index(&mut self) {
        let Self {
            keys,
            kinds,
            by_key,
            hasher,
            ..
        } = self;
        for (index, kind) in kinds.iter().enumerate() {
            let key = keys.get(index);
            if !kind.is_text() || key.is_empty() {
                continue;
            }
            let id = index as u32;
            // Of tokens with one text the last counts, as in llama.cpp.
            by_key
                .entry(
                    hasher.hash_one(key),
                    |&other| keys.get(other as usize) == key,
                    |&other| hasher.hash_one(keys.get(other as usize)),
                )
                .and_modify(|other| *other = id)
                .or_insert(id);
        }
    }

    /// The token that stands for this text.
    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        self.by_key
            .find(self.hasher.hash_one(key), |&id| self.keys.get(id as usize) == key)
            .copied()
    }

    /// The token's text as it is looked up, and as it is found in a text if it is special.
    pub(super) fn key(&self, id: u32) -> &[u8] {
        self.keys.get(id as usize)
    }

    /// What the token adds to an answer.
    pub(super) fn piece(&self, id: u32) -> &[u8] {
        if self.kind(id) == Some(TokenKind::Unused) {
            return &[];
        }
        self.pieces.as_ref().unwrap_or(&self.keys).get(id as usize)
    }

    pub(super) fn kind(&self, id: u32) -> Option<TokenKind> {
        self.kinds.get(id as usize).copied()
    }

    pub(super) fn len(&self) -> u32 {
        self.kinds.len() as u32
    }
}

fn kinds(metadata: &GgufMetadata, count: usize) -> Result<Vec<TokenKind>, TokenizerError> {
    let Some(types) = metadata.i32_array(TYPES_KEY)? else {
        return Ok(vec![TokenKind::Normal; count]);
    };
    types
        .iter()
        .enumerate()
        .map(|(token, &id)| {
            // 0 is "undefined" in the enumeration; some converters write it for ordinary tokens.
            TokenKind::from_id(if id == 0 { 1 } else { id }).ok_or_else(|| {
                TokenizerError::invalid(TYPES_KEY, format!("gives token {token} the unknown type {id}"))
            })
        })
        .collect()
}

/// In a byte-level vocabulary, ordinary tokens are written with one character for each byte.
fn byte_level_keys<'a>(tokens: impl Iterator<Item = &'a str>, kinds: &[TokenKind]) -> PackedBytes {
    let mut keys = PackedBytes::default();
    for (token, kind) in tokens.zip(kinds) {
        match kind {
            TokenKind::Normal | TokenKind::Byte => bytes_of_characters(token, &mut keys.bytes),
            _ => keys.bytes.extend_from_slice(token.as_bytes()),
        }
        keys.end();
    }
    keys
}

fn sentence_pieces<'a>(
    tokens: impl Iterator<Item = &'a str>,
    kinds: &[TokenKind],
    all: bool,
) -> Result<PackedBytes, TokenizerError> {
    let mut pieces = PackedBytes::default();
    for (id, (token, kind)) in tokens.zip(kinds).enumerate() {
        match kind {
            TokenKind::UserDefined if !all => pieces.bytes.extend_from_slice(token.as_bytes()),
            TokenKind::Normal | TokenKind::Unused | TokenKind::UserDefined => {
                for (place, part) in token.split(SPACE_MARK).enumerate() {
                    if place > 0 {
                        pieces.bytes.push(b' ');
                    }
                    pieces.bytes.extend_from_slice(part.as_bytes());
                }
            }
            TokenKind::Byte => pieces.bytes.push(byte_of_name(token).ok_or_else(|| {
                TokenizerError::invalid(
                    TOKENS_KEY,
                    format!("calls token {id} a byte, but its text is not of the form <0x41>"),
                )
            })?),
            _ => pieces.bytes.extend_from_slice(token.as_bytes()),
        }
        pieces.end();
    }
    Ok(pieces)
}
