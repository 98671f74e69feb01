//! A number between two others, by dragging or with the arrow keys.

use dioxus::prelude::*;

use super::identity::use_identity;
use super::typed::use_typed;

/// A slider with its name and its value beside it.
#[component]
pub fn Slider(
    /// What is set.
    #[props(into)]
    label: String,
    /// Where it stands.
    value: f64,
    /// The least.
    min: f64,
    /// The most.
    max: f64,
    /// From one value to the next.
    step: f64,
    /// The value in words, where the number alone would not do.
    #[props(default, into)]
    text: Option<String>,
    /// What it means, below it.
    #[props(default, into)]
    hint: Option<String>,
    /// Cannot be moved now.
    #[props(default)]
    disabled: bool,
    /// Moved to this value.
    oninput: EventHandler<f64>,
) -> Element {
    let id = use_identity("slider");
    let typed = use_typed(&id, &value.to_string());
    let hint_id = hint.as_ref().map(|_| format!("{id}-hint"));
    let shown = text.clone().unwrap_or_else(|| format!("{value}"));
    let span = max - min;
    let share = if span > 0.0 {
        ((value - min) / span * 100.0).clamp(0.0, 100.0)
    } else {
        0.0
    };
    rsx! {
        div { class: "slider",
            div { class: "slider__words",
                label { class: "slider__label", r#for: "{id}", "{label}" }
                output { class: "slider__value numeric", "for": "{id}", "{shown}" }
            }
            input {
                class: "slider__range",
                r#type: "range",
                id: "{id}",
                min: "{min}",
                max: "{max}",
                step: "{step}",
                initial_value: typed.first(),
                disabled,
                style: "--share: {share:.2}%",
                "aria-valuetext": text,
                "aria-describedby": hint_id.clone(),
                oninput: move |event| {
                    typed.heard(&event.value());
                    if let Ok(value) = event.value().parse() {
                        oninput.call(value);
                    }
                },
            }
            if let Some(hint) = hint {
                p { class: "field__hint", id: hint_id.clone(), "{hint}" }
            }
        }
    }
}
