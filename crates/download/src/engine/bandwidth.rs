//! A limit that downloads share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What may come at once after a rest, in time at the limit's speed.
const BURST: Duration = Duration::from_millis(100);

/// A token bucket, kept as the time until which it is spent. Share it behind an `Arc`.
#[derive(Debug)]
pub struct Bandwidth(Mutex<State>);

#[derive(Debug)]
struct State {
    bytes_per_second: Option<u64>,
    /// When what was taken so far has been paid for.
    spent_until: Instant,
}

impl Bandwidth {
    /// So many bytes a second (at least one) for all who share it; `None` for no limit.
    #[must_use]
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        Self(Mutex::new(State {
            bytes_per_second,
            spent_until: Instant::now(),
        }))
    }

    /// Another limit from now on.
    pub fn set(&self, bytes_per_second: Option<u64>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.bytes_per_second = bytes_per_second;
        state.spent_until = Instant::now();
    }

    /// Pays for bytes that came: waits until they are within the limit. Dropping it forgoes only the wait.
    pub async fn take(&self, bytes: u64) {
        let until = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(rate) = state.bytes_per_second else {
                return;
            };
            let now = Instant::now();
            let from = match now.checked_sub(BURST) {
                Some(earliest) => state.spent_until.max(earliest),
                None => state.spent_until,
            };
            let cost = Duration::from_secs_f64((bytes as f64 / rate.max(1) as f64).min(3600.0));
            state.spent_until = from + cost;
            state.spent_until
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_share_one_limit() {
        let bandwidth = Arc::new(Bandwidth::new(Some(1_000_000)));
        let begun = Instant::now();
        let takers: Vec<_> = (0..4)
            .map(|_| {
                let bandwidth = Arc::clone(&bandwidth);
                tokio::spawn(async move {
                    for _ in 0..50 {
                        bandwidth.take(50_000).await;
                    }
                })
            })
            .collect();
        for taker in takers {
            taker.await.unwrap();
        }
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(9900) && took <= Duration::from_millis(10_100),
            "{took:?}"
        );
        // A rest saves up no more than a burst.
        tokio::time::advance(Duration::from_secs(60)).await;
        let begun = Instant::now();
        bandwidth.take(1_000_000).await;
        assert!(begun.elapsed() >= Duration::from_millis(890));
        bandwidth.set(None);
        let begun = Instant::now();
        bandwidth.take(u64::MAX).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
