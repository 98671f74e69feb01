//! How long to wait before trying again.

use std::time::Duration;

/// The wait before an attempt: `first` doubled with each of `failures` after the first, at most `longest`, and spread
/// over its upper half by `random`, 0 to 1, so that those who failed together don't come back in step.
#[must_use]
pub(super) fn spread_wait(first: Duration, longest: Duration, failures: u32, random: f64) -> Duration {
    let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
    let step = first.saturating_mul(doubled).min(longest);
    step.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
}

/// Waits that double from attempt to attempt, up to a limit, spread at random so that many hives
/// don't come back to their catalog in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    attempts: u32,
}

impl Backoff {
    /// Begins with `first` and never waits longer than `limit`.
    #[must_use]
    pub fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            attempts: 0,
        }
    }

    /// The next wait: between half and the whole of the current step, by `random`, 0 to 1.
    pub fn next_wait(&mut self, random: f64) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        spread_wait(self.first, self.limit, self.attempts, random)
    }

    /// It worked: begin anew next time.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let waits: Vec<_> = (0..6).map(|_| backoff.next_wait(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next_wait(0.0), Duration::from_millis(50));
    }

    proptest! {
        #[test]
        fn a_wait_is_never_long_and_never_nothing(attempts in 0..200u32, random in 0.0..=1.0f64) {
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
            for _ in 0..attempts {
                let _ = backoff.next_wait(0.5);
            }
            let wait = backoff.next_wait(random);
            prop_assert!(wait >= Duration::from_millis(50) && wait <= Duration::from_secs(1));
        }
    }
}
