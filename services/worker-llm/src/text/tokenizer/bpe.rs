//! Byte-level byte-pair encoding (`gpt2`): every byte is a token, and pairs are joined by rank.

use std::collections::HashMap;
use std::sync::LazyLock;

use rbee_artifacts::gguf::{GgufMetadata, TokenizerFacts, required};

use super::error::TokenizerError;
use super::merge::{Merger, NONE};
use super::split::Splitter;
use super::vocabulary::Vocabulary;

const MERGES_KEY: &str = "tokenizer.ggml.merges";

/// The merges of a model, and how its text is cut before them.
#[derive(Debug)]
pub(super) struct BytePairs {
    /// The rank and the product of a pair of tokens.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// The token of each byte, or [`NONE`].
    bytes: [u32; 256],
    splitter: Splitter,
    unknown: Option<u32>,
}

impl BytePairs {
    pub(super) fn read(
        metadata: &GgufMetadata,
        facts: &TokenizerFacts,
        vocabulary: &Vocabulary,
    ) -> Result<Self, TokenizerError> {
        let splitter = Splitter::named(facts.pre.as_deref())?;
        let mut bytes = [NONE; 256];
        for (byte, token) in (0..=255_u8).zip(&mut bytes) {
            *token = vocabulary.find(&[byte]).unwrap_or(NONE);
        }
        let list = required(MERGES_KEY, metadata.strings(MERGES_KEY)?)?;
        let mut merges = HashMap::with_capacity(list.len());
        let mut key = Vec::new();
        for (rank, merge) in list.iter().enumerate() {
            // The first part may itself begin with a space.
            let at = merge
                .char_indices()
                .skip(1)
                .find(|(_, character)| *character == ' ');
            let (left, right) = at.map_or((merge, ""), |(at, _)| (&merge[..at], &merge[at + 1..]));
            key.clear();
            let mut find = |part: &str| {
                let start = key.len();
                bytes_of_characters(part, &mut key);
                vocabulary.find(&key[start..])
            };
            let (left_token, right_token) = (find(left), find(right));
            let (Some(a), Some(b), Some(product)) = (left_token, right_token, vocabulary.find(&key)) else {
                return Err(TokenizerError::invalid(
                    MERGES_KEY,
                    format!(
                        "has merge {rank} (\"{}\") of which a part or the whole is no token",
                        merge.escape_debug()
                    ),
                ));
            };
            // Of merges of one pair the first counts, as in llama.cpp.
            merges.entry((a, b)).or_insert((rank as u32, product));
        }
        Ok(Self {
            merges,
            bytes,
            splitter,
            unknown: facts.unknown,
        })
    }

    /// Whether texts of this family begin with `bos` if the file does not say.
    pub(super) fn begins_with_bos(&self) -> bool {
        self.splitter.begins_with_bos
    }

    /// Appends the tokens of `text`, which has no special tokens in it.
    pub(super) fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        merger: &mut Merger,
        ids: &mut Vec<u32>,
    ) {
        for word in self.splitter.words(text) {
            if self.splitter.whole_words_first
                && let Some(id) = vocabulary.find(word.as_bytes())
            {
                ids.push(id);
                continue;
            }
            merger.clear();
            for &byte in word.as_bytes() {
                merger.push(1, self.bytes[usize::from(byte)]);
            }
            merger.merge(|left, right| self.merges.get(&(left.token, right.token)).copied());
            ids.extend(merger.symbols().filter_map(|symbol| match symbol.token {
                NONE => self.unknown,
                token => Some(token),
            }));
        }
    }
}

/// The character that GPT-2 writes for each byte: printable ones stand for themselves, the others for
/// U+0100 and up, in order (`bytes_to_unicode` of GPT-2's encoder.py).
static BYTE_OF_CHARACTER: LazyLock<HashMap<char, u8>> = LazyLock::new(|| {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..=255_u8).filter(|&byte| !printable(byte));
    let mut characters: HashMap<char, u8> = ('\u{100}'..).zip(others).collect();
    characters.extend(
        (0..=255_u8)
            .filter(|&byte| printable(byte))
            .map(|byte| (char::from(byte), byte)),
    );
    characters
});

/// Appends the bytes that `text` stands for in a byte-level vocabulary. Characters that stand for no
/// byte stand for themselves.
pub(super) fn bytes_of_characters(text: &str, bytes: &mut Vec<u8>) {
    for character in text.chars() {
        match BYTE_OF_CHARACTER.get(&character) {
            Some(&byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stand_for_bytes_as_in_gpt2() {
        let mut bytes = Vec::new();
        bytes_of_characters("ĠhelloĠĊĠĉĠÿĠŃ", &mut bytes);
        assert_eq!(bytes, b" hello \n \t \xff \xad");
    }

    #[test]
    fn every_byte_has_a_character() {
        let mut seen: Vec<u8> = BYTE_OF_CHARACTER.values().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..=255).collect::<Vec<u8>>());
    }
}
