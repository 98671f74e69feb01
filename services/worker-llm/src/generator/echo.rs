//! A prompt that is given back before its continuation.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::text::{StreamDecoder, Tokenizer};

/// Tokens of the prompt that are given back at once, where nothing is told of each.
pub(super) const TOKENS_AT_ONCE: usize = 1024;

/// The text of a prompt, a few tokens at a time: as the model reads it, so that text and tokens agree. Control
/// tokens are shown by their names; what the tokenizer put in front of the text has none.
#[derive(Debug)]
pub(super) struct Echo {
    decoder: StreamDecoder,
    /// Those that were not given back yet.
    tokens: VecDeque<u32>,
    /// Tokens at the beginning that are not of the text.
    added: usize,
    /// The tokenizer put a space before the text.
    has_space: bool,
}

impl Echo {
    /// Of a text and what the tokenizer made of it.
    pub(super) fn new(tokenizer: &Arc<Tokenizer>, text: &str, tokens: &[u32]) -> Self {
        let bos = tokenizer.bos().filter(|bos| tokens.first() == Some(bos));
        let added = usize::from(bos.is_some() && !text.starts_with(&tokenizer.token_name(bos)));
        let whole: Vec<u8> = tokens[added..]
            .iter()
            .flat_map(|&token| tokenizer.token_bytes(token))
            .copied()
            .collect();
        Self {
            decoder: StreamDecoder::new(Arc::clone(tokenizer), true),
            tokens: tokens.iter().copied().collect(),
            added,
            has_space: whole.strip_prefix(b" ") == Some(text.as_bytes()),
        }
    }

    /// Whether all of it was given back.
    pub(super) fn is_done(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The text of the next tokens.
    pub(super) fn take(&mut self, count: usize) -> String {
        let mut text = String::new();
        for token in self.tokens.drain(..count.min(self.tokens.len())) {
            if self.added > 0 {
                self.added -= 1;
                continue;
            }
            text.push_str(&self.decoder.push(token));
        }
        if self.is_done() {
            text.push_str(&self.decoder.finish());
        }
        if self.has_space && !text.is_empty() {
            self.has_space = false;
            text.remove(0);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::gguf::GgufHeader;
    use rbee_testkit::models::fixture;

    use super::*;

    fn tokenizer(name: &str) -> Arc<Tokenizer> {
        let path = fixture(&format!("llm/tiny/{name}/{name}-q8_0.gguf"));
        let file = std::fs::File::open(path).unwrap();
        let size = file.metadata().unwrap().len();
        Arc::new(Tokenizer::from_gguf(&GgufHeader::read(file, size).unwrap()).unwrap())
    }

    #[test]
    fn the_text_comes_back_as_it_was() {
        for model in ["llama", "qwen2", "gemma3"] {
            let tokenizer = tokenizer(model);
            for text in [
                "Hello, world",
                " two  spaces",
                "\u{e9}\u{1f44d} end",
                "x<|im_end|>y",
                "",
            ] {
                let tokens = tokenizer.encode(text, true, true);
                for count in [1, 3, 1000] {
                    let mut echo = Echo::new(&tokenizer, text, &tokens);
                    let mut back = String::new();
                    while !echo.is_done() {
                        back.push_str(&echo.take(count));
                    }
                    assert_eq!(back, text, "{model}");
                }
            }
        }
    }
}
