//! What devices and workers do, measured when somebody wants to know.
//!
//! Nothing runs while nobody watches: a [`Sample`] is taken by who asks for one, and who asks at the same moment gets
//! the same. Rates are between two samples of one watcher, so that each gets them over its own interval.

mod ask;
mod collect;
mod events;
mod measure;
mod names;
pub(crate) mod worker;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

pub(crate) use self::ask::Load;
pub(crate) use self::collect::Numbers;
pub(crate) use self::events::{Call, Metrics};
pub use self::names::METRICS;
use crate::devices::Devices;
use crate::domain::Worker;
use crate::domain::rates::{Used, UsedRates, per_second};
use crate::host::{Host, View};
use crate::process::Cgroups;
use crate::worker::Workers;

/// A sample that is not older than this is good for others too.
const FRESH: Duration = Duration::from_millis(50);

/// Takes samples. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Telemetry {
    host: Host,
    devices: Devices,
    workers: Workers,
    cgroups: Cgroups,
    last: Arc<Mutex<Option<Arc<Sample>>>>,
}

/// Devices and workers at one moment.
#[derive(Debug)]
pub(crate) struct Sample {
    /// When it was begun.
    pub(crate) time: Timestamp,
    taken: Instant,
    /// The host.
    pub(crate) view: View,
    /// The workers that have a process, oldest first.
    pub(crate) workers: Vec<WorkerSample>,
}

/// A worker at one moment.
#[derive(Debug)]
pub(crate) struct WorkerSample {
    /// What it is.
    pub(crate) worker: Worker,
    /// What its processes have used, and when that was read.
    pub(crate) used: (Instant, Used),
    /// Host memory that its processes have, in bytes.
    pub(crate) resident_bytes: Option<u64>,
    /// Memory of its GPU that they have, in bytes.
    pub(crate) device_memory_bytes: Option<u64>,
    /// What it says of itself, and when it said so; `None` if it did not answer.
    pub(crate) load: Option<(Instant, Load)>,
}

/// What a worker did between two samples. What can't be told is absent.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct WorkerRates {
    /// What it used.
    pub(crate) used: UsedRates,
    /// Tokens per second that it generated.
    pub(crate) tokens: Option<f64>,
    /// Tokens of prompts per second that it computed.
    pub(crate) prompt_tokens: Option<f64>,
}

impl Telemetry {
    /// Of this host.
    #[must_use]
    pub(crate) fn new(host: Host, devices: Devices, workers: Workers, cgroups: Cgroups) -> Self {
        Self {
            host,
            devices,
            workers,
            cgroups,
            last: Arc::default(),
        }
    }

    /// Everything as it is now. Takes as long as the slowest worker to answer, and at most half a second for that.
    /// Cancel safe: who waits for the same sample takes it itself then.
    pub(crate) async fn sample(&self) -> Arc<Sample> {
        let mut last = self.last.lock().await;
        if let Some(sample) = last.as_ref().filter(|sample| sample.taken.elapsed() < FRESH) {
            return Arc::clone(sample);
        }
        let sample = Arc::new(self.measure().await);
        *last = Some(Arc::clone(&sample));
        sample
    }

    async fn measure(&self) -> Sample {
        let time = Timestamp::now();
        let mut workers = self.workers.list();
        workers.retain(|worker| worker.process_id.is_some());
        let (view, measured, loads) = tokio::join!(
            self.host.view(),
            measure::all(self.devices.clone(), self.cgroups.clone(), workers.clone()),
            ask::all(&self.workers, &workers),
        );
        let both = workers.into_iter().zip(measured).zip(loads);
        let workers = both.map(|((worker, measured), load)| WorkerSample {
            worker,
            used: measured.used,
            resident_bytes: measured.resident_bytes,
            device_memory_bytes: measured.device_memory_bytes,
            load,
        });
        Sample {
            time,
            view,
            workers: workers.collect(),
            taken: Instant::now(),
        }
    }
}

impl Sample {
    /// What a worker of this sample did since an earlier one. Only the same process can be compared with itself.
    pub(crate) fn rates(&self, earlier: &Self, worker: &WorkerSample) -> WorkerRates {
        let before = earlier.workers.iter().find(|before| {
            before.worker.id == worker.worker.id && before.worker.process_id == worker.worker.process_id
        });
        let Some(before) = before else {
            return WorkerRates::default();
        };
        let (used_at, used) = &worker.used;
        let elapsed = used_at.saturating_duration_since(before.used.0);
        let used = UsedRates::between(&before.used.1, used, elapsed);
        let done = before.load.as_ref().zip(worker.load.as_ref());
        let rate = |count: fn(&Load) -> u64| {
            let ((earlier, before), (later, now)) = done?;
            per_second(
                count(before),
                count(now),
                later.saturating_duration_since(*earlier),
            )
        };
        WorkerRates {
            used,
            tokens: rate(|load| load.done.generated_tokens),
            prompt_tokens: rate(|load| load.done.prompt_tokens),
        }
    }
}
