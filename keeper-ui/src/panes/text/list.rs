//! All conversations: the latest first, or those in which something was said.

use dioxus::prelude::*;

use super::event::PaneEvent;
use crate::components::{Button, ControlSize, IconButton, IconName, SearchField, Spinner};
use crate::model::chat::{ConversationId, Found, MessageId};

/// A conversation in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which.
    pub id: ConversationId,
    /// Its name.
    pub name: String,
    /// The model that it was held with last.
    pub model: String,
    /// When something was said last, in words.
    pub when: String,
    /// Whether an answer is coming in it.
    pub speaking: bool,
}

/// The list.
#[component]
pub(super) fn ConversationList(
    rows: Vec<Row>,
    current: ConversationId,
    query: String,
    found: Vec<Found>,
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let searching = !query.trim().is_empty();
    rsx! {
        nav { class: "conversations", "aria-label": "Conversations",
            div { class: "conversations__head",
                SearchField {
                    label: "Search in all conversations",
                    placeholder: "Search",
                    value: query,
                    oninput: move |words| onevent.call(PaneEvent::Search(words)),
                }
                Button {
                    icon: IconName::Plus,
                    size: ControlSize::Medium,
                    onclick: move |_| onevent.call(PaneEvent::NewConversation),
                    "New conversation"
                }
            }
            if searching {
                Results { found, onevent }
            } else if rows.is_empty() {
                p { class: "conversations__none", "What you talk about is listed here." }
            } else {
                ul { class: "conversations__rows",
                    for row in rows {
                        RowView { key: "{row.id.as_str()}", current: row.id == current, row, onevent }
                    }
                }
            }
        }
    }
}

#[component]
fn RowView(row: Row, current: bool, onevent: EventHandler<PaneEvent>) -> Element {
    let id = row.id.clone();
    let gone = row.id.clone();
    rsx! {
        li { class: "conversations__row", "data-state": if current { "current" } else { "other" },
            button {
                class: "conversations__open",
                r#type: "button",
                "aria-current": current.then_some("true"),
                onclick: move |_| onevent.call(PaneEvent::Open(id.clone(), None)),
                span { class: "conversations__name truncate", dir: "auto", "{row.name}" }
                span { class: "conversations__about truncate", "{row.when} · {row.model}" }
            }
            if row.speaking {
                span { class: "conversations__busy", role: "img", "aria-label": "An answer is coming", Spinner {} }
            } else {
                span { class: "conversations__delete",
                    IconButton {
                        icon: IconName::Trash,
                        label: "Delete “{row.name}”",
                        size: ControlSize::Small,
                        onclick: move |_| onevent.call(PaneEvent::Delete(gone.clone())),
                    }
                }
            }
        }
    }
}

#[component]
fn Results(found: Vec<Found>, onevent: EventHandler<PaneEvent>) -> Element {
    if found.is_empty() {
        return rsx! {
            p { class: "conversations__none", "Nobody said that." }
        };
    }
    rsx! {
        ul { class: "conversations__rows",
            for (place, hit) in found.into_iter().enumerate() {
                ResultView { key: "{place}", hit, onevent }
            }
        }
    }
}

#[component]
fn ResultView(hit: Found, onevent: EventHandler<PaneEvent>) -> Element {
    let (before, matched, after) = hit.excerpt;
    let (id, message): (ConversationId, Option<MessageId>) = (hit.conversation, hit.message);
    rsx! {
        li { class: "conversations__row",
            button {
                class: "conversations__open",
                r#type: "button",
                onclick: move |_| onevent.call(PaneEvent::Open(id.clone(), message)),
                span { class: "conversations__name truncate", dir: "auto", "{hit.name}" }
                span { class: "conversations__excerpt", dir: "auto", "{before}" mark { "{matched}" } "{after}" }
            }
        }
    }
}
