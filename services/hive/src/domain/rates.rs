//! From what is counted to how much it is in a second.

use std::time::Duration;

/// What a worker's processes have used since they started. What is not counted is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Processor time.
    pub cpu: Option<Duration>,
    /// Bytes that disks have read.
    pub read_bytes: Option<u64>,
    /// Bytes that disks have written.
    pub written_bytes: Option<u64>,
}

/// What a worker has done since it started, as it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Tokens that it generated.
    pub generated_tokens: u64,
    /// Tokens of prompts that it computed.
    pub prompt_tokens: u64,
}

/// How much was used over a time. What can't be told is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UsedRates {
    /// Processor time in percent of one core.
    pub cpu_percent: Option<f64>,
    /// Bytes per second that disks have read.
    pub read_bytes: Option<f64>,
    /// Bytes per second that disks have written.
    pub written_bytes: Option<f64>,
}

impl UsedRates {
    /// Between two moments that lie so far apart.
    #[must_use]
    pub fn between(before: &Used, now: &Used, elapsed: Duration) -> Self {
        let rate = |before: Option<u64>, now: Option<u64>| per_second(before?, now?, elapsed);
        let cpu = before.cpu.zip(now.cpu).and_then(|(before, now)| {
            let used = now.checked_sub(before)?;
            (!elapsed.is_zero()).then(|| 100.0 * used.as_secs_f64() / elapsed.as_secs_f64())
        });
        Self {
            cpu_percent: cpu,
            read_bytes: rate(before.read_bytes, now.read_bytes),
            written_bytes: rate(before.written_bytes, now.written_bytes),
        }
    }
}

/// By how much a counter grows in a second. One that went back began anew meanwhile, and nobody knows when: there is no
/// rate then, and never a negative one.
#[must_use]
pub fn per_second(before: u64, now: u64, elapsed: Duration) -> Option<f64> {
    let grown = now.checked_sub(before)?;
    (!elapsed.is_zero()).then(|| grown as f64 / elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn growth_is_by_the_second() {
        assert_eq!(per_second(100, 350, SECOND * 2), Some(125.0));
        assert_eq!(per_second(100, 100, SECOND), Some(0.0));
        assert_eq!(per_second(100, 99, SECOND), None, "it began anew");
        assert_eq!(per_second(1, 2, Duration::ZERO), None);
    }

    #[test]
    fn two_cores_are_200_percent() {
        let used = |cpu| Used {
            cpu: Some(cpu),
            ..Used::default()
        };
        let rates = UsedRates::between(&used(SECOND), &used(SECOND * 5), SECOND * 2);
        assert_eq!(rates.cpu_percent, Some(200.0));
        assert_eq!(rates.read_bytes, None, "it is not counted");
        let restarted = UsedRates::between(&used(SECOND), &used(Duration::ZERO), SECOND);
        assert_eq!(restarted, UsedRates::default());
    }

    proptest! {
        #[test]
        fn no_rate_is_negative_or_without_bounds(
            before in any::<u64>(), now in any::<u64>(), nanoseconds in any::<u64>(),
        ) {
            let rate = per_second(before, now, Duration::from_nanos(nanoseconds));
            prop_assert!(rate.is_none_or(|rate| rate >= 0.0 && rate.is_finite()));
        }
    }
}
