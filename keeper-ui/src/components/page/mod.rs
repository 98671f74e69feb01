//! The frame of a page: its name, what it comes to in a line, its tools, and what it shows.

use dioxus::prelude::*;

/// A page.
#[component]
pub fn PageFrame(
    /// Its name.
    #[props(into)]
    title: String,
    /// What it comes to, in a line.
    #[props(default, into)]
    summary: Option<String>,
    /// Buttons beside its name.
    #[props(default)]
    actions: Option<Element>,
    /// What stands between its name and what it shows: tabs, a search, filters.
    #[props(default)]
    tools: Option<Element>,
    /// What it shows; scrolls by itself.
    children: Element,
) -> Element {
    rsx! {
        div { class: "page",
            header { class: "page__head",
                div { class: "page__words",
                    h1 { class: "page__title", "{title}" }
                    if let Some(summary) = summary {
                        p { class: "page__summary numeric", "{summary}" }
                    }
                }
                if let Some(actions) = actions {
                    div { class: "page__actions", {actions} }
                }
            }
            if let Some(tools) = tools {
                div { class: "page__tools", {tools} }
            }
            div { class: "page__body", {children} }
        }
    }
}
