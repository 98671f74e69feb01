//! What happened since the hive started, counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rbee_artifacts::WorkerId;
use rbee_service_kit::metrics::Histogram;
use tonic::Code;

/// Upper ends of the buckets for spawns, in seconds: from a small model in the cache to one that is fetched.
const SPAWN_SECONDS: &[f64] = &[0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];

/// Workers whose requests are counted before those that have left are forgotten, where nobody scrapes.
const MOST_WORKERS: usize = 1024;

/// Counts what happens. Cheap to clone; all clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Arc<Mutex<Counts>>);

/// What was counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// By outcome and reason.
    pub(super) spawns: BTreeMap<(&'static str, &'static str), u64>,
    /// By outcome.
    pub(super) spawn_seconds: BTreeMap<&'static str, Histogram>,
    /// By cause.
    pub(super) crashes: BTreeMap<&'static str, u64>,
    /// By cause.
    pub(super) restarts: BTreeMap<&'static str, u64>,
    /// By worker.
    pub(super) requests: BTreeMap<WorkerId, Requests>,
}

/// Requests that were passed on to a worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    /// Those that are being answered.
    pub(super) running: u64,
    /// Those that were, by the code that they ended with.
    pub(super) ended: BTreeMap<i32, u64>,
}

impl Metrics {
    /// A spawn has ended: with a worker, or for a reason, and so long after it began.
    pub(crate) fn spawn_finished(&self, outcome: Result<(), &'static str>, took: Duration) {
        let (outcome, reason) = match outcome {
            Ok(()) => ("ready", ""),
            Err(reason) => ("failed", reason),
        };
        let mut counts = self.0.lock();
        *counts.spawns.entry((outcome, reason)).or_default() += 1;
        let durations = counts.spawn_seconds.entry(outcome);
        durations
            .or_insert_with(|| Histogram::new(SPAWN_SECONDS))
            .observe(took.as_secs_f64());
    }

    /// A worker's process has ended, or was ended for not answering, and should not have.
    pub(crate) fn crashed(&self, cause: &'static str) {
        *self.0.lock().crashes.entry(cause).or_default() += 1;
    }

    /// A worker was started anew by itself after such a crash.
    pub(crate) fn restarted(&self, cause: &'static str) {
        *self.0.lock().restarts.entry(cause).or_default() += 1;
    }

    /// A request is passed on to a worker.
    pub(crate) fn request(&self, worker_id: &WorkerId) -> Call {
        let mut counts = self.0.lock();
        if counts.requests.len() >= MOST_WORKERS && !counts.requests.contains_key(worker_id) {
            counts.requests.retain(|_, requests| requests.running > 0);
        }
        counts.requests.entry(worker_id.clone()).or_default().running += 1;
        drop(counts);
        Call {
            metrics: self.clone(),
            worker_id: worker_id.clone(),
            code: Code::Cancelled,
        }
    }

    /// What was counted until now. Forgets the requests of workers that are not among these.
    pub(super) fn counts(&self, workers: &[WorkerId]) -> Counts {
        let mut counts = self.0.lock();
        counts
            .requests
            .retain(|id, requests| requests.running > 0 || workers.contains(id));
        counts.clone()
    }
}

/// A request that is being answered. One that is dropped without an end counts as cancelled.
#[derive(Debug)]
#[must_use]
pub(crate) struct Call {
    metrics: Metrics,
    worker_id: WorkerId,
    code: Code,
}

impl Call {
    /// It ended with this code.
    pub(crate) fn finished(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut counts = self.metrics.0.lock();
        if let Some(requests) = counts.requests.get_mut(&self.worker_id) {
            requests.running = requests.running.saturating_sub(1);
            *requests.ended.entry(self.code as i32).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> WorkerId {
        text.parse().unwrap()
    }

    #[test]
    fn each_request_ends_once() {
        let metrics = Metrics::default();
        let (first, second) = (metrics.request(&id("bee-1")), metrics.request(&id("bee-1")));
        let workers = [id("bee-1")];
        assert_eq!(metrics.counts(&workers).requests[&id("bee-1")].running, 2);
        first.finished(Code::Ok);
        drop(second);
        let counts = metrics.counts(&workers);
        let requests = &counts.requests[&id("bee-1")];
        assert_eq!(requests.running, 0);
        let ended = BTreeMap::from([(Code::Ok as i32, 1), (Code::Cancelled as i32, 1)]);
        assert_eq!(requests.ended, ended);
    }

    #[test]
    fn who_left_is_forgotten_when_its_last_request_has_ended() {
        let metrics = Metrics::default();
        let call = metrics.request(&id("bee-1"));
        assert_eq!(metrics.counts(&[]).requests.len(), 1);
        call.finished(Code::Unavailable);
        assert_eq!(metrics.counts(&[]).requests.len(), 0);
        for number in 0..3000 {
            metrics.request(&id(&format!("bee-{number}"))).finished(Code::Ok);
        }
        assert!(
            metrics.0.lock().requests.len() <= MOST_WORKERS,
            "also if nobody scrapes"
        );
    }

    #[test]
    fn spawns_and_crashes_are_told_apart() {
        let metrics = Metrics::default();
        metrics.spawn_finished(Ok(()), Duration::from_secs(3));
        metrics.spawn_finished(Err("INSUFFICIENT_MEMORY"), Duration::ZERO);
        metrics.spawn_finished(Err("INSUFFICIENT_MEMORY"), Duration::ZERO);
        metrics.crashed("out_of_memory");
        metrics.restarted("out_of_memory");
        let counts = metrics.counts(&[]);
        assert_eq!(counts.spawns[&("ready", "")], 1);
        assert_eq!(counts.spawns[&("failed", "INSUFFICIENT_MEMORY")], 2);
        assert_eq!(counts.spawn_seconds["failed"].count(), 2);
        assert_eq!(counts.crashes["out_of_memory"], 1);
        assert_eq!(counts.restarts, counts.crashes);
    }
}
