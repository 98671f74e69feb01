//! What shows where nothing is yet: why, and what to do about it.

use dioxus::prelude::*;

use super::icon::{Icon, IconName};

/// An icon, a line, a sentence, and what can be done.
#[component]
pub fn EmptyState(
    /// A picture of what would be here.
    icon: IconName,
    /// What is not here.
    #[props(into)]
    title: String,
    /// Why, or how it gets here.
    #[props(default, into)]
    text: Option<String>,
    /// Buttons.
    children: Element,
) -> Element {
    rsx! {
        div { class: "empty",
            span { class: "empty__icon", Icon { name: icon, size: 28 } }
            p { class: "empty__title", "{title}" }
            if let Some(text) = text {
                p { class: "empty__text", "{text}" }
            }
            div { class: "empty__actions", {children} }
        }
    }
}
