//! What devices and workers do, as measured last.

use std::collections::{BTreeMap, VecDeque};

use super::cluster::Device;
use super::ids::{DeviceId, HiveId, WorkerId};

/// Measurements that are kept of each device: two minutes of one a second.
pub const KEPT_SAMPLES: usize = 120;

/// What a worker does. What is `None` was not measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkerTelemetry {
    /// Processor time in percent of one core.
    pub cpu_percent: Option<f64>,
    /// Host memory that it has, mapped files included, in bytes.
    pub resident_bytes: Option<u64>,
    /// Memory that it has on its GPU, in bytes.
    pub device_memory_bytes: Option<u64>,
    /// Requests that it is answering.
    pub running_requests: Option<u32>,
    /// Requests that wait.
    pub waiting_requests: Option<u32>,
    /// Most requests that it answers at the same time.
    pub slot_count: Option<u32>,
    /// Tokens per second that it generated.
    pub tokens_per_second: Option<f64>,
    /// Prompt tokens per second that it computed.
    pub prompt_tokens_per_second: Option<f64>,
    /// Denoising steps per second.
    pub steps_per_second: Option<f64>,
}

/// One hive's measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetrySample {
    /// Whose.
    pub hive: HiveId,
    /// Every device as it is.
    pub devices: Vec<Device>,
    /// Every worker whose process runs.
    pub workers: Vec<(WorkerId, WorkerTelemetry)>,
}

/// One step of what is measured.
#[derive(Debug, Clone, PartialEq)]
pub enum TelemetryChange {
    /// A measurement.
    Measured(Box<TelemetrySample>),
    /// Nothing comes from this hive any more: what it said is too old to show.
    Lost(HiveId),
}

/// The last measurements of a device, oldest first, for a line of its course.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceCourse {
    /// Utilisation in percent, `None` where it was not measured.
    pub utilization_percent: VecDeque<Option<u32>>,
}

/// What was measured last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TelemetryView {
    /// Devices by hive and id.
    pub devices: BTreeMap<(HiveId, DeviceId), Device>,
    /// Their course.
    pub courses: BTreeMap<(HiveId, DeviceId), DeviceCourse>,
    /// Workers by id.
    pub workers: BTreeMap<WorkerId, WorkerTelemetry>,
    /// Which workers a hive told of last, to forget those that it tells of no more.
    told: BTreeMap<HiveId, Vec<WorkerId>>,
}

impl TelemetryView {
    /// Takes in one step.
    pub fn apply(&mut self, change: TelemetryChange) {
        match change {
            TelemetryChange::Measured(sample) => self.measured(*sample),
            TelemetryChange::Lost(hive) => {
                self.forget_values(&hive);
                self.courses.retain(|(of, _), _| *of != hive);
            }
        }
    }

    fn measured(&mut self, sample: TelemetrySample) {
        let TelemetrySample {
            hive,
            devices,
            workers,
        } = sample;
        self.forget_values(&hive);
        for device in devices {
            let key = (hive.clone(), device.id.clone());
            let course = &mut self.courses.entry(key.clone()).or_default().utilization_percent;
            if course.len() == KEPT_SAMPLES {
                course.pop_front();
            }
            course.push_back(device.utilization_percent);
            self.devices.insert(key, device);
        }
        self.told
            .insert(hive, workers.iter().map(|(id, _)| id.clone()).collect());
        self.workers.extend(workers);
    }

    fn forget_values(&mut self, hive: &HiveId) {
        self.devices.retain(|(of, _), _| of != hive);
        for worker in self.told.remove(hive).unwrap_or_default() {
            self.workers.remove(&worker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(hive: &str, workers: &[&str]) -> TelemetryChange {
        TelemetryChange::Measured(Box::new(TelemetrySample {
            hive: hive.into(),
            devices: Vec::new(),
            workers: workers
                .iter()
                .map(|id| (WorkerId::from(*id), WorkerTelemetry::default()))
                .collect(),
        }))
    }

    #[test]
    fn a_worker_that_is_not_told_of_any_more_is_not_shown_with_old_numbers() {
        let mut view = TelemetryView::default();
        view.apply(sample("desk", &["a", "b"]));
        view.apply(sample("attic", &["c"]));
        view.apply(sample("desk", &["b"]));
        assert_eq!(
            view.workers.keys().map(WorkerId::as_str).collect::<Vec<_>>(),
            ["b", "c"]
        );
        view.apply(TelemetryChange::Lost("attic".into()));
        assert_eq!(view.workers.len(), 1);
    }
}
