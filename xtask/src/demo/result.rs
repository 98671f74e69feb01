//! What the demo reports to scripts: the answer and what was measured, as `rbee chat --json` tells it.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::painting::Painted;

/// The one JSON object of `cargo xtask demo --headless --json`. What could not be measured is null.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    model: String,
    prompt_tokens: u64,
    completion_tokens: u64,
    /// Milliseconds from the request's arrival to its first token.
    ttft_ms: Option<f64>,
    /// After the first token.
    tokens_per_second: Option<f64>,
    text: String,
    /// The picture that was made beside it.
    #[serde(skip_deserializing)]
    picture: Option<Painted>,
}

impl Answer {
    /// The same with the picture that was made beside it.
    pub(super) fn with(self, painted: Painted) -> Self {
        Self {
            picture: Some(painted),
            ..self
        }
    }

    /// Reads the last of the JSON documents that `rbee chat --json` printed.
    pub(super) fn from_chat(said: &str) -> Result<Self> {
        let documents = serde_json::Deserializer::from_str(said).into_iter::<Value>();
        let last = documents
            .last()
            .context("rbee chat said nothing")?
            .context("rbee chat did not print JSON")?;
        let shown = last.to_string();
        serde_json::from_value(last)
            .with_context(|| format!("rbee chat ended with something else than an answer: {shown}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{
        "model": "local:m", "prompt_tokens": 3, "completion_tokens": 1, "seed": 7,
        "ttft_ms": 12.5, "tokens_per_second": null, "text": "Hi"
    }"#;

    #[test]
    fn the_last_document_is_the_result() {
        let answer =
            Answer::from_chat(&format!("{{\"event\":\"delta\",\"text\":\"Hi\"}}\n{ANSWER}\n")).unwrap();
        assert_eq!((answer.completion_tokens, answer.text.as_str()), (1, "Hi"));
        assert_eq!((answer.ttft_ms, answer.tokens_per_second), (Some(12.5), None));
    }

    #[test]
    fn anything_else_is_an_error() {
        for said in ["", "Hi", "{\"event\":\"delta\"}", &format!("{ANSWER}\nHi")] {
            assert!(Answer::from_chat(said).is_err(), "{said}");
        }
    }
}
