//! Hives: hosts with their devices and workers, what they do, and the logs of workers.

mod log;

use std::collections::BTreeSet;

use dioxus::prelude::*;
use jiff::Timestamp;

pub use log::{LogPanel, LogPanelView, LogState};

use crate::app::use_session;
use crate::client::hives;
use crate::components::{
    Badge, Button, ControlSize, DeviceMeter, EmptyState, Icon, IconName, Skeleton, StateDot, Tone,
};
use crate::model::cluster::{ClusterView, Device, Hive, Worker};
use crate::model::ids::{HiveId, WorkerId};
use crate::model::telemetry::TelemetryView;
use crate::model::words::{ago, short_model};
use crate::pages::workers::{dot, state_words};

/// What a person does with a hive.
#[derive(Debug, Clone, PartialEq)]
pub enum HiveDeed {
    /// Empties it.
    Drain(HiveId),
    /// Lets it take workers again.
    Resume(HiveId),
    /// Shows a worker's log.
    Log(WorkerId),
}

/// The page.
#[component]
pub fn HivesPage() -> Element {
    let session = use_session();
    let stores = session.stores;
    let mut busy = use_signal(BTreeSet::<HiveId>::new);
    let mut log = use_signal(|| None::<WorkerId>);
    let followed = use_memo(move || {
        let id = log()?;
        stores.cluster.read().workers.get(&id).cloned()
    });
    let ondeed = move |deed: HiveDeed| {
        let (id, drain) = match deed {
            HiveDeed::Log(worker) => return log.set(Some(worker)),
            HiveDeed::Drain(id) => (id, true),
            HiveDeed::Resume(id) => (id, false),
        };
        let address = stores
            .cluster
            .peek()
            .hives
            .get(&id)
            .map(|hive| hive.address.clone());
        let (Some(address), Some(client)) = (address, stores.client.peek().clone()) else {
            return;
        };
        let session = session.clone();
        busy.write().insert(id.clone());
        spawn(async move {
            let done = if drain {
                hives::drain(&client, &address).await
            } else {
                hives::resume(&client, &address).await
            };
            busy.write().remove(&id);
            if let Err(failure) = done {
                session.complain(&failure);
            }
        });
    };
    rsx! {
        HivesView {
            cluster: ReadSignal::from(stores.cluster),
            telemetry: ReadSignal::from(stores.telemetry),
            busy: busy(),
            now: Timestamp::now(),
            ondeed,
        }
        if let Some(worker) = followed() {
            LogPanel { key: "{worker.id}", worker, onclose: move |()| log.set(None) }
        }
    }
}

/// The page as it is drawn.
#[component]
pub fn HivesView(
    /// Hives and workers.
    cluster: ReadSignal<ClusterView>,
    /// What they do.
    telemetry: ReadSignal<TelemetryView>,
    /// Hives that are being emptied or resumed by this window.
    #[props(default)]
    busy: BTreeSet<HiveId>,
    /// The time now, for how long ago something was.
    now: Timestamp,
    /// The person does something.
    ondeed: EventHandler<HiveDeed>,
) -> Element {
    let view = cluster.read();
    rsx! {
        div { class: "listing hives",
            header { class: "listing__head",
                h1 { "Hives" }
            }
            if !view.synced && view.hives.is_empty() {
                Skeleton { label: "The hives are being read", lines: 6 }
            } else if view.hives.is_empty() {
                EmptyState {
                    icon: IconName::Hive,
                    title: "No hive has registered",
                    text: "A hive owns the devices of one host. Start one there with `rbee-hive`, or all in one with `rbee up`.",
                }
            }
            for hive in view.hives.values() {
                HiveView {
                    key: "{hive.id}",
                    hive: hive.clone(),
                    workers: view.workers.values().filter(|worker| worker.hive == hive.id).cloned().collect::<Vec<_>>(),
                    telemetry,
                    is_busy: busy.contains(&hive.id),
                    now,
                    ondeed,
                }
            }
        }
    }
}

#[component]
fn HiveView(
    hive: Hive,
    workers: Vec<Worker>,
    telemetry: ReadSignal<TelemetryView>,
    is_busy: bool,
    now: Timestamp,
    ondeed: EventHandler<HiveDeed>,
) -> Element {
    let id = hive.id.clone();
    let draining = hive.draining;
    let seen = hive.last_seen_at.map(|at| ago(at, now));
    let facts: Vec<String> = [
        Some(hive.address.clone()),
        Some(hive.platform.clone()),
        Some(format!("version {}", hive.version)),
    ]
    .into_iter()
    .flatten()
    .filter(|fact| !fact.is_empty() && fact != "version ")
    .collect();
    rsx! {
        section { class: "hive", "aria-label": "Hive {hive.name}",
            header { class: "hive__head",
                Icon { name: IconName::Hive, size: 18 }
                h2 { class: "truncate", title: "{hive.name}", "{hive.name}" }
                if !hive.reachable {
                    Badge { tone: Tone::Bad, icon: IconName::Unplugged, "not reachable" }
                } else if draining {
                    Badge { tone: Tone::Warn, icon: IconName::Pause, "drained" }
                } else {
                    Badge { tone: Tone::Good, "ready" }
                }
                span { class: "hive__space" }
                Button {
                    size: ControlSize::Small,
                    icon: if draining { IconName::Play } else { IconName::Pause },
                    busy: is_busy,
                    disabled: !hive.reachable,
                    title: if draining { "Let it take workers again; those that were there come back" } else { "Take no more workers and end those that run; they come back with Resume" },
                    onclick: move |_| ondeed.call(if draining { HiveDeed::Resume(id.clone()) } else { HiveDeed::Drain(id.clone()) }),
                    if draining { "Resume" } else { "Drain" }
                }
            }
            p { class: "hive__facts",
                for fact in facts {
                    span { key: "{fact}", "{fact}" }
                }
                if let Some(seen) = seen.filter(|_| !hive.reachable) {
                    span { "last heard from {seen}" }
                }
            }
            if hive.devices.is_empty() {
                p { class: "listing__note", "This hive tells of no device." }
            }
            ul { class: "hive__devices",
                for device in &hive.devices {
                    DeviceView { key: "{device.id}", hive: hive.id.clone(), device: device.clone(), telemetry }
                }
            }
            if workers.is_empty() {
                p { class: "listing__note", "No worker runs here." }
            } else {
                ul { class: "hive__workers",
                    for worker in workers {
                        HostedWorker { key: "{worker.id}", worker, ondeed }
                    }
                }
            }
        }
    }
}

#[component]
fn DeviceView(hive: HiveId, device: Device, telemetry: ReadSignal<TelemetryView>) -> Element {
    let telemetry = telemetry.read();
    let measured = telemetry
        .devices
        .get(&(hive, device.id.clone()))
        .unwrap_or(&device)
        .clone();
    let cores = device.core_count.map(|count| format!("{count} cores"));
    rsx! {
        li { class: "hive__device",
            div { class: "hive__about",
                strong { class: "numeric", "{device.id}" }
                span { class: "truncate", title: "{device.name}", "{device.name}" }
                if let Some(cores) = cores {
                    span { class: "hive__cores", "{cores}" }
                }
                if device.declared {
                    Badge { tone: Tone::Warn, title: "Declared by the operator for tests; nothing about it was measured", "declared" }
                }
            }
            DeviceMeter { device: measured, bare: true }
        }
    }
}

#[component]
fn HostedWorker(worker: Worker, ondeed: EventHandler<HiveDeed>) -> Element {
    let id = worker.id.clone();
    let words = state_words(&worker);
    let name = short_model(worker.model.as_str());
    let device = worker
        .device
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    rsx! {
        li { class: "hive__worker", "data-kind": worker.kind().word(),
            StateDot { state: dot(&worker), label: words.clone() }
            span { class: "hive__model truncate", title: "{worker.model}", "{name}" }
            span { class: "hive__short numeric", "{worker.id.short()}" }
            span { class: "hive__short truncate", "{words} {device}" }
            Button { size: ControlSize::Small, icon: IconName::Log, "aria-label": "Log of {name} {worker.id.short()}", onclick: move |_| ondeed.call(HiveDeed::Log(id.clone())), "Log" }
        }
    }
}
