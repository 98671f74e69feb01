//! The drawn part of the dialog.

use dioxus::prelude::*;

use super::devices::Devices;
use super::kinds::Kinds;
use super::models::Models;
use super::progress::StepList;
use crate::client::failure::{Action, Failure};
use crate::components::{Button, ButtonVariant, Dialog, DialogSize, Icon, IconName};
use crate::model::cluster::WorkerKind;
use crate::model::ids::ModelId;
use crate::model::models::ModelsView;
use crate::model::wizard::{Fit, Page, PlaceId, Spawn, Wizard};

/// What the person asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// This kind.
    Kind(WorkerKind),
    /// This model.
    Model(ModelId),
    /// Models with these words.
    Search(String),
    /// This device.
    Place(PlaceId),
    /// The page before.
    Back,
    /// The worker.
    Begin,
    /// The worker's pane, once it is ready.
    Show,
    /// Something elsewhere in the window.
    Act(Action),
    /// No more of this.
    Close,
}

/// The dialog.
#[component]
pub fn WizardView(
    /// How far the person is.
    wizard: ReadSignal<Wizard<Failure>>,
    /// The models of the cluster.
    models: ReadSignal<ModelsView>,
    /// Whether there is any hive that can be reached.
    has_hive: bool,
    /// What the person asks for.
    on: EventHandler<Ask>,
) -> Element {
    let state = wizard.read();
    let kind = state.kind.map(WorkerKind::word);
    let title = match (state.page, state.kind) {
        (Page::Starting, _) if state.is_starting() => "Starting a worker",
        (Page::Starting, _) if failed(&state) => "The worker could not be started",
        (Page::Starting, _) => "The worker is ready",
        (_, Some(WorkerKind::Text)) => "Start a text worker",
        (_, Some(WorkerKind::Image)) => "Start an image worker",
        (_, None) => "Start a worker",
    };
    rsx! {
        Dialog {
            title,
            size: DialogSize::Large,
            onclose: move |()| on.call(Ask::Close),
            footer: rsx! { Foot { wizard, on } },
            div { class: "wizard", "data-kind": kind, "data-page": word(state.page),
                if state.page != Page::Starting {
                    Trail { page: state.page }
                }
                div { class: "wizard__page",
                    match state.page {
                        Page::Kind => rsx! { Kinds { models, kind: state.kind, on } },
                        Page::Model => rsx! { Models { wizard, models, on } },
                        Page::Device => rsx! { Devices { wizard, models, has_hive, on } },
                        Page::Starting => rsx! { StepList { wizard, models, on } },
                    }
                }
            }
        }
    }
}

/// Whether the spawn ended without a worker.
fn failed(wizard: &Wizard<Failure>) -> bool {
    wizard.spawn.as_ref().is_some_and(Spawn::has_failed)
}

fn word(page: Page) -> &'static str {
    match page {
        Page::Kind => "kind",
        Page::Model => "model",
        Page::Device => "device",
        Page::Starting => "starting",
    }
}

/// Where one is among the three.
#[component]
fn Trail(page: Page) -> Element {
    let pages = [
        (Page::Kind, "Kind"),
        (Page::Model, "Model"),
        (Page::Device, "Device"),
    ];
    rsx! {
        ol { class: "wizard__trail", "aria-label": "Steps",
            for (index , (one , label)) in pages.into_iter().enumerate() {
                li {
                    key: "{label}",
                    "data-state": if one < page { "done" } else if one == page { "here" } else { "coming" },
                    "aria-current": (one == page).then_some("step"),
                    span { class: "wizard__number numeric",
                        if one < page {
                            Icon { name: IconName::Check, size: 12, label: "done" }
                        } else {
                            "{index + 1}"
                        }
                    }
                    "{label}"
                }
            }
        }
    }
}

/// The buttons at the end.
#[component]
fn Foot(wizard: ReadSignal<Wizard<Failure>>, on: EventHandler<Ask>) -> Element {
    let state = wizard.read();
    let kind = state.kind.map(WorkerKind::word);
    let failed = failed(&state);
    let fit = state.place().map(|place| (place.fit, place.evictable.len()));
    let begin = match fit {
        Some((Fit::Evicting, 1)) => "Stop 1 idle worker and start".to_owned(),
        Some((Fit::Evicting, count)) => format!("Stop {count} idle workers and start"),
        Some((Fit::TooLarge, _)) => "Start all the same".to_owned(),
        _ => "Start".to_owned(),
    };
    let is_risky = matches!(fit, Some((Fit::TooLarge, _)));
    rsx! {
        div { class: "wizard__foot", "data-kind": kind,
            if matches!(state.page, Page::Model | Page::Device) || failed {
                Button { variant: ButtonVariant::Plain, icon: IconName::ChevronLeft, onclick: move |_| on.call(Ask::Back), "Back" }
            }
            span { class: "wizard__gap" }
            match state.page {
                Page::Kind | Page::Model => rsx! {
                    Button { onclick: move |_| on.call(Ask::Close), "Cancel" }
                },
                Page::Device => rsx! {
                    Button { onclick: move |_| on.call(Ask::Close), "Cancel" }
                    Button {
                        variant: if is_risky { ButtonVariant::Danger } else { ButtonVariant::Primary },
                        icon: IconName::Play,
                        disabled: !state.is_ready(),
                        onclick: move |_| on.call(Ask::Begin),
                        "{begin}"
                    }
                },
                Page::Starting if state.is_starting() => rsx! {
                    span { class: "wizard__hint", "It goes on when this is closed." }
                    Button { onclick: move |_| on.call(Ask::Close), "Close" }
                },
                Page::Starting if failed => rsx! {
                    Button { onclick: move |_| on.call(Ask::Close), "Close" }
                },
                Page::Starting => rsx! {
                    Button { variant: ButtonVariant::Primary, onclick: move |_| on.call(Ask::Show), "Open its pane" }
                },
            }
        }
    }
}
