//! Which device of this host a worker goes to.

use rbee_artifacts::placement::{self, Candidate};
use rbee_artifacts::{DeviceId, WorkerType};

use super::{Device, Fit, Needs, Refusal, Reservation, SpawnRequest};

/// How a worker would fit on each device that it may go to, best first.
///
/// # Errors
/// If there is no such device, or none for the worker type.
pub fn fits(
    devices: &[Device],
    reservations: &[Reservation],
    request: &SpawnRequest,
    needs: &Needs,
) -> Result<Vec<Fit>, Refusal> {
    let fits = eligible(devices, request.device_id, request.worker_type)?
        .into_iter()
        .map(|device| Fit::new(needs, &request.model_id, device, reservations));
    let mut ranked: Vec<(Candidate, Fit)> = fits.map(|fit| (candidate(&fit), fit)).collect();
    ranked.sort_by(|(one, _), (other, _)| placement::compare(one, other));
    Ok(ranked.into_iter().map(|(_, fit)| fit).collect())
}

/// Where a worker goes: the best device, if it fits there or is forced.
///
/// # Errors
/// If there is no such device, or it does not fit.
pub fn place(
    devices: &[Device],
    reservations: &[Reservation],
    request: &SpawnRequest,
    needs: &Needs,
) -> Result<Fit, Refusal> {
    let mut fits = fits(devices, reservations, request, needs)?;
    if fits[0].fits() == Some(false) && !request.force {
        return Err(Refusal::InsufficientMemory {
            model_id: request.model_id.clone(),
            fits,
        });
    }
    Ok(fits.swap_remove(0))
}

/// Where a worker goes of which it is not known what it needs: to the device with most free memory.
///
/// # Errors
/// If there is no such device.
pub fn without_estimate(devices: &[Device], request: &SpawnRequest) -> Result<DeviceId, Refusal> {
    let mut eligible = eligible(devices, request.device_id, request.worker_type)?;
    // The sort is stable: among equals the first device wins.
    eligible.sort_by_key(|device| std::cmp::Reverse(device.memory_free_bytes));
    Ok(eligible[0].id)
}

/// The devices that a worker may go to; never none.
fn eligible(
    devices: &[Device],
    wanted: Option<DeviceId>,
    worker_type: WorkerType,
) -> Result<Vec<&Device>, Refusal> {
    let available = || devices.iter().map(|device| device.id).collect();
    if let Some(device_id) = wanted {
        let Some(device) = devices.iter().find(|device| device.id == device_id) else {
            return Err(Refusal::DeviceNotFound {
                device_id,
                available: available(),
            });
        };
        if !worker_type.runs_on(device_id) {
            return Err(Refusal::DeviceIncompatible {
                device_id,
                worker_type,
            });
        }
        return Ok(vec![device]);
    }
    let eligible: Vec<_> = devices
        .iter()
        .filter(|device| worker_type.runs_on(device.id))
        .collect();
    if eligible.is_empty() {
        return Err(Refusal::NoDevice {
            worker_type,
            available: available(),
        });
    }
    Ok(eligible)
}

/// All devices here are of one host, so that its name and files make no difference.
fn candidate(fit: &Fit) -> Candidate {
    Candidate {
        host: String::new(),
        device: fit.device.id,
        needed_bytes: fit.needed_bytes(),
        available_bytes: fit.available_bytes,
        files_present: true,
    }
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::ModelId;
    use rbee_artifacts::estimate::DiffusionShape;

    use super::*;
    use crate::domain::{LlmSettings, SdSettings};

    fn devices() -> Vec<Device> {
        [("cpu:0", 64), ("cuda:0", 4), ("cuda:1", 12), ("cuda:2", 12)]
            .map(|(id, gib)| Device {
                memory_free_bytes: Some(gib << 30),
                ..Device::named(id.parse().unwrap(), "device")
            })
            .into()
    }

    fn request(worker_type: WorkerType, device: Option<&str>) -> SpawnRequest {
        SpawnRequest {
            model_id: ModelId::local("sd").unwrap(),
            worker_type,
            device_id: device.map(|device| device.parse().unwrap()),
            llm: LlmSettings::default(),
            sd: SdSettings::default(),
            force: false,
            evict: false,
        }
    }

    fn needs(gib: u64) -> Needs {
        let shape = DiffusionShape {
            version: rbee_artifacts::StableDiffusionVersion::V1_5,
            parameter_count: gib << 29,
        };
        Needs::Diffusion(shape, 1)
    }

    fn placed(request: &SpawnRequest, needs: &Needs) -> Result<String, Refusal> {
        place(&devices(), &[], request, needs).map(|fit| fit.device.id.to_string())
    }

    #[test]
    fn a_worker_goes_to_the_device_with_most_left() {
        let cuda = request(WorkerType::CudaSd, None);
        assert_eq!(
            placed(&cuda, &needs(1)).unwrap(),
            "cuda:1",
            "the first of two equals"
        );
        assert_eq!(
            placed(&request(WorkerType::CpuSd, None), &needs(1)).unwrap(),
            "cpu:0"
        );
        let taken = Reservation {
            worker_id: "w-1".parse().unwrap(),
            model_id: ModelId::local("other").unwrap(),
            device_id: "cuda:1".parse().unwrap(),
            estimate: needs(1).estimate(rbee_artifacts::DeviceKind::Cuda),
            taken_bytes: None,
        };
        let fit = place(&devices(), &[taken], &cuda, &needs(1)).unwrap();
        assert_eq!(fit.device.id.to_string(), "cuda:2");
    }

    #[test]
    fn what_fits_nowhere_is_refused_unless_forced() {
        let mut wanted = request(WorkerType::CudaSd, None);
        let refusal = placed(&wanted, &needs(20)).unwrap_err();
        let words = refusal.to_string();
        assert!(words.contains("cuda:1 has 12 GiB available"), "{words}");
        assert!(words.contains("cuda:0"), "every device is named: {words}");
        wanted.force = true;
        assert_eq!(placed(&wanted, &needs(20)).unwrap(), "cuda:1");
        let named = request(WorkerType::CudaSd, Some("cuda:0"));
        assert!(placed(&named, &needs(6)).is_err());
        assert_eq!(placed(&named, &needs(1)).unwrap(), "cuda:0");
    }

    #[test]
    fn a_device_must_be_there_and_suit() {
        let place = |worker_type, device| placed(&request(worker_type, device), &needs(1)).unwrap_err();
        assert!(matches!(
            place(WorkerType::CudaSd, Some("cuda:9")),
            Refusal::DeviceNotFound { .. }
        ));
        assert!(matches!(
            place(WorkerType::CudaSd, Some("cpu:0")),
            Refusal::DeviceIncompatible { .. }
        ));
        assert!(matches!(
            place(WorkerType::MetalSd, None),
            Refusal::NoDevice { .. }
        ));
    }

    #[test]
    fn without_an_estimate_most_free_memory_decides() {
        let wanted = |worker_type, device| without_estimate(&devices(), &request(worker_type, device));
        assert_eq!(wanted(WorkerType::CudaSd, None).unwrap().to_string(), "cuda:1");
        assert_eq!(
            wanted(WorkerType::CudaSd, Some("cuda:0")).unwrap().to_string(),
            "cuda:0"
        );
        assert!(wanted(WorkerType::MetalSd, None).is_err());
    }
}
