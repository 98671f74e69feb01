//! Tokens to text on the engine thread.

use std::sync::Arc;

use crate::engine::{Pushed, TokenSink};
use crate::text::{StopMatcher, StreamDecoder, Tokenizer};

/// Whole characters out of tokens, and the end where a stop string is complete.
pub(super) struct TextSink {
    decoder: StreamDecoder,
    stop: StopMatcher,
}

impl TextSink {
    /// `shown` are control tokens that show in the text.
    pub(super) fn new(tokenizer: Arc<Tokenizer>, shown: Vec<u32>, stop_strings: &[String]) -> Self {
        Self {
            decoder: StreamDecoder::new(tokenizer, false).showing(shown),
            stop: StopMatcher::new(stop_strings),
        }
    }
}

impl TokenSink for TextSink {
    fn push(&mut self, token: u32) -> Pushed {
        let delta = self.stop.push(&self.decoder.push(token));
        Pushed {
            text: delta.text,
            stop: delta.stopped.is_some(),
            held: self.stop.held(),
        }
    }

    fn finish(&mut self) -> String {
        // The last characters may complete a stop string, too.
        let mut last = self.stop.push(&self.decoder.finish());
        if last.stopped.is_none() {
            last.text.push_str(&self.stop.finish());
        }
        last.text
    }
}
