//! What a person writes, picks or switches, each with its name, a hint, and what is wrong with it.

mod choose;
mod number;
mod write;

use dioxus::prelude::*;

pub use choose::{Checkbox, Choice, Select, Switch};
pub use number::NumberField;
pub use write::{SearchField, TextArea, TextField};

/// The name above a control and the words below it.
#[component]
pub fn Field(
    /// The control's name.
    #[props(into)]
    label: String,
    /// The control's id.
    #[props(into)]
    id: String,
    /// What it means.
    #[props(default, into)]
    hint: Option<String>,
    /// What is wrong with what is in it.
    #[props(default, into)]
    error: Option<String>,
    /// The name is for those who listen alone; something beside it says it already.
    #[props(default)]
    hide_label: bool,
    /// The control.
    children: Element,
) -> Element {
    let label_class = if hide_label { "sr-only" } else { "field__label" };
    rsx! {
        div { class: "field", "data-state": if error.is_some() { "wrong" } else { "right" },
            label { class: label_class, r#for: "{id}", "{label}" }
            {children}
            if let Some(error) = &error {
                p { class: "field__error", id: "{id}-error", "{error}" }
            } else if let Some(hint) = &hint {
                p { class: "field__hint", id: "{id}-hint", "{hint}" }
            }
        }
    }
}

/// The id of the words below a control, which describe it.
fn described_by(id: &str, hint: Option<&String>, error: Option<&String>) -> Option<String> {
    match (error, hint) {
        (Some(_), _) => Some(format!("{id}-error")),
        (None, Some(_)) => Some(format!("{id}-hint")),
        (None, None) => None,
    }
}
