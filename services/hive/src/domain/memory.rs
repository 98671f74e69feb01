//! Who has which share of a device's memory, and what that leaves to others.

use std::collections::BTreeMap;

use rbee_artifacts::estimate::Estimate;
use rbee_artifacts::{DeviceId, ModelId, WorkerId};

use super::device::shares_memory;
use super::{Device, Needs};

/// What a worker has of the memory that it holds, measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessMemory {
    /// All that it has there, in bytes: pages of files that it maps are in it.
    pub resident_bytes: u64,
    /// The part of it by which the device's free memory is less, in bytes: without pages of files.
    pub taken_bytes: u64,
}

/// A worker's memory as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerMemory {
    /// What was estimated.
    pub estimate: Estimate,
    /// What it had when it had just become ready, in bytes, where that could be measured.
    pub resident_bytes: Option<u64>,
    /// The most that the system lets it have on the host, in bytes, where that is limited.
    pub limit_bytes: Option<u64>,
}

impl WorkerMemory {
    /// By how much the estimate of what it takes once loaded was wrong, as a share of what it took: positive
    /// where it took less than estimated.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        let resident = self.resident_bytes.filter(|&bytes| bytes > 0)? as f64;
        Some((self.estimate.loaded_bytes() as f64 - resident) / resident)
    }
}

/// Memory that is set aside for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// For whom.
    pub worker_id: WorkerId,
    /// Its model: workers of one model share the pages of its file.
    pub model_id: ModelId,
    /// Where.
    pub device_id: DeviceId,
    /// How much.
    pub estimate: Estimate,
    /// How much of it the worker has taken so that less is free, in bytes, where measured.
    pub taken_bytes: Option<u64>,
}

/// What a new worker may count on, in bytes: what is free, less what others may still take. `None` where it is not
/// known what is free.
#[must_use]
pub fn available_bytes(device: &Device, reservations: &[Reservation]) -> Option<u64> {
    let mut mapped: BTreeMap<&ModelId, u64> = BTreeMap::new();
    let mut own: u64 = 0;
    for reservation in on(device, reservations) {
        let Estimate { mapped_bytes, .. } = reservation.estimate;
        let pages = mapped.entry(&reservation.model_id).or_default();
        *pages = mapped_bytes.max(*pages);
        // What is free on a declared device was said once: nothing that runs makes it less.
        let taken = reservation.taken_bytes.filter(|_| !device.declared);
        let still = (reservation.estimate.total_bytes() - mapped_bytes).saturating_sub(taken.unwrap_or(0));
        own = own.saturating_add(still);
    }
    let committed = mapped.into_values().fold(own, u64::saturating_add);
    device
        .memory_free_bytes
        .map(|free| free.saturating_sub(committed))
}

fn on<'a>(device: &Device, reservations: &'a [Reservation]) -> impl Iterator<Item = &'a Reservation> {
    let id = device.id;
    reservations
        .iter()
        .filter(move |reservation| shares_memory(reservation.device_id, id))
}

/// How a worker would fit on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The device.
    pub device: Device,
    /// What the worker takes there.
    pub estimate: Estimate,
    /// The part of it that a worker of the same model has mapped already, in bytes.
    pub shared_bytes: u64,
    /// What it may count on, in bytes.
    pub available_bytes: Option<u64>,
    /// The longest context that would fit, where the wanted one does not.
    pub fitting_context_length: Option<u32>,
}

impl Fit {
    /// Looks how a worker would fit.
    #[must_use]
    pub fn new(needs: &Needs, model_id: &ModelId, device: &Device, reservations: &[Reservation]) -> Self {
        let kind = device.id.kind();
        let estimate = needs.estimate(kind);
        let same_model = on(device, reservations).filter(|reservation| reservation.model_id == *model_id);
        let mut fit = Self {
            device: device.clone(),
            estimate,
            shared_bytes: same_model
                .map(|reservation| reservation.estimate.mapped_bytes)
                .max()
                .unwrap_or(0)
                .min(estimate.mapped_bytes),
            available_bytes: available_bytes(device, reservations),
            fitting_context_length: None,
        };
        if let (Some(false), Some(available)) = (fit.fits(), fit.available_bytes) {
            fit.fitting_context_length =
                needs.longest_context(kind, available.saturating_add(fit.shared_bytes));
        }
        fit
    }

    /// What must be available, in bytes.
    #[must_use]
    pub fn needed_bytes(&self) -> u64 {
        self.estimate.total_bytes().saturating_sub(self.shared_bytes)
    }

    /// Whether that is available; `None` where not known.
    #[must_use]
    pub fn fits(&self) -> Option<bool> {
        self.available_bytes
            .map(|available| self.needed_bytes() <= available)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rbee_artifacts::estimate::Room;

    use super::*;

    pub(super) fn estimate(mapped_bytes: u64, own_bytes: u64) -> Estimate {
        Estimate {
            weights_bytes: mapped_bytes,
            mapped_bytes,
            kv_cache_bytes: own_bytes,
            activations_bytes: 0,
            overhead_bytes: 0,
            room: Room::Text {
                context_length: 1,
                slot_count: 1,
            },
        }
    }

    fn reservation(model: &str, device: &str, estimate: Estimate, taken_bytes: Option<u64>) -> Reservation {
        Reservation {
            worker_id: "w-1".parse().unwrap(),
            model_id: ModelId::local(model).unwrap(),
            device_id: device.parse().unwrap(),
            estimate,
            taken_bytes,
        }
    }

    fn device(id: &str, free_bytes: u64) -> Device {
        Device {
            memory_free_bytes: Some(free_bytes),
            ..Device::named(id.parse().unwrap(), "device")
        }
    }

    #[test]
    fn what_was_taken_is_not_counted_twice() {
        let gpu = device("cuda:0", 1000);
        let left = |taken| available_bytes(&gpu, &[reservation("a", "cuda:0", estimate(0, 300), taken)]);
        assert_eq!(left(None), Some(700), "it may still take all");
        assert_eq!(left(Some(200)), Some(900), "it may still take the rest");
        assert_eq!(
            left(Some(400)),
            Some(1000),
            "it took more than it said, and that shows in what is free"
        );
        let elsewhere = reservation("a", "cuda:1", estimate(0, 300), None);
        assert_eq!(available_bytes(&gpu, &[elsewhere]), Some(1000));
        let declared = Device {
            declared: true,
            ..gpu
        };
        let taken = reservation("a", "cuda:0", estimate(0, 300), Some(300));
        assert_eq!(
            available_bytes(&declared, &[taken]),
            Some(700),
            "nothing is measured there"
        );
    }

    #[test]
    fn workers_of_one_model_share_its_pages() {
        let cpu = device("cpu:0", 1000);
        let worker = |model| reservation(model, "cpu:0", estimate(300, 50), None);
        assert_eq!(available_bytes(&cpu, &[worker("a")]), Some(650));
        assert_eq!(available_bytes(&cpu, &[worker("a"), worker("a")]), Some(600));
        assert_eq!(available_bytes(&cpu, &[worker("a"), worker("b")]), Some(300));
    }

    #[test]
    fn the_error_of_an_estimate_is_a_share_of_what_was_taken() {
        let memory = |resident_bytes| WorkerMemory {
            estimate: estimate(110, 50),
            resident_bytes,
            limit_bytes: None,
        };
        let error = memory(Some(100)).error().unwrap();
        assert!((error - 0.1).abs() < 1e-9, "{error}");
        assert_eq!(memory(None).error(), None);
        assert_eq!(memory(Some(0)).error(), None);
    }

    proptest! {
        #[test]
        fn one_worker_more_never_leaves_more(
            free in 0..10_000_u64,
            workers in prop::collection::vec(
                (0..3_usize, 0..2000_u64, 0..2000_u64, prop::option::of(0..3000_u64)),
                0..6,
            ),
        ) {
            let cpu = device("cpu:0", free);
            let reservations: Vec<_> = workers
                .into_iter()
                .map(|(model, mapped, own, taken)| {
                    reservation(["a", "b", "c"][model], "cpu:0", estimate(mapped, own), taken)
                })
                .collect();
            let mut before = Some(free);
            for count in 0..=reservations.len() {
                let now = available_bytes(&cpu, &reservations[..count]);
                prop_assert!(now <= before);
                before = now;
            }
        }
    }
}
