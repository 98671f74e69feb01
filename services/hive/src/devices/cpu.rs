//! The main processor and its memory.

use rbee_artifacts::DeviceId;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::domain::Device;

/// The processor as one device, however many sockets it has: memory is one.
pub(super) fn detect() -> Device {
    let system = System::new_with_specifics(
        RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram()),
    );
    let (memory, name) = match &system {
        Ok(system) => (memory(system), name(system)),
        Err(error) => {
            tracing::warn!(%error, "the system does not tell about its processor and memory");
            (None, None)
        }
    };
    Device {
        id: DeviceId::CPU,
        name: name.unwrap_or_else(|| format!("{} processor", std::env::consts::ARCH)),
        memory_total_bytes: memory.map(|memory| memory.total_bytes),
        memory_free_bytes: memory.map(|memory| memory.free_bytes),
        core_count: System::physical_core_count()
            .ok()
            .and_then(|count| u32::try_from(count).ok()),
    }
}

#[derive(Clone, Copy)]
struct Memory {
    total_bytes: u64,
    free_bytes: u64,
}

fn memory(system: &System) -> Option<Memory> {
    let mut memory = Memory {
        total_bytes: system.total_memory(),
        free_bytes: system.available_memory(),
    };
    // In a container what counts is what its group may use.
    if let Some(limits) = system.cgroup_limits() {
        memory.total_bytes = memory.total_bytes.min(limits.total_memory);
        memory.free_bytes = memory.free_bytes.min(limits.free_memory);
    }
    (memory.total_bytes > 0).then_some(memory)
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
        let cpu = detect();
        assert_eq!(cpu.id, DeviceId::CPU);
        assert!(!cpu.name.is_empty());
        let (total, free) = (cpu.memory_total_bytes.unwrap(), cpu.memory_free_bytes.unwrap());
        assert!(total > 64 << 20, "{total}");
        assert!(free <= total, "{free} of {total}");
        assert!(cpu.core_count.unwrap() >= 1);
    }
}
