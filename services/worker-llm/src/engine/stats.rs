//! Counters of the engine, for telemetry and tests.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The live counters, shared between the handles and the engine thread.
#[derive(Debug, Default)]
pub(super) struct EngineStats {
    pub(super) generated_tokens: AtomicU64,
    pub(super) prefill_tokens: AtomicU64,
    pub(super) finished: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) running: AtomicUsize,
    pub(super) waiting: AtomicUsize,
    pub(super) sequence_bytes: AtomicU64,
    pub(super) cached_tokens: AtomicU64,
    pub(super) kept_sequences: AtomicUsize,
    pub(super) kept_bytes: AtomicU64,
    /// Moving average of how long a request holds its slot, in milliseconds; 0 until one has ended.
    slot_millis: AtomicU64,
}

impl EngineStats {
    pub(super) fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            generated_tokens: self.generated_tokens.load(Ordering::Relaxed),
            prefill_tokens: self.prefill_tokens.load(Ordering::Relaxed),
            finished: self.finished.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            running: self.running.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            sequence_bytes: self.sequence_bytes.load(Ordering::Relaxed),
            cached_tokens: self.cached_tokens.load(Ordering::Relaxed),
            kept_sequences: self.kept_sequences.load(Ordering::Relaxed),
            kept_bytes: self.kept_bytes.load(Ordering::Relaxed),
        }
    }

    /// Notes how long a request held its slot. Called by the engine thread alone.
    pub(super) fn slot_was_held(&self, held: Duration) {
        let millis = u64::try_from(held.as_millis()).unwrap_or(u64::MAX).max(1);
        let average = match self.slot_millis.load(Ordering::Relaxed) {
            0 => millis,
            old => (old / 4 * 3).saturating_add(millis / 4).max(1),
        };
        self.slot_millis.store(average, Ordering::Relaxed);
    }

    /// When one of `slots` is expected to be free, judged by the requests so far: between a
    /// second and a minute.
    pub(super) fn retry_after(&self, slots: usize) -> Duration {
        let average = self.slot_millis.load(Ordering::Relaxed);
        let wait = Duration::from_millis(average / slots.max(1) as u64);
        wait.clamp(Duration::from_secs(1), Duration::from_secs(60))
    }
}

/// The engine's counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Tokens sampled since the start.
    pub generated_tokens: u64,
    /// Prompt tokens computed since the start.
    pub prefill_tokens: u64,
    /// Generations that came to their end.
    pub finished: u64,
    /// Generations whose receiver went away.
    pub cancelled: u64,
    /// Generations that ended with an error after they were accepted.
    pub failed: u64,
    /// Sequences that have a slot now.
    pub running: usize,
    /// Requests that wait for one now.
    pub waiting: usize,
    /// Memory of the running sequences' KV caches now, in bytes.
    pub sequence_bytes: u64,
    /// Prompt tokens that were in a KV cache already, since the start.
    pub cached_tokens: u64,
    /// Sequences that have ended and are kept for prompts that begin alike.
    pub kept_sequences: usize,
    /// Memory of their KV caches now, in bytes, beyond what running sequences share.
    pub kept_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_follows_what_was_measured_within_bounds() {
        let stats = EngineStats::default();
        assert_eq!(stats.retry_after(4), Duration::from_secs(1));
        stats.slot_was_held(Duration::from_secs(40));
        assert_eq!(stats.retry_after(4), Duration::from_secs(10));
        stats.slot_was_held(Duration::from_secs(4000));
        assert_eq!(stats.retry_after(1), Duration::from_secs(60));
    }
}
