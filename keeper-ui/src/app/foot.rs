//! The foot of a worker's pane: what its device does, and what of that is the worker's.

use dioxus::prelude::*;

use crate::components::{DeviceMeter, WorkerShare};
use crate::model::ids::WorkerId;
use crate::stores::use_stores;

/// The meters of a worker's device; nothing until it has one.
#[component]
pub(super) fn DeviceFoot(worker: WorkerId) -> Element {
    let stores = use_stores();
    let known = use_memo(move || {
        let cluster = stores.cluster.read();
        let worker = cluster.workers.get(&worker)?;
        let told = cluster.device_of(worker)?;
        let telemetry = stores.telemetry.read();
        let key = (worker.hive.clone(), told.id.clone());
        let device = telemetry.devices.get(&key).unwrap_or(told).clone();
        Some((device, WorkerShare::of(worker, telemetry.workers.get(&worker.id))))
    });
    let Some((device, share)) = known() else {
        return rsx! {};
    };
    rsx! {
        footer { class: "pane__foot",
            DeviceMeter { device, share }
        }
    }
}
