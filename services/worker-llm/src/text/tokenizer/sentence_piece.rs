//! SentencePiece by score (`llama`): characters are joined to the token with the highest score, and
//! what is no token is written in bytes.

use rbee_artifacts::gguf::{GgufMetadata, TokenizerFacts, required};

use super::error::TokenizerError;
use super::merge::{Merger, NONE};
use super::vocabulary::{TokenKind, Vocabulary};

const SCORES_KEY: &str = "tokenizer.ggml.scores";

/// What the vocabulary writes for a space (U+2581).
pub(super) const SPACE_MARK: char = '▁';

/// The scores of a model, and its tokens for bytes.
#[derive(Debug)]
pub(super) struct SentencePiece {
    /// For each token its score as a rank: lower is better.
    ranks: Vec<u32>,
    /// The token of each byte, or [`NONE`].
    bytes: [u32; 256],
    unknown: Option<u32>,
}

impl SentencePiece {
    pub(super) fn read(
        metadata: &GgufMetadata,
        facts: &TokenizerFacts,
        vocabulary: &Vocabulary,
    ) -> Result<Self, TokenizerError> {
        let scores = required(SCORES_KEY, metadata.f32_array(SCORES_KEY)?)?;
        let mut bytes = [NONE; 256];
        for id in 0..vocabulary.len() {
            if vocabulary.kind(id) == Some(TokenKind::Byte)
                && let &[byte] = vocabulary.piece(id)
            {
                bytes[usize::from(byte)] = id;
            }
        }
        Ok(Self {
            ranks: scores.iter().copied().map(rank).collect(),
            bytes,
            unknown: facts.unknown,
        })
    }

    /// Appends the tokens of `text`, which has no special tokens in it, with a space before it if asked.
    pub(super) fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        space: bool,
        merger: &mut Merger,
        ids: &mut Vec<u32>,
    ) {
        let mut marked = String::with_capacity(text.len() + 8);
        if space {
            marked.push(SPACE_MARK);
        }
        marked.extend(
            text.chars()
                .map(|character| if character == ' ' { SPACE_MARK } else { character }),
        );
        let find = |part: &[u8]| vocabulary.find(part);

        merger.clear();
        for character in marked.chars() {
            let mut buffer = [0; 4];
            let part = character.encode_utf8(&mut buffer).as_bytes();
            merger.push(part.len(), find(part).unwrap_or(NONE));
        }
        merger.merge(|left, right| {
            let token = find(&marked.as_bytes()[left.range().start..right.range().end])?;
            Some((self.ranks[token as usize], token))
        });
        for symbol in merger.symbols() {
            match symbol.token {
                NONE => self.encode_bytes(&marked.as_bytes()[symbol.range()], ids),
                token => ids.push(token),
            }
        }
    }

    /// Appends a character that is no token: a token for each byte, or else one for "unknown".
    fn encode_bytes(&self, character: &[u8], ids: &mut Vec<u32>) {
        let tokens = character.iter().map(|&byte| self.bytes[usize::from(byte)]);
        if tokens.clone().all(|token| token != NONE) {
            ids.extend(tokens);
        } else {
            ids.extend(self.unknown);
        }
    }
}

/// Maps a score to a number that is the lower the higher the score is.
fn rank(score: f32) -> u32 {
    // Adding 0 makes -0 to 0. For positive floats the bits are in the order of the values, for negative
    // ones in the reverse.
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { bits } else { !(bits | 1 << 31) }
}

/// The byte that a name of the form `<0x41>` stands for.
pub(super) fn byte_of_name(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_byte = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_byte.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_scores_have_lower_ranks() {
        let falling = [
            f32::INFINITY,
            1e30,
            2.0,
            1.0,
            0.5,
            1e-30,
            0.0,
            -1e-30,
            -0.5,
            -1.0,
            -1e30,
            f32::NEG_INFINITY,
        ];
        assert!(falling.windows(2).all(|pair| rank(pair[0]) < rank(pair[1])));
        assert_eq!(rank(0.0), rank(-0.0));
    }

    #[test]
    fn names_of_bytes() {
        assert_eq!(byte_of_name("<0x0A>"), Some(10));
        assert_eq!(byte_of_name("<0xff>"), Some(255));
        assert_eq!(byte_of_name("<0x+A>"), None);
        assert_eq!(byte_of_name("<0x041>"), None);
        assert_eq!(byte_of_name("a"), None);
    }
}
