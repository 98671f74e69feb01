//! What can be done with a tab: the list that its right button, or the menu key, opens.

use dioxus::prelude::*;

use super::pane;
use super::session::use_session;
use crate::components::{IconName, MenuItem, MenuList};
use crate::model::ids::WorkerId;
use crate::model::overlay::Overlay;

/// The list, with its corner at a point of the window in pixels.
#[component]
pub(super) fn TabMenu(worker: WorkerId, at: (i32, i32), onclose: EventHandler<()>) -> Element {
    let session = use_session();
    let stores = session.stores;
    let pinned = stores
        .workspace
        .peek()
        .tabs
        .get(&worker)
        .is_some_and(|tab| tab.pinned);
    let is_there = stores.cluster.peek().workers.contains_key(&worker);
    let items = items(pinned, is_there);
    let (left, top) = at;
    rsx! {
        div { class: "menu__beside", onpointerdown: move |_| onclose.call(()) }
        div { class: "menu tab-menu", style: "left:{left}px;top:{top}px",
            MenuList {
                id: "tab-menu",
                label: "What to do with this tab",
                items,
                onclose,
                onselect: move |chosen: String| {
                    onclose.call(());
                    let (mut workspace, mut overlay) = (stores.workspace, stores.overlay);
                    match chosen.as_str() {
                        "pin" => workspace.write().tabs.set_pinned(&worker, !pinned),
                        "close" => session.close_tab(&worker),
                        "restart" => pane::restart(&session, &worker),
                        "stop" => overlay.set(Some(Overlay::StopWorker(worker.clone()))),
                        _ => {}
                    }
                },
            }
        }
    }
}

fn items(pinned: bool, is_there: bool) -> Vec<MenuItem> {
    let worker = |id: &str, label: &str, icon| MenuItem {
        icon: Some(icon),
        disabled: !is_there,
        ..MenuItem::new(id, label)
    };
    vec![
        MenuItem {
            icon: Some(IconName::Pin),
            keys: Some("Ctrl+Shift+P"),
            ..MenuItem::new("pin", if pinned { "Unpin" } else { "Pin" })
        },
        MenuItem {
            icon: Some(IconName::Close),
            keys: Some("Ctrl+W"),
            ..MenuItem::new("close", "Close tab")
        },
        MenuItem {
            divided: true,
            ..worker("restart", "Restart worker", IconName::Refresh)
        },
        MenuItem {
            danger: true,
            ..worker("stop", "Stop worker…", IconName::Stop)
        },
    ]
}
