//! Progress that is worth telling: at most ten times a second, with a rate that was measured.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// More often than this, nobody can read it.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// The rate is that of the last few seconds: long enough to be calm, short enough to be true.
const WINDOW: Duration = Duration::from_secs(3);
/// A rate over less than this is noise, and is not given.
const SHORTEST_MEASURE: Duration = Duration::from_millis(250);

/// How far a job is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all, where known.
    pub total_bytes: Option<u64>,
    /// Measured rate, once it was measured.
    pub bytes_per_second: Option<f64>,
}

/// No estimate reaches further: it would be a number, not information.
const LONGEST_ESTIMATE: Duration = Duration::from_secs(30 * 24 * 3600);

impl Progress {
    /// Time left at the measured rate; `None` unless size and rate are known, and something moves.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let left_bytes = self.total_bytes?.checked_sub(self.done_bytes)?;
        let rate = self.bytes_per_second.filter(|rate| *rate > 0.0)?;
        Duration::try_from_secs_f64(left_bytes as f64 / rate)
            .ok()
            .filter(|left| *left <= LONGEST_ESTIMATE)
    }
}

/// Measures progress and decides when to tell it.
#[derive(Debug)]
pub struct ProgressMeter {
    total_bytes: Option<u64>,
    done_bytes: u64,
    told_at: Option<Instant>,
    /// (when, bytes done then), oldest first; one for each report, so at most 31.
    window: VecDeque<(Instant, u64)>,
}

impl ProgressMeter {
    /// Begins to measure at zero bytes.
    #[must_use]
    pub fn new(total_bytes: Option<u64>, now: Instant) -> Self {
        Self {
            total_bytes,
            done_bytes: 0,
            told_at: None,
            window: VecDeque::from([(now, 0)]),
        }
    }

    /// Notes that `done_bytes` are done in all; answers with what to tell, if it is time to. That all
    /// is done is always told.
    pub fn advance(&mut self, done_bytes: u64, now: Instant) -> Option<Progress> {
        self.done_bytes = self.done_bytes.max(done_bytes);
        let due = self
            .told_at
            .is_none_or(|told| now.saturating_duration_since(told) >= REPORT_EVERY);
        (due || self.total_bytes == Some(done_bytes)).then(|| self.tell(now))
    }

    fn tell(&mut self, now: Instant) -> Progress {
        self.told_at = Some(now);
        self.window.push_back((now, self.done_bytes));
        // The oldest measure that is at least a window old stays, as the window's far end.
        while self
            .window
            .get(1)
            .is_some_and(|(then, _)| now.saturating_duration_since(*then) >= WINDOW)
        {
            self.window.pop_front();
        }
        Progress {
            done_bytes: self.done_bytes,
            total_bytes: self.total_bytes,
            bytes_per_second: self.rate(now),
        }
    }

    fn rate(&self, now: Instant) -> Option<f64> {
        let (then, before_bytes) = *self.window.front()?;
        let measured = now.saturating_duration_since(then);
        (measured >= SHORTEST_MEASURE)
            .then(|| (self.done_bytes - before_bytes) as f64 / measured.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rate_is_absent_until_it_was_measured() {
        let start = Instant::now();
        let mut meter = ProgressMeter::new(Some(1000), start);
        let first = meter.advance(10, start + Duration::from_millis(1)).unwrap();
        assert_eq!(
            first,
            Progress {
                done_bytes: 10,
                total_bytes: Some(1000),
                bytes_per_second: None
            }
        );
        assert_eq!(
            meter.advance(20, start + Duration::from_millis(50)),
            None,
            "too soon"
        );
        let third = meter.advance(500, start + Duration::from_millis(500)).unwrap();
        assert_eq!(third.bytes_per_second, Some(1000.0));
    }

    #[test]
    fn time_left_is_told_only_where_it_can_be() {
        let progress = |total_bytes, bytes_per_second| Progress {
            done_bytes: 100,
            total_bytes,
            bytes_per_second,
        };
        let remaining = progress(Some(400), Some(100.0)).remaining();
        assert_eq!(remaining, Some(Duration::from_secs(3)));
        for unknown in [
            progress(None, Some(100.0)),
            progress(Some(400), None),
            progress(Some(400), Some(0.0)),
            progress(Some(u64::MAX), Some(1e-9)),
            progress(Some(10), Some(1.0)),
        ] {
            assert_eq!(unknown.remaining(), None);
        }
    }

    #[test]
    fn the_end_is_told_at_once() {
        let start = Instant::now();
        let mut meter = ProgressMeter::new(Some(20), start);
        assert!(meter.advance(0, start).is_some());
        assert_eq!(meter.advance(10, start), None);
        assert_eq!(
            meter.advance(20, start).map(|progress| progress.done_bytes),
            Some(20)
        );
    }

    #[test]
    fn the_rate_follows_the_last_seconds() {
        let start = Instant::now();
        let mut meter = ProgressMeter::new(None, start);
        for second in 1..=10_u64 {
            meter.advance(second * 1000, start + Duration::from_secs(second));
        }
        // It stalls.
        let mut last = None;
        for second in 11..=14 {
            last = meter.advance(10_000, start + Duration::from_secs(second));
        }
        assert_eq!(last.unwrap().bytes_per_second, Some(0.0));
    }

    proptest! {
        #[test]
        fn it_is_told_at_most_ten_times_a_second(steps in prop::collection::vec((0..60_u64, 0..5000_u64), 0..300)) {
            let start = Instant::now();
            let mut meter = ProgressMeter::new(None, start);
            let (mut at_ms, mut done, mut told) = (0, 0, Vec::new());
            for (wait_ms, bytes) in steps {
                at_ms += wait_ms;
                done += bytes;
                if let Some(progress) = meter.advance(done, start + Duration::from_millis(at_ms)) {
                    prop_assert_eq!(progress.done_bytes, done);
                    prop_assert!(progress.bytes_per_second.is_none_or(|rate| rate.is_finite() && rate >= 0.0));
                    told.push(at_ms);
                }
                prop_assert!(meter.window.len() <= 32);
            }
            prop_assert!(told.windows(2).all(|pair| pair[1] - pair[0] >= 100));
        }
    }
}
