//! How likely the tokens of an answer were, as `--json` prints it.

use rbee_proto::worker::v1::{TokenDetails, TokenLogProbability};
use serde::Serialize;

/// A token of the answer, and what else could have been there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Token {
    #[serde(flatten)]
    token: Likelihood,
    /// The likeliest in its place, likeliest first.
    top: Vec<Likelihood>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Likelihood {
    token_id: u32,
    /// Its bytes as text; those that are no character by themselves are replaced.
    text: String,
    bytes: Vec<u8>,
    /// Null for the first token of an echoed prompt.
    log_probability: Option<f32>,
}

impl From<TokenLogProbability> for Likelihood {
    fn from(token: TokenLogProbability) -> Self {
        Self {
            token_id: token.token_id,
            text: String::from_utf8_lossy(&token.token).into_owned(),
            bytes: token.token,
            log_probability: token.log_probability,
        }
    }
}

impl Token {
    /// In words for scripts; none where the token itself is absent.
    pub(crate) fn new(details: TokenDetails) -> Option<Self> {
        Some(Self {
            token: details.token?.into(),
            top: details.top.into_iter().map(Into::into).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_itself_and_the_others() {
        let token = |token_id, bytes: &[u8], log_probability| TokenLogProbability {
            token_id,
            token: bytes.to_vec(),
            log_probability,
        };
        let told = Token::new(TokenDetails {
            token: Some(token(5, b"a", Some(-0.5))),
            top: vec![token(6, b"\xc3", Some(-0.25))],
        });
        let json = serde_json::to_value(told.unwrap()).unwrap();
        assert_eq!(json["token_id"], 5);
        assert_eq!(json["text"], "a");
        assert_eq!(json["log_probability"], -0.5);
        assert_eq!(json["top"][0]["text"], "\u{fffd}");
        assert_eq!(json["top"][0]["bytes"], serde_json::json!([0xc3]));
        assert_eq!(Token::new(TokenDetails::default()), None);
    }
}
