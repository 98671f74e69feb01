//! Text out of a stream of tokens: whole characters only.

use std::sync::Arc;

use super::Tokenizer;

/// Cuts a stream of bytes into text. What may still become a character is held back; bytes that never
/// can become U+FFFD, one for each maximal part, so that all text together is what
/// [`String::from_utf8_lossy`] makes of all bytes together.
#[derive(Debug, Clone, Default)]
pub struct Utf8Stream {
    /// The begin of a character: at most 3 bytes.
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// An empty stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and gives the text that is now certain, often none.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.pending.len());
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, broken) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = broken;
                    // No length means that the bytes end inside a character.
                    let Some(length) = error.error_len() else {
                        break;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &broken[length..];
                }
            }
        }
        self.pending.drain(..self.pending.len() - rest.len());
        text
    }

    /// Ends the stream: U+FFFD if it ended inside a character.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }
}

/// Turns a stream of tokens into the text that an answer shows.
#[derive(Debug, Clone)]
pub struct StreamDecoder {
    tokenizer: Arc<Tokenizer>,
    show_special: bool,
    /// Control tokens that are shown by their names whatever `show_special` says.
    shown: Vec<u32>,
    utf8: Utf8Stream,
}

impl StreamDecoder {
    /// A decoder for one answer. With `show_special`, control tokens are shown by their names.
    #[must_use]
    pub fn new(tokenizer: Arc<Tokenizer>, show_special: bool) -> Self {
        Self {
            tokenizer,
            show_special,
            shown: Vec::new(),
            utf8: Utf8Stream::new(),
        }
    }

    /// The decoder that shows these control tokens by their names: marks that somebody after it reads.
    #[must_use]
    pub fn showing(mut self, ids: Vec<u32>) -> Self {
        self.shown = ids;
        self
    }

    /// Takes the next token and gives the text that is now certain, often none.
    pub fn push(&mut self, id: u32) -> String {
        let shown = self.show_special || self.shown.contains(&id);
        self.utf8.push(self.tokenizer.shown_bytes(id, shown))
    }

    /// Ends the answer: gives what was held back.
    pub fn finish(&mut self) -> String {
        self.utf8.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_come_whole() {
        let mut stream = Utf8Stream::new();
        let deltas: Vec<String> = "é👍"
            .as_bytes()
            .iter()
            .map(|&byte| stream.push(&[byte]))
            .collect();
        assert_eq!(deltas, ["", "é", "", "", "", "👍"]);
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn what_can_never_be_a_character_does_not_wait() {
        let mut stream = Utf8Stream::new();
        assert_eq!(stream.push(b"\xf0\x9f"), "");
        assert_eq!(stream.push(b"a\xff"), "\u{fffd}a\u{fffd}");
        assert_eq!(stream.push(b"\xe2\x82"), "");
        assert_eq!(stream.finish(), "\u{fffd}");
        assert_eq!(stream.finish(), "");
    }

    proptest! {
        #[test]
        fn all_text_is_that_of_all_bytes(
            parts in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..5),
                    "\\PC{0,3}".prop_map(String::into_bytes),
                    // Parts of characters, also impossible ones.
                    prop::sample::select(vec![b"\xf0\x9f".to_vec(), b"\x8d".to_vec(), b"\xed\xa0".to_vec(), b"\xe2".to_vec()]),
                ],
                0..12,
            ),
        ) {
            let mut stream = Utf8Stream::new();
            let mut text: String = parts.iter().map(|part| stream.push(part)).collect();
            text.push_str(&stream.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&parts.concat()).into_owned());
        }
    }
}
