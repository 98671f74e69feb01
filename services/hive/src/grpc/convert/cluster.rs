//! What the hive says of itself and its workers.

use rbee_artifacts::{HiveId, Platform};
use rbee_proto::types::v1 as wire;
use rbee_store::CacheUse;
use rbee_wire::{device_kind_to_wire, platform_to_wire, timestamp_to_wire, worker_type_to_wire};

use crate::domain::{Device, Exit, Failure, FailureCause, Reservation, State, Worker, WorkerMemory, memory};
use crate::host::View;

/// Who this hive is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Its id.
    pub(crate) id: HiveId,
    /// A name to show.
    pub(crate) name: String,
    /// Where clients reach it, as a URL.
    pub(crate) address: String,
}

/// Writes this hive.
pub(crate) fn hive_to_wire(hive: &Identity, view: &View, draining: bool) -> wire::Hive {
    wire::Hive {
        id: hive.id.to_string(),
        name: hive.name.clone(),
        address: hive.address.clone(),
        // It answers, so it can be reached.
        state: wire::HiveState::Ready.into(),
        devices: devices_to_wire(view),
        version: env!("CARGO_PKG_VERSION").into(),
        platform: Some(platform_to_wire(&Platform::current())),
        last_seen_at: None,
        draining,
        cache: None,
    }
}

/// Writes how the cache is used.
pub(crate) fn cache_to_wire(cache: CacheUse) -> wire::CacheUse {
    wire::CacheUse {
        limit_bytes: cache.limit_bytes,
        used_bytes: cache.used_bytes,
        in_use_bytes: cache.in_use_bytes,
    }
}

/// Writes all devices.
pub(crate) fn devices_to_wire(view: &View) -> Vec<wire::Device> {
    let device = |device| device_to_wire(device, &view.reservations);
    view.devices.iter().map(device).collect()
}

/// Writes a device with what is reserved on it.
pub(crate) fn device_to_wire(device: &Device, reservations: &[Reservation]) -> wire::Device {
    let own = reservations
        .iter()
        .filter(|reservation| reservation.device_id == device.id);
    wire::Device {
        id: device.id.to_string(),
        kind: device_kind_to_wire(device.id.kind()).into(),
        name: device.name.clone(),
        memory_total_bytes: device.memory_total_bytes,
        memory_free_bytes: device.memory_free_bytes,
        core_count: device.core_count,
        uuid: device.uuid.clone().unwrap_or_default(),
        utilization_percent: device.utilization_percent,
        temperature_celsius: device.temperature_celsius,
        compute_capability: device.compute_capability.clone().unwrap_or_default(),
        driver_version: device.driver_version.clone().unwrap_or_default(),
        declared: device.declared,
        uses: own
            .map(|reservation| wire::DeviceUse {
                worker_id: reservation.worker_id.to_string(),
                reserved_bytes: reservation.estimate.total_bytes(),
                taken_bytes: reservation.taken_bytes,
            })
            .collect(),
        memory_available_bytes: memory::available_bytes(device, reservations),
    }
}

fn memory_to_wire(memory: &WorkerMemory) -> wire::WorkerMemory {
    wire::WorkerMemory {
        estimated_bytes: memory.estimate.total_bytes(),
        estimated_loaded_bytes: memory.estimate.loaded_bytes(),
        resident_bytes: memory.resident_bytes,
        limit_bytes: memory.limit_bytes,
    }
}

/// Writes a worker of this hive.
pub(crate) fn worker_to_wire(worker: &Worker, hive: &Identity) -> wire::Worker {
    wire::Worker {
        id: worker.id.to_string(),
        model_id: worker.model_id.to_string(),
        worker_type: worker_type_to_wire(worker.worker_type).into(),
        device_id: worker.device_id.map(|id| id.to_string()).unwrap_or_default(),
        state: state_to_wire(worker.state).into(),
        hive_id: hive.id.to_string(),
        hive_address: hive.address.clone(),
        created_at: Some(timestamp_to_wire(worker.created_at)),
        failure: worker.failure.as_ref().map(failure_to_wire),
        load_fraction: match worker.state {
            State::Loading { fraction } => fraction,
            _ => None,
        },
        context_length: worker.context_length,
        process_id: worker.process_id,
        memory: worker.memory.as_ref().map(memory_to_wire),
        state_since: Some(timestamp_to_wire(worker.state_since)),
        restart_count: worker.restart_count,
        next_attempt_at: worker.next_attempt_at.map(timestamp_to_wire),
        pinned: worker.keep.pinned,
        // One that came over the wire goes back to it, and a configured one is bounded.
        idle_ttl: worker.keep.idle_ttl.and_then(|ttl| ttl.try_into().ok()),
        // It answers, so it can be reached.
        unreachable: false,
    }
}

/// Writes where a worker is in its life.
pub(crate) fn state_to_wire(state: State) -> wire::WorkerState {
    match state {
        State::Pending => wire::WorkerState::Pending,
        State::Validating => wire::WorkerState::Validating,
        State::Fetching { .. } => wire::WorkerState::Fetching,
        State::Starting => wire::WorkerState::Starting,
        State::Loading { .. } => wire::WorkerState::Loading,
        State::Ready => wire::WorkerState::Ready,
        State::Busy => wire::WorkerState::Busy,
        State::Draining => wire::WorkerState::Draining,
        State::Stopping => wire::WorkerState::Stopping,
        State::Stopped => wire::WorkerState::Stopped,
        State::Failed => wire::WorkerState::Failed,
        State::CrashLooping => wire::WorkerState::CrashLooping,
    }
}

fn failure_to_wire(failure: &Failure) -> wire::WorkerFailure {
    wire::WorkerFailure {
        reason: failure.reason.into(),
        message: failure.message.clone(),
        exit_code: failure.exit.and_then(Exit::code),
        signal: failure.exit.and_then(Exit::signal),
        log_tail: failure.log_tail.clone(),
        occurred_at: failure.occurred_at.map(timestamp_to_wire),
        cause: failure
            .cause
            .map_or(wire::FailureCause::Unspecified, cause_to_wire)
            .into(),
    }
}

fn cause_to_wire(cause: FailureCause) -> wire::FailureCause {
    match cause {
        FailureCause::OutOfMemory => wire::FailureCause::OutOfMemory,
        FailureCause::OutOfDeviceMemory => wire::FailureCause::OutOfDeviceMemory,
        FailureCause::IllegalInstruction => wire::FailureCause::IllegalInstruction,
        FailureCause::InvalidMemoryAccess => wire::FailureCause::InvalidMemoryAccess,
        FailureCause::DeviceError => wire::FailureCause::DeviceError,
        FailureCause::MissingFile => wire::FailureCause::MissingFile,
        FailureCause::Bug => wire::FailureCause::Bug,
        FailureCause::Killed => wire::FailureCause::Killed,
        FailureCause::Hung => wire::FailureCause::Hung,
    }
}
