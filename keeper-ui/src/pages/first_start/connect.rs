//! The form for a cluster at an address.

use std::path::Path;

use dioxus::prelude::*;
use secrecy::SecretString;

use crate::app::use_session;
use crate::client::authorities;
use crate::client::server::normalized;
use crate::components::{Button, ButtonVariant, TextField};

/// Address, token and CA of a server.
#[component]
pub fn ConnectForm() -> Element {
    let session = use_session();
    let mut address = use_signal(String::new);
    let mut token = use_signal(String::new);
    let mut ca = use_signal(String::new);
    let mut wrong = use_signal(|| None::<String>);
    let connect = use_callback(move |()| {
        let wanted = normalized(&address.read());
        if wanted.is_empty() {
            wrong.set(Some("Where is it? Such as http://desk:7220".to_owned()));
            return;
        }
        wrong.set(None);
        let file = ca.read().trim().to_owned();
        if let (false, Some(folder)) = (file.is_empty(), session.folder())
            && let Err(error) = authorities::keep(folder, &wanted, Path::new(&file))
        {
            wrong.set(Some(format!("Where the CA is can't be kept: {error}")));
            return;
        }
        let given = token.read().trim().to_owned();
        session.connect(&wanted, (!given.is_empty()).then(|| SecretString::from(given)));
        token.set(String::new());
    });
    rsx! {
        form {
            class: "connect",
            onsubmit: move |event| {
                event.prevent_default();
                connect.call(());
            },
            TextField {
                label: "Address",
                kind: "text",
                value: address(),
                placeholder: "http://desk:7220",
                error: wrong(),
                oninput: move |value| address.set(value),
            }
            TextField {
                label: "Token",
                kind: "password",
                value: token(),
                hint: "Leave it empty for a cluster that asks for none. It is kept in a file that only you can read.",
                oninput: move |value| token.set(value),
            }
            TextField {
                label: "CA file",
                kind: "text",
                value: ca(),
                placeholder: "/home/me/rbee/ca.pem",
                hint: "For an https:// address whose certificate the cluster made itself (rbee cluster init).",
                oninput: move |value| ca.set(value),
            }
            Button { kind: "submit", variant: ButtonVariant::Primary, "Connect" }
        }
    }
}
