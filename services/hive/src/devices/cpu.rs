//! The main processor and its memory.

use rbee_artifacts::DeviceId;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

use super::busy::{self, Busy};
use super::{Source, memory};
use crate::domain::{Device, ProcessMemory};

/// The processor as one device, however many sockets it has: memory is one.
#[derive(Debug)]
pub(super) struct Cpu {
    name: String,
    core_count: Option<u32>,
    busy: Busy,
}

impl Cpu {
    /// Looks what it is, which does not change.
    pub(super) fn detect() -> Self {
        let refresh = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let name = match System::new_with_specifics(refresh) {
            Ok(system) => name(&system),
            Err(error) => {
                tracing::warn!(%error, "the system does not tell about its processor");
                None
            }
        };
        Self {
            name: name.unwrap_or_else(|| format!("{} processor", std::env::consts::ARCH)),
            core_count: System::physical_core_count()
                .ok()
                .and_then(|count| u32::try_from(count).ok()),
            busy: Busy::default(),
        }
    }
}

impl Source for Cpu {
    fn devices(&self) -> Vec<Device> {
        let memory = memory::of_the_system();
        vec![Device {
            memory_total_bytes: memory.map(|memory| memory.total_bytes),
            memory_free_bytes: memory.map(|memory| memory.free_bytes),
            core_count: self.core_count,
            utilization_percent: self.busy.percent(),
            temperature_celsius: busy::temperature_celsius("/sys/class/hwmon".as_ref()),
            ..Device::named(DeviceId::CPU, &self.name)
        }]
    }

    fn process_memory(&self, device: DeviceId, process_id: u32) -> Option<ProcessMemory> {
        (device == DeviceId::CPU)
            .then(|| memory::of_process(process_id))
            .flatten()
    }
}

fn name(system: &System) -> Option<String> {
    let brands = system.cpus().iter().map(|cpu| cpu.brand().trim());
    brands
        .into_iter()
        .find(|brand| !brand.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_processor_with_memory() {
        let cpu = &Cpu::detect().devices()[0];
        assert_eq!(cpu.id, DeviceId::CPU);
        assert!(!cpu.name.is_empty());
        let (total, free) = (cpu.memory_total_bytes.unwrap(), cpu.memory_free_bytes.unwrap());
        assert!(total > 64 << 20, "{total}");
        assert!(free <= total, "{free} of {total}");
        assert!(cpu.core_count.unwrap() >= 1);
    }
}
