//! The bar: the pages, and how the window stands with its cluster.

use dioxus::prelude::*;

use super::session::use_session;
use crate::components::{ButtonVariant, ControlSize, Dot, Icon, IconButton, IconName, StateDot};
use crate::model::connection::ConnectionState;
use crate::model::overlay::Overlay;
use crate::model::workspace::Page;

/// The bar.
#[component]
pub fn Bar() -> Element {
    let session = use_session();
    let stores = session.stores;
    let mut workspace = stores.workspace;
    let mut overlay = stores.overlay;
    let page = use_memo(move || workspace.read().page);
    rsx! {
        header { class: "bar",
            button {
                class: "bar__mark",
                r#type: "button",
                title: "Show the workers' panes",
                "aria-label": "rbee: show the workers' panes",
                onclick: move |_| workspace.write().leave_page(),
                Icon { name: IconName::Hive, size: 18 }
                span { "rbee" }
            }
            nav { class: "bar__pages", "aria-label": "Pages",
                for one in Page::ALL {
                    button {
                        key: "{one.word()}",
                        class: "bar__page",
                        r#type: "button",
                        "data-page": one.word(),
                        "aria-current": if page() == Some(one) { "page" },
                        onclick: move |_| {
                            let mut workspace = workspace.write();
                            if workspace.page == Some(one) { workspace.leave_page() } else { workspace.open(one) }
                        },
                        Icon { name: icon(one) }
                        span { "{one.label()}" }
                    }
                }
            }
            div { class: "bar__end",
                Standing {}
                IconButton {
                    icon: IconName::Search,
                    label: "Command palette (Ctrl+K)",
                    onclick: move |_| overlay.set(Some(Overlay::Palette)),
                }
                IconButton {
                    icon: IconName::Plus,
                    label: "Start a worker (Ctrl+T)",
                    variant: ButtonVariant::Quiet,
                    size: ControlSize::Medium,
                    onclick: move |_| overlay.set(Some(Overlay::Spawn { kind: None, model: None })),
                }
            }
        }
    }
}

/// The server's name and whether it answers.
#[component]
fn Standing() -> Element {
    let session = use_session();
    let connection = session.stores.connection;
    let state = connection.read();
    let (dot, words) = match &*state {
        ConnectionState::Unset => return rsx! {},
        ConnectionState::Connecting => (Dot::Waiting, "connecting"),
        ConnectionState::Connected => (Dot::Ready, "connected"),
        ConnectionState::Lost { .. } => (Dot::Bad, "not connected"),
        ConnectionState::Refused { .. } => (Dot::Bad, "refused"),
    };
    let address = session.address().unwrap_or_default();
    let place = address
        .split_once("://")
        .map_or(address.as_str(), |(_, place)| place)
        .to_owned();
    rsx! {
        span { class: "bar__server truncate", title: "{address}: {words}",
            StateDot { state: dot, label: words }
            span { class: "truncate", "{place}" }
        }
    }
}

fn icon(page: Page) -> IconName {
    match page {
        Page::Workers => IconName::Worker,
        Page::Models => IconName::Model,
        Page::Marketplace => IconName::Market,
        Page::Hives => IconName::Hive,
        Page::Activity => IconName::Activity,
        Page::Settings => IconName::Settings,
    }
}
