//! The first page: text or pictures.

use dioxus::prelude::*;

use super::view::Ask;
use crate::components::{Icon, IconName};
use crate::model::cluster::WorkerKind;
use crate::model::models::{ModelState, ModelsView};

/// The two kinds.
#[component]
pub(super) fn Kinds(
    models: ReadSignal<ModelsView>,
    kind: Option<WorkerKind>,
    on: EventHandler<Ask>,
) -> Element {
    let known = models.read();
    let count = |kind| {
        let is_here = |model: &&crate::model::models::Model| {
            model.state == ModelState::Available && model.model_type.worker_kind() == Some(kind)
        };
        known.models.values().filter(is_here).count()
    };
    let kinds = [
        (
            WorkerKind::Text,
            IconName::Text,
            "Text",
            "Answers, writes and reasons with a language model.",
        ),
        (
            WorkerKind::Image,
            IconName::Image,
            "Pictures",
            "Paints from a prompt, or from another picture.",
        ),
    ];
    rsx! {
        div { class: "wizard__kinds",
            for (one , icon , title , text) in kinds {
                button {
                    key: "{title}",
                    class: "wizard__kind",
                    r#type: "button",
                    "data-kind": one.word(),
                    "aria-pressed": (kind == Some(one)).to_string(),
                    // The dialog gives the focus to it and not to its cross.
                    autofocus: one == WorkerKind::Text,
                    onclick: move |_| on.call(Ask::Kind(one)),
                    span { class: "wizard__kind-icon", Icon { name: icon, size: 24 } }
                    strong { "{title}" }
                    span { class: "wizard__kind-text", "{text}" }
                    span { class: "wizard__kind-count numeric", {models_here(count(one))} }
                }
            }
        }
    }
}

fn models_here(count: usize) -> String {
    match count {
        0 => "no model here yet".to_owned(),
        1 => "1 model here".to_owned(),
        count => format!("{count} models here"),
    }
}
