//! Apple's GPUs. They use the processor's memory, so that what is free there is what is free here.

use rbee_artifacts::{DeviceId, DeviceKind};

use super::cpu::Cpu;
use super::{Source, memory};
use crate::domain::{Device, ProcessMemory};

/// The GPU of an Apple chip.
#[derive(Debug)]
pub(super) struct Metal {
    processor: Cpu,
}

impl Metal {
    /// The GPU of this host, if it has an Apple chip.
    pub(super) fn detect() -> Option<Self> {
        cfg!(all(target_os = "macos", target_arch = "aarch64")).then(|| Self {
            processor: Cpu::detect(),
        })
    }
}

impl Source for Metal {
    fn devices(&self) -> Vec<Device> {
        let gpu = |chip: Device| Device {
            id: DeviceId::new(DeviceKind::Metal, 0),
            core_count: None,
            // Those are the processor's, not the GPU's.
            utilization_percent: None,
            temperature_celsius: None,
            ..chip
        };
        self.processor.devices().into_iter().map(gpu).collect()
    }

    fn process_memory(&self, device: DeviceId, process_id: u32) -> Option<ProcessMemory> {
        (device.kind() == DeviceKind::Metal)
            .then(|| memory::of_process(process_id))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gpu_has_the_chips_memory() {
        let metal = Metal {
            processor: Cpu::detect(),
        };
        let devices = metal.devices();
        assert_eq!(devices[0].id.to_string(), "metal:0");
        let chip = &metal.processor.devices()[0];
        assert_eq!(devices[0].memory_total_bytes, chip.memory_total_bytes);
        assert_eq!(
            Metal::detect().is_some(),
            cfg!(all(target_os = "macos", target_arch = "aarch64"))
        );
    }
}
