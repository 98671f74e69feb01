//! One model in the table.

use dioxus::prelude::*;

use super::screen::Wish;
use crate::components::{Badge, Button, ControlSize, IconName, Menu, MenuItem, StateDot, Tone};
use crate::model::cluster::{Worker, WorkerKind};
use crate::model::ids::ModelId;
use crate::model::model_list::{family, kind_label, title, vendor_label};
use crate::model::models::{Model, ModelState, Vendor};
use crate::model::units;
use crate::pages::jobs::Order;

/// Workers that are named; of more there is a number.
const MOST_NAMED: usize = 2;

/// A row.
#[component]
pub(super) fn ModelRow(
    model: Model,
    workers: Vec<Worker>,
    onwish: EventHandler<Wish>,
    onremove: EventHandler<ModelId>,
) -> Element {
    let name = title(&model).to_owned();
    let kind = model.model_type.worker_kind();
    let failure = match &model.state {
        ModelState::Failed(failure) => Some(failure.clone()),
        _ => None,
    };
    let spawned = model.id.clone();
    let again = model.id.to_string();
    let can_retry = model.vendor != Some(Vendor::Local);
    rsx! {
        tr { class: "model", "data-kind": kind.map_or("none", WorkerKind::word),
            td { class: "model__names",
                p { class: "model__name truncate", dir: "auto", title: "{name}", "{name}" }
                if let Some(failure) = failure.clone() {
                    p { class: "model__failure truncate", title: "{failure}", "{failure}" }
                } else if model.id.as_str() != name {
                    p { class: "model__id truncate", title: "{model.id}", "{model.id}" }
                }
            }
            td {
                div { class: "model__badges",
                    Badge { tone: if kind.is_some() { Tone::Accent } else { Tone::Neutral }, {kind_label(&model.model_type)} }
                    if let Some(family) = family(&model) {
                        Badge { "{family}" }
                    }
                    if let Some(quantization) = &model.quantization {
                        Badge { "{quantization}" }
                    }
                }
            }
            td { "data-numeric": "true", {units::size(model.size_bytes)} }
            td { class: "model__vendor", {model.vendor.map_or("", vendor_label)} }
            td { Users { workers } }
            td {
                div { class: "model__actions",
                    if failure.is_some() && can_retry {
                        Button {
                            size: ControlSize::Small,
                            icon: IconName::Refresh,
                            onclick: move |_| onwish.call(Wish::Order(Order::Download(again.clone()))),
                            "Try again"
                        }
                    } else if kind.is_some() && failure.is_none() {
                        Button {
                            size: ControlSize::Small,
                            icon: IconName::Plus,
                            "aria-label": "Start a worker with {name}",
                            onclick: move |_| onwish.call(Wish::Spawn(spawned.clone())),
                            "Start"
                        }
                    }
                    RowMenu { name: name.clone(), model: model.id.clone(), onwish, onremove }
                }
            }
        }
    }
}

/// What else can be done with a model.
#[component]
fn RowMenu(
    name: String,
    model: ModelId,
    onwish: EventHandler<Wish>,
    onremove: EventHandler<ModelId>,
) -> Element {
    let items = vec![
        MenuItem {
            icon: Some(IconName::Success),
            ..MenuItem::new("verify", "Verify its files")
        },
        MenuItem {
            icon: Some(IconName::Trash),
            danger: true,
            divided: true,
            ..MenuItem::new("remove", "Remove…")
        },
    ];
    rsx! {
        Menu {
            label: "More about {name}",
            size: ControlSize::Small,
            items,
            onselect: move |id: String| match id.as_str() {
                "verify" => onwish.call(Wish::Order(Order::Verify(model.clone()))),
                _ => onremove.call(model.clone()),
            },
        }
    }
}

/// The workers that serve it.
#[component]
fn Users(workers: Vec<Worker>) -> Element {
    let more = workers.len().saturating_sub(MOST_NAMED);
    rsx! {
        if workers.is_empty() {
            span { class: "model__nobody",
                span { "aria-hidden": "true", "–" }
                span { class: "sr-only", "nobody" }
            }
        } else {
            ul { class: "model__users",
                for worker in workers.iter().take(MOST_NAMED) {
                    li { class: "model__user", key: "{worker.id}",
                        StateDot { state: worker.state.into(), label: worker.state.label() }
                        span { class: "truncate", {worker.device.as_ref().map_or_else(|| worker.id.short().to_owned(), ToString::to_string)} }
                    }
                }
                if more > 0 {
                    li { class: "model__nobody", "and {more} more" }
                }
            }
        }
    }
}
