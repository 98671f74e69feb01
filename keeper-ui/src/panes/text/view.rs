//! The text pane, drawn from what it is given.

use std::rc::Rc;

use dioxus::prelude::*;

use super::composer::Composer;
use super::event::{ExportFormat, PaneEvent};
use super::list::{ConversationList, Row};
use super::settings::SettingsView;
use super::transcript::TranscriptView;
use crate::components::{
    Button, ButtonVariant, ControlSize, EmptyState, IconButton, IconName, Menu, MenuItem, TextField,
};
use crate::model::chat::{ContextMeter, Conversation, Found, LiveAnswer, MessageId, SamplingDefaults, Title};

/// How the pane stands with its worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Readiness {
    /// It answers.
    Ready,
    /// It is on its way, in words.
    Coming(String),
    /// It has failed; the shell says above why, and what to do.
    Failed,
    /// It is gone; the conversations stay.
    Gone,
}

/// All that the pane shows.
#[derive(Debug, Clone, PartialEq)]
pub struct PaneState {
    /// The model's name to show.
    pub model: String,
    /// How it stands with the worker.
    pub readiness: Readiness,
    /// The conversation that is open.
    pub conversation: Rc<Conversation>,
    /// What is being written.
    pub draft: String,
    /// How full the context is.
    pub meter: ContextMeter,
    /// What holds where nothing is set.
    pub defaults: SamplingDefaults,
    /// All conversations.
    pub rows: Vec<Row>,
    /// What is searched for.
    pub query: String,
    /// Where it was said.
    pub found: Vec<Found>,
    /// A message to show.
    pub shown: Option<MessageId>,
    /// Whether the list shows.
    pub list_open: bool,
    /// Whether the settings show.
    pub settings_open: bool,
}

/// The text pane.
#[component]
pub fn TextView(
    /// What it shows.
    state: PaneState,
    /// The answer that is coming.
    #[props(default)]
    live: Option<ReadSignal<LiveAnswer>>,
    /// Told what the person does.
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let conversation = state.conversation.clone();
    let empty = conversation.transcript.is_empty();
    let label = format!("Conversation with {}", state.model);
    rsx! {
        section { class: "chat", "data-kind": "text", "aria-label": "{label}",
            if state.list_open {
                ConversationList {
                    rows: state.rows,
                    current: conversation.id.clone(),
                    query: state.query,
                    found: state.found,
                    onevent,
                }
            }
            div { class: "chat__middle",
                Head {
                    name: conversation.name(),
                    given: matches!(conversation.title, Title::Given(_)),
                    empty,
                    list_open: state.list_open,
                    settings_open: state.settings_open,
                    changed: !conversation.sampling.is_default() || !conversation.system.is_empty(),
                    onevent,
                }
                if empty {
                    div { class: "chat__empty",
                        EmptyState {
                            icon: IconName::Text,
                            title: state.model.clone(),
                            text: welcome(&state.readiness),
                        }
                    }
                } else {
                    TranscriptView {
                        key: "{conversation.id.as_str()}",
                        conversation: conversation.clone(),
                        live,
                        shown: state.shown,
                        onevent,
                    }
                }
                Composer {
                    draft: state.draft,
                    model: state.model,
                    obstacle: obstacle(&state.readiness),
                    speaking: live.is_some(),
                    meter: state.meter,
                    onevent,
                }
            }
            if state.settings_open {
                SettingsView {
                    system: conversation.system.clone(),
                    sampling: conversation.sampling.clone(),
                    drop_oldest_turns: conversation.drop_oldest_turns,
                    defaults: state.defaults,
                    onevent,
                }
            }
        }
    }
}

fn welcome(readiness: &Readiness) -> &'static str {
    match readiness {
        Readiness::Ready => "Ready. What you write stays on your own machines.",
        Readiness::Coming(_) => "You can write already; it answers as soon as it is ready.",
        Readiness::Failed | Readiness::Gone => "It does not answer now. Conversations stay here.",
    }
}

/// Why nothing can be sent now.
fn obstacle(readiness: &Readiness) -> Option<String> {
    match readiness {
        Readiness::Ready => None,
        Readiness::Coming(words) => Some(format!("The worker is {words}.")),
        Readiness::Failed => Some("The worker does not answer.".to_owned()),
        Readiness::Gone => Some("The worker is gone.".to_owned()),
    }
}

/// The conversation's name and what can be done with it.
#[component]
fn Head(
    name: String,
    given: bool,
    empty: bool,
    list_open: bool,
    settings_open: bool,
    changed: bool,
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let mut renaming = use_signal(|| None::<String>);
    let mut rename = move || {
        if let Some(name) = renaming.take() {
            onevent.call(PaneEvent::Rename(name));
        }
    };
    let item = |id: &str, label: &str, icon| MenuItem {
        icon: Some(icon),
        disabled: empty,
        ..MenuItem::new(id, label)
    };
    let first = name.clone();
    rsx! {
        header { class: "chat__head",
            IconButton {
                icon: IconName::List,
                label: "Conversations",
                pressed: list_open,
                onclick: move |_| onevent.call(PaneEvent::ToggleList),
            }
            if let Some(draft) = renaming() {
                div { class: "chat__rename",
                    TextField {
                        label: "Name of the conversation",
                        hide_label: true,
                        value: draft,
                        oninput: move |text| renaming.set(Some(text)),
                        onenter: move |()| rename(),
                    }
                    Button { size: ControlSize::Small, variant: ButtonVariant::Primary, onclick: move |_| rename(), "Rename" }
                }
            } else {
                h2 { class: "chat__name truncate", dir: "auto", title: "{name}", "{name}" }
            }
            IconButton {
                icon: IconName::Plus,
                label: "New conversation",
                disabled: empty,
                onclick: move |_| onevent.call(PaneEvent::NewConversation),
            }
            IconButton {
                icon: IconName::Sliders,
                label: if changed { "Settings (changed)" } else { "Settings" },
                pressed: settings_open,
                onclick: move |_| onevent.call(PaneEvent::ToggleSettings),
            }
            Menu {
                label: "More about this conversation",
                items: vec![
                    item("rename", "Rename", IconName::Edit),
                    MenuItem { divided: true, ..item("markdown", "Export as Markdown", IconName::Save) },
                    item("json", "Export as JSON", IconName::Save),
                ],
                onselect: move |id: String| match id.as_str() {
                    "rename" => renaming.set(Some(if given { first.clone() } else { String::new() })),
                    "markdown" => onevent.call(PaneEvent::Export(ExportFormat::Markdown)),
                    "json" => onevent.call(PaneEvent::Export(ExportFormat::Json)),
                    _ => {}
                },
            }
        }
    }
}
