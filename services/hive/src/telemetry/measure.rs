//! What the system says of workers' processes.

use rbee_artifacts::{DeviceId, DeviceKind};
use tokio::time::Instant;

use super::worker::device;
use crate::devices::Devices;
use crate::domain::Worker;
use crate::domain::rates::Used;
use crate::process::{Cgroups, usage};

/// What was measured of one worker.
pub(super) struct Measured {
    pub(super) used: (Instant, Used),
    pub(super) resident_bytes: Option<u64>,
    pub(super) device_memory_bytes: Option<u64>,
}

/// Measures all of these. Reads files of the system and asks drivers, on a thread that may wait.
pub(super) async fn all(devices: Devices, cgroups: Cgroups, workers: Vec<Worker>) -> Vec<Measured> {
    let measure = move || {
        let each = workers.iter().map(|worker| one(&devices, &cgroups, worker));
        each.collect()
    };
    // Fails only where the runtime is ending, and then nobody wants to know.
    tokio::task::spawn_blocking(measure).await.unwrap_or_default()
}

fn one(devices: &Devices, cgroups: &Cgroups, worker: &Worker) -> Measured {
    let id = worker.id.as_str();
    let in_group = cgroups.processes(id).filter(|processes| !processes.is_empty());
    let processes = in_group.unwrap_or_else(|| worker.process_id.map(usage::family).unwrap_or_default());
    let gpu = device(worker).filter(|device| device.kind() != DeviceKind::Cpu);
    Measured {
        used: (Instant::now(), used(cgroups, id, &processes)),
        // What is shared among its processes counts for each; workers have one.
        resident_bytes: devices.memory_of(DeviceId::CPU, &processes),
        device_memory_bytes: gpu.and_then(|gpu| devices.memory_of(gpu, &processes)),
    }
}

/// The control group's counters have what ended processes used, too; what it does not count is summed over those
/// that run.
fn used(cgroups: &Cgroups, worker_id: &str, processes: &[u32]) -> Used {
    let group = cgroups.usage(worker_id).unwrap_or_default();
    let each = usage::usage(processes);
    Used {
        cpu: group.cpu.or(each.cpu),
        read_bytes: group.read_bytes.or(each.read_bytes),
        written_bytes: group.written_bytes.or(each.written_bytes),
    }
}
