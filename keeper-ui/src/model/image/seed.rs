//! Where a picture's noise begins: a number that is kept or new for each picture.

use serde::{Deserialize, Serialize};

/// Seeds that are thrown are below this, so that every program takes them.
const SEEDS: u64 = 1 << 32;

/// Where a picture's noise begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seed {
    /// The number; `None` until one was used, thrown or typed.
    pub value: Option<u64>,
    /// Whether the next picture begins from the same.
    pub locked: bool,
}

impl Seed {
    /// The seed of the next request: the locked one, else `None` for one that the worker chooses.
    #[must_use]
    pub fn asked(self) -> Option<u64> {
        self.value.filter(|_| self.locked)
    }

    /// Throws the dice: another seed from `random`, and it is kept.
    pub fn throw(&mut self, random: u64) {
        *self = Self {
            value: Some(random % SEEDS),
            locked: true,
        };
    }

    /// The worker began from this one; it is shown, and kept only if it is locked.
    pub fn used(&mut self, seed: u64) {
        if !self.locked {
            self.value = Some(seed);
        }
    }

    /// Takes what was typed: digits are a seed that is kept, nothing is a new one for each picture. Answers whether it
    /// could be understood.
    pub fn typed(&mut self, text: &str) -> bool {
        let text = text.trim();
        if text.is_empty() || text == "-1" {
            *self = Self::default();
            return true;
        }
        let Ok(value) = text.parse() else {
            return false;
        };
        *self = Self {
            value: Some(value),
            locked: true,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_kept_only_if_it_is_locked() {
        let mut seed = Seed::default();
        seed.used(7);
        assert_eq!((seed.value, seed.asked()), (Some(7), None));
        seed.locked = true;
        assert_eq!(seed.asked(), Some(7));
        seed.used(9);
        assert_eq!(seed.value, Some(7));
        seed.throw(u64::MAX);
        assert_eq!(seed.asked(), Some(SEEDS - 1));
        assert!(seed.typed("12") && seed.asked() == Some(12));
        assert!(!seed.typed("bee") && seed.asked() == Some(12));
        assert!(seed.typed(" -1 ") && seed.asked().is_none());
    }
}
