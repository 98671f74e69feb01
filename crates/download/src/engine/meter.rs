//! How fast it goes, measured.

use std::collections::VecDeque;
use std::time::Duration;

/// What is known of a running download.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Bytes of the file that are there, those of earlier runs included.
    pub bytes: u64,
    /// Bytes of the whole file, once known.
    pub total_bytes: Option<u64>,
    /// Bytes that came per second over the last seconds; absent until measured.
    pub bytes_per_second: Option<f64>,
    /// Time left at that speed; absent if speed or total is, or nothing comes.
    pub eta: Option<Duration>,
}

/// Over how much time speed is measured.
const WINDOW: Duration = Duration::from_secs(5);

/// With less than this it would be a guess.
const SHORTEST: Duration = Duration::from_millis(500);

/// No estimate reaches further: it would be a number, not information.
const LONGEST_ETA_SECONDS: f64 = 30.0 * 24.0 * 3600.0;

/// A sliding window over the bytes that came from the network. It is told the time, and so can be tested.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Time since the beginning, and bytes received by then.
    samples: VecDeque<(Duration, u64)>,
}

impl Meter {
    /// Notes that by `now` so many bytes came in all.
    pub(super) fn note(&mut self, now: Duration, received: u64) {
        self.samples.push_back((now, received));
        // One sample older than the window stays, so that the window is always covered.
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Bytes per second over the window.
    pub(super) fn bytes_per_second(&self) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let time = last.0.checked_sub(first.0).filter(|time| *time >= SHORTEST)?;
        Some(last.1.saturating_sub(first.1) as f64 / time.as_secs_f64())
    }

    /// Progress with `bytes` of `total_bytes` there.
    pub(super) fn progress(&self, bytes: u64, total_bytes: Option<u64>) -> Progress {
        let bytes_per_second = self.bytes_per_second();
        let eta = match (bytes_per_second, total_bytes) {
            (Some(speed), Some(total)) if speed > 0.0 => {
                let seconds = total.saturating_sub(bytes) as f64 / speed;
                (seconds <= LONGEST_ETA_SECONDS).then(|| Duration::from_secs_f64(seconds))
            }
            _ => None,
        };
        Progress {
            bytes,
            total_bytes,
            bytes_per_second,
            eta,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_unknown_stays_unknown() {
        let mut meter = Meter::default();
        let at = Duration::from_millis;
        assert_eq!(meter.progress(0, Some(100)).bytes_per_second, None);
        meter.note(at(0), 0);
        meter.note(at(100), 1000);
        assert_eq!(meter.bytes_per_second(), None, "too short to measure");
        meter.note(at(1000), 10_000);
        let progress = meter.progress(20_000, Some(30_000));
        assert_eq!(progress.bytes_per_second, Some(10_000.0));
        assert_eq!(progress.eta, Some(Duration::from_secs(1)));
        assert_eq!(meter.progress(20_000, None).eta, None);
        // Then nothing more comes: once the window has passed, there is no speed and no estimate.
        for second in 2..=8 {
            meter.note(at(second * 1000), 10_000);
        }
        let stalled = meter.progress(20_000, Some(30_000));
        assert_eq!((stalled.bytes_per_second, stalled.eta), (Some(0.0), None));
        assert!(meter.samples.len() <= 7);
        meter.note(at(9000), 10_001);
        assert_eq!(
            meter.progress(0, Some(u64::MAX)).eta,
            None,
            "centuries are no estimate"
        );
    }
}
