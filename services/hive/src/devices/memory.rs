//! Main memory: what the system has, and what a process has of it.

use crate::domain::ProcessMemory;

/// Memory of the system in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SystemMemory {
    pub(super) total_bytes: u64,
    /// Free, or given back by the system at once where somebody wants it.
    pub(super) free_bytes: u64,
}

/// The system's memory now, within the limits of this process's control group: in a container, what counts is
/// what it may use.
#[cfg(target_os = "linux")]
pub(super) fn of_the_system() -> Option<SystemMemory> {
    let text = std::fs::read_to_string("/proc/meminfo")
        .inspect_err(|error| tracing::warn!(%error, "cannot read /proc/meminfo"))
        .ok()?;
    let memory = parse_meminfo(&text)?;
    Some(
        super::cgroup::of_this_process()
            .iter()
            .fold(memory, |memory, group| SystemMemory {
                total_bytes: memory.total_bytes.min(group.limit_bytes),
                free_bytes: memory.free_bytes.min(group.free_bytes()),
            }),
    )
}

/// The system's memory now.
#[cfg(not(target_os = "linux"))]
pub(super) fn of_the_system() -> Option<SystemMemory> {
    use sysinfo::{MemoryRefreshKind, RefreshKind, System};

    let refresh = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(refresh).ok()?;
    (system.total_memory() > 0).then(|| SystemMemory {
        total_bytes: system.total_memory(),
        free_bytes: system.available_memory(),
    })
}

/// What a process has, from the kernel's counters; `None` where there are none, or no such process.
pub(super) fn of_process(process_id: u32) -> Option<ProcessMemory> {
    parse_status(&std::fs::read_to_string(format!("/proc/{process_id}/status")).ok()?)
}

/// `/proc/meminfo` (proc_meminfo(5)). `MemAvailable` is the kernel's own estimate of what can be had without
/// swapping.
#[cfg(any(target_os = "linux", test))]
fn parse_meminfo(text: &str) -> Option<SystemMemory> {
    let total_bytes = kibibytes(text, "MemTotal:")?;
    Some(SystemMemory {
        total_bytes,
        free_bytes: kibibytes(text, "MemAvailable:")?.min(total_bytes),
    })
}

/// `/proc/<pid>/status` (proc_pid_status(5)). Pages of files are resident and yet free to the system; anonymous and
/// shared memory is not.
fn parse_status(text: &str) -> Option<ProcessMemory> {
    Some(ProcessMemory {
        resident_bytes: kibibytes(text, "VmRSS:")?,
        taken_bytes: kibibytes(text, "RssAnon:")?.saturating_add(kibibytes(text, "RssShmem:")?),
    })
}

/// The number after a name at the beginning of a line; the kernel's "kB" are of 1024 bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = rest.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let meminfo = "MemTotal:       24683520 kB\nMemFree:        1000 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(
            parse_meminfo(meminfo),
            Some(SystemMemory {
                total_bytes: 24_683_520 << 10,
                free_bytes: 20_000_000 << 10
            })
        );
        assert_eq!(parse_meminfo("MemTotal: 1 kB\n"), None);
        let status = "Name:\tworker\nVmRSS:\t  500208 kB\nRssAnon:\t   10816 kB\nRssFile:\t  489392 kB\nRssShmem:\t       8 kB\n";
        assert_eq!(
            parse_status(status),
            Some(ProcessMemory {
                resident_bytes: 500_208 << 10,
                taken_bytes: 10_824 << 10
            })
        );
        assert_eq!(
            parse_status("Name:\tkthread\n"),
            None,
            "a thread of the kernel has no memory"
        );
        assert_eq!(kibibytes("VmRSS: many kB", "VmRSS:"), None);
    }

    #[test]
    fn a_process_that_is_not_there_has_nothing() {
        assert_eq!(of_process(u32::MAX), None);
        let own = of_process(std::process::id()).unwrap();
        assert!(0 < own.taken_bytes && own.taken_bytes <= own.resident_bytes);
    }
}
