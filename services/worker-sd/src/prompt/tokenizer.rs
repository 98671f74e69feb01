//! The byte-pair vocabulary of CLIP, which every Stable Diffusion reads its prompts with.
//!
//! `clip_merges.bin` is OpenAI's vocabulary (`bpe_simple_vocab_16e6`, published with CLIP under the MIT licence) in the
//! shortest form: for each of the 48,894 merges the ids of its two halves, each in two bytes, little end first. The id
//! of a merge is 512 + its place; before them come the 256 bytes, and the same at the end of a word; after them the
//! begin and the end token.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

use super::cleaning::{self, Cleaning};

/// The token that begins a chunk.
pub const BEGIN: u32 = 49406;
/// The token that ends a chunk.
pub const END: u32 = 49407;
/// The comma, at the end of a word.
pub const COMMA: u32 = 267;

const MERGES: &[u8] = include_bytes!("clip_merges.bin");
/// Ids below this are bytes.
const BYTES: u16 = 256;
/// Ids from here on are merges.
const FIRST_MERGE: u16 = 512;
const SPECIAL: [(&str, u32); 2] = [("<|startoftext|>", BEGIN), ("<|endoftext|>", END)];
/// Endings that are words of their own.
const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// CLIP's tokenizer.
#[derive(Debug)]
pub struct ClipTokenizer {
    /// The id that two neighbours become.
    merges: HashMap<(u16, u16), u16>,
    /// The id of each byte.
    bytes: [u16; 256],
    /// Ranges of Unicode's letters, rising.
    letters: Vec<(char, char)>,
}

static SHARED: LazyLock<ClipTokenizer> = LazyLock::new(ClipTokenizer::new);

impl ClipTokenizer {
    /// The tokenizer; it is made once.
    #[must_use]
    pub fn shared() -> &'static Self {
        &SHARED
    }

    fn new() -> Self {
        let (pairs, _) = MERGES.as_chunks::<4>();
        let merges = pairs.iter().zip(FIRST_MERGE..);
        Self {
            merges: merges
                .map(|(&[a, b, c, d], id)| ((u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])), id))
                .collect(),
            bytes: byte_ids(),
            letters: letters(),
        }
    }

    /// The ids of a text, without begin and end.
    ///
    /// `pad_is_bang` says that the tokenizer fills up with `!`, as those of SD 2 and of SDXL's second encoder do:
    /// transformers then reads each `!` of a text as filling (id 0). Only [`Cleaning::Transformers`] has that.
    #[must_use]
    pub fn encode(&self, text: &str, cleaning: Cleaning, pad_is_bang: bool) -> Vec<u32> {
        let mut ids = Vec::new();
        match (cleaning, pad_is_bang) {
            (Cleaning::Transformers, true) => {
                for (index, part) in text.split('!').enumerate() {
                    if index > 0 {
                        ids.push(0);
                    }
                    self.encode_part(part, cleaning, &mut ids);
                }
            }
            _ => self.encode_part(text, cleaning, &mut ids),
        }
        ids
    }

    fn encode_part(&self, text: &str, cleaning: Cleaning, ids: &mut Vec<u32>) {
        let text = cleaning::clean(text, cleaning);
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            if first.is_whitespace() {
                rest = &rest[first.len_utf8()..];
                continue;
            }
            if let Some((special, id)) = SPECIAL.iter().find(|(special, _)| rest.starts_with(special)) {
                ids.push(*id);
                rest = &rest[special.len()..];
                continue;
            }
            let (word, after) = rest.split_at(self.word_length(rest, first));
            self.encode_word(word, ids);
            rest = after;
        }
    }

    /// Bytes of the word at the beginning of `rest`: a contraction, letters, one digit, or anything else.
    fn word_length(&self, rest: &str, first: char) -> usize {
        if let Some(contraction) = CONTRACTIONS
            .iter()
            .find(|contraction| rest.starts_with(**contraction))
        {
            return contraction.len();
        }
        if first.is_numeric() {
            return first.len_utf8();
        }
        let letters = self.is_letter(first);
        let same = |&(at, character): &(usize, char)| {
            if letters {
                self.is_letter(character)
            } else {
                !character.is_whitespace()
                    && !character.is_numeric()
                    && !self.is_letter(character)
                    && !SPECIAL.iter().any(|(special, _)| rest[at..].starts_with(special))
            }
        };
        let end = rest.char_indices().find(|one| !same(one));
        end.map_or(rest.len(), |(at, _)| at)
    }

    /// Merges the bytes of a word, the earliest merges of the vocabulary first.
    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) {
        let mut parts: Vec<u16> = word.bytes().map(|byte| self.bytes[usize::from(byte)]).collect();
        if let Some(last) = parts.last_mut() {
            *last += BYTES;
        }
        while let Some(best) = parts.windows(2).filter_map(|pair| self.merged(pair)).min() {
            // All places of the best merge at once: what they become is in later merges only.
            let mut merged = Vec::with_capacity(parts.len());
            let mut index = 0;
            while index < parts.len() {
                let pair = parts.get(index..index + 2);
                if pair.and_then(|pair| self.merged(pair)) == Some(best) {
                    merged.push(best);
                    index += 2;
                } else {
                    merged.push(parts[index]);
                    index += 1;
                }
            }
            parts = merged;
        }
        ids.extend(parts.into_iter().map(u32::from));
    }

    fn merged(&self, pair: &[u16]) -> Option<u16> {
        self.merges.get(&(pair[0], pair[1])).copied()
    }

    fn is_letter(&self, character: char) -> bool {
        let after = self.letters.partition_point(|&(begin, _)| begin <= character);
        after > 0 && character <= self.letters[after - 1].1
    }
}

/// Bytes that have a visible sign in Latin-1 come first, in their order; then the others.
fn byte_ids() -> [u16; 256] {
    let visible = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let others = |byte: &u8| !visible(byte);
    let order = (0..=255u8).filter(visible).chain((0..=255u8).filter(others));
    let mut ids = [0; 256];
    for (byte, id) in order.zip(0..) {
        ids[usize::from(byte)] = id;
    }
    ids
}

/// Unicode's general category of letters.
fn letters() -> Vec<(char, char)> {
    let parsed = regex_syntax::parse(r"\p{L}").map(regex_syntax::hir::Hir::into_kind);
    match parsed {
        Ok(HirKind::Class(Class::Unicode(class))) => {
            class.iter().map(|range| (range.start(), range.end())).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(text: &str) -> Vec<u32> {
        ClipTokenizer::shared().encode(text, Cleaning::Transformers, false)
    }

    #[test]
    fn known_words_have_their_known_ids() {
        assert_eq!(encode("a photo of a cat"), [320, 1125, 539, 320, 2368]);
        assert_eq!(encode("Hello,  WORLD"), [3306, COMMA, 1002]);
        assert_eq!(encode("don't"), [847, 713]);
        assert_eq!(encode("12"), [272, 273]);
        assert_eq!(encode(""), [0u32; 0]);
        assert_eq!(encode("cat<|endoftext|>cat"), [2368, END, 2368]);
    }

    #[test]
    fn an_exclamation_mark_is_filling_only_where_filling_is_one() {
        let tokenizer = ClipTokenizer::shared();
        assert_eq!(
            tokenizer.encode("cat!!", Cleaning::Transformers, true),
            [2368, 0, 0]
        );
        assert_eq!(
            tokenizer.encode("cat!", Cleaning::Transformers, false),
            [2368, 256]
        );
        assert_eq!(tokenizer.encode("cat!", Cleaning::Original, true), [2368, 256]);
    }

    proptest! {
        #[test]
        fn any_text_has_ids_of_the_vocabulary_and_no_more_than_bytes(text in ".{0,200}") {
            for cleaning in [Cleaning::Transformers, Cleaning::Original] {
                for bang in [false, true] {
                    let ids = ClipTokenizer::shared().encode(&text, cleaning, bang);
                    prop_assert!(ids.iter().all(|&id| id <= END));
                    // Cleaning and lower case make some characters longer, none by more than this.
                    prop_assert!(ids.len() <= 4 * text.len());
                }
            }
        }
    }
}
