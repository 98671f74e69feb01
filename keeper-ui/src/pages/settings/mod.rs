//! Settings: the server, the theme, folders, and the keys.

use std::path::PathBuf;

use dioxus::prelude::*;

use crate::app::{KeyList, use_session};
use crate::components::{Button, Choice, ControlSize, IconButton, IconName, Select, Switch, TextField};
use crate::model::connection::ConnectionState;
use crate::model::settings::Theme;
use crate::pages::first_start::ConnectForm;

/// The page.
#[component]
pub fn SettingsPage() -> Element {
    rsx! {
        div { class: "settings",
            h1 { "Settings" }
            section { class: "settings__part", "aria-labelledby": "settings-cluster",
                h2 { id: "settings-cluster", "Cluster" }
                Servers {}
            }
            section { class: "settings__part", "aria-labelledby": "settings-looks",
                h2 { id: "settings-looks", "Appearance" }
                Looks {}
            }
            section { class: "settings__part", "aria-labelledby": "settings-folders",
                h2 { id: "settings-folders", "Folders and programs" }
                Folders {}
            }
            section { class: "settings__part", "aria-labelledby": "settings-keys",
                h2 { id: "settings-keys", "Keyboard shortcuts" }
                KeyList {}
            }
        }
    }
}

/// The servers that were connected to, and a form for another.
#[component]
fn Servers() -> Element {
    let session = use_session();
    let stores = session.stores;
    let mut settings = stores.settings;
    let connection = stores.connection.read().clone();
    let current = session.address();
    let state = match &connection {
        ConnectionState::Unset => String::new(),
        ConnectionState::Connecting => "connecting…".to_owned(),
        ConnectionState::Connected if session.owns_cluster() => {
            "connected; it was started by this window and ends with it".to_owned()
        }
        ConnectionState::Connected => "connected".to_owned(),
        ConnectionState::Lost { why, .. } => format!("does not answer: {why}"),
        ConnectionState::Refused { why } => why.clone(),
    };
    let servers = settings.read().servers.clone();
    rsx! {
        ul { class: "settings__servers",
            if let Some(current) = current.clone() {
                li { class: "settings__server", "data-state": "current",
                    div { class: "settings__words",
                        p { class: "truncate", "{current}" }
                        p { class: "settings__hint", "{state}" }
                    }
                    Button {
                        size: ControlSize::Small,
                        onclick: { let session = session.clone(); move |_| session.reconnect() },
                        "Reconnect"
                    }
                }
            }
            for server in servers.into_iter().filter(|server| Some(server) != current.as_ref()) {
                li { class: "settings__server", key: "{server}",
                    p { class: "settings__words truncate", "{server}" }
                    Button {
                        size: ControlSize::Small,
                        onclick: { let (session, server) = (session.clone(), server.clone()); move |_| session.connect(&server, None) },
                        "Connect"
                    }
                    IconButton {
                        size: ControlSize::Small,
                        icon: IconName::Trash,
                        label: "Forget {server} and its token",
                        onclick: { let (session, server) = (session.clone(), server.clone()); move |_| session.forget_server(&server) },
                    }
                }
            }
        }
        Switch {
            label: "Start a cluster on this machine with the window",
            hint: "When none runs here. It ends with the window, and its workers with it.",
            checked: settings.read().starts_cluster,
            onchange: move |on| settings.write().starts_cluster = on,
        }
        h3 { "Another server" }
        ConnectForm {}
    }
}

#[component]
fn Looks() -> Element {
    let mut settings = use_session().stores.settings;
    let chosen = settings.read().theme;
    let all = [
        (Theme::System, "system", "As the system"),
        (Theme::Light, "light", "Light"),
        (Theme::Dark, "dark", "Dark"),
    ];
    let value = all
        .iter()
        .find(|(theme, ..)| *theme == chosen)
        .map_or("system", |(_, value, _)| value);
    rsx! {
        Select {
            label: "Theme",
            value,
            choices: all.iter().map(|(_, value, label)| Choice::new(*value, *label)).collect::<Vec<_>>(),
            onchange: move |wanted: String| {
                if let Some((theme, ..)) = all.iter().find(|(_, value, _)| *value == wanted) {
                    settings.write().theme = *theme;
                }
            },
        }
    }
}

#[component]
fn Folders() -> Element {
    let session = use_session();
    let mut settings = session.stores.settings;
    let own = session.folder().map(|folder| folder.path().display().to_string());
    let text = |path: &Option<PathBuf>| {
        path.as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    };
    let path = |text: String| (!text.trim().is_empty()).then(|| PathBuf::from(text.trim()));
    let now = settings.read().clone();
    rsx! {
        TextField {
            label: "The program rbee",
            value: text(&now.program),
            placeholder: "beside this program, or in the search path",
            oninput: move |value| settings.write().program = path(value),
        }
        TextField {
            label: "Data of a cluster that is started here",
            value: text(&now.data_dir),
            placeholder: "rbee's own default",
            hint: "Models take a lot of room. Takes effect at the cluster's next start.",
            oninput: move |value| settings.write().data_dir = path(value),
        }
        TextField {
            label: "Pictures that are saved",
            value: text(&now.pictures_dir),
            placeholder: "ask each time",
            oninput: move |value| settings.write().pictures_dir = path(value),
        }
        if let Some(own) = own {
            p { class: "settings__hint", "Settings, tokens and how the window looks are kept in {own}; only you can read them." }
        }
    }
}
