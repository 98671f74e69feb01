//! What stands in front of everything, and the messages in the corner.

use dioxus::prelude::*;

use super::palette::Palette;
use super::session::{Session, use_session};
use super::slots;
use super::tab_menu::TabMenu;
use crate::client::workers;
use crate::components::{Button, ButtonVariant, Dialog, Toast, Toasts, Tone};
use crate::model::ids::WorkerId;
use crate::model::overlay::Overlay;
use crate::model::shortcuts::all_keys;
use crate::model::toasts::{ToastAction, ToastMessage, ToastTone};

/// The one that is open, if one is, and the messages.
#[component]
pub fn Overlays() -> Element {
    let session = use_session();
    let mut overlay = session.stores.overlay;
    let close = EventHandler::new(move |()| overlay.set(None));
    rsx! {
        match overlay() {
            None => rsx! {},
            Some(Overlay::Palette) => rsx! { Palette { onclose: close } },
            Some(Overlay::Shortcuts) => rsx! { Shortcuts { onclose: close } },
            Some(Overlay::Spawn { kind, model }) => slots::spawn(kind, model, close),
            Some(Overlay::TabMenu { worker, at }) => rsx! { TabMenu { worker, at, onclose: close } },
            Some(Overlay::CloseTab(worker)) => rsx! { CloseTab { worker, onclose: close } },
            Some(Overlay::StopWorker(worker)) => rsx! { StopWorker { worker, onclose: close } },
        }
        Messages {}
    }
}

/// Asks before the tab of a worker that is at work is closed.
#[component]
fn CloseTab(worker: WorkerId, onclose: EventHandler<()>) -> Element {
    let session = use_session();
    let name = name_of(&session, &worker);
    let (close, stop) = (
        (session.clone(), worker.clone()),
        (session.clone(), worker.clone()),
    );
    rsx! {
        Dialog {
            title: "Close the tab of {name}?",
            onclose,
            footer: rsx! {
                Button { variant: ButtonVariant::Plain, onclick: move |_| onclose.call(()), "Cancel" }
                Button {
                    variant: ButtonVariant::Danger,
                    onclick: move |_| {
                        onclose.call(());
                        stop_worker(&stop.0, &stop.1);
                    },
                    "Stop the worker"
                }
                Button {
                    variant: ButtonVariant::Primary,
                    onclick: move |_| {
                        onclose.call(());
                        close.0.close_tab_now(&close.1);
                    },
                    "Close tab"
                }
            },
            p { "It is working on something now, and what it is working on is lost if its tab closes. The worker itself goes on unless you stop it." }
        }
    }
}

/// Asks before a worker is stopped.
#[component]
fn StopWorker(worker: WorkerId, onclose: EventHandler<()>) -> Element {
    let session = use_session();
    let name = name_of(&session, &worker);
    rsx! {
        Dialog {
            title: "Stop {name}?",
            onclose,
            footer: rsx! {
                Button { variant: ButtonVariant::Plain, onclick: move |_| onclose.call(()), "Cancel" }
                Button {
                    variant: ButtonVariant::Danger,
                    onclick: move |_| {
                        onclose.call(());
                        stop_worker(&session, &worker);
                    },
                    "Stop the worker"
                }
            },
            p { "Its memory is freed, and its tab goes. The model stays; the worker can be started again at any time." }
        }
    }
}

fn name_of(session: &Session, worker: &WorkerId) -> String {
    let workspace = session.stores.workspace.peek();
    let models = session.stores.models.peek();
    workspace.tabs.get(worker).map_or_else(
        || worker.short().to_owned(),
        |tab| super::strip::short_name(models.name_of(&tab.model)),
    )
}

/// Stops a worker; its tab goes with it.
fn stop_worker(session: &Session, id: &WorkerId) {
    let worker = session.stores.cluster.peek().workers.get(id).cloned();
    let client = session.stores.client.peek().clone();
    let (Some(worker), Some(client), session) = (worker, client, session.clone()) else {
        return;
    };
    let mut workspace = session.stores.workspace;
    workspace.write().tabs.expect_stop(id);
    dioxus::core::spawn_forever(async move {
        if let Err(failure) = workers::stop(&client, &worker).await {
            workspace.write().tabs.forget_stop(&worker.id);
            session.complain(&failure);
        }
    });
}

/// The list of keys.
#[component]
fn Shortcuts(onclose: EventHandler<()>) -> Element {
    rsx! {
        Dialog { title: "Keyboard shortcuts", onclose,
            KeyList {}
        }
    }
}

/// All keys and what they do.
#[component]
pub fn KeyList() -> Element {
    rsx! {
        dl { class: "keys",
            for keys in all_keys() {
                div { class: "keys__row", key: "{keys.words()}",
                    dt { "{keys.command.label()}" }
                    dd { kbd { "{keys.words()}" } }
                }
            }
        }
    }
}

/// The messages in the corner.
#[component]
fn Messages() -> Element {
    let session = use_session();
    let mut toasts = session.stores.toasts;
    let shown = toasts.read().messages().iter().map(toast).collect::<Vec<_>>();
    rsx! {
        Toasts {
            toasts: shown,
            ondismiss: move |id| toasts.write().dismiss(id),
            onaction: move |id| {
                let action = toasts.peek().messages().iter().find(|one| one.id == id).and_then(|one| one.action.clone());
                toasts.write().dismiss(id);
                match action {
                    Some((_, ToastAction::ReopenTab)) => session.reopen_tab(),
                    Some((_, ToastAction::Open(page))) => session.open(page),
                    Some((_, ToastAction::Show(worker))) => session.reveal(&worker),
                    Some((_, ToastAction::Restore(conversation))) => session.stores.chat.restore(&conversation),
                    None => {}
                }
            },
        }
    }
}

fn toast(message: &ToastMessage) -> Toast {
    Toast {
        id: message.id,
        tone: match message.tone {
            ToastTone::Info => Tone::Neutral,
            ToastTone::Good => Tone::Good,
            ToastTone::Bad => Tone::Bad,
        },
        title: message.title.clone(),
        text: message.text.clone(),
        action: message.action.as_ref().map(|(words, _)| words.clone()),
    }
}
