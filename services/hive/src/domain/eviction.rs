//! Which idle workers leave to make room for another.

use rbee_artifacts::{DeviceId, WorkerId};

use super::{Device, Fit, Needs, Reservation, SpawnRequest};

/// The idle workers that have to leave so that a worker fits on a device, in the order in which they are to leave, and
/// no more than needed. `idle` are those that may leave, the one whose last request is longest ago first. `None` if
/// even without all of them it would not fit.
#[must_use]
pub fn make_room(
    device: &Device,
    reservations: &[Reservation],
    idle: &[WorkerId],
    request: &SpawnRequest,
    needs: &Needs,
) -> Option<Vec<WorkerId>> {
    let fits_without = |leaving: &[WorkerId]| {
        let (device, remaining) = without(device, reservations, leaving);
        Fit::new(needs, &request.model_id, &device, &remaining).fits() == Some(true)
    };
    let on_device: Vec<_> = idle
        .iter()
        .filter(|id| shares(reservations, device.id, id))
        .cloned()
        .collect();
    let enough = (0..=on_device.len()).find(|&count| fits_without(&on_device[..count]))?;
    let mut leaving = on_device[..enough].to_vec();
    // An early one may be too small to matter once a later, larger one leaves.
    for index in (0..leaving.len()).rev() {
        let mut fewer = leaving.clone();
        fewer.remove(index);
        if fits_without(&fewer) {
            leaving = fewer;
        }
    }
    Some(leaving)
}

/// Whether what a worker has reserved lies on the same memory.
fn shares(reservations: &[Reservation], device: DeviceId, id: &WorkerId) -> bool {
    reservations
        .iter()
        .any(|own| own.worker_id == *id && super::device::shares_memory(own.device_id, device))
}

/// The device as it will be when these workers have left.
fn without(
    device: &Device,
    reservations: &[Reservation],
    leaving: &[WorkerId],
) -> (Device, Vec<Reservation>) {
    let (gone, remaining): (Vec<_>, Vec<_>) = reservations
        .iter()
        .cloned()
        .partition(|own| leaving.contains(&own.worker_id));
    let returned = gone
        .iter()
        .filter(|own| super::device::shares_memory(own.device_id, device.id))
        .filter_map(|own| own.taken_bytes)
        .fold(0, u64::saturating_add);
    let mut device = device.clone();
    // What is free on a declared device was said once.
    if !device.declared {
        device.memory_free_bytes = device.memory_free_bytes.map(|free| free.saturating_add(returned));
    }
    (device, remaining)
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::estimate::{DiffusionShape, Estimate, Room};
    use rbee_artifacts::{ModelId, StableDiffusionVersion, WorkerType};

    use super::*;
    use crate::domain::{LlmSettings, SdSettings};

    const GIB: u64 = 1 << 30;

    fn id(number: usize) -> WorkerId {
        format!("w-{number}").parse().unwrap()
    }

    fn reservation(number: usize, bytes: u64) -> Reservation {
        Reservation {
            worker_id: id(number),
            model_id: ModelId::local("other").unwrap(),
            device_id: "cuda:0".parse().unwrap(),
            estimate: Estimate {
                weights_bytes: bytes,
                mapped_bytes: 0,
                kv_cache_bytes: 0,
                activations_bytes: 0,
                overhead_bytes: 0,
                room: Room::Picture { edge: 512 },
            },
            taken_bytes: Some(bytes),
        }
    }

    fn device(free: u64) -> Device {
        Device {
            memory_total_bytes: Some(24 * GIB),
            memory_free_bytes: Some(free),
            ..Device::named("cuda:0".parse().unwrap(), "GPU")
        }
    }

    fn request() -> SpawnRequest {
        SpawnRequest {
            model_id: ModelId::local("sd").unwrap(),
            worker_type: WorkerType::CudaSd,
            device_id: None,
            llm: LlmSettings::default(),
            sd: SdSettings::default(),
            force: false,
            evict: true,
        }
    }

    /// A diffusion model of which a worker takes somewhat more than this on a GPU.
    fn needs(bytes: u64) -> Needs {
        let shape = DiffusionShape {
            version: StableDiffusionVersion::V1_5,
            parameter_count: bytes / 2,
        };
        Needs::Diffusion(shape, 1)
    }

    #[test]
    fn nobody_leaves_where_there_is_room() {
        assert_eq!(
            make_room(&device(20 * GIB), &[], &[], &request(), &needs(GIB)),
            Some(vec![])
        );
    }

    #[test]
    fn the_longest_idle_leaves_first_and_no_more_than_needed() {
        let reservations = [
            reservation(1, GIB),
            reservation(2, 8 * GIB),
            reservation(3, 8 * GIB),
        ];
        let idle = [id(1), id(2), id(3)];
        let made = make_room(&device(GIB), &reservations, &idle, &request(), &needs(5 * GIB));
        assert_eq!(made, Some(vec![id(2)]), "the small one would not have helped");
        let made = make_room(
            &device(GIB),
            &reservations,
            &idle[..1],
            &request(),
            &needs(5 * GIB),
        );
        assert_eq!(made, None, "for nothing nobody leaves");
    }

    #[test]
    fn workers_on_other_devices_stay() {
        let mut elsewhere = reservation(1, 20 * GIB);
        elsewhere.device_id = "cuda:1".parse().unwrap();
        let made = make_room(&device(GIB), &[elsewhere], &[id(1)], &request(), &needs(5 * GIB));
        assert_eq!(made, None);
    }
}
