//! One of a few, all in sight.

use dioxus::prelude::*;

use super::field::Choice;
use super::icon::{Icon, IconName};

/// A row of buttons of which one is down.
#[component]
pub fn Segments(
    /// What is chosen between.
    #[props(into)]
    label: String,
    /// What there is to choose.
    choices: Vec<Choice>,
    /// Icons in place of words, one for each choice.
    #[props(default)]
    icons: Vec<IconName>,
    /// The value that is chosen.
    #[props(into)]
    value: String,
    /// Another was chosen.
    onchange: EventHandler<String>,
) -> Element {
    rsx! {
        div { class: "segments", role: "group", "aria-label": "{label}",
            for (place, choice) in choices.into_iter().enumerate() {
                button {
                    key: "{choice.value}",
                    class: "segments__item",
                    r#type: "button",
                    "aria-pressed": (choice.value == value).to_string(),
                    "aria-label": icons.get(place).map(|_| choice.label.clone()),
                    title: icons.get(place).map(|_| choice.label.clone()),
                    onclick: move |_| onchange.call(choice.value.clone()),
                    if let Some(name) = icons.get(place) {
                        Icon { name: *name }
                    } else {
                        "{choice.label}"
                    }
                }
            }
        }
    }
}
