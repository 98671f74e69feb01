//! Tokens that are found in a text as they are, before any algorithm sees the rest.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use rbee_artifacts::gguf::GgufMetadata;

use super::error::TokenizerError;
use super::vocabulary::{TokenKind, Vocabulary};

const TOKENS_KEY: &str = "tokenizer.ggml.tokens";

/// A part of a text: one special token, or text between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fragment<'a> {
    Text(&'a str),
    Token(u32),
}

/// A part of a text while it is being cut, in bytes.
enum Part {
    Text(Range<usize>),
    Token(u32),
}

/// A token that is found as it is.
#[derive(Debug)]
pub(super) struct Special {
    pub(super) id: u32,
    pub(super) text: String,
    /// Found only where control tokens are asked for.
    pub(super) control: bool,
    /// Never found in what people wrote: control tokens, and what serves as one.
    pub(super) guarded: bool,
    /// Whether the token takes in the white space after it.
    pub(super) takes_space: bool,
}

/// All tokens that are found as they are.
#[derive(Debug)]
pub(super) struct SpecialTokens {
    /// The longest first: longer ones win over shorter ones, wherever they stand.
    tokens: Vec<Special>,
    /// Finds which of `tokens` are in a text at all; the pattern's number is the place in `tokens`.
    finder: AhoCorasick,
    control_texts: ControlTexts,
}

impl SpecialTokens {
    pub(super) fn read(metadata: &GgufMetadata, vocabulary: &Vocabulary) -> Result<Self, TokenizerError> {
        // Phi-3's tokenizer.json has `rstrip` on these; a GGUF cannot say so, and llama.cpp goes by the
        // model's name, too.
        let name = metadata.str("general.name")?.unwrap_or_default().to_lowercase();
        let is_phi3 = name.contains("phi-3") || name.contains("phi3");
        let mut tokens = Vec::new();
        for id in 0..vocabulary.len() {
            let kind = vocabulary.kind(id);
            if !matches!(
                kind,
                Some(TokenKind::Control | TokenKind::Unknown | TokenKind::UserDefined)
            ) {
                continue;
            }
            // The metadata's strings are UTF-8, and special tokens are taken as they are.
            let text = String::from_utf8_lossy(vocabulary.key(id)).into_owned();
            if text.is_empty() {
                continue;
            }
            let takes_space = is_phi3 && !matches!(text.as_str(), "<unk>" | "<s>" | "<|endoftext|>");
            let control = kind.is_some_and(TokenKind::is_control);
            let guarded = control || is_turn_mark(&text);
            tokens.push(Special {
                id,
                text,
                control,
                guarded,
                takes_space,
            });
        }
        Self::new(tokens)
    }

    /// Makes them ready to be found.
    ///
    /// # Errors
    /// When there are too many of them.
    pub(super) fn new(mut tokens: Vec<Special>) -> Result<Self, TokenizerError> {
        tokens.sort_by_key(|token| std::cmp::Reverse(token.text.len()));
        let finder = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(tokens.iter().map(|token| &token.text))
            .map_err(|error| {
                TokenizerError::invalid(TOKENS_KEY, format!("has too many special tokens ({error})"))
            })?;
        let control_texts = ControlTexts::new(
            tokens
                .iter()
                .filter(|token| token.guarded)
                .map(|token| token.text.clone()),
        );
        Ok(Self {
            tokens,
            finder,
            control_texts,
        })
    }

    /// Cuts `text` at special tokens: user-defined ones always, control tokens only with `parse_special`.
    /// Those that begin or end turns are not found where they touch one of the `literal` ranges (sorted,
    /// in bytes of `text`).
    pub(super) fn split<'a>(
        &self,
        text: &'a str,
        parse_special: bool,
        literal: &[Range<usize>],
    ) -> Vec<Fragment<'a>> {
        let mut is_in_text = vec![false; self.tokens.len()];
        for found in self.finder.find_overlapping_iter(text) {
            is_in_text[found.pattern().as_usize()] = true;
        }
        let mut parts = vec![Part::Text(0..text.len())];
        for (token, is_in_text) in self.tokens.iter().zip(is_in_text) {
            if is_in_text && (parse_special || !token.control) {
                parts = token.cut(text, parts, if token.guarded { literal } else { &[] });
            }
        }
        parts
            .into_iter()
            .filter_map(|part| match part {
                Part::Token(id) => Some(Fragment::Token(id)),
                Part::Text(range) => (!range.is_empty()).then(|| Fragment::Text(&text[range])),
            })
            .collect()
    }

    /// The token with this name.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        let found = self.tokens.iter().find(|token| token.text == name);
        found.map(|token| token.id)
    }

    pub(super) fn control_texts(&self) -> &ControlTexts {
        &self.control_texts
    }
}

impl Special {
    /// Cuts the token out of what is still text, from the left.
    fn cut(&self, text: &str, parts: Vec<Part>, literal: &[Range<usize>]) -> Vec<Part> {
        let mut cut = Vec::with_capacity(parts.len() + 2);
        for part in parts {
            let Part::Text(range) = part else {
                cut.push(part);
                continue;
            };
            let mut start = range.start;
            let mut search_from = start;
            while let Some(at) = text[search_from..range.end].find(&self.text) {
                let found = search_from + at..search_from + at + self.text.len();
                if touches(literal, &found) {
                    let first = self.text.chars().next().map_or(1, char::len_utf8);
                    search_from = found.start + first;
                    continue;
                }
                if found.start > start {
                    cut.push(Part::Text(start..found.start));
                }
                cut.push(Part::Token(self.id));
                start = found.end;
                if self.takes_space {
                    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t'..=b'\r');
                    start += text.as_bytes()[start..range.end]
                        .iter()
                        .take_while(is_space)
                        .count();
                }
                search_from = start;
            }
            if start < range.end {
                cut.push(Part::Text(start..range.end));
            }
        }
        cut
    }
}

/// Whether a user-defined token is one of those that set turns apart: some converters wrote these down as
/// user-defined, and then people's words must not become them either.
pub(super) fn is_turn_mark(text: &str) -> bool {
    (text.starts_with("<|") && text.ends_with("|>"))
        || matches!(text, "<start_of_turn>" | "<end_of_turn>" | "[INST]" | "[/INST]")
}

/// Whether `found` shares a byte with one of the sorted `ranges`.
fn touches(ranges: &[Range<usize>], found: &Range<usize>) -> bool {
    let first = ranges.partition_point(|range| range.end <= found.start);
    ranges.get(first).is_some_and(|range| range.start < found.end)
}

/// The names of a model's control tokens, and where they stand in a text, whole or in part.
#[derive(Debug)]
pub struct ControlTexts {
    finder: AhoCorasick,
    /// Sorted.
    forward: Vec<String>,
    /// The same, each read backwards, sorted.
    backward: Vec<Vec<u8>>,
    /// In bytes.
    longest: usize,
}

impl ControlTexts {
    /// From the names themselves.
    ///
    /// # Panics
    /// When the names are too many for an automaton of 32 bits, which a tokenizer refuses before.
    #[must_use]
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut forward: Vec<String> = texts.into_iter().collect();
        forward.sort_unstable();
        let mut backward: Vec<Vec<u8>> = forward.iter().map(|text| text.bytes().rev().collect()).collect();
        backward.sort_unstable();
        Self {
            finder: AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(&forward)
                .expect("an automaton of more texts than these was built before"),
            longest: forward.iter().map(String::len).max().unwrap_or(0),
            forward,
            backward,
        }
    }

    /// Where control tokens are named in `text`, overlapping ones included.
    pub(in crate::text) fn found_in<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        self.finder.find_overlapping_iter(text).map(|found| found.range())
    }

    /// Where a control token's name begins in `text` that its end cuts off.
    pub(in crate::text) fn starts_cut_off<'a>(&'a self, text: &'a str) -> impl Iterator<Item = usize> + 'a {
        (1..self.longest.min(text.len() + 1))
            .map(|length| text.len() - length)
            .filter(|&start| text.is_char_boundary(start))
            .filter(|&start| begins_longer(&self.forward, &text.as_bytes()[start..]))
    }

    /// Whether `text` begins with the rest of a control token's name.
    pub(in crate::text) fn begins_with_rest(&self, text: &str) -> bool {
        (1..self.longest.min(text.len() + 1)).any(|length| {
            let rest: Vec<u8> = text.as_bytes()[..length].iter().rev().copied().collect();
            begins_longer(&self.backward, &rest)
        })
    }
}

/// Whether one of the sorted `texts` begins with `part` and goes on.
fn begins_longer(texts: &[impl AsRef<[u8]>], part: &[u8]) -> bool {
    let first = texts.partition_point(|text| text.as_ref() <= part);
    texts
        .get(first)
        .is_some_and(|text| text.as_ref().starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control_texts() -> ControlTexts {
        ControlTexts::new(["<|im_start|>", "<|im_end|>", "<s>"].map(str::to_owned))
    }

    #[test]
    fn names_are_found_whole_and_in_part() {
        let texts = control_texts();
        assert_eq!(
            texts.found_in("a<s><|im_end|>").collect::<Vec<_>>(),
            [1..4, 4..14]
        );
        assert_eq!(texts.found_in("a<s").count(), 0);
        assert_eq!(texts.starts_cut_off("ab<|im_").collect::<Vec<_>>(), [2]);
        assert_eq!(texts.starts_cut_off("a <").collect::<Vec<_>>(), [2]);
        assert_eq!(texts.starts_cut_off("<s>").count(), 0);
        assert_eq!(texts.starts_cut_off("").count(), 0);
        assert!(texts.begins_with_rest("im_end|> x"));
        assert!(texts.begins_with_rest("> quoted"));
        assert!(!texts.begins_with_rest("<s>"));
        assert!(!texts.begins_with_rest("text"));
    }

    /// The parts of a text, tokens in brackets.
    fn cut(tokens: &[&str], text: &str) -> Vec<String> {
        let mut parts = vec![Part::Text(0..text.len())];
        let mut sorted: Vec<_> = tokens.iter().enumerate().collect();
        sorted.sort_by_key(|(_, token)| std::cmp::Reverse(token.len()));
        for (id, token) in sorted {
            let special = Special {
                id: id as u32,
                text: (*token).to_owned(),
                control: true,
                guarded: true,
                takes_space: *token == "<t>",
            };
            parts = special.cut(text, parts, &[]);
        }
        let show = |part| match part {
            Part::Token(id) => format!("[{}]", tokens[id as usize]),
            Part::Text(range) => text[range].to_owned(),
        };
        parts.into_iter().map(show).collect()
    }

    #[test]
    fn the_longest_token_wins_wherever_it_stands() {
        assert_eq!(cut(&["ab", "bcd"], "abcd ab"), ["a", "[bcd]", " ", "[ab]"]);
        assert_eq!(cut(&["  ", "   "], "a     b"), ["a", "[   ]", "[  ]", "b"]);
        assert_eq!(cut(&["<t>"], "x<t> \n y<t>"), ["x", "[<t>]", "y", "[<t>]"]);
    }

    #[test]
    fn literal_ranges_are_kept() {
        let special = Special {
            id: 7,
            text: "<s>".to_owned(),
            control: true,
            guarded: true,
            takes_space: false,
        };
        let tokens = |literal: Option<Range<usize>>| {
            let parts = special.cut("<s><s>", vec![Part::Text(0..6)], literal.as_slice());
            parts.iter().filter(|part| matches!(part, Part::Token(7))).count()
        };
        assert_eq!(tokens(None), 2);
        assert_eq!(tokens(Some(0..1)), 1);
        assert_eq!(tokens(Some(2..4)), 0);
    }

    #[test]
    fn marks_of_turns_are_guarded_whatever_their_type() {
        assert!(is_turn_mark("<|im_start|>") && is_turn_mark("<end_of_turn>") && is_turn_mark("[INST]"));
        assert!(!is_turn_mark("<div>") && !is_turn_mark("  ") && !is_turn_mark("<tool_call>"));
    }

    #[test]
    fn ranges_touch() {
        let ranges = [3..5, 8..9];
        assert!(touches(&ranges, &(4..6)));
        assert!(touches(&ranges, &(0..4)));
        assert!(touches(&ranges, &(0..20)));
        assert!(!touches(&ranges, &(5..8)));
        assert!(!touches(&ranges, &(9..12)));
        assert!(!touches(&[], &(0..1)));
    }
}
