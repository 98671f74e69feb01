//! NVIDIA's GPUs, through the driver's management library (NVML), which is loaded while the program runs: a host
//! without it has no such GPUs.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use rbee_artifacts::{DeviceId, DeviceKind};

use super::{Holder, Source};
use crate::domain::{Device, ProcessMemory};

/// The library by the name that drivers install it under; the one without the number belongs to the tools for
/// developers.
#[cfg(target_os = "linux")]
const LIBRARY: &str = "libnvidia-ml.so.1";
#[cfg(not(target_os = "linux"))]
const LIBRARY: &str = "nvml.dll";

/// NVIDIA's GPUs.
#[derive(Debug)]
pub(super) struct Cuda {
    nvml: Nvml,
    driver_version: Option<String>,
}

impl Cuda {
    /// The GPUs of this host; `None` where there is no driver, or it does not work.
    pub(super) fn detect() -> Option<Self> {
        match Nvml::builder().lib_path(LIBRARY.as_ref()).init() {
            Ok(nvml) => Some(Self {
                driver_version: nvml.sys_driver_version().ok(),
                nvml,
            }),
            Err(NvmlError::LibloadingError(error)) => {
                tracing::debug!(%error, "there is no NVIDIA driver");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the NVIDIA driver does not work; its GPUs can't be used");
                None
            }
        }
    }

    fn device(&self, index: u32) -> Result<Device, NvmlError> {
        let gpu = self.nvml.device_by_index(index)?;
        // Of a GPU that answers, each fact may be unknown: older ones lack sensors.
        let memory = gpu.memory_info().ok();
        let capability = gpu.cuda_compute_capability().ok();
        Ok(Device {
            memory_total_bytes: memory.as_ref().map(|memory| memory.total),
            memory_free_bytes: memory.as_ref().map(|memory| memory.free),
            uuid: gpu.uuid().ok(),
            utilization_percent: gpu.utilization_rates().ok().map(|rates| rates.gpu),
            temperature_celsius: gpu.temperature(TemperatureSensor::Gpu).ok(),
            compute_capability: capability
                .map(|capability| format!("{}.{}", capability.major, capability.minor)),
            driver_version: self.driver_version.clone(),
            ..Device::named(id(index), gpu.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned()))
        })
    }

    fn processes(&self, index: u32) -> Result<Vec<Holder>, NvmlError> {
        let processes = self.nvml.device_by_index(index)?.running_compute_processes()?;
        let holder = |process: ProcessInfo| Holder {
            process_id: process.pid,
            bytes: match process.used_gpu_memory {
                UsedGpuMemory::Used(bytes) => Some(bytes),
                UsedGpuMemory::Unavailable => None,
            },
        };
        Ok(processes.into_iter().map(holder).collect())
    }
}

impl Source for Cuda {
    fn devices(&self) -> Vec<Device> {
        let count = self.nvml.device_count().unwrap_or_else(|error| {
            tracing::warn!(%error, "the NVIDIA driver does not tell how many GPUs there are");
            0
        });
        let devices = (0..count).filter_map(|index| {
            self.device(index)
                .inspect_err(|error| tracing::warn!(%error, "{} does not answer", id(index)))
                .ok()
        });
        devices.collect()
    }

    fn process_memory(&self, device: DeviceId, process_id: u32) -> Option<ProcessMemory> {
        let holders = self.holders(device)?;
        let holder = holders.iter().find(|holder| holder.process_id == process_id)?;
        let bytes = holder.bytes?;
        Some(ProcessMemory {
            resident_bytes: bytes,
            taken_bytes: bytes,
        })
    }

    fn holders(&self, device: DeviceId) -> Option<Vec<Holder>> {
        if device.kind() != DeviceKind::Cuda {
            return None;
        }
        self.processes(device.index()).ok()
    }
}

fn id(index: u32) -> DeviceId {
    DeviceId::new(DeviceKind::Cuda, index)
}
