//! One of several, and yes or no.

use dioxus::prelude::*;

use super::{Field, described_by};
use crate::components::icon::{Icon, IconName};
use crate::components::identity::use_identity;

/// One of several things to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is told when it is chosen.
    pub value: String,
    /// What it says.
    pub label: String,
    /// Why it cannot be chosen now; absent if it can.
    pub unavailable: Option<String>,
}

impl Choice {
    /// One that can be chosen.
    #[must_use]
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
            unavailable: None,
        }
    }
}

/// One of several, in the system's own list.
#[component]
pub fn Select(
    /// Its name.
    #[props(into)]
    label: String,
    /// The value that is chosen.
    #[props(into)]
    value: String,
    /// What there is to choose.
    choices: Vec<Choice>,
    /// What it means.
    #[props(default, into)]
    hint: Option<String>,
    /// The name is for those who listen alone.
    #[props(default)]
    hide_label: bool,
    /// Cannot be changed now.
    #[props(default)]
    disabled: bool,
    /// Another value was chosen.
    onchange: EventHandler<String>,
) -> Element {
    let id = use_identity("select");
    let described = described_by(&id, hint.as_ref(), None);
    rsx! {
        Field { label, id: id.clone(), hint, hide_label,
            div { class: "select",
                select {
                    class: "input select__input",
                    id: "{id}",
                    disabled,
                    "aria-describedby": described,
                    onchange: move |event| onchange.call(event.value()),
                    for choice in choices {
                        option {
                            key: "{choice.value}",
                            value: "{choice.value}",
                            selected: choice.value == value,
                            disabled: choice.unavailable.is_some(),
                            if let Some(why) = &choice.unavailable {
                                "{choice.label} ({why})"
                            } else {
                                "{choice.label}"
                            }
                        }
                    }
                }
                span { class: "select__arrow", Icon { name: IconName::ChevronDown } }
            }
        }
    }
}

/// Yes or no, as a box with a tick.
#[component]
pub fn Checkbox(
    /// What is said yes to.
    #[props(into)]
    label: String,
    /// Whether it is.
    checked: bool,
    /// What it means.
    #[props(default, into)]
    hint: Option<String>,
    /// Cannot be changed now.
    #[props(default)]
    disabled: bool,
    /// Changed to this.
    onchange: EventHandler<bool>,
) -> Element {
    let id = use_identity("check");
    let described = described_by(&id, hint.as_ref(), None);
    rsx! {
        div { class: "check",
            input {
                class: "check__box",
                r#type: "checkbox",
                id: "{id}",
                checked,
                disabled,
                "aria-describedby": described,
                onchange: move |event| onchange.call(event.checked()),
            }
            div {
                label { class: "check__label", r#for: "{id}", "{label}" }
                if let Some(hint) = hint {
                    p { class: "field__hint", id: "{id}-hint", "{hint}" }
                }
            }
        }
    }
}

/// Yes or no, as a switch: what it does holds at once.
#[component]
pub fn Switch(
    /// What is switched.
    #[props(into)]
    label: String,
    /// Whether it is on.
    checked: bool,
    /// What it means.
    #[props(default, into)]
    hint: Option<String>,
    /// Cannot be changed now.
    #[props(default)]
    disabled: bool,
    /// Switched to this.
    onchange: EventHandler<bool>,
) -> Element {
    let id = use_identity("switch");
    let described = described_by(&id, hint.as_ref(), None);
    rsx! {
        div { class: "check check--switch",
            input {
                class: "switch",
                r#type: "checkbox",
                role: "switch",
                id: "{id}",
                checked,
                disabled,
                "aria-describedby": described,
                onchange: move |event| onchange.call(event.checked()),
            }
            div {
                label { class: "check__label", r#for: "{id}", "{label}" }
                if let Some(hint) = hint {
                    p { class: "field__hint", id: "{id}-hint", "{hint}" }
                }
            }
        }
    }
}
