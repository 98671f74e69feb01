//! What devices and workers do, as lines of a stream.

use rbee_proto::hive::v1 as hive;
use rbee_proto::types::v1 as types;
use serde::Serialize;

use super::super::words;
use super::hosts::Device;
use super::{some, time};

/// A hive's news. What was not measured is null.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Telemetry<'a> {
    /// It has measured.
    Measured {
        /// Its id.
        hive_id: &'a str,
        /// Its name.
        hive_name: &'a str,
        /// When it measured.
        time: Option<String>,
        /// Its devices.
        devices: Vec<Device<'a>>,
        /// Its workers whose processes run.
        workers: Vec<Worker<'a>>,
    },
    /// It can't be reached; it is tried again.
    HiveLost {
        /// Its id.
        hive_id: &'a str,
        /// Its name.
        hive_name: &'a str,
        /// Why.
        message: &'a str,
    },
    /// The catalog can't be reached; it is tried again.
    CatalogLost {
        /// Why.
        message: &'a str,
    },
}

/// What a worker does.
#[derive(Debug, Serialize)]
pub(crate) struct Worker<'a> {
    worker_id: &'a str,
    model_id: Option<&'a str>,
    device_id: Option<&'a str>,
    state: String,
    cpu_percent: Option<f64>,
    resident_bytes: Option<u64>,
    device_memory_bytes: Option<u64>,
    read_bytes_per_second: Option<u64>,
    written_bytes_per_second: Option<u64>,
    running_requests: Option<u32>,
    waiting_requests: Option<u32>,
    slot_count: Option<u32>,
    tokens_per_second: Option<f64>,
    prompt_tokens_per_second: Option<f64>,
    steps_per_second: Option<f64>,
}

impl<'a> Telemetry<'a> {
    /// A hive's measurements; `worker` tells what the catalog has of a worker.
    pub(crate) fn measured(
        hive_id: &'a str,
        hive_name: &'a str,
        measured: &'a hive::WatchTelemetryResponse,
        worker: impl Fn(&str) -> Option<&'a types::Worker>,
    ) -> Self {
        Self::Measured {
            hive_id,
            hive_name,
            time: time(measured.time.as_ref()),
            devices: measured.devices.iter().map(Device::from).collect(),
            workers: measured
                .workers
                .iter()
                .map(|now| Worker::new(now, worker(&now.worker_id)))
                .collect(),
        }
    }
}

impl<'a> Worker<'a> {
    fn new(now: &'a hive::WorkerTelemetry, known: Option<&'a types::Worker>) -> Self {
        Self {
            worker_id: &now.worker_id,
            model_id: known.and_then(|worker| some(&worker.model_id)),
            device_id: known.and_then(|worker| some(&worker.device_id)),
            state: words::worker_state(now.state),
            cpu_percent: now.cpu_percent,
            resident_bytes: now.resident_bytes,
            device_memory_bytes: now.device_memory_bytes,
            read_bytes_per_second: now.read_bytes_per_second,
            written_bytes_per_second: now.written_bytes_per_second,
            running_requests: now.running_requests,
            waiting_requests: now.waiting_requests,
            slot_count: now.slot_count,
            tokens_per_second: now.tokens_per_second,
            prompt_tokens_per_second: now.prompt_tokens_per_second,
            steps_per_second: now.steps_per_second,
        }
    }
}
