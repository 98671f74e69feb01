//! The third page: the devices, the best one chosen, with what the worker would take of each.

use dioxus::prelude::*;

use super::models::capital;
use super::view::Ask;
use crate::client::failure::{Action, Failure};
use crate::components::{Badge, Button, ControlSize, EmptyState, IconName, Meter, MeterPart, Skeleton, Tone};
use crate::model::models::ModelsView;
use crate::model::units;
use crate::model::wizard::{Fit, Place, Refusal, Wizard};

/// The devices.
#[component]
pub(super) fn Devices(
    wizard: ReadSignal<Wizard<Failure>>,
    models: ReadSignal<ModelsView>,
    has_hive: bool,
    on: EventHandler<Ask>,
) -> Element {
    let state = wizard.read();
    let Some(model) = state.model.as_ref() else {
        return rsx! {};
    };
    let answer = state.answer(model);
    let chosen = state.place().map(Place::id);
    let name = models.read().name_of(model).to_owned();
    rsx! {
        p { class: "wizard__subject", dir: "auto", "{name}" }
        if !has_hive {
            EmptyState {
                icon: IconName::Hive,
                title: "There is no hive to run it",
                text: "A hive runs the workers of one machine. None of this cluster can be reached now.",
                Button { onclick: move |_| on.call(Ask::Act(Action::OpenHives)), "Show hives" }
            }
        } else if let Some(answer) = answer {
            if answer.places.is_empty() && answer.refused.is_empty() {
                EmptyState {
                    icon: IconName::Device,
                    title: "No device can run it",
                    text: "No hive has a device that this kind of model runs on.",
                    Button { onclick: move |_| on.call(Ask::Act(Action::OpenHives)), "Show hives" }
                }
            }
            div { class: "wizard__list", role: "radiogroup", "aria-label": "Devices",
                for place in answer.places.clone() {
                    Device {
                        key: "{place.hive} {place.device}",
                        chosen: chosen == Some(place.id()),
                        place,
                        on,
                    }
                }
            }
            for refusal in answer.refused.clone() {
                Refused { key: "{refusal.hive_name}", refusal, on }
            }
        } else {
            Skeleton { label: "Asking the hives", lines: 4, height: 40 }
        }
    }
}

/// A device.
#[component]
fn Device(place: Place, chosen: bool, on: EventHandler<Ask>) -> Element {
    let tone = match place.fit {
        Fit::Fits => Tone::Good,
        Fit::Unknown => Tone::Neutral,
        Fit::Evicting => Tone::Warn,
        Fit::TooLarge | Fit::NoProgram => Tone::Bad,
    };
    let id = place.id();
    let is_missing = place.fit == Fit::NoProgram;
    let (parts, text) = memory(&place);
    let sentence = if is_missing {
        "No worker program for this hardware is installed.".to_owned()
    } else {
        capital(&place.sentence)
    };
    rsx! {
        label { class: "wizard__device", "data-chosen": chosen.to_string(), "data-fit": place.fit.word(),
            input {
                class: "wizard__radio",
                r#type: "radio",
                name: "wizard-device",
                checked: chosen,
                disabled: is_missing,
                onchange: move |_| on.call(Ask::Place(id.clone())),
            }
            span { class: "wizard__device-words",
                span { class: "wizard__device-head",
                    strong { "{place.device}" }
                    span { class: "wizard__device-name truncate", "{place.device_name}" }
                    Badge { tone, {place.fit.label()} }
                }
                span { class: "wizard__hint",
                    "{place.hive_name}"
                    if !sentence.is_empty() {
                        " · {sentence}"
                    }
                    if !place.files_present && !is_missing {
                        " · The model's files are fetched first."
                    }
                }
                if !is_missing {
                    Meter { label: "Memory of {place.device}", parts, text, bare: true }
                }
            }
        }
        if is_missing {
            div { class: "wizard__help",
                Button {
                    size: ControlSize::Small,
                    icon: IconName::Market,
                    onclick: move |_| on.call(Ask::Act(Action::OpenMarketplace)),
                    "Install a worker program"
                }
            }
        }
    }
}

/// What is taken already and what the worker would take, of what the device has.
fn memory(place: &Place) -> (Vec<MeterPart>, Option<String>) {
    let (Some(total), Some(available)) = (
        place.total_bytes.filter(|&total| total > 0),
        place.available_bytes,
    ) else {
        return (Vec::new(), None);
    };
    let share = |part: u64| part as f64 / total as f64;
    let taken = total.saturating_sub(available);
    let tone = if place.fit == Fit::Fits { "accent" } else { "bad" };
    let parts = vec![
        MeterPart {
            share: share(taken),
            tone: "other",
        },
        MeterPart {
            share: share(place.needed_bytes.min(available)),
            tone,
        },
    ];
    let text = format!(
        "{} of {} are free, the worker takes about {}",
        units::size(available),
        units::size(total),
        units::size(place.needed_bytes)
    );
    (parts, Some(text))
}

/// A hive that refuses it.
#[component]
fn Refused(refusal: Refusal<Failure>, on: EventHandler<Ask>) -> Element {
    let failure = refusal.failure;
    let action = failure
        .action
        .filter(|action| !matches!(action, Action::Retry | Action::SpawnWorker));
    rsx! {
        div { class: "wizard__refused",
            span { class: "wizard__device-words",
                span { class: "wizard__device-head",
                    strong { "{refusal.hive_name}" }
                    Badge { tone: Tone::Bad, "can't run it" }
                }
                span { class: "wizard__hint",
                    "{failure.sentence}"
                    if let Some(detail) = failure.detail {
                        " {detail}"
                    }
                }
            }
            if let Some(action) = action {
                Button { size: ControlSize::Small, onclick: move |_| on.call(Ask::Act(action)), {action.label()} }
            }
        }
    }
}
