//! The command palette: everything that can be done, found by typing.

use dioxus::prelude::*;

use super::commands;
use super::session::use_session;
use super::strip::{kind_icon, short_name};
use crate::components::{Icon, IconName};
use crate::model::cluster::WorkerKind;
use crate::model::ids::WorkerId;
use crate::model::shortcuts::{self, Command, rank};
use crate::stores::Stores;

/// Lines that are drawn.
const MOST: usize = 12;

/// A line of the palette.
#[derive(Debug, Clone, PartialEq)]
enum Choice {
    Worker {
        id: WorkerId,
        kind: WorkerKind,
        words: String,
    },
    Command(Command),
}

impl Choice {
    fn words(&self) -> String {
        match self {
            Self::Worker { words, .. } => words.clone(),
            Self::Command(command) => command.label(),
        }
    }
}

/// The palette.
#[component]
pub(super) fn Palette(onclose: EventHandler<()>) -> Element {
    let session = use_session();
    let stores = session.stores;
    let mut typed = use_signal(String::new);
    let mut here = use_signal(|| 0_usize);
    let choices = use_memo(move || matching(stores, &typed.read()));
    let choose = use_callback(move |choice: Choice| {
        onclose.call(());
        match choice {
            Choice::Worker { id, .. } => session.reveal(&id),
            Choice::Command(command) => commands::run(&session, command),
        }
    });
    let onkeydown = move |event: KeyboardEvent| {
        let count = choices.read().len();
        match event.key() {
            Key::Escape => onclose.call(()),
            Key::ArrowDown if count > 0 => here.set((here() + 1) % count),
            Key::ArrowUp if count > 0 => here.set((here() + count - 1) % count),
            Key::Enter => {
                let chosen = choices.read().get(here()).cloned();
                if let Some(chosen) = chosen {
                    choose.call(chosen);
                }
            }
            // There is one control here: the focus stays in it.
            Key::Tab => {}
            _ => return,
        }
        event.prevent_default();
        event.stop_propagation();
    };
    rsx! {
        div { class: "palette__veil", onpointerdown: move |_| onclose.call(()),
            div {
                class: "palette",
                role: "dialog",
                "aria-modal": "true",
                "aria-label": "Command palette",
                onpointerdown: |event| event.stop_propagation(),
                onkeydown,
                div { class: "palette__field",
                    Icon { name: IconName::Search }
                    input {
                        class: "palette__input",
                        r#type: "text",
                        role: "combobox",
                        placeholder: "Type what to do, or a worker's name",
                        "aria-label": "What to do",
                        "aria-expanded": "true",
                        "aria-controls": "palette-choices",
                        "aria-activedescendant": "palette-{here}",
                        autocomplete: "off",
                        spellcheck: "false",
                        value: "{typed}",
                        onmounted: move |event: MountedEvent| async move { drop(event.set_focus(true).await) },
                        oninput: move |event| {
                            typed.set(event.value());
                            here.set(0);
                        },
                    }
                }
                ul { class: "palette__choices", id: "palette-choices", role: "listbox", "aria-label": "Choices",
                    for (place, choice) in choices().into_iter().enumerate() {
                        ChoiceLine { key: "{choice.words()}-{place}", place, is_here: place == here(), choice, choose }
                    }
                    if choices.read().is_empty() {
                        li { class: "palette__none", role: "option", "aria-disabled": "true", "Nothing is called like this." }
                    }
                }
            }
        }
    }
}

#[component]
fn ChoiceLine(place: usize, is_here: bool, choice: Choice, choose: Callback<Choice>) -> Element {
    let (icon, kind, keys) = match &choice {
        Choice::Worker { kind, .. } => (kind_icon(*kind), Some(kind.word()), None),
        Choice::Command(command) => (IconName::ChevronRight, None, command.keys()),
    };
    rsx! {
        li {
            class: "palette__choice",
            role: "option",
            id: "palette-{place}",
            "aria-selected": is_here.to_string(),
            "data-kind": kind,
            onclick: { let choice = choice.clone(); move |_| choose.call(choice.clone()) },
            span { class: "palette__icon", Icon { name: icon } }
            span { class: "truncate", "{choice.words()}" }
            if let Some(keys) = keys {
                kbd { "{keys}" }
            }
        }
    }
}

/// What matches, the best first; workers before commands where nothing is typed.
fn matching(stores: Stores, typed: &str) -> Vec<Choice> {
    let (cluster, models) = (stores.cluster.read(), stores.models.read());
    let workers = cluster.workers.values().map(|worker| Choice::Worker {
        id: worker.id.clone(),
        kind: worker.kind(),
        words: format!(
            "{} on {}",
            short_name(models.name_of(&worker.model)),
            worker
                .device
                .as_ref()
                .map_or("no device yet", |device| device.as_str())
        ),
    });
    let all = workers.chain(shortcuts::palette().into_iter().map(Choice::Command));
    let mut ranked: Vec<(usize, Choice)> = all
        .filter_map(|choice| Some((rank(&choice.words(), typed)?, choice)))
        .collect();
    // Stable: what ranks alike stays in its order.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, choice)| choice).take(MOST).collect()
}
