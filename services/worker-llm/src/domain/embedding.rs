//! Texts to be turned into vectors.

use super::Violations;

/// Most texts of a request.
pub const MAX_INPUTS: usize = 256;
/// Most bytes of all vectors of an answer: clients take messages of four megabytes by default.
pub const MAX_VECTORS_BYTES: usize = (4 << 20) - (64 << 10);

/// Texts to be turned into vectors.
#[derive(Clone, PartialEq, Eq)]
pub struct Embedding {
    /// The texts.
    pub inputs: Vec<String>,
    /// Leave the vectors as the pooling gives them; otherwise their length is 1.
    pub raw: bool,
}

impl std::fmt::Debug for Embedding {
    /// Leaves the texts out: logs hold no prompt.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Embedding")
            .field("inputs", &self.inputs.len())
            .field("raw", &self.raw)
            .finish()
    }
}

impl Embedding {
    /// Adds what is wrong with it.
    pub fn check(&self, violations: &mut Violations) {
        violations.require(
            (1..=MAX_INPUTS).contains(&self.inputs.len()),
            "inputs",
            format!("must be 1 to {MAX_INPUTS} texts"),
        );
        let bytes: usize = self.inputs.iter().map(String::len).sum();
        let most = super::conversation::MAX_TEXT_BYTES;
        violations.require(
            bytes <= most,
            "inputs",
            format!("must hold at most {most} bytes of text"),
        );
    }
}
