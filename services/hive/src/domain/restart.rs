//! When a worker that crashed is started anew.

use std::time::Duration;

use super::backoff::spread_wait;

/// When a worker that crashed is started anew, and when no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPolicy {
    /// The wait after the first crash in a row.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// With this many crashes in a row it is left alone; 0 for after the first.
    pub limit: u32,
    /// A crash after serving for this long begins a new row.
    pub healthy_after: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            limit: 5,
            healthy_after: Duration::from_secs(60),
        }
    }
}

impl RestartPolicy {
    /// How long to wait after this many failures in a row: doubled with each, up to the longest, and spread over its
    /// upper half by `random`, 0 to 1, so that workers that fell together don't load together.
    #[must_use]
    pub fn wait(&self, failures: u32, random: f64) -> Duration {
        spread_wait(self.first_wait, self.longest_wait, failures, random)
    }

    /// How many crashes in a row there are with one more, after having served for `served`.
    #[must_use]
    pub fn row_with(&self, row: u32, served: Duration) -> u32 {
        if served >= self.healthy_after {
            1
        } else {
            row.saturating_add(1)
        }
    }

    /// Whether a worker with so many crashes in a row is left alone.
    #[must_use]
    pub fn gives_up(&self, row: u32) -> bool {
        row >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = RestartPolicy::default();
        let waits: Vec<_> = (1..=8).map(|row| policy.wait(row, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_healthy_period_begins_a_new_row() {
        let policy = RestartPolicy::default();
        assert_eq!(policy.row_with(4, Duration::from_secs(59)), 5);
        assert_eq!(policy.row_with(4, Duration::from_secs(60)), 1);
        assert!(policy.gives_up(5) && !policy.gives_up(4));
    }

    proptest! {
        #[test]
        fn a_wait_is_never_nothing_and_never_too_long(failures: u32, random in 0.0..=1.0f64) {
            let policy = RestartPolicy::default();
            let wait = policy.wait(failures, random);
            prop_assert!(wait >= policy.first_wait / 2 && wait <= policy.longest_wait);
        }
    }
}
