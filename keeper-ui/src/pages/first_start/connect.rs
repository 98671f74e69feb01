//! The form for a cluster at an address.

use dioxus::prelude::*;
use secrecy::SecretString;

use crate::app::use_session;
use crate::client::server::normalized;
use crate::components::{Button, ButtonVariant, TextField};

/// Address and token of a server.
#[component]
pub fn ConnectForm() -> Element {
    let session = use_session();
    let mut address = use_signal(String::new);
    let mut token = use_signal(String::new);
    let mut wrong = use_signal(|| None::<String>);
    let connect = use_callback(move |()| {
        let wanted = normalized(&address.read());
        if wanted.is_empty() {
            wrong.set(Some("Where is it? Such as http://desk:7220".to_owned()));
            return;
        }
        if wanted.starts_with("https:") {
            wrong.set(Some(
                "TLS is not built yet: use http:// on a network that you trust.".to_owned(),
            ));
            return;
        }
        wrong.set(None);
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
            Button { kind: "submit", variant: ButtonVariant::Primary, "Connect" }
        }
    }
}
