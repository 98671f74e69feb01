//! Hives, devices, workers.

use std::time::Duration;

use rbee_artifacts::HiveId;
use rbee_proto::catalog::v1::watch_cluster_response::Event;
use rbee_proto::catalog::v1::{ClusterSynced, WatchClusterResponse};
use rbee_proto::types::v1 as wire;
use rbee_wire::{
    device_kind_to_wire, platform_from_wire, platform_to_wire, required_worker_type, timestamp_from_wire,
    timestamp_to_wire, worker_type_to_wire,
};

use super::missing;
use crate::domain::cluster::{
    Device, DeviceUse, FailureCause, Hive, HiveFacts, HiveInstance, HiveState, Worker, WorkerFailure,
    WorkerMemory, WorkerState,
};
use crate::domain::limits::{self, InvalidField};
use crate::domain::registry::{ClusterChange, ClusterStep};

pub(in crate::grpc) fn hive_id_from_wire(field: &str, id: &str) -> Result<HiveId, InvalidField> {
    id.parse().map_err(|error| InvalidField::new(field, error))
}

/// Reads which start of a hive speaks, if it says so.
pub(in crate::grpc) fn instance_from_wire(instance_id: String) -> Result<Option<HiveInstance>, InvalidField> {
    let text = limits::text("instance_id", instance_id, limits::MAX_INSTANCE_BYTES)?;
    Ok(HiveInstance::named(text))
}

/// Reads what a hive says of itself.
pub(in crate::grpc) fn hive_facts_from_wire(hive: wire::Hive) -> Result<HiveFacts, InvalidField> {
    Ok(HiveFacts {
        id: hive_id_from_wire("hive.id", &hive.id)?,
        name: limits::required_text("hive.name", hive.name, limits::MAX_LABEL_BYTES)?,
        address: limits::required_text("hive.address", hive.address, limits::MAX_ADDRESS_BYTES)?,
        devices: devices_from_wire("hive.devices", hive.devices)?,
        version: limits::text("hive.version", hive.version, limits::MAX_LABEL_BYTES)?,
        platform: hive
            .platform
            .map(|platform| platform_from_wire("hive.platform", platform))
            .transpose()?,
        draining: hive.draining,
    })
}

/// Reads a hive's devices.
pub(in crate::grpc) fn devices_from_wire(
    field: &str,
    devices: Vec<wire::Device>,
) -> Result<Vec<Device>, InvalidField> {
    limits::count(field, devices, limits::MAX_DEVICES)?
        .into_iter()
        .enumerate()
        .map(|(index, device)| {
            let field = |name: &str| format!("{field}[{index}].{name}");
            let id: rbee_artifacts::DeviceId = device
                .id
                .parse()
                .map_err(|error| InvalidField::new(field("id"), error))?;
            if device.kind != 0 && device.kind != i32::from(device_kind_to_wire(id.kind())) {
                return Err(InvalidField::new(
                    field("kind"),
                    format!("does not fit the id {id}"),
                ));
            }
            Ok(Device {
                id,
                name: limits::text(&field("name"), device.name, limits::MAX_LABEL_BYTES)?,
                memory_total_bytes: device.memory_total_bytes,
                memory_free_bytes: device.memory_free_bytes,
                core_count: device.core_count,
                uuid: limits::text(&field("uuid"), device.uuid, limits::MAX_LABEL_BYTES)?,
                utilization_percent: device.utilization_percent,
                temperature_celsius: device.temperature_celsius,
                compute_capability: limits::text(
                    &field("compute_capability"),
                    device.compute_capability,
                    limits::MAX_LABEL_BYTES,
                )?,
                driver_version: limits::text(
                    &field("driver_version"),
                    device.driver_version,
                    limits::MAX_LABEL_BYTES,
                )?,
                declared: device.declared,
                uses: uses_from_wire(&field("uses"), device.uses)?,
                memory_available_bytes: device.memory_available_bytes,
            })
        })
        .collect()
}

fn uses_from_wire(field: &str, uses: Vec<wire::DeviceUse>) -> Result<Vec<DeviceUse>, InvalidField> {
    limits::count(field, uses, limits::MAX_WORKERS)?
        .into_iter()
        .enumerate()
        .map(|(index, device_use)| {
            Ok(DeviceUse {
                worker_id: device_use
                    .worker_id
                    .parse()
                    .map_err(|error| InvalidField::new(format!("{field}[{index}].worker_id"), error))?,
                reserved_bytes: device_use.reserved_bytes,
                taken_bytes: device_use.taken_bytes,
            })
        })
        .collect()
}

/// Reads what a hive says of a worker. `field` is the worker's path in the request.
pub(in crate::grpc) fn worker_from_wire(field: &str, worker: wire::Worker) -> Result<Worker, InvalidField> {
    let name = |name: &str| format!("{field}.{name}");
    let timestamp = |field: &str, at: Option<prost_types::Timestamp>| {
        at.map(|at| timestamp_from_wire(&name(field), &at)).transpose()
    };
    let state = match wire::WorkerState::try_from(worker.state) {
        Ok(wire::WorkerState::Pending) => WorkerState::Pending,
        Ok(wire::WorkerState::Validating) => WorkerState::Validating,
        Ok(wire::WorkerState::Fetching) => WorkerState::Fetching,
        Ok(wire::WorkerState::Starting) => WorkerState::Starting,
        Ok(wire::WorkerState::Loading) => WorkerState::Loading,
        Ok(wire::WorkerState::Ready) => WorkerState::Ready,
        Ok(wire::WorkerState::Busy) => WorkerState::Busy,
        Ok(wire::WorkerState::Draining) => WorkerState::Draining,
        Ok(wire::WorkerState::Stopping) => WorkerState::Stopping,
        Ok(wire::WorkerState::Stopped) => WorkerState::Stopped,
        Ok(wire::WorkerState::Failed) => WorkerState::Failed,
        Ok(wire::WorkerState::CrashLooping) => WorkerState::CrashLooping,
        Ok(wire::WorkerState::Unspecified) | Err(_) => return Err(missing(&name("state"))),
    };
    if worker
        .load_fraction
        .is_some_and(|fraction| !(0.0..=1.0).contains(&fraction))
    {
        return Err(InvalidField::new(
            name("load_fraction"),
            "must be between 0 and 1",
        ));
    }
    Ok(Worker {
        id: worker
            .id
            .parse()
            .map_err(|error| InvalidField::new(name("id"), error))?,
        model_id: worker
            .model_id
            .parse()
            .map_err(|error| InvalidField::new(name("model_id"), error))?,
        worker_type: required_worker_type(&name("worker_type"), worker.worker_type)?,
        device_id: (!worker.device_id.is_empty())
            .then(|| worker.device_id.parse())
            .transpose()
            .map_err(|error| InvalidField::new(name("device_id"), error))?,
        state,
        hive_id: hive_id_from_wire(&name("hive_id"), &worker.hive_id)?,
        // The registry sets it.
        hive_address: String::new(),
        created_at: timestamp("created_at", worker.created_at)?,
        failure: worker
            .failure
            .map(|failure| failure_from_wire(&name("failure"), failure))
            .transpose()?,
        load_fraction: worker.load_fraction,
        context_length: worker.context_length,
        process_id: worker.process_id,
        memory: worker.memory.map(|memory| WorkerMemory {
            estimated_bytes: memory.estimated_bytes,
            estimated_loaded_bytes: memory.estimated_loaded_bytes,
            resident_bytes: memory.resident_bytes,
            limit_bytes: memory.limit_bytes,
        }),
        state_since: timestamp("state_since", worker.state_since)?,
        restart_count: worker.restart_count,
        next_attempt_at: timestamp("next_attempt_at", worker.next_attempt_at)?,
        pinned: worker.pinned,
        idle_ttl: worker
            .idle_ttl
            .map(Duration::try_from)
            .transpose()
            .map_err(|error| InvalidField::new(name("idle_ttl"), error))?,
        // The registry sets it.
        unreachable: false,
    })
}

/// A failure is shortened and never refused: a hive that has much to say about it must not be left
/// with a worker that it can't report.
fn failure_from_wire(field: &str, failure: wire::WorkerFailure) -> Result<WorkerFailure, InvalidField> {
    Ok(WorkerFailure {
        cause: cause_from_wire(failure.cause()),
        occurred_at: failure
            .occurred_at
            .map(|at| timestamp_from_wire(&format!("{field}.occurred_at"), &at))
            .transpose()?,
        reason: limits::shortened(failure.reason, limits::MAX_LABEL_BYTES),
        message: limits::shortened(failure.message, limits::MAX_MESSAGE_BYTES),
        exit_code: failure.exit_code,
        signal: failure.signal,
        log_tail: limits::log_tail(failure.log_tail),
    })
}

fn cause_from_wire(cause: wire::FailureCause) -> Option<FailureCause> {
    Some(match cause {
        wire::FailureCause::Unspecified => return None,
        wire::FailureCause::OutOfMemory => FailureCause::OutOfMemory,
        wire::FailureCause::OutOfDeviceMemory => FailureCause::OutOfDeviceMemory,
        wire::FailureCause::IllegalInstruction => FailureCause::IllegalInstruction,
        wire::FailureCause::InvalidMemoryAccess => FailureCause::InvalidMemoryAccess,
        wire::FailureCause::DeviceError => FailureCause::DeviceError,
        wire::FailureCause::MissingFile => FailureCause::MissingFile,
        wire::FailureCause::Bug => FailureCause::Bug,
        wire::FailureCause::Killed => FailureCause::Killed,
        wire::FailureCause::Hung => FailureCause::Hung,
    })
}

fn cause_to_wire(cause: Option<FailureCause>) -> wire::FailureCause {
    match cause {
        None => wire::FailureCause::Unspecified,
        Some(FailureCause::OutOfMemory) => wire::FailureCause::OutOfMemory,
        Some(FailureCause::OutOfDeviceMemory) => wire::FailureCause::OutOfDeviceMemory,
        Some(FailureCause::IllegalInstruction) => wire::FailureCause::IllegalInstruction,
        Some(FailureCause::InvalidMemoryAccess) => wire::FailureCause::InvalidMemoryAccess,
        Some(FailureCause::DeviceError) => wire::FailureCause::DeviceError,
        Some(FailureCause::MissingFile) => wire::FailureCause::MissingFile,
        Some(FailureCause::Bug) => wire::FailureCause::Bug,
        Some(FailureCause::Killed) => wire::FailureCause::Killed,
        Some(FailureCause::Hung) => wire::FailureCause::Hung,
    }
}

/// Writes a hive.
pub(in crate::grpc) fn hive_to_wire(hive: &Hive) -> wire::Hive {
    let HiveFacts {
        id,
        name,
        address,
        devices,
        version,
        platform,
        draining,
    } = hive.facts.clone();
    wire::Hive {
        id: id.to_string(),
        name,
        address,
        state: match hive.state {
            HiveState::Ready => wire::HiveState::Ready,
            HiveState::Unreachable => wire::HiveState::Unreachable,
        }
        .into(),
        devices: devices.into_iter().map(device_to_wire).collect(),
        version,
        platform: platform.as_ref().map(platform_to_wire),
        last_seen_at: Some(timestamp_to_wire(hive.last_seen_at)),
        draining,
        cache: None,
    }
}

fn device_to_wire(device: Device) -> wire::Device {
    wire::Device {
        id: device.id.to_string(),
        kind: device_kind_to_wire(device.id.kind()).into(),
        name: device.name,
        memory_total_bytes: device.memory_total_bytes,
        memory_free_bytes: device.memory_free_bytes,
        core_count: device.core_count,
        uuid: device.uuid,
        utilization_percent: device.utilization_percent,
        temperature_celsius: device.temperature_celsius,
        compute_capability: device.compute_capability,
        driver_version: device.driver_version,
        declared: device.declared,
        uses: device
            .uses
            .into_iter()
            .map(|device_use| wire::DeviceUse {
                worker_id: device_use.worker_id.to_string(),
                reserved_bytes: device_use.reserved_bytes,
                taken_bytes: device_use.taken_bytes,
            })
            .collect(),
        memory_available_bytes: device.memory_available_bytes,
    }
}

/// Writes a worker.
pub(in crate::grpc) fn worker_to_wire(worker: &Worker) -> wire::Worker {
    wire::Worker {
        id: worker.id.to_string(),
        model_id: worker.model_id.to_string(),
        worker_type: worker_type_to_wire(worker.worker_type).into(),
        device_id: worker.device_id.map(|id| id.to_string()).unwrap_or_default(),
        state: match worker.state {
            WorkerState::Pending => wire::WorkerState::Pending,
            WorkerState::Validating => wire::WorkerState::Validating,
            WorkerState::Fetching => wire::WorkerState::Fetching,
            WorkerState::Starting => wire::WorkerState::Starting,
            WorkerState::Loading => wire::WorkerState::Loading,
            WorkerState::Ready => wire::WorkerState::Ready,
            WorkerState::Busy => wire::WorkerState::Busy,
            WorkerState::Draining => wire::WorkerState::Draining,
            WorkerState::Stopping => wire::WorkerState::Stopping,
            WorkerState::Stopped => wire::WorkerState::Stopped,
            WorkerState::Failed => wire::WorkerState::Failed,
            WorkerState::CrashLooping => wire::WorkerState::CrashLooping,
        }
        .into(),
        hive_id: worker.hive_id.to_string(),
        hive_address: worker.hive_address.clone(),
        created_at: worker.created_at.map(timestamp_to_wire),
        failure: worker.failure.clone().map(|failure| wire::WorkerFailure {
            reason: failure.reason,
            message: failure.message,
            exit_code: failure.exit_code,
            signal: failure.signal,
            log_tail: failure.log_tail,
            cause: cause_to_wire(failure.cause).into(),
            occurred_at: failure.occurred_at.map(timestamp_to_wire),
        }),
        load_fraction: worker.load_fraction,
        context_length: worker.context_length,
        process_id: worker.process_id,
        memory: worker.memory.map(|memory| wire::WorkerMemory {
            estimated_bytes: memory.estimated_bytes,
            estimated_loaded_bytes: memory.estimated_loaded_bytes,
            resident_bytes: memory.resident_bytes,
            limit_bytes: memory.limit_bytes,
        }),
        state_since: worker.state_since.map(timestamp_to_wire),
        restart_count: worker.restart_count,
        next_attempt_at: worker.next_attempt_at.map(timestamp_to_wire),
        pinned: worker.pinned,
        // What came from the wire goes back to it.
        idle_ttl: worker.idle_ttl.and_then(|ttl| ttl.try_into().ok()),
        unreachable: worker.unreachable,
    }
}

/// Writes a step of a watch.
pub(in crate::grpc) fn cluster_change(step: ClusterStep) -> WatchClusterResponse {
    let event = match step.change {
        ClusterChange::HiveUpserted(hive) => Event::HiveUpserted(hive_to_wire(&hive)),
        ClusterChange::HiveRemoved(id) => Event::HiveRemovedId(id.to_string()),
        ClusterChange::WorkerUpserted(worker) => Event::WorkerUpserted(worker_to_wire(&worker)),
        ClusterChange::WorkerRemoved(id) => Event::WorkerRemovedId(id.to_string()),
    };
    WatchClusterResponse {
        revision: step.revision,
        event: Some(event),
    }
}

/// Says that the snapshot at `revision` is complete.
pub(in crate::grpc) fn synced(revision: u64) -> WatchClusterResponse {
    WatchClusterResponse {
        revision,
        event: Some(Event::Synced(ClusterSynced {})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire_worker() -> wire::Worker {
        wire::Worker {
            id: "worker-1".into(),
            model_id: "local:qwen".into(),
            worker_type: wire::WorkerType::CpuLlm.into(),
            device_id: "cpu:0".into(),
            state: wire::WorkerState::Failed.into(),
            hive_id: "hive-1".into(),
            hive_address: String::new(),
            created_at: at(5),
            failure: Some(wire::WorkerFailure {
                reason: "WORKER_CRASHED".into(),
                message: "it crashed".into(),
                exit_code: None,
                signal: Some(11),
                log_tail: vec!["last words".into()],
                cause: wire::FailureCause::InvalidMemoryAccess.into(),
                occurred_at: at(7),
            }),
            load_fraction: Some(0.5),
            context_length: Some(4096),
            process_id: Some(77),
            memory: Some(wire::WorkerMemory {
                estimated_bytes: 3,
                estimated_loaded_bytes: 2,
                resident_bytes: Some(1),
                limit_bytes: Some(4),
            }),
            state_since: at(8),
            restart_count: 3,
            next_attempt_at: at(9),
            pinned: true,
            idle_ttl: Some(prost_types::Duration {
                seconds: 600,
                nanos: 0,
            }),
            unreachable: false,
        }
    }

    fn at(nanos: i32) -> Option<prost_types::Timestamp> {
        let seconds = 1_800_000_000;
        Some(prost_types::Timestamp { seconds, nanos })
    }

    #[test]
    fn workers_cross_the_wire() {
        let wire = wire_worker();
        assert_eq!(
            worker_to_wire(&worker_from_wire("worker", wire.clone()).unwrap()),
            wire
        );
        for state in 1..=12 {
            let wire = wire::Worker {
                state,
                device_id: String::new(),
                ..wire.clone()
            };
            assert_eq!(
                worker_to_wire(&worker_from_wire("worker", wire.clone()).unwrap()),
                wire
            );
        }
    }

    #[test]
    fn devices_cross_the_wire() {
        let wire = vec![wire::Device {
            id: "cuda:1".into(),
            kind: wire::DeviceKind::Cuda.into(),
            name: "NVIDIA RTX 4090".into(),
            memory_total_bytes: Some(24 << 30),
            memory_free_bytes: Some(20 << 30),
            core_count: Some(128),
            uuid: "GPU-5d2a".into(),
            utilization_percent: Some(55),
            temperature_celsius: Some(61),
            compute_capability: "8.9".into(),
            driver_version: "570.86".into(),
            declared: true,
            uses: vec![wire::DeviceUse {
                worker_id: "worker-1".into(),
                reserved_bytes: 7,
                taken_bytes: Some(5),
            }],
            memory_available_bytes: Some(18 << 30),
        }];
        let read = devices_from_wire("hive.devices", wire.clone()).unwrap();
        assert_eq!(read.into_iter().map(device_to_wire).collect::<Vec<_>>(), wire);

        let mut broken = wire;
        broken[0].uses[0].worker_id = "a b".into();
        let field = devices_from_wire("hive.devices", broken).unwrap_err().field;
        assert_eq!(field, "hive.devices[0].uses[0].worker_id");
    }

    #[test]
    fn a_failure_is_shortened_and_not_refused() {
        let mut wire = wire_worker();
        let failure = wire.failure.as_mut().unwrap();
        failure.log_tail = (0..500).map(|n| n.to_string()).collect();
        failure.message = "x".repeat(1 << 20);
        let kept = worker_from_wire("worker", wire).unwrap().failure.unwrap();
        assert_eq!(kept.log_tail.len(), limits::KEPT_LOG_LINES);
        assert_eq!(kept.log_tail.last().unwrap(), "499");
        assert_eq!(kept.message.len(), limits::MAX_MESSAGE_BYTES);
    }

    #[test]
    fn what_is_wrong_with_a_worker_is_named() {
        let broken = |change: fn(&mut wire::Worker)| {
            let mut worker = wire_worker();
            change(&mut worker);
            worker_from_wire("workers[3]", worker).unwrap_err().field
        };
        assert_eq!(broken(|worker| worker.id = "a b".into()), "workers[3].id");
        assert_eq!(broken(|worker| worker.state = 0), "workers[3].state");
        assert_eq!(
            broken(|worker| worker.load_fraction = Some(f32::NAN)),
            "workers[3].load_fraction"
        );
        assert_eq!(
            broken(|worker| worker.device_id = "gpu".into()),
            "workers[3].device_id"
        );
        assert_eq!(broken(|worker| worker.model_id.clear()), "workers[3].model_id");
    }

    #[test]
    fn hives_are_read_with_bounds() {
        let good = wire::Hive {
            id: "hive-1".into(),
            name: "host".into(),
            address: "http://127.0.0.1:7220".into(),
            devices: vec![wire::Device {
                id: "cpu:0".into(),
                kind: 1,
                ..Default::default()
            }],
            version: "0.1.0".into(),
            platform: Some(wire::Platform {
                os: "linux".into(),
                arch: "x86_64".into(),
            }),
            ..Default::default()
        };
        assert!(hive_facts_from_wire(good.clone()).is_ok());
        let broken = |change: fn(&mut wire::Hive)| {
            let mut hive = good.clone();
            change(&mut hive);
            hive_facts_from_wire(hive).unwrap_err().field
        };
        assert_eq!(broken(|hive| hive.id.clear()), "hive.id");
        assert_eq!(broken(|hive| hive.address.clear()), "hive.address");
        assert_eq!(broken(|hive| hive.devices[0].kind = 2), "hive.devices[0].kind");
        assert_eq!(
            broken(|hive| hive.platform = Some(Default::default())),
            "hive.platform"
        );
        assert_eq!(
            broken(|hive| hive.devices = vec![Default::default(); 300]),
            "hive.devices"
        );
    }
}
