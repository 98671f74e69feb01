//! The hive's page for Prometheus.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rbee_artifacts::WorkerId;
use rbee_proto::types::v1::WorkerState;
use rbee_service_kit::metrics::{Collect, Page};
use rbee_store::CacheUse;
use tonic::Code;

use super::events::Counts;
use super::{Metrics, Sample, Telemetry, WorkerSample, names, worker};
use crate::domain::{Device, Worker, memory};
use crate::registrar::Told;
use crate::spawn::Files;
use crate::worker::Workers;

/// Everything that a hive tells Prometheus.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    /// What is measured.
    pub(crate) telemetry: Telemetry,
    /// What was counted.
    pub(crate) metrics: Metrics,
    /// The workers, those too that have no process.
    pub(crate) workers: Workers,
    /// The store's files, which may be in a cache.
    pub(crate) files: Files,
    /// The hive's folder.
    pub(crate) folder: Arc<Path>,
    /// Whether the catalog knows the hive.
    pub(crate) told: Told,
}

#[tonic::async_trait]
impl Collect for Numbers {
    async fn collect(&self, page: &mut Page) {
        let sample = self.telemetry.sample().await;
        let workers = self.workers.list();
        let ids: Vec<_> = workers.iter().map(|worker| worker.id.clone()).collect();
        page.single(&names::REGISTERED, f64::from(u8::from(self.told.is_registered())));
        write_states(page, &workers);
        let counts = self.metrics.counts(&ids);
        write_counts(page, &counts);
        write_requests(page, &counts, &ids);
        write_workers(page, &workers);
        write_processes(page, &sample, &ids);
        write_devices(page, &sample);
        if let Some(bytes) = disk_free_bytes(self.folder.clone()).await {
            page.single(&names::DISK_FREE, bytes as f64);
        }
        write_cache(page, self.files.cache_use());
    }
}

/// All states, also those without a worker, so that rules can count on them.
fn write_states(page: &mut Page, workers: &[Worker]) {
    let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
    for worker in workers {
        *counts.entry(worker::state(worker).into()).or_default() += 1;
    }
    let states = (1..).map_while(|number| WorkerState::try_from(number).ok());
    let samples = states.map(|state| {
        let name = state.as_str_name().trim_start_matches("WORKER_STATE_");
        let count = counts.get(&state.into()).copied().unwrap_or(0);
        ([name.to_ascii_lowercase()], count as f64)
    });
    page.family(&names::WORKERS, samples);
}

fn write_counts(page: &mut Page, counts: &Counts) {
    let spawns = counts.spawns.iter();
    page.family(
        &names::SPAWNS,
        spawns.map(|((outcome, reason), count)| ([*outcome, *reason], *count as f64)),
    );
    let durations = counts.spawn_seconds.iter();
    let durations: Vec<_> = durations
        .map(|(outcome, histogram)| ([*outcome], histogram))
        .collect();
    page.histograms(&names::SPAWN_DURATION, &durations);
    for (metric, counts) in [
        (&names::CRASHES, &counts.crashes),
        (&names::RESTARTS, &counts.restarts),
    ] {
        page.family(
            metric,
            counts.iter().map(|(cause, count)| ([*cause], *count as f64)),
        );
    }
}

/// Of workers that are there: what was passed on to others is over.
fn write_requests(page: &mut Page, counts: &Counts, workers: &[WorkerId]) {
    let there = || counts.requests.iter().filter(|(id, _)| workers.contains(id));
    let ended = there().flat_map(|(id, requests)| {
        let each = requests.ended.iter();
        each.map(move |(code, count)| ([id.as_str(), code_name(Code::from(*code))], *count as f64))
    });
    page.family(&names::REQUESTS, ended);
}

fn write_workers(page: &mut Page, workers: &[Worker]) {
    let info = workers.iter().map(|worker| {
        let labels = [
            worker.id.to_string(),
            worker.model_id.to_string(),
            worker.worker_type.to_string(),
            device_of(worker),
        ];
        (labels, 1.0)
    });
    page.family(&names::WORKER_INFO, info);
    let of_memory = |value: fn(&memory::WorkerMemory) -> Option<f64>| {
        workers.iter().filter_map(move |worker| {
            let value = value(worker.memory.as_ref()?)?;
            Some(([worker.id.to_string(), worker.model_id.to_string()], value))
        })
    };
    page.family(
        &names::ESTIMATE,
        of_memory(|memory| Some(memory.estimate.total_bytes() as f64)),
    );
    page.family(&names::ESTIMATE_ERROR, of_memory(memory::WorkerMemory::error));
}

/// Of workers that are there still: the sample may be some moments old.
fn write_processes(page: &mut Page, sample: &Sample, there: &[WorkerId]) {
    let workers = || {
        sample
            .workers
            .iter()
            .filter(|worker| there.contains(&worker.worker.id))
    };
    let of_each = |value: fn(&WorkerSample) -> Option<f64>| {
        workers().filter_map(move |worker| Some(([worker.worker.id.as_str()], value(worker)?)))
    };
    page.family(
        &names::REQUESTS_RUNNING,
        of_each(|worker| Some(f64::from(worker.load?.1.running))),
    );
    page.family(
        &names::REQUESTS_WAITING,
        of_each(|worker| Some(f64::from(worker.load?.1.waiting))),
    );
    page.family(
        &names::SLOTS,
        of_each(|worker| Some(f64::from(worker.load?.1.slots))),
    );
    page.family(
        &names::TOKENS,
        of_each(|worker| Some(worker.load?.1.done.generated_tokens as f64)),
    );
    page.family(
        &names::PROMPT_TOKENS,
        of_each(|worker| Some(worker.load?.1.done.prompt_tokens as f64)),
    );
    page.family(
        &names::CPU,
        of_each(|worker| Some(worker.used.1.cpu?.as_secs_f64())),
    );
    page.family(
        &names::RESIDENT,
        of_each(|worker| Some(worker.resident_bytes? as f64)),
    );
    let on_devices = workers().filter_map(|worker| {
        let labels = [worker.worker.id.to_string(), device_of(&worker.worker)];
        Some((labels, worker.device_memory_bytes? as f64))
    });
    page.family(&names::DEVICE_MEMORY, on_devices);
    page.family(
        &names::READ,
        of_each(|worker| Some(worker.used.1.read_bytes? as f64)),
    );
    page.family(
        &names::WRITTEN,
        of_each(|worker| Some(worker.used.1.written_bytes? as f64)),
    );
}

/// Empty until one is chosen.
fn device_of(worker: &Worker) -> String {
    worker::device(worker)
        .map(|device| device.to_string())
        .unwrap_or_default()
}

/// What statvfs(3) says that is left below a folder for users.
async fn disk_free_bytes(folder: Arc<Path>) -> Option<u64> {
    let asked = tokio::task::spawn_blocking(move || nix::sys::statvfs::statvfs(&*folder)).await;
    let space = asked.ok()?.ok()?;
    // Their types differ between systems.
    #[allow(clippy::useless_conversion, reason = "see above")]
    let (blocks, block_bytes) = (
        u64::from(space.blocks_available()),
        u64::from(space.fragment_size()),
    );
    Some(blocks.saturating_mul(block_bytes))
}

/// Without a cache there is nothing to tell.
fn write_cache(page: &mut Page, cache: Option<CacheUse>) {
    let Some(cache) = cache else { return };
    page.single(&names::CACHE_LIMIT, cache.limit_bytes as f64);
    page.single(&names::CACHE_USED, cache.used_bytes as f64);
    page.single(&names::CACHE_IN_USE, cache.in_use_bytes as f64);
    let lookups = [("hit", cache.hits), ("miss", cache.misses)];
    page.family(
        &names::CACHE_LOOKUPS,
        lookups.map(|(outcome, count)| ([outcome], count as f64)),
    );
    page.single(&names::CACHE_FETCHED, cache.fetched_bytes as f64);
    page.single(&names::CACHE_FAILURES, cache.failures as f64);
    page.single(&names::CACHE_EVICTED, cache.evicted_bytes as f64);
}

fn write_devices(page: &mut Page, sample: &Sample) {
    let devices = &sample.view.devices;
    let info = devices.iter().map(|device| {
        let labels = [
            device.id.to_string(),
            device.id.kind().to_string(),
            device.name.clone(),
            device.declared.to_string(),
        ];
        (labels, 1.0)
    });
    page.family(&names::DEVICE_INFO, info);
    let of_each = |value: fn(&Device) -> Option<f64>| {
        let devices = devices.iter();
        devices.filter_map(move |device| Some(([device.id.to_string()], value(device)?)))
    };
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
    let available = devices.iter().filter_map(|device| {
        let available = memory::available_bytes(device, &sample.view.reservations);
        Some(([device.id.to_string()], bytes(available)?))
    });
    page.family(
        &names::DEVICE_TOTAL,
        of_each(|device| Some(device.memory_total_bytes? as f64)),
    );
    page.family(
        &names::DEVICE_FREE,
        of_each(|device| Some(device.memory_free_bytes? as f64)),
    );
    page.family(&names::DEVICE_AVAILABLE, available);
    page.family(
        &names::DEVICE_UTILIZATION,
        of_each(|device| Some(f64::from(device.utilization_percent?) / 100.0)),
    );
    page.family(
        &names::DEVICE_TEMPERATURE,
        of_each(|device| Some(f64::from(device.temperature_celsius?))),
    );
}

/// As the gRPC specification writes it (statuscodes.md).
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
