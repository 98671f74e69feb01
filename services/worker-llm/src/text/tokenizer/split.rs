//! How byte-level tokenizers cut a text into words, within which pairs are then joined.
//!
//! The models' files name a regular expression (`tokenizer.ggml.pre`). There are few, they need
//! look-ahead, and they run over everything a client sends: so they are written out as a scanner that
//! takes linear time and no stack.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

use super::error::TokenizerError;

const PRE_KEY: &str = "tokenizer.ggml.pre";

/// Which expression cuts the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    /// GPT-4's, which Llama 3 and Qwen 2 took over with other limits on digits:
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}|`
    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    Gpt4 { digits: usize },
    /// GPT-2's: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    Gpt2,
}

/// Cuts text into words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Splitter {
    pattern: Pattern,
    /// Whether a word that is a token stays whole, even if merges would cut it.
    pub(super) whole_words_first: bool,
    /// Whether texts begin with `bos` unless the file says otherwise.
    pub(super) begins_with_bos: bool,
}

impl Splitter {
    /// The splitter that a file names.
    pub(super) fn named(pre: Option<&str>) -> Result<Self, TokenizerError> {
        // The names are those of llama.cpp's converter; families that share a line share the expression.
        let (pattern, whole_words_first, begins_with_bos) = match pre {
            Some("llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "falcon-h1" | "pixtral" | "lfm2") => {
                (Pattern::Gpt4 { digits: 3 }, true, true)
            }
            Some("smaug-bpe" | "dbrx") => (Pattern::Gpt4 { digits: 3 }, false, false),
            Some("qwen2" | "deepseek-r1-qwen" | "stablelm2" | "hunyuan") => {
                (Pattern::Gpt4 { digits: 1 }, false, false)
            }
            Some("gpt-2" | "phi-2" | "mpt" | "olmo" | "jais") => (Pattern::Gpt2, false, false),
            Some(other) => {
                return Err(TokenizerError::unsupported(
                    PRE_KEY,
                    format!(
                        "\"{}\" is not supported; supported are llama-bpe, qwen2, gpt-2 and their kin",
                        other.escape_debug()
                    ),
                ));
            }
            None => {
                return Err(TokenizerError::invalid(
                    PRE_KEY,
                    "is missing, so it is unknown how text is cut into words; convert the model anew",
                ));
            }
        };
        Ok(Self {
            pattern,
            whole_words_first,
            begins_with_bos,
        })
    }

    /// The words of `text`, which together are the text.
    pub(super) fn words<'a>(&self, text: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        let pattern = self.pattern;
        let mut rest = text;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let length = match pattern {
                Pattern::Gpt4 { digits } => gpt4_word(rest, digits),
                Pattern::Gpt2 => gpt2_word(rest),
            };
            let (word, tail) = rest.split_at(length);
            rest = tail;
            Some(word)
        })
    }
}

/// What the expressions tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Letter,
    Number,
    Space,
    Other,
}

fn group(character: char) -> Group {
    if character.is_ascii() {
        return match character {
            'a'..='z' | 'A'..='Z' => Group::Letter,
            '0'..='9' => Group::Number,
            ' ' | '\t'..='\r' => Group::Space,
            _ => Group::Other,
        };
    }
    if contains(&LETTERS, character) {
        Group::Letter
    } else if contains(&NUMBERS, character) {
        Group::Number
    } else if character.is_whitespace() {
        Group::Space
    } else {
        Group::Other
    }
}

/// `\p{L}`; wider than `char::is_alphabetic`, which also takes in marks and numerals.
static LETTERS: LazyLock<Vec<(char, char)>> = LazyLock::new(|| general_category(r"\p{L}"));
/// `\p{N}`.
static NUMBERS: LazyLock<Vec<(char, char)>> = LazyLock::new(|| general_category(r"\p{N}"));

fn general_category(expression: &str) -> Vec<(char, char)> {
    let parsed = regex_syntax::parse(expression).map(regex_syntax::hir::Hir::into_kind);
    match parsed {
        Ok(HirKind::Class(Class::Unicode(class))) => {
            class.iter().map(|range| (range.start(), range.end())).collect()
        }
        // Both expressions are constants of this file; a test looks at what they give.
        _ => Vec::new(),
    }
}

fn contains(ranges: &[(char, char)], character: char) -> bool {
    ranges
        .binary_search_by(|&(start, end)| {
            if end < character {
                std::cmp::Ordering::Less
            } else if start > character {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        })
        .is_ok()
}

/// The length in bytes of what leads `text` and belongs to `wanted`, at most `limit` characters.
fn run(text: &str, wanted: Group, limit: usize) -> usize {
    text.char_indices()
        .take(limit)
        .find(|&(_, character)| group(character) != wanted)
        .map_or_else(
            || text.chars().take(limit).map(char::len_utf8).sum(),
            |(place, _)| place,
        )
}

fn gpt4_word(text: &str, digits: usize) -> usize {
    let contraction = contraction(text, true);
    if contraction > 0 {
        return contraction;
    }
    let Some(first) = text.chars().next() else {
        return 0;
    };
    let first_length = first.len_utf8();
    let rest = &text[first_length..];
    let first_group = group(first);
    match first_group {
        Group::Letter => return first_length + run(rest, Group::Letter, usize::MAX),
        Group::Number => return run(text, Group::Number, digits),
        // One character that is no letter may lead a word.
        _ if first != '\r' && first != '\n' => {
            let letters = run(rest, Group::Letter, usize::MAX);
            if letters > 0 {
                return first_length + letters;
            }
        }
        _ => {}
    }
    let lead = usize::from(first == ' ');
    let others = run(&text[lead..], Group::Other, usize::MAX);
    if others > 0 {
        let end = lead + others;
        let line_ends = text[end..].find(|character| !matches!(character, '\r' | '\n'));
        return line_ends.map_or(text.len(), |line_ends| end + line_ends);
    }
    let spaces = run(text, Group::Space, usize::MAX);
    match text[..spaces].rfind(['\r', '\n']) {
        Some(line_end) => line_end + 1,
        None => spaces_before_word(text, spaces),
    }
}

fn gpt2_word(text: &str) -> usize {
    let contraction = contraction(text, false);
    if contraction > 0 {
        return contraction;
    }
    let lead = usize::from(text.starts_with(' '));
    if let Some(first) = text[lead..].chars().next() {
        let wanted = group(first);
        if wanted != Group::Space {
            return lead + run(&text[lead..], wanted, usize::MAX);
        }
    }
    spaces_before_word(text, run(text, Group::Space, usize::MAX))
}

/// `\s+(?!\S)|\s+`: of several spaces before a word, the last belongs to the word.
fn spaces_before_word(text: &str, spaces: usize) -> usize {
    let last = text[..spaces].chars().next_back().map_or(0, char::len_utf8);
    if spaces == text.len() || spaces == last {
        spaces
    } else {
        spaces - last
    }
}

/// The length of an English ending (`'s`, `'ll`) that leads the text, or 0.
fn contraction(text: &str, any_case: bool) -> usize {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'\'') {
        return 0;
    }
    [&b"s"[..], b"t", b"re", b"ve", b"m", b"ll", b"d"]
        .into_iter()
        .find(|ending| {
            bytes
                .get(1..=ending.len())
                .is_some_and(|found| found == *ending || (any_case && found.eq_ignore_ascii_case(ending)))
        })
        .map_or(0, |ending| 1 + ending.len())
}

#[cfg(test)]
mod tests {
    use fancy_regex::Regex;
    use proptest::prelude::*;

    use super::*;

    fn words(pre: &str, text: &str) -> Vec<String> {
        Splitter::named(Some(pre))
            .unwrap()
            .words(text)
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn categories_are_known() {
        assert!(LETTERS.len() > 500 && NUMBERS.len() > 50);
        assert_eq!(group('é'), Group::Letter);
        assert_eq!(group('語'), Group::Letter);
        assert_eq!(group('Ⅷ'), Group::Number);
        assert_eq!(group('½'), Group::Number);
        assert_eq!(group('\u{301}'), Group::Other);
        assert_eq!(group('\u{3000}'), Group::Space);
        assert_eq!(group('\u{1f600}'), Group::Other);
    }

    #[test]
    fn qwen2_cuts_single_digits_and_llama_three() {
        assert_eq!(words("qwen2", "a 1234"), ["a", " ", "1", "2", "3", "4"]);
        assert_eq!(words("llama-bpe", "a 1234"), ["a", " ", "123", "4"]);
        assert_eq!(words("gpt-2", "a 1234"), ["a", " 1234"]);
    }

    #[test]
    fn spaces_and_line_ends() {
        assert_eq!(words("qwen2", "a  b"), ["a", " ", " b"]);
        assert_eq!(words("qwen2", "a \n \n  b"), ["a", " \n \n", " ", " b"]);
        assert_eq!(words("qwen2", "end.\n\nx "), ["end", ".\n\n", "x", " "]);
        assert_eq!(words("qwen2", "I'LL 'x"), ["I", "'LL", " '", "x"]);
        assert_eq!(words("gpt-2", "I'LL it's"), ["I", "'", "LL", " it", "'s"]);
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let error = Splitter::named(Some("poro-chat")).unwrap_err();
        assert_eq!(error.field(), "tokenizer.ggml.pre");
        assert!(error.to_string().contains("poro-chat"), "{error}");
    }

    /// The expressions themselves, run by an engine that knows look-ahead.
    static GPT4: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        )
    });
    static GPT2: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    });

    fn regex(expression: &str) -> Regex {
        Regex::new(expression).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn the_scanner_is_the_expression(
            text in prop_oneof!["[ \\ta1'sSlLé.\r\n\u{3000}½]{0,24}", "\\PC{0,12}"],
        ) {
            for (pre, regex) in [("llama-bpe", &GPT4), ("gpt-2", &GPT2)] {
                let expected: Vec<_> =
                    regex.find_iter(&text).map(|found| found.unwrap().as_str().to_owned()).collect();
                prop_assert_eq!(words(pre, &text), expected);
            }
        }
    }
}
