//! What keys and the palette do.

use dioxus::prelude::*;

use super::session::Session;
use crate::model::overlay::Overlay;
use crate::model::settings::Theme;
use crate::model::shortcuts::{self, Command};

/// Listens in the whole window, before anything in it hears the key: wherever the focus is, the keys do the same. While a
/// dialog is open they are the dialog's.
const LISTEN: &str = r#"
const keys = await dioxus.recv();
window.addEventListener("keydown", (event) => {
  if (event.isComposing || event.altKey || document.querySelector("dialog:modal, .palette")) return;
  const ctrl = event.ctrlKey || event.metaKey;
  const at = keys.findIndex((key) => key.key === event.key.toLowerCase() && key.ctrl === ctrl && key.shift === event.shiftKey);
  if (at < 0) return;
  event.preventDefault();
  event.stopPropagation();
  dioxus.send(at);
}, true);
await new Promise(() => {});
"#;

/// Carries out the window's keys.
pub(super) fn use_shortcuts(session: &Session) {
    let session = session.clone();
    use_future(move || {
        let session = session.clone();
        async move {
            let mut listening = document::eval(LISTEN);
            if listening.send(shortcuts::listened()).is_err() {
                return;
            }
            while let Ok(place) = listening.recv::<usize>().await {
                if let Some(keys) = shortcuts::all_keys().nth(place) {
                    run(&session, keys.command);
                }
            }
        }
    });
}

/// Carries out a command.
pub(super) fn run(session: &Session, command: Command) {
    let mut workspace = session.stores.workspace;
    let mut overlay = session.stores.overlay;
    let focused = workspace.peek().layout.focused().cloned();
    match (command, focused) {
        (Command::Palette, _) => overlay.set(Some(Overlay::Palette)),
        (Command::Shortcuts, _) => overlay.set(Some(Overlay::Shortcuts)),
        (Command::Spawn, _) => overlay.set(Some(Overlay::Spawn {
            kind: None,
            model: None,
        })),
        (Command::CloseTab, focused) => close(session, focused),
        (Command::ReopenTab, _) => session.reopen_tab(),
        (Command::NextTab, _) => workspace.write().cycle(true),
        (Command::PreviousTab, _) => workspace.write().cycle(false),
        (Command::ShowTab(place), _) => workspace.write().show_nth(usize::from(place.saturating_sub(1))),
        (Command::MoveTabLeft, Some(worker)) => workspace.write().tabs.move_by_one(&worker, false),
        (Command::MoveTabRight, Some(worker)) => workspace.write().tabs.move_by_one(&worker, true),
        (Command::PinTab, Some(worker)) => {
            let pinned = workspace.peek().tabs.get(&worker).is_some_and(|tab| tab.pinned);
            workspace.write().tabs.set_pinned(&worker, !pinned);
        }
        (Command::Split, _) => workspace.write().toggle_split(),
        (Command::NextPane, _) => {
            let next = workspace.peek().layout.neighbour(true);
            if let Some(next) = next {
                workspace.write().show(&next);
            }
        }
        (Command::Arrange(arrangement), _) => workspace.write().arrange(arrangement),
        (Command::Open(page), _) => session.open(page),
        (Command::NextTheme, _) => next_theme(session),
        (Command::Reconnect, _) => session.reconnect(),
        (Command::MoveTabLeft | Command::MoveTabRight | Command::PinTab, None) => {}
    }
}

/// Closes what is in front: the page, or else the tab in focus. A pinned tab is not closed by a key.
fn close(session: &Session, focused: Option<crate::model::ids::WorkerId>) {
    let mut workspace = session.stores.workspace;
    if workspace.peek().page.is_some() {
        workspace.write().leave_page();
        return;
    }
    let Some(worker) = focused else { return };
    if !workspace.peek().tabs.get(&worker).is_some_and(|tab| tab.pinned) {
        session.close_tab(&worker);
    }
}

fn next_theme(session: &Session) {
    let mut settings = session.stores.settings;
    let next = match settings.peek().theme {
        Theme::System => Theme::Light,
        Theme::Light => Theme::Dark,
        Theme::Dark => Theme::System,
    };
    settings.write().theme = next;
}
