//! Ids of the calls of one answer.

use std::hash::{DefaultHasher, Hash, Hasher};

/// What an id is made of. The templates of Mistral's models demand just these, and nine of them.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 9;

/// Gives ids. They depend on seed and prompt alone, so that the same answer has the same ids, and the next
/// turn of a conversation others.
#[derive(Debug)]
pub(super) struct CallIds {
    answer: DefaultHasher,
    given: usize,
}

impl CallIds {
    pub(super) fn new(seed: u64, prompt: &[u32]) -> Self {
        let mut answer = DefaultHasher::new();
        (seed, prompt).hash(&mut answer);
        Self { answer, given: 0 }
    }

    pub(super) fn next(&mut self) -> String {
        let mut hasher = self.answer.clone();
        self.given.hash(&mut hasher);
        self.given += 1;
        let mut bits = hasher.finish();
        let digits = (0..LENGTH).map(|_| {
            let digit = DIGITS[(bits % 62) as usize];
            bits /= 62;
            char::from(digit)
        });
        digits.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_reproducible_and_differ() {
        let three = |seed, prompt: &[u32]| {
            let mut ids = CallIds::new(seed, prompt);
            [ids.next(), ids.next(), ids.next()]
        };
        let ids = three(7, &[1, 2]);
        assert_eq!(ids, three(7, &[1, 2]));
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        assert_ne!(ids, three(7, &[1, 2, 3]));
        for id in ids {
            assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }
}
