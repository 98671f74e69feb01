//! Workers: all of them, wherever they run, and what can be done with each.

use dioxus::prelude::*;

use crate::app::use_session;
use crate::client::failure::Failure;
use crate::client::workers;
use crate::components::{
    Button, ButtonVariant, Column, Dot, EmptyState, Icon, IconName, Menu, MenuItem, SearchField, Skeleton,
    StateDot, Table, WorkerShare,
};
use crate::model::cluster::{ClusterView, Worker, WorkerKind, WorkerState};
use crate::model::ids::WorkerId;
use crate::model::overlay::Overlay;
use crate::model::telemetry::TelemetryView;
use crate::model::words::{gibibytes, short_model};

/// What a person does with a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerDeed {
    /// Shows its pane.
    Open(WorkerId),
    /// Starts it anew.
    Restart(WorkerId),
    /// Stops it for good.
    Stop(WorkerId),
    /// Starts another.
    Spawn,
}

/// The page.
#[component]
pub fn WorkersPage() -> Element {
    let session = use_session();
    let stores = session.stores;
    let mut query = use_signal(String::new);
    rsx! {
        WorkersView {
            cluster: ReadSignal::from(stores.cluster),
            telemetry: ReadSignal::from(stores.telemetry),
            query: query(),
            onquery: move |words| query.set(words),
            ondeed: move |deed| {
                let mut overlay = stores.overlay;
                match deed {
                    WorkerDeed::Open(id) => session.reveal(&id),
                    WorkerDeed::Spawn => overlay.set(Some(Overlay::Spawn { kind: None, model: None })),
                    WorkerDeed::Restart(id) | WorkerDeed::Stop(id) if !stores.cluster.peek().workers.contains_key(&id) => {}
                    WorkerDeed::Restart(id) => call(session.clone(), &id, true),
                    WorkerDeed::Stop(id) => call(session.clone(), &id, false),
                }
            },
        }
    }
}

/// Restarts or stops a worker; what goes wrong is said in a corner.
fn call(session: crate::app::Session, id: &WorkerId, restart: bool) {
    let worker = session.stores.cluster.peek().workers.get(id).cloned();
    let client = session.stores.client.peek().clone();
    let (Some(worker), Some(client)) = (worker, client) else {
        return;
    };
    dioxus::core::spawn_forever(async move {
        let done = if restart {
            workers::restart(&client, &worker).await
        } else {
            workers::stop(&client, &worker).await
        };
        if let Err(failure) = done {
            session.complain(&failure);
        }
    });
}

/// The page as it is drawn.
#[component]
pub fn WorkersView(
    /// Hives and workers.
    cluster: ReadSignal<ClusterView>,
    /// What they do.
    telemetry: ReadSignal<TelemetryView>,
    /// Words to look for.
    query: String,
    /// The person looks for something else.
    onquery: EventHandler<String>,
    /// The person does something.
    ondeed: EventHandler<WorkerDeed>,
) -> Element {
    let view = cluster.read();
    let words = query.to_lowercase();
    let host = |worker: &Worker| {
        view.hives
            .get(&worker.hive)
            .map_or_else(|| worker.hive.to_string(), |hive| hive.name.clone())
    };
    let shown: Vec<(Worker, String)> = view
        .workers
        .values()
        .map(|worker| (worker.clone(), host(worker)))
        .filter(|(worker, host)| {
            let text =
                format!("{} {} {} {}", worker.model, worker.id, worker.state.label(), host).to_lowercase();
            words.split_whitespace().all(|word| text.contains(word))
        })
        .collect();
    let column = |id, label: &str, numeric| Column {
        id,
        label: label.to_owned(),
        numeric,
        ..Column::default()
    };
    let columns = vec![
        column("model", "Model", false),
        column("state", "State", false),
        column("device", "Device", false),
        column("memory", "Memory", true),
        column("requests", "Requests", true),
        column("speed", "Speed", true),
        Column {
            hidden: true,
            ..column("more", "More", false)
        },
    ];
    rsx! {
        div { class: "listing workers",
            header { class: "listing__head",
                h1 { "Workers" }
                div { class: "listing__tools",
                    SearchField { label: "Search in the workers", placeholder: "Search", value: query, oninput: onquery }
                    Button {
                        variant: ButtonVariant::Primary,
                        icon: IconName::Plus,
                        onclick: move |_| ondeed.call(WorkerDeed::Spawn),
                        "Start a worker"
                    }
                }
            }
            if !view.synced && view.workers.is_empty() {
                Skeleton { label: "The workers are being read", lines: 6 }
            } else if view.workers.is_empty() {
                EmptyState {
                    icon: IconName::Worker,
                    title: "No worker runs",
                    text: "A worker serves one model on one device. Start one, and it has a tab of its own.",
                }
            } else if shown.is_empty() {
                EmptyState { icon: IconName::Search, title: "No worker is like that" }
            } else {
                Table { caption: "Workers", columns,
                    for (worker, host) in shown {
                        WorkerRow { key: "{worker.id}", telemetry, host, worker, ondeed }
                    }
                }
            }
        }
    }
}

#[component]
fn WorkerRow(
    worker: Worker,
    host: String,
    telemetry: ReadSignal<TelemetryView>,
    ondeed: EventHandler<WorkerDeed>,
) -> Element {
    let telemetry = telemetry.read();
    let measured = telemetry.workers.get(&worker.id);
    let share = WorkerShare::of(&worker, measured);
    let memory = share.memory_bytes.map_or_else(unknown, gibibytes);
    let requests = measured.and_then(|it| {
        let running = it.running_requests?;
        Some(match it.waiting_requests.unwrap_or(0) {
            0 => format!(
                "{running} of {}",
                it.slot_count.map_or_else(unknown, |slots| slots.to_string())
            ),
            waiting => format!("{running}, {waiting} wait"),
        })
    });
    let icon = match worker.kind() {
        WorkerKind::Text => IconName::Text,
        WorkerKind::Image => IconName::Image,
    };
    let device = worker
        .device
        .as_ref()
        .map_or_else(|| "not chosen yet".to_owned(), ToString::to_string);
    let failure = worker.failure.as_ref().filter(|_| !worker.state.serves());
    let why = failure.map(|failure| Failure::of_reason(&failure.reason, &failure.message).sentence);
    let (open, act) = (worker.id.clone(), worker.id.clone());
    let name = short_model(worker.model.as_str());
    rsx! {
        tr { "data-kind": worker.kind().word(),
            td {
                button { class: "workers__open", r#type: "button", title: "{worker.model}", onclick: move |_| ondeed.call(WorkerDeed::Open(open.clone())),
                    span { class: "workers__icon", Icon { name: icon } }
                    span { class: "workers__model truncate", "{name}" }
                    span { class: "workers__id numeric", "{worker.id.short()}" }
                    if worker.pinned {
                        Icon { name: IconName::Pin, size: 12, label: "kept" }
                    }
                }
            }
            td {
                div { class: "workers__state",
                    StateDot { state: dot(&worker), label: state_words(&worker) }
                    span { {state_words(&worker)} }
                }
                if let Some(why) = why {
                    p { class: "workers__why", "{why}" }
                }
            }
            td { class: "workers__where", "{device}" span { class: "workers__host", " on {host}" } }
            td { "data-numeric": "true", "{memory}" }
            td { "data-numeric": "true", {requests.unwrap_or_else(unknown)} }
            td { "data-numeric": "true", {share.speed().unwrap_or_else(|| "–".to_owned())} }
            td {
                Menu {
                    label: "More about {name} {worker.id.short()}",
                    items: vec![
                        MenuItem { icon: Some(IconName::External), ..MenuItem::new("open", "Show its pane") },
                        MenuItem { icon: Some(IconName::Refresh), ..MenuItem::new("restart", "Restart") },
                        MenuItem { icon: Some(IconName::Stop), danger: true, divided: true, ..MenuItem::new("stop", "Stop") },
                    ],
                    onselect: move |chosen: String| {
                        let id = act.clone();
                        ondeed.call(match chosen.as_str() {
                            "restart" => WorkerDeed::Restart(id),
                            "stop" => WorkerDeed::Stop(id),
                            _ => WorkerDeed::Open(id),
                        });
                    },
                }
            }
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// A worker's state in words.
#[must_use]
pub fn state_words(worker: &Worker) -> String {
    if worker.unreachable {
        return "hive not reachable".to_owned();
    }
    match worker
        .load_fraction
        .filter(|_| worker.state == WorkerState::Loading)
    {
        Some(fraction) => format!("loading, {:.0} %", fraction * 100.0),
        None => worker.state.label().to_owned(),
    }
}

/// A worker's state as a dot.
#[must_use]
pub fn dot(worker: &Worker) -> Dot {
    match worker.state {
        _ if worker.unreachable => Dot::Warn,
        WorkerState::Ready => Dot::Ready,
        WorkerState::Busy => Dot::Busy,
        WorkerState::Failed | WorkerState::CrashLooping => Dot::Bad,
        WorkerState::Pending
        | WorkerState::Validating
        | WorkerState::Fetching
        | WorkerState::Starting
        | WorkerState::Loading => Dot::Waiting,
        WorkerState::Unknown | WorkerState::Draining | WorkerState::Stopping | WorkerState::Stopped => {
            Dot::Off
        }
    }
}
