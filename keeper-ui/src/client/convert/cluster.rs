//! Hives, devices and workers.

use rbee_proto::catalog::v1::WatchClusterResponse;
use rbee_proto::catalog::v1::watch_cluster_response::Event;
use rbee_proto::types::v1 as proto;

use super::time::{duration, timestamp};
use crate::model::cluster::{
    ClusterChange, Device, DeviceUse, Hardware, Hive, Worker, WorkerFailure, WorkerKind, WorkerMemory,
    WorkerState, WorkerType,
};
use crate::model::ids::DeviceId;

/// A step of a watch; `None` for a kind of step that this window does not know.
#[must_use]
pub fn change(response: WatchClusterResponse) -> Option<ClusterChange> {
    Some(match response.event? {
        Event::HiveUpserted(told) => ClusterChange::Hive(Box::new(hive(told))),
        Event::HiveRemovedId(id) => ClusterChange::HiveRemoved(id.into()),
        Event::WorkerUpserted(told) => ClusterChange::Worker(Box::new(worker(told))),
        Event::WorkerRemovedId(id) => ClusterChange::WorkerRemoved(id.into()),
        Event::Synced(_) => ClusterChange::Synced,
    })
}

/// A hive.
#[must_use]
pub fn hive(told: proto::Hive) -> Hive {
    Hive {
        reachable: told.state() == proto::HiveState::Ready,
        id: told.id.into(),
        name: told.name,
        address: told.address,
        devices: told.devices.into_iter().map(device).collect(),
        version: told.version,
        platform: told
            .platform
            .map(|platform| format!("{} {}", platform.os, platform.arch))
            .unwrap_or_default(),
        last_seen_at: timestamp(told.last_seen_at),
        draining: told.draining,
    }
}

/// A device.
#[must_use]
pub fn device(told: proto::Device) -> Device {
    let hardware = match told.kind() {
        proto::DeviceKind::Cpu => Some(Hardware::Cpu),
        proto::DeviceKind::Cuda => Some(Hardware::Cuda),
        proto::DeviceKind::Metal => Some(Hardware::Metal),
        proto::DeviceKind::Unspecified => None,
    };
    let uses = told.uses.into_iter().map(|use_of_it| DeviceUse {
        worker: use_of_it.worker_id.into(),
        reserved_bytes: use_of_it.reserved_bytes,
        taken_bytes: use_of_it.taken_bytes,
    });
    Device {
        id: told.id.into(),
        hardware,
        name: told.name,
        memory_total_bytes: told.memory_total_bytes,
        memory_free_bytes: told.memory_free_bytes,
        memory_available_bytes: told.memory_available_bytes,
        core_count: told.core_count,
        utilization_percent: told.utilization_percent,
        temperature_celsius: told.temperature_celsius,
        compute_capability: told.compute_capability,
        driver_version: told.driver_version,
        declared: told.declared,
        uses: uses.collect(),
    }
}

/// A worker.
#[must_use]
pub fn worker(told: proto::Worker) -> Worker {
    Worker {
        worker_type: worker_type(told.worker_type()),
        state: worker_state(told.state()),
        id: told.id.into(),
        model: told.model_id.into(),
        device: (!told.device_id.is_empty()).then(|| DeviceId::from(told.device_id)),
        hive: told.hive_id.into(),
        hive_address: told.hive_address,
        created_at: timestamp(told.created_at),
        failure: told.failure.map(worker_failure),
        load_fraction: told.load_fraction,
        context_length: told.context_length,
        process_id: told.process_id,
        memory: told.memory.map(|memory| WorkerMemory {
            estimated_bytes: memory.estimated_bytes,
            estimated_loaded_bytes: memory.estimated_loaded_bytes,
            resident_bytes: memory.resident_bytes,
            limit_bytes: memory.limit_bytes,
        }),
        state_since: timestamp(told.state_since),
        restart_count: told.restart_count,
        next_attempt_at: timestamp(told.next_attempt_at),
        pinned: told.pinned,
        idle_ttl: duration(told.idle_ttl),
        unreachable: told.unreachable,
    }
}

fn worker_failure(told: proto::WorkerFailure) -> WorkerFailure {
    WorkerFailure {
        reason: told.reason,
        message: told.message,
        exit_code: told.exit_code,
        signal: told.signal,
        log_tail: told.log_tail,
        occurred_at: timestamp(told.occurred_at),
    }
}

/// A worker program; `None` for one that is not said, or newer than this window.
#[must_use]
pub fn worker_type(told: proto::WorkerType) -> Option<WorkerType> {
    let (hardware, kind) = match told {
        proto::WorkerType::CpuLlm => (Hardware::Cpu, WorkerKind::Text),
        proto::WorkerType::CudaLlm => (Hardware::Cuda, WorkerKind::Text),
        proto::WorkerType::MetalLlm => (Hardware::Metal, WorkerKind::Text),
        proto::WorkerType::CpuSd => (Hardware::Cpu, WorkerKind::Image),
        proto::WorkerType::CudaSd => (Hardware::Cuda, WorkerKind::Image),
        proto::WorkerType::MetalSd => (Hardware::Metal, WorkerKind::Image),
        proto::WorkerType::Unspecified => return None,
    };
    Some(WorkerType { hardware, kind })
}

/// A worker program, to the contract.
#[must_use]
pub fn worker_type_to_proto(wanted: WorkerType) -> proto::WorkerType {
    match (wanted.hardware, wanted.kind) {
        (Hardware::Cpu, WorkerKind::Text) => proto::WorkerType::CpuLlm,
        (Hardware::Cuda, WorkerKind::Text) => proto::WorkerType::CudaLlm,
        (Hardware::Metal, WorkerKind::Text) => proto::WorkerType::MetalLlm,
        (Hardware::Cpu, WorkerKind::Image) => proto::WorkerType::CpuSd,
        (Hardware::Cuda, WorkerKind::Image) => proto::WorkerType::CudaSd,
        (Hardware::Metal, WorkerKind::Image) => proto::WorkerType::MetalSd,
    }
}

/// A worker's state.
#[must_use]
pub fn worker_state(told: proto::WorkerState) -> WorkerState {
    match told {
        proto::WorkerState::Unspecified => WorkerState::Unknown,
        proto::WorkerState::Pending => WorkerState::Pending,
        proto::WorkerState::Validating => WorkerState::Validating,
        proto::WorkerState::Fetching => WorkerState::Fetching,
        proto::WorkerState::Starting => WorkerState::Starting,
        proto::WorkerState::Loading => WorkerState::Loading,
        proto::WorkerState::Ready => WorkerState::Ready,
        proto::WorkerState::Busy => WorkerState::Busy,
        proto::WorkerState::Draining => WorkerState::Draining,
        proto::WorkerState::Stopping => WorkerState::Stopping,
        proto::WorkerState::Stopped => WorkerState::Stopped,
        proto::WorkerState::Failed => WorkerState::Failed,
        proto::WorkerState::CrashLooping => WorkerState::CrashLooping,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_type_survives_the_way_there_and_back() {
        for number in 1..=6 {
            let there = proto::WorkerType::try_from(number).unwrap();
            assert_eq!(worker_type_to_proto(worker_type(there).unwrap()), there);
        }
        assert_eq!(worker_type(proto::WorkerType::Unspecified), None);
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let worker = worker(proto::Worker {
            id: "w".into(),
            ..Default::default()
        });
        assert_eq!(
            (worker.device, worker.load_fraction, worker.created_at),
            (None, None, None)
        );
        let device = device(proto::Device::default());
        assert_eq!((device.hardware, device.memory_total_bytes), (None, None));
    }
}
