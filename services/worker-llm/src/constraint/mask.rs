//! A set of tokens.

use toktrie::SimpleVob;

/// The tokens that may come next.
#[derive(Debug, Clone)]
pub struct Mask {
    allowed: SimpleVob,
}

impl Mask {
    pub(super) fn new(allowed: SimpleVob) -> Self {
        Self { allowed }
    }

    /// Whether a token is in it.
    #[must_use]
    pub fn allows(&self, token: u32) -> bool {
        (token as usize) < self.allowed.len() && self.allowed.is_allowed(token)
    }

    /// How many tokens are in it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.allowed.num_set()
    }

    /// Makes the logits of all others negative infinity.
    pub fn apply(&self, logits: &mut [f32]) {
        let known = self.allowed.len().min(logits.len());
        for (logits, &word) in logits[..known].chunks_mut(32).zip(self.allowed.as_slice()) {
            if word == u32::MAX {
                continue;
            }
            for (bit, logit) in logits.iter_mut().enumerate() {
                if word & (1 << bit) == 0 {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
        logits[known..].fill(f32::NEG_INFINITY);
    }
}
