//! The first start, from nothing to a model that waits for its worker; and the settings.

use std::path::PathBuf;

use dioxus::prelude::*;
use rbee_keeper::client::failure::Failure;
use rbee_keeper::client::local::Found;
use rbee_keeper::model::connection::ConnectionState;
use rbee_keeper::pages::first_start::{FirstStartView, Progress};
use rbee_keeper::pages::settings::SettingsPage;

use super::app::use_shell;
use crate::State;

pub(super) const STATES: &[State] = &[
    State::new("looking", || {
        start(Progress {
            found: None,
            ..nothing()
        })
    }),
    State::new("no-program", || {
        start(Progress {
            found: Some(Found::Nothing),
            ..nothing()
        })
    }),
    State::new("startable", || start(nothing())),
    State::new("starting", || {
        start(Progress {
            starting: true,
            ..nothing()
        })
    }),
    State::new("did-not-start", did_not_start),
    State::new("runs-here", || {
        start(Progress {
            found: Some(Found::Running("http://127.0.0.1:7220".into())),
            ..nothing()
        })
    }),
    State::new("wants-a-token", || {
        start(Progress {
            found: Some(Found::Locked("http://127.0.0.1:7220".into())),
            ..nothing()
        })
    }),
    State::new("does-not-answer", does_not_answer),
    State::new("no-model", || start(connected(0, 0))),
    State::new("model-on-its-way", || start(connected(0, 1))),
    State::new("model-is-here", || start(connected(2, 0))),
    State::new("settings", settings),
];

fn nothing() -> Progress {
    Progress {
        connection: ConnectionState::Unset,
        address: String::new(),
        found: Some(Found::Startable(PathBuf::from("/usr/bin/rbee"))),
        starting: false,
        usable_models: 0,
        coming_models: 0,
        failure: None,
    }
}

fn connected(usable_models: usize, coming_models: usize) -> Progress {
    Progress {
        connection: ConnectionState::Connected,
        address: "http://127.0.0.1:7220".to_owned(),
        usable_models,
        coming_models,
        ..nothing()
    }
}

fn start(progress: Progress) -> Element {
    use_shell(|_, _| {});
    rsx! { FirstStartView { progress, onnext: |_| {} } }
}

fn did_not_start() -> Element {
    let failure =
        Failure::new("The cluster did not start.").because("can't listen on 127.0.0.1:7220: address in use");
    start(Progress {
        failure: Some(failure),
        ..nothing()
    })
}

fn does_not_answer() -> Element {
    let connection = ConnectionState::Lost {
        why: "connection refused".to_owned(),
        attempts: 2,
    };
    start(Progress {
        connection,
        address: "http://desk:7220".to_owned(),
        ..nothing()
    })
}

fn settings() -> Element {
    use_shell(|stores, _| {
        let mut settings = stores.settings;
        settings.write().used_server("http://attic:7220");
        settings.write().used_server("http://desk:7220");
    });
    rsx! { SettingsPage {} }
}
