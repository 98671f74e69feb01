//! This host's devices, and who has what of their memory.

use std::sync::Arc;

use parking_lot::Mutex;
use rbee_artifacts::{DeviceId, WorkerId};

use crate::devices::Devices;
use crate::domain::{Device, Needs, ProcessMemory, Refusal, Reservation, SpawnRequest, placing};
use crate::worker::Workers;

/// This host. Cheap to clone; all clones keep one list of reservations.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    devices: Devices,
    workers: Workers,
    reservations: Arc<Mutex<Vec<Reservation>>>,
}

/// The host at one moment.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Its devices.
    pub(crate) devices: Vec<Device>,
    /// What is reserved on them.
    pub(crate) reservations: Vec<Reservation>,
}

impl Host {
    /// A host on which nothing is reserved.
    #[must_use]
    pub(crate) fn new(devices: Devices, workers: Workers) -> Self {
        Self {
            devices,
            workers,
            reservations: Arc::default(),
        }
    }

    /// Looks the devices over and measures what those who reserved have taken.
    pub(crate) async fn view(&self) -> View {
        let host = self.clone();
        let look = move || {
            // In this order what is taken between the two looks counts twice and not never.
            let reservations = host.measured();
            let devices = host.devices.look();
            View {
                devices,
                reservations,
            }
        };
        // Fails only where the runtime is ending, and then nobody wants to know.
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|_| View {
            devices: Vec::new(),
            reservations: Vec::new(),
        })
    }

    fn measured(&self) -> Vec<Reservation> {
        let mut reservations = self.reservations.lock().clone();
        for reservation in &mut reservations {
            let process = self
                .workers
                .get(&reservation.worker_id)
                .and_then(|worker| worker.process_id);
            reservation.taken_bytes = process
                .and_then(|process| self.devices.process_memory(reservation.device_id, process))
                .map(|memory| memory.taken_bytes);
        }
        reservations
    }

    /// Finds the device for a worker and reserves what it needs there, in one step, so that two spawns at once do
    /// not count on the same memory. Without `needs` nothing is checked and nothing reserved.
    ///
    /// # Errors
    /// If there is no such device, or it does not fit.
    pub(crate) fn reserve(
        &self,
        view: &View,
        worker_id: &WorkerId,
        request: &SpawnRequest,
        needs: Option<&Needs>,
    ) -> Result<Placed, Refusal> {
        let mut reservations = self.reservations.lock();
        let mut current = reservations.clone();
        for reservation in &mut current {
            let measured = view
                .reservations
                .iter()
                .find(|measured| measured.worker_id == reservation.worker_id);
            reservation.taken_bytes = measured.and_then(|measured| measured.taken_bytes);
        }
        let Some(needs) = needs else {
            let device_id = placing::without_estimate(&view.devices, request)?;
            return Ok(Placed {
                device_id,
                fit: None,
                _hold: None,
            });
        };
        let fit = placing::place(&view.devices, &current, request, needs)?;
        reservations.push(Reservation {
            worker_id: worker_id.clone(),
            model_id: request.model_id.clone(),
            device_id: fit.device.id,
            estimate: fit.estimate,
            taken_bytes: None,
        });
        Ok(Placed {
            device_id: fit.device.id,
            fit: Some(fit),
            _hold: Some(Hold {
                reservations: self.reservations.clone(),
                worker_id: worker_id.clone(),
            }),
        })
    }

    /// Waits until the memory of a process that has ended is free again, for a bounded time.
    pub(crate) async fn settled(&self, device: DeviceId, process_id: u32) {
        let _ = self.devices.settled(device, process_id).await;
    }

    /// What a process has of a device's memory now.
    pub(crate) fn process_memory(&self, device: DeviceId, process_id: u32) -> Option<ProcessMemory> {
        self.devices.process_memory(device, process_id)
    }
}

/// Where a worker goes.
#[derive(Debug)]
pub(crate) struct Placed {
    /// The device.
    pub(crate) device_id: DeviceId,
    /// How it fits there; `None` where what it needs is not known.
    pub(crate) fit: Option<crate::domain::Fit>,
    /// The memory that is set aside for it.
    pub(crate) _hold: Option<Hold>,
}

/// Memory that is set aside, until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    reservations: Arc<Mutex<Vec<Reservation>>>,
    worker_id: WorkerId,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.reservations
            .lock()
            .retain(|reservation| reservation.worker_id != self.worker_id);
    }
}
