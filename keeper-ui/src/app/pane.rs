//! A worker's pane: what it is about is the area's; what keeps it from serving is said here, above it.

use dioxus::prelude::*;

use super::foot::DeviceFoot;
use super::session::{Session, use_session};
use super::slots;
use crate::client::failure::{Action, Failure};
use crate::client::workers;
use crate::components::{Button, ButtonVariant, ControlSize, FailureNotice, Progress};
use crate::model::cluster::{Worker, WorkerKind, WorkerState};
use crate::model::ids::{ModelId, WorkerId};
use crate::model::layout::place::Area;
use crate::model::overlay::Overlay;
use crate::model::tabs::{Departure, Presence};

/// Why a worker does not serve.
#[derive(Debug, Clone, PartialEq)]
pub enum Hindrance {
    /// It is on its way.
    Coming {
        /// What it does.
        words: String,
        /// How much of the model is loaded, from 0 to 1.
        fraction: Option<f64>,
    },
    /// It rests after a failure, and can be started anew.
    Failed(Failure),
    /// It leaves or has left.
    Gone {
        /// Why, unless somebody stopped it.
        failure: Option<Failure>,
        /// What it made.
        kind: WorkerKind,
        /// What it served.
        model: ModelId,
    },
}

/// The pane.
#[component]
pub(super) fn Pane(
    /// Whose.
    worker: WorkerId,
    /// Where it is seen; `None` while it waits behind its tab.
    place: Option<Area>,
    /// Whether others are seen beside it.
    is_split: bool,
) -> Element {
    let session = use_session();
    let stores = session.stores;
    let mut workspace = stores.workspace;
    let shown = use_memo({
        let worker = worker.clone();
        move || {
            let workspace = stores.workspace.read();
            let tab = workspace.tabs.get(&worker)?;
            let focused = workspace.layout.focused() == Some(&worker);
            Some((
                tab.kind,
                focused,
                super::strip::short_name(stores.models.read().name_of(&tab.model)),
            ))
        }
    });
    let hindrance = use_memo({
        let worker = worker.clone();
        move || hindrance(stores, &worker)
    });
    let Some((kind, focused, name)) = shown() else {
        return rsx! {};
    };
    let focus = {
        let worker = worker.clone();
        move || {
            if workspace.peek().layout.focused() != Some(&worker) {
                workspace.write().layout.focus(&worker);
            }
        }
    };
    let onaction = {
        let (session, worker) = (session.clone(), worker.clone());
        EventHandler::new(move |action: Action| {
            if !session.act(action) && action == Action::RestartWorker {
                restart(&session, &worker);
            }
        })
    };
    rsx! {
        section {
            class: "pane",
            "aria-label": "{name}",
            "data-kind": kind.word(),
            "data-worker": "{worker}",
            "data-focused": (focused && is_split).to_string(),
            hidden: place.is_none(),
            style: place.map(Area::style),
            onpointerdown: { let mut focus = focus.clone(); move |_| focus() },
            onfocusin: { let mut focus = focus.clone(); move |_| focus() },
            if let Some(hindrance) = hindrance() {
                Notice { worker: worker.clone(), hindrance }
            }
            {slots::pane(worker.clone(), kind, onaction)}
            DeviceFoot { worker: worker.clone() }
        }
    }
}

fn hindrance(stores: crate::stores::Stores, id: &WorkerId) -> Option<Hindrance> {
    let workspace = stores.workspace.read();
    let tab = workspace.tabs.get(id)?;
    if let Presence::Gone(departure) = &tab.presence {
        let failure = match departure {
            Departure::Stopped => None,
            Departure::Failed { reason, message } => Some(Failure::of_reason(reason, message)),
        };
        return Some(Hindrance::Gone {
            failure,
            kind: tab.kind,
            model: tab.model.clone(),
        });
    }
    let cluster = stores.cluster.read();
    let worker = cluster.workers.get(id)?;
    of_worker(worker)
}

fn of_worker(worker: &Worker) -> Option<Hindrance> {
    if worker.state.has_failed() {
        let failure = worker.failure.as_ref();
        let failure = failure.map_or_else(
            || Failure::new("The worker has failed."),
            |failure| Failure::of_reason(&failure.reason, &failure.message),
        );
        return Some(Hindrance::Failed(failure.with(Action::RestartWorker)));
    }
    let words = match worker.state {
        _ if worker.unreachable => "Its hive can't be reached",
        WorkerState::Pending if worker.failure.is_some() => "It failed and is tried again soon",
        WorkerState::Pending => "Waiting for its turn",
        WorkerState::Validating => "Checking model, program, device and memory",
        WorkerState::Fetching => "Fetching the model's files",
        WorkerState::Starting => "Starting the process",
        WorkerState::Loading => "Loading the model",
        WorkerState::Draining => "Finishing what runs",
        WorkerState::Stopping | WorkerState::Stopped => "Stopping",
        WorkerState::Unknown
        | WorkerState::Ready
        | WorkerState::Busy
        | WorkerState::Failed
        | WorkerState::CrashLooping => {
            return None;
        }
    };
    Some(Hindrance::Coming {
        words: words.to_owned(),
        fraction: worker.load_fraction.map(f64::from),
    })
}

/// What is said above the pane.
#[component]
pub fn Notice(
    /// Whose pane it is.
    worker: WorkerId,
    /// Why it does not serve.
    hindrance: Hindrance,
) -> Element {
    let session = use_session();
    let mut overlay = session.stores.overlay;
    match hindrance {
        Hindrance::Coming { words, fraction } => rsx! {
            div { class: "pane__notice", role: "status", "data-state": "coming",
                span { class: "pane__words", "{words}…" }
                Progress { label: words.clone(), value: fraction }
            }
        },
        Hindrance::Failed(failure) => rsx! {
            div { class: "pane__notice", "data-state": "failed",
                FailureNotice {
                    sentence: failure.sentence.clone(),
                    advice: failure.detail.clone(),
                    reason: failure.reason.clone(),
                    action: Action::RestartWorker.label(),
                    onaction: move |()| restart(&session, &worker),
                }
            }
        },
        Hindrance::Gone { failure, kind, model } => {
            let sentence = failure
                .as_ref()
                .map_or("This worker was stopped.", |failure| failure.sentence.as_str())
                .to_owned();
            let detail = failure.and_then(|failure| failure.detail);
            rsx! {
                div { class: "pane__notice", role: "status", "data-state": "gone",
                    div { class: "pane__gone",
                        div { class: "pane__words",
                            p { "{sentence}" }
                            if let Some(detail) = detail { p { class: "pane__detail", "{detail}" } }
                        }
                        Button {
                            size: ControlSize::Small,
                            variant: ButtonVariant::Primary,
                            onclick: move |_| overlay.set(Some(Overlay::Spawn { kind: Some(kind), model: Some(model.clone()) })),
                            "Start it again"
                        }
                        Button { size: ControlSize::Small, onclick: move |_| session.close_tab(&worker), "Close tab" }
                    }
                }
            }
        }
    }
}

/// Starts a worker anew; what goes wrong is said in a corner.
pub(super) fn restart(session: &Session, worker: &WorkerId) {
    let worker = session.stores.cluster.peek().workers.get(worker).cloned();
    let client = session.stores.client.peek().clone();
    let (Some(worker), Some(client), session) = (worker, client, session.clone()) else {
        return;
    };
    // Not of the part that asks: a menu is gone before it is answered.
    dioxus::core::spawn_forever(async move {
        if let Err(failure) = workers::restart(&client, &worker).await {
            session.complain(&failure);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    #[test]
    fn a_worker_that_serves_is_not_hindered() {
        assert_eq!(of_worker(&sample::worker("a", WorkerKind::Text)), None);
    }

    #[test]
    fn a_failed_one_says_why_and_can_be_restarted() {
        let Some(Hindrance::Failed(failure)) = of_worker(&sample::failed("a")) else {
            panic!("it has failed")
        };
        assert!(failure.is("WORKER_EXITED"));
        assert_eq!(failure.action, Some(Action::RestartWorker));
    }
}
