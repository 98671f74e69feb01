//! The devices of this host, as they are now.
//!
//! Each kind of hardware is a [`Source`]; what the operator hides or declares ([`Declarations`]) is applied to
//! what they find. A library or a driver that isn't there means that there are no such devices.

mod busy;
#[cfg(target_os = "linux")]
mod cgroup;
mod cpu;
mod cuda;
mod declared;
mod memory;
mod metal;
mod settle;

use std::sync::Arc;

use rbee_artifacts::DeviceId;

pub use self::declared::{Declarations, DeclarationsError};
use crate::domain::{Device, ProcessMemory};

/// A kind of hardware.
pub trait Source: std::fmt::Debug + Send + Sync {
    /// What there is of it, as it is now. May take some milliseconds.
    fn devices(&self) -> Vec<Device>;

    /// What a process has of a device's memory; `None` if the device is not of this kind, or it can't be
    /// measured.
    fn process_memory(&self, device: DeviceId, process_id: u32) -> Option<ProcessMemory>;

    /// Who has memory of a device, as its driver says; `None` if the device is not of this kind, or its memory goes with
    /// the process that has it.
    fn holders(&self, _device: DeviceId) -> Option<Vec<Holder>> {
        None
    }
}

/// A process that has memory of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub process_id: u32,
    /// How much, in bytes, where the driver tells.
    pub bytes: Option<u64>,
}

/// The devices of this host. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Devices {
    sources: Arc<[Box<dyn Source>]>,
    declarations: Arc<Declarations>,
}

impl Devices {
    /// This host's, by what the operator declared.
    #[must_use]
    pub fn of_this_host(declarations: Declarations) -> Self {
        let mut sources: Vec<Box<dyn Source>> = vec![Box::new(cpu::Cpu::detect())];
        sources.extend(cuda::Cuda::detect().map(|cuda| Box::new(cuda) as Box<dyn Source>));
        sources.extend(metal::Metal::detect().map(|metal| Box::new(metal) as Box<dyn Source>));
        Self::new(sources, declarations)
    }

    /// Those of these sources.
    #[must_use]
    pub fn new(sources: Vec<Box<dyn Source>>, declarations: Declarations) -> Self {
        Self {
            sources: sources.into(),
            declarations: Arc::new(declarations),
        }
    }

    /// The devices as they are now, by id. Asks drivers and reads files of the system, so it may take some
    /// milliseconds.
    #[must_use]
    pub fn look(&self) -> Vec<Device> {
        let found = self.sources.iter().flat_map(|source| source.devices());
        self.declarations.apply(found.collect())
    }

    /// The same without holding up the runtime.
    pub async fn current(&self) -> Vec<Device> {
        let devices = self.clone();
        // Fails only where the runtime is ending, and then nobody wants to know.
        tokio::task::spawn_blocking(move || devices.look())
            .await
            .unwrap_or_default()
    }

    /// What a process has of a device's memory, where that can be measured. On a declared device that is what
    /// it has of the real one of that name, or nothing.
    #[must_use]
    pub fn process_memory(&self, device: DeviceId, process_id: u32) -> Option<ProcessMemory> {
        self.sources
            .iter()
            .find_map(|source| source.process_memory(device, process_id))
    }

    /// Who has memory of a device, where a driver tells.
    #[must_use]
    pub fn holders(&self, device: DeviceId) -> Option<Vec<Holder>> {
        self.sources.iter().find_map(|source| source.holders(device))
    }

    /// What processes have of a device's memory together, in bytes, where that is measured for at least one of them.
    #[must_use]
    pub fn memory_of(&self, device: DeviceId, process_ids: &[u32]) -> Option<u64> {
        let bytes: Vec<u64> = match self.holders(device) {
            Some(holders) => holders
                .iter()
                .filter(|holder| process_ids.contains(&holder.process_id))
                .filter_map(|holder| holder.bytes)
                .collect(),
            None => process_ids
                .iter()
                .filter_map(|&id| Some(self.process_memory(device, id)?.resident_bytes))
                .collect(),
        };
        bytes.into_iter().reduce(u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct TwoGpus;

    impl Source for TwoGpus {
        fn devices(&self) -> Vec<Device> {
            ["cuda:1", "cuda:0"]
                .map(|id| Device::named(id.parse().unwrap(), "card"))
                .into()
        }

        fn process_memory(&self, device: DeviceId, process_id: u32) -> Option<ProcessMemory> {
            (device.index() == process_id).then_some(ProcessMemory {
                resident_bytes: 7,
                taken_bytes: 7,
            })
        }
    }

    #[test]
    fn what_is_found_is_sorted_and_subject_to_declarations() {
        let ids = |rules: &str| -> Vec<String> {
            Devices::new(vec![Box::new(TwoGpus)], rules.parse().unwrap())
                .look()
                .iter()
                .map(Device::label)
                .collect()
        };
        assert_eq!(ids(""), ["cuda:0", "cuda:1"]);
        assert_eq!(ids("-cuda:0; +cpu:0"), ["cpu:0 (declared)", "cuda:1"]);
    }

    #[test]
    fn the_source_that_can_measure_a_process_does() {
        let devices = Devices::new(vec![Box::new(TwoGpus)], Declarations::default());
        let cuda = |process_id| devices.process_memory("cuda:1".parse().unwrap(), process_id);
        assert_eq!(cuda(1).unwrap().resident_bytes, 7);
        assert_eq!(cuda(2), None);
    }

    #[test]
    fn this_host_has_a_processor() {
        let devices = Devices::of_this_host(Declarations::default());
        assert_eq!(devices.look()[0].id, DeviceId::CPU);
        assert!(
            devices
                .process_memory(DeviceId::CPU, std::process::id())
                .is_some()
        );
    }
}
