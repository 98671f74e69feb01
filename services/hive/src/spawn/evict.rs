//! Making room for a worker by stopping idle ones.

use std::time::Duration;

use rbee_artifacts::WorkerId;
use rbee_service_kit::narrate;

use super::error::SpawnError;
use super::parts::Parts;
use super::record::{SpawnEvent, SpawnRecord};
use crate::domain::{Desired, Needs, Refusal, SpawnRequest, eviction};
use crate::host::{Placed, View};

/// How often room is made: between the look and the leaving others may take it.
const ATTEMPTS: u32 = 3;

impl Parts {
    /// Stops as many idle workers as it takes, and places the worker.
    ///
    /// # Errors
    /// The `refusal` if there is no room even without them.
    pub(super) async fn make_room(
        &self,
        record: &SpawnRecord,
        desired: &Desired,
        needs: &Needs,
        mut refusal: Refusal,
    ) -> Result<Placed, SpawnError> {
        let (id, request) = (&desired.id, &desired.request);
        for _ in 0..ATTEMPTS {
            let view = self.host.view().await;
            let Some(leaving) = self.evictable(&view, request, needs) else {
                break;
            };
            for worker in leaving {
                self.evict(record, id, &worker).await;
            }
            let view = self.host.view().await;
            match self.host.reserve(&view, id, request, Some(needs)) {
                Err(again @ Refusal::InsufficientMemory { .. }) => refusal = again,
                placed => return Ok(placed?),
            }
        }
        Err(refusal.into())
    }

    /// The idle workers that would have to leave, on the device where that are fewest. `None` if that would not do.
    pub(super) fn evictable(
        &self,
        view: &View,
        request: &SpawnRequest,
        needs: &Needs,
    ) -> Option<Vec<WorkerId>> {
        let idle = self.workers.idle();
        let devices = view.devices.iter().filter(|device| match request.device_id {
            Some(wanted) => device.id == wanted,
            None => request.worker_type.runs_on(device.id),
        });
        devices
            .filter_map(|device| eviction::make_room(device, &view.reservations, &idle, request, needs))
            .min_by_key(Vec::len)
    }

    /// Stops a worker and waits until it is gone.
    async fn evict(&self, record: &SpawnRecord, for_whom: &WorkerId, id: &WorkerId) {
        let Some(mut worker) = self.workers.follow(id) else {
            return;
        };
        narrate!(worker_id = %id, "worker {id} is idle and leaves to make room for {for_whom}");
        // One that another order stops at this moment leaves as well.
        let _ = self.orders.stop(id, Some(Duration::ZERO)).await;
        while worker.changed().await.is_ok() {}
        record.write(SpawnEvent::Evicted(Box::new(worker.borrow().clone())));
    }
}
