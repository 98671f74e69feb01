//! A conversation's settings: instructions to the model, how tokens are chosen, when an answer ends.

use dioxus::prelude::*;

use super::event::PaneEvent;
use crate::components::{
    Button, ButtonVariant, Choice, ControlSize, IconButton, IconName, NumberField, Select, Slider, Switch,
    TextArea,
};
use crate::model::chat::{Knob, Sampling, SamplingDefaults};

/// The settings.
#[component]
pub(super) fn SettingsView(
    system: String,
    sampling: Sampling,
    drop_oldest_turns: bool,
    defaults: SamplingDefaults,
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let thinking = match sampling.thinking {
        None => "model",
        Some(true) => "yes",
        Some(false) => "no",
    };
    rsx! {
        aside { class: "chat-settings", "aria-label": "Settings of this conversation",
            div { class: "chat-settings__head",
                h3 { "Settings" }
                Button {
                    size: ControlSize::Small,
                    variant: ButtonVariant::Plain,
                    disabled: sampling.is_default(),
                    onclick: move |_| onevent.call(PaneEvent::ResetSettings),
                    "Reset"
                }
                IconButton {
                    icon: IconName::Close,
                    label: "Close the settings",
                    size: ControlSize::Small,
                    onclick: move |_| onevent.call(PaneEvent::ToggleSettings),
                }
            }
            TextArea {
                label: "System prompt",
                value: system,
                rows: 4,
                placeholder: "How the model should answer",
                oninput: move |text| onevent.call(PaneEvent::System(text)),
            }
            for knob in Knob::ALL {
                KnobView { key: "{knob:?}", knob, value: sampling.get(knob), defaults, onevent }
            }
            div { class: "chat-settings__pair",
                NumberField {
                    label: "Longest answer",
                    value: sampling.max_tokens.map(f64::from),
                    min: 1.0,
                    max: 1_000_000.0,
                    placeholder: "until full",
                    onchange: move |value: Option<f64>| onevent.call(PaneEvent::LongestAnswer(value.map(|value| value as u32))),
                }
                NumberField {
                    label: "Seed",
                    value: sampling.seed.map(|seed| seed as f64),
                    min: 0.0,
                    max: 4_294_967_295.0,
                    placeholder: "random",
                    onchange: move |value: Option<f64>| onevent.call(PaneEvent::Seed(value.map(|value| value as u64))),
                }
            }
            Select {
                label: "Thinking",
                value: thinking,
                choices: vec![
                    Choice::new("model", "As the model does by itself"),
                    Choice::new("yes", "Think before answering"),
                    Choice::new("no", "Answer at once"),
                ],
                hint: "For models whose template can be told so.",
                onchange: move |value: String| {
                    let thinking = match value.as_str() {
                        "yes" => Some(true),
                        "no" => Some(false),
                        _ => None,
                    };
                    onevent.call(PaneEvent::Thinking(thinking));
                },
            }
            Switch {
                label: "Leave out the oldest turns",
                hint: "When the conversation outgrows the context. Otherwise the worker refuses, and says by how much.",
                checked: drop_oldest_turns,
                onchange: move |on| onevent.call(PaneEvent::DropOldest(on)),
            }
        }
    }
}

/// A number that one can turn, and the way back to its default.
#[component]
fn KnobView(
    knob: Knob,
    value: Option<f32>,
    defaults: SamplingDefaults,
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let bound = knob.bound();
    let default = knob.default_value(&defaults);
    let words = match value {
        Some(value) => knob.words(value),
        None => format!("{} (default)", knob.words(default)),
    };
    rsx! {
        div { class: "knob", "data-set": value.is_some().to_string(), title: knob.explanation(),
            Slider {
                label: knob.label(),
                value: f64::from(value.unwrap_or(default)),
                min: f64::from(bound.minimum),
                max: f64::from(bound.maximum),
                step: f64::from(bound.step),
                text: words,
                oninput: move |value: f64| onevent.call(PaneEvent::Turn(knob, Some(value as f32))),
            }
            if value.is_some() {
                span { class: "knob__reset",
                    IconButton {
                        icon: IconName::Undo,
                        label: "{knob.label()} back to its default",
                        size: ControlSize::Small,
                        onclick: move |_| onevent.call(PaneEvent::Turn(knob, None)),
                    }
                }
            }
        }
    }
}
