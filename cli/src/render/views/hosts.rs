//! Hives and their devices.

use rbee_proto::types::v1 as types;
use serde::Serialize;

use super::super::words;
use super::artifacts::Platform;
use super::workers::Worker;
use super::{some, time};

/// A device.
#[derive(Debug, Serialize)]
pub(crate) struct Device<'a> {
    id: &'a str,
    kind: String,
    name: &'a str,
    memory_total_bytes: Option<u64>,
    memory_free_bytes: Option<u64>,
    core_count: Option<u32>,
    memory_available_bytes: Option<u64>,
    uuid: Option<&'a str>,
    utilization_percent: Option<u32>,
    temperature_celsius: Option<u32>,
    compute_capability: Option<&'a str>,
    driver_version: Option<&'a str>,
    declared: bool,
    uses: Vec<DeviceUse<'a>>,
}

/// What one worker has of a device.
#[derive(Debug, Serialize)]
struct DeviceUse<'a> {
    worker_id: &'a str,
    reserved_bytes: u64,
    taken_bytes: Option<u64>,
}

impl<'a> From<&'a types::Device> for Device<'a> {
    fn from(device: &'a types::Device) -> Self {
        Self {
            id: &device.id,
            kind: words::device_kind(device.kind),
            name: &device.name,
            memory_total_bytes: device.memory_total_bytes,
            memory_free_bytes: device.memory_free_bytes,
            core_count: device.core_count,
            memory_available_bytes: device.memory_available_bytes,
            uuid: some(&device.uuid),
            utilization_percent: device.utilization_percent,
            temperature_celsius: device.temperature_celsius,
            compute_capability: some(&device.compute_capability),
            driver_version: some(&device.driver_version),
            declared: device.declared,
            uses: device
                .uses
                .iter()
                .map(|device_use| DeviceUse {
                    worker_id: &device_use.worker_id,
                    reserved_bytes: device_use.reserved_bytes,
                    taken_bytes: device_use.taken_bytes,
                })
                .collect(),
        }
    }
}

/// A device with the hive that has it.
#[derive(Debug, Serialize)]
pub(crate) struct HiveDevice<'a> {
    hive_id: &'a str,
    hive_name: &'a str,
    #[serde(flatten)]
    device: Device<'a>,
}

/// The devices of all hives.
pub(crate) fn devices(hives: &[types::Hive]) -> Vec<HiveDevice<'_>> {
    hives
        .iter()
        .flat_map(|hive| {
            hive.devices.iter().map(|device| HiveDevice {
                hive_id: &hive.id,
                hive_name: &hive.name,
                device: device.into(),
            })
        })
        .collect()
}

/// A hive.
#[derive(Debug, Serialize)]
pub(crate) struct Hive<'a> {
    id: &'a str,
    name: &'a str,
    address: &'a str,
    state: String,
    version: &'a str,
    platform: Option<Platform<'a>>,
    last_seen_at: Option<String>,
    devices: Vec<Device<'a>>,
    draining: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<CacheUse>,
}

/// What a hive keeps of a store that is not on its host.
#[derive(Debug, Serialize)]
struct CacheUse {
    limit_bytes: u64,
    used_bytes: u64,
    in_use_bytes: u64,
}

impl<'a> From<&'a types::Hive> for Hive<'a> {
    fn from(hive: &'a types::Hive) -> Self {
        Self {
            id: &hive.id,
            name: &hive.name,
            address: &hive.address,
            state: words::hive_state(hive.state),
            version: &hive.version,
            platform: hive.platform.as_ref().map(Platform::from),
            last_seen_at: time(hive.last_seen_at.as_ref()),
            devices: hive.devices.iter().map(Device::from).collect(),
            draining: hive.draining,
            cache: hive.cache.as_ref().map(|cache| CacheUse {
                limit_bytes: cache.limit_bytes,
                used_bytes: cache.used_bytes,
                in_use_bytes: cache.in_use_bytes,
            }),
        }
    }
}

/// A hive with its workers.
#[derive(Debug, Serialize)]
pub(crate) struct HiveDetails<'a> {
    #[serde(flatten)]
    hive: Hive<'a>,
    workers: Vec<Worker<'a>>,
}

impl<'a> HiveDetails<'a> {
    /// Of a hive and its workers.
    pub(crate) fn new(hive: &'a types::Hive, workers: &[&'a types::Worker]) -> Self {
        Self {
            hive: hive.into(),
            workers: workers.iter().copied().map(Worker::from).collect(),
        }
    }
}
