//! Measurements.

use rbee_proto::hive::v1 as proto;

use super::cluster::device;
use crate::model::ids::{HiveId, WorkerId};
use crate::model::telemetry::{TelemetrySample, WorkerTelemetry};

/// A hive's measurement.
#[must_use]
pub fn sample(hive: HiveId, told: proto::WatchTelemetryResponse) -> TelemetrySample {
    TelemetrySample {
        hive,
        devices: told.devices.into_iter().map(device).collect(),
        workers: told.workers.into_iter().map(worker).collect(),
    }
}

fn worker(told: proto::WorkerTelemetry) -> (WorkerId, WorkerTelemetry) {
    let telemetry = WorkerTelemetry {
        cpu_percent: told.cpu_percent,
        resident_bytes: told.resident_bytes,
        device_memory_bytes: told.device_memory_bytes,
        running_requests: told.running_requests,
        waiting_requests: told.waiting_requests,
        slot_count: told.slot_count,
        tokens_per_second: told.tokens_per_second,
        prompt_tokens_per_second: told.prompt_tokens_per_second,
        steps_per_second: told.steps_per_second,
    };
    (told.worker_id.into(), telemetry)
}
