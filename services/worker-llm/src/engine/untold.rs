//! Tokens of which is to be told, until their text is out.

use std::collections::VecDeque;

use super::event::TokenDetails;
use super::request::Pushed;

/// Tokens whose text is held back.
#[derive(Debug, Default)]
pub(super) struct Untold {
    tokens: VecDeque<Waiting>,
    /// Bytes of text that are out.
    shown: usize,
    /// Bytes of text that are known.
    known: usize,
}

#[derive(Debug)]
struct Waiting {
    details: TokenDetails,
    /// Bytes of text that are known with it.
    known: usize,
    /// Whether it made any known. A part of a character does not, and waits for the rest.
    has_text: bool,
}

impl Untold {
    /// Takes the next token with what was made of it, and gives those whose text is out.
    pub(super) fn push(&mut self, details: TokenDetails, pushed: &Pushed) -> Vec<TokenDetails> {
        self.shown += pushed.text.len();
        let known = self.shown + pushed.held;
        self.tokens.push_back(Waiting {
            details,
            known,
            has_text: known > self.known,
        });
        self.known = known;
        let mut out = Vec::new();
        while let Some(first) = self.tokens.front() {
            let is_out = if first.has_text {
                self.shown >= first.known
            } else {
                self.shown > first.known
            };
            if !is_out {
                break;
            }
            out.extend(self.tokens.pop_front().map(|first| first.details));
        }
        out
    }

    /// Gives the rest.
    pub(super) fn rest(&mut self) -> Vec<TokenDetails> {
        self.tokens.drain(..).map(|waiting| waiting.details).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_waits_for_all_of_its_text() {
        let mut untold = Untold::default();
        let mut push = |token, text: &str, held| {
            let pushed = Pushed {
                text: text.to_owned(),
                stop: false,
                held,
            };
            let details = TokenDetails {
                token,
                log_probability: None,
                top: Vec::new(),
            };
            let out = untold.push(details, &pushed);
            out.iter().map(|details| details.token).collect::<Vec<_>>()
        };
        assert_eq!(push(1, "hi", 0), [1]);
        // Its end may begin a stop string.
        assert!(push(2, "a", 1).is_empty());
        // What was held is out, but its own text is held.
        assert_eq!(push(3, "b", 1), [2]);
        // Half a character.
        assert!(push(4, "", 1).is_empty());
        assert_eq!(push(5, "b\u{e9}", 0), [3, 4, 5]);
        assert!(push(6, "", 0).is_empty());
        assert_eq!(untold.rest().len(), 1);
    }
}
