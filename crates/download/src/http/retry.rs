//! When to try again, and when to leave it: one policy for everything that goes over the network.

use std::time::Duration;

/// Exponential backoff with full jitter (a pause drawn between nothing and a bound that doubles), which
/// spreads clients that failed together; a wait that the server asked for comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in a row without progress, the first included.
    pub attempts: u32,
    /// Bound of the pause after the first failure.
    pub first_pause: Duration,
    /// What the bound grows to.
    pub longest_pause: Duration,
    /// A server that asks for more than this is not waited for: the caller hears of it instead.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            longest_wait: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// How long to pause after `failures` in a row (at least one), of which the last asked to wait for
    /// `asked`; `None` to give up. `luck` is drawn evenly from 0 (inclusive) to 1.
    #[must_use]
    pub fn pause(&self, failures: u32, asked: Option<Duration>, luck: f64) -> Option<Duration> {
        if failures >= self.attempts || asked.is_some_and(|asked| asked > self.longest_wait) {
            return None;
        }
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let bound = self.first_pause.saturating_mul(doubled).min(self.longest_pause);
        let jitter = bound.mul_f64(luck.clamp(0.0, 1.0));
        Some(match asked {
            // Never earlier than asked, and not all at the same moment.
            Some(asked) => asked + jitter.min(self.first_pause),
            None => jitter,
        })
    }

    /// [`pause`](Self::pause) with luck from the operating system.
    #[must_use]
    pub fn draw_pause(&self, failures: u32, asked: Option<Duration>) -> Option<Duration> {
        // Without a source of randomness the middle is as good as any.
        let luck = getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX));
        self.pause(failures, asked, luck)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn duration(most_millis: u64) -> impl Strategy<Value = Duration> {
        (0..=most_millis).prop_map(Duration::from_millis)
    }

    fn policy() -> impl Strategy<Value = RetryPolicy> {
        (1..20_u32, duration(5_000), duration(60_000), duration(600_000)).prop_map(
            |(attempts, first_pause, longest_pause, longest_wait)| RetryPolicy {
                attempts,
                first_pause,
                longest_pause,
                longest_wait,
            },
        )
    }

    proptest! {
        #[test]
        fn pauses_are_bounded_and_end(
            policy in policy(),
            failures in 1..u32::MAX,
            asked in prop::option::of(duration(1_200_000)),
            luck in 0.0..1.0_f64,
        ) {
            let too_long = asked.is_some_and(|asked| asked > policy.longest_wait);
            match policy.pause(failures, asked, luck) {
                None => prop_assert!(failures >= policy.attempts || too_long),
                Some(pause) => {
                    prop_assert!(failures < policy.attempts && !too_long);
                    prop_assert!(pause >= asked.unwrap_or_default());
                    let bound = asked.map_or(policy.longest_pause, |asked| asked + policy.first_pause);
                    prop_assert!(pause <= bound);
                }
            }
        }

        #[test]
        fn the_bound_doubles_until_the_longest(policy in policy(), failures in 1..15_u32) {
            let policy = RetryPolicy { attempts: 100, ..policy };
            let bound = |failures| policy.pause(failures, None, 1.0).unwrap();
            prop_assert_eq!(bound(failures + 1), (bound(failures) * 2).min(policy.longest_pause));
            prop_assert_eq!(policy.pause(failures, None, 0.0), Some(Duration::ZERO));
        }
    }
}
