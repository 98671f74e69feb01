//! The line that says that the connection is lost, while what was known stays on the screen.

use dioxus::prelude::*;

use super::session::use_session;
use crate::components::{Button, ControlSize, Icon, IconName};
use crate::model::connection::ConnectionState;
use crate::model::workspace::Page;

/// The banner; nothing while all is well, or before anything was known.
#[component]
pub fn Banner() -> Element {
    let session = use_session();
    let stores = session.stores;
    let known = use_memo(move || stores.cluster.read().synced);
    if !known() {
        return rsx! {};
    }
    let (sentence, why, refused) = match &*stores.connection.read() {
        ConnectionState::Lost { why, attempts } => (lost(*attempts), why.clone(), false),
        ConnectionState::Refused { why } => (why.clone(), String::new(), true),
        ConnectionState::Unset | ConnectionState::Connecting | ConnectionState::Connected => return rsx! {},
    };
    rsx! {
        div { class: "banner", role: "status", "data-state": if refused { "refused" } else { "lost" },
            Icon { name: IconName::Unplugged }
            span { class: "banner__sentence", "{sentence}" }
            span { class: "banner__why truncate", "{why}" }
            if refused {
                Button { size: ControlSize::Small, onclick: {
                    let session = session.clone();
                    move |_| session.open(Page::Settings)
                }, "Open settings" }
            }
            Button { size: ControlSize::Small, onclick: move |_| session.reconnect(), "Reconnect now" }
        }
    }
}

fn lost(attempts: u32) -> String {
    match attempts {
        0 => "The connection to the cluster is lost. Trying again…".to_owned(),
        1 => "The connection to the cluster is lost. One attempt failed; trying again…".to_owned(),
        attempts => {
            format!("The connection to the cluster is lost. {attempts} attempts failed; trying again…")
        }
    }
}
