//! Whether the cluster answers, and how long to wait before it is asked again.

use std::time::Duration;

/// The first wait after a lost connection.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait between two attempts: somebody is looking at the window.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// How a window stands with its cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ConnectionState {
    /// No server was named yet: the first start.
    #[default]
    Unset,
    /// The first attempt is under way.
    Connecting,
    /// The cluster answers.
    Connected,
    /// It answered and does not any more, or never did; attempts go on.
    Lost {
        /// Why, for a person.
        why: String,
        /// Attempts since then.
        attempts: u32,
    },
    /// It answers, and refuses: another attempt would end alike until the token or the address changes.
    Refused {
        /// Why, for a person.
        why: String,
    },
}

impl ConnectionState {
    /// Whether the cluster answers.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }
}

/// Waits between attempts: doubled each time up to a limit, with jitter so that windows do not come back in step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Attempts since the last success.
    #[must_use]
    pub fn attempts(self) -> u32 {
        self.attempts
    }

    /// How long to wait before the next attempt. `random` is a number from 0 to 1, and the wait is between half of the
    /// full one and all of it.
    pub fn next(&mut self, random: f64) -> Duration {
        let full = FIRST_WAIT
            .saturating_mul(1_u32.checked_shl(self.attempts.min(16)).unwrap_or(u32::MAX))
            .min(LONGEST_WAIT);
        self.attempts = self.attempts.saturating_add(1);
        full.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }

    /// It worked: the next wait is short again.
    pub fn succeeded(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_are_bounded_and_grow(random in 0.0..=1.0_f64, attempts in 0_u32..200) {
            let mut backoff = Backoff::default();
            let mut last = Duration::ZERO;
            for _ in 0..attempts {
                last = backoff.next(random);
                prop_assert!(last >= FIRST_WAIT / 2 && last <= LONGEST_WAIT);
            }
            prop_assert_eq!(backoff.attempts(), attempts);
            prop_assert!(backoff.next(random) >= last);
            backoff.succeeded();
            prop_assert!(backoff.next(random) <= FIRST_WAIT);
        }
    }
}
