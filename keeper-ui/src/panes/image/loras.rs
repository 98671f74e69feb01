//! LoRAs: those that are used, with their weights, and those that could be.

use dioxus::prelude::*;

use super::embeddings::name_of;
use super::panel::rounded;
use super::view::{AddOnChoice, ImageSession, Wish};
use crate::client::failure::Action;
use crate::components::{
    Button, ButtonVariant, Checkbox, Choice, ControlSize, IconButton, IconName, Select, Slider,
};
use crate::model::ids::ModelId;
use crate::model::models::AddOnKind;

/// What the sliders reach; more can come from a picture's settings.
const USUAL_WEIGHT: f64 = 2.0;

/// The LoRAs.
#[component]
pub(super) fn Loras(
    session: Signal<ImageSession>,
    add_ons: Vec<AddOnChoice>,
    on: EventHandler<Wish>,
) -> Element {
    let mut session = session;
    let used = use_memo(move || session.read().settings.loras.clone());
    let known = || add_ons.iter().filter(|known| known.kind == AddOnKind::Lora);
    let unused = known().filter(|lora| used.read().iter().all(|use_of| use_of.model_id != lora.id));
    let choices = choices(unused, "Add a LoRA…");
    rsx! {
        section { class: "image-panel__section",
            h4 { class: "image-panel__title", "LoRAs" }
            for lora in used() {
                LoraRow { key: "{lora.model_id}", session, name: name_of(&add_ons, &lora.model_id), id: lora.model_id.clone() }
            }
            if known().next().is_none() && used.read().is_empty() {
                p { class: "image-panel__hint", "None is here yet. They change the style or bring a subject in." }
                Button {
                    variant: ButtonVariant::Plain,
                    size: ControlSize::Small,
                    icon: IconName::Market,
                    onclick: move |_| on.call(Wish::Act(Action::OpenMarketplace)),
                    "Find LoRAs"
                }
            } else if choices.len() > 1 {
                Select {
                    label: "Add a LoRA",
                    hide_label: true,
                    value: "",
                    choices,
                    onchange: move |id: String| {
                        if !id.is_empty() {
                            session.write().settings.add_lora(id.into(), 1.0);
                        }
                    },
                }
            }
        }
    }
}

/// Those that suit first; those that don't can't be chosen.
pub(super) fn choices<'a>(unused: impl Iterator<Item = &'a AddOnChoice>, first: &str) -> Vec<Choice> {
    let mut unused: Vec<_> = unused.collect();
    unused.sort_by_key(|known| (known.suits == Some(false), known.name.to_lowercase()));
    let choice = |known: &AddOnChoice| Choice {
        unavailable: (known.suits == Some(false)).then(|| "for another model".to_owned()),
        ..Choice::new(known.id.as_str(), &known.name)
    };
    let choices = unused.into_iter().map(choice);
    std::iter::once(Choice::new("", first)).chain(choices).collect()
}

#[component]
fn LoraRow(session: Signal<ImageSession>, id: ModelId, name: String) -> Element {
    let mut session = session;
    let id = use_signal(|| id);
    let lora = use_memo(move || {
        let state = session.read();
        state
            .settings
            .loras
            .iter()
            .find(|lora| lora.model_id == *id.read())
            .cloned()
    });
    let Some(lora) = lora() else {
        return rsx! {};
    };
    let weight = rounded(lora.weight);
    rsx! {
        div { class: "image-lora", "data-state": if lora.enabled { "used" } else { "unused" },
            div { class: "image-lora__head",
                Checkbox {
                    label: name.clone(),
                    checked: lora.enabled,
                    onchange: move |enabled| {
                        let mut state = session.write();
                        let found = state.settings.loras.iter_mut().find(|lora| lora.model_id == *id.peek());
                        if let Some(lora) = found {
                            lora.enabled = enabled;
                        }
                    },
                }
                IconButton {
                    icon: IconName::Close,
                    label: "Take {name} out",
                    size: ControlSize::Small,
                    onclick: move |_| {
                        let gone = id.peek().clone();
                        session.write().settings.loras.retain(|lora| lora.model_id != gone);
                    },
                }
            }
            Slider {
                label: "Weight",
                value: weight,
                min: (-USUAL_WEIGHT).min(weight),
                max: USUAL_WEIGHT.max(weight),
                step: 0.05,
                text: format!("{weight:.2}"),
                disabled: !lora.enabled,
                oninput: move |weight: f64| {
                    let id = id.peek().clone();
                    session.write().settings.set_lora_weight(&id, weight as f32);
                },
            }
        }
    }
}
