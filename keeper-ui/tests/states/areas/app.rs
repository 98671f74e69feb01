//! The shell in all that it can be: bar, banner, tabs, notices, palette, dialogs.

use dioxus::prelude::*;
use rbee_keeper::app::{Banner, Bar, Hindrance, Notice, Overlays, Session, Strip, provide_session};
use rbee_keeper::client::failure::{Action, Failure};
use rbee_keeper::model::cluster::{ClusterChange, Hardware, Worker, WorkerKind, WorkerState, WorkerType};
use rbee_keeper::model::connection::ConnectionState;
use rbee_keeper::model::ids::WorkerId;
use rbee_keeper::model::overlay::Overlay;
use rbee_keeper::model::toasts::{ToastAction, ToastTone};
use rbee_keeper::model::workspace::Page;
use rbee_keeper::stores::{Stores, provide_stores};

use crate::State;

pub(super) const STATES: &[State] = &[
    State::new("bar-first", bar_first),
    State::new("bar-connected-on-a-page", bar_connected),
    State::new("banner-lost", banner_lost),
    State::new("banner-refused", banner_refused),
    State::new("tabs-two", tabs_two),
    State::new("tabs-in-every-state", tabs_states),
    State::new("tabs-forty", tabs_forty),
    State::new("tabs-odd-names", tabs_names),
    State::new("notice-coming", notice_coming),
    State::new("notice-failed", notice_failed),
    State::new("notice-gone", notice_gone),
    State::new("palette", palette),
    State::new("shortcuts", shortcuts),
    State::new("tab-menu", tab_menu),
    State::new("close-tab", close_tab),
    State::new("stop-worker", stop_worker),
    State::new("messages", messages),
];

/// A shell over stores that `prepare` fills.
pub(super) fn use_shell(prepare: impl FnOnce(Stores, &Session)) -> Session {
    let stores = provide_stores(None, None);
    let session = provide_session(stores, None);
    use_hook(|| prepare(stores, &session));
    session
}

/// A worker that is ready.
pub(super) fn worker(id: &str, model: &str, kind: WorkerKind) -> Worker {
    Worker {
        id: id.into(),
        model: model.into(),
        worker_type: Some(WorkerType {
            hardware: Hardware::Cuda,
            kind,
        }),
        device: Some("cuda:0".into()),
        state: WorkerState::Ready,
        hive: "desk".into(),
        hive_address: "http://desk:7220".into(),
        created_at: None,
        failure: None,
        load_fraction: None,
        context_length: None,
        process_id: None,
        memory: None,
        state_since: None,
        restart_count: 0,
        next_attempt_at: None,
        pinned: false,
        idle_ttl: None,
        unreachable: false,
    }
}

/// Tells the stores of workers, as the watch would.
pub(super) fn tell(stores: Stores, workers: Vec<Worker>) {
    let Stores {
        mut cluster,
        mut connection,
        mut workspace,
        ..
    } = stores;
    connection.set(ConnectionState::Connected);
    let mut view = cluster.write();
    view.apply(ClusterChange::Began);
    for worker in workers {
        view.apply(ClusterChange::Worker(Box::new(worker)));
    }
    view.apply(ClusterChange::Synced);
    drop(view);
    workspace.write().sync(&cluster.peek());
}

fn two() -> Vec<Worker> {
    vec![
        worker("a", "Qwen/Qwen3-8B-GGUF:Qwen3-8B-Q4_K_M.gguf", WorkerKind::Text),
        worker("b", "civitai:128713", WorkerKind::Image),
    ]
}

fn bar_first() -> Element {
    use_shell(|_, _| {});
    rsx! { Bar {} }
}

fn bar_connected() -> Element {
    use_shell(|stores, session| {
        tell(stores, two());
        session.open(Page::Models);
    });
    rsx! { Bar {} }
}

fn with_connection(state: ConnectionState) {
    use_shell(|stores, _| {
        tell(stores, two());
        let mut connection = stores.connection;
        connection.set(state);
    });
}

fn banner_lost() -> Element {
    with_connection(ConnectionState::Lost {
        why: "connection refused".to_owned(),
        attempts: 3,
    });
    rsx! { Banner {} }
}

fn banner_refused() -> Element {
    with_connection(ConnectionState::Refused {
        why: "The server wants a token, or another one.".to_owned(),
    });
    rsx! { Banner {} }
}

fn tabs_two() -> Element {
    use_shell(|stores, _| {
        tell(stores, two());
        let mut workspace = stores.workspace;
        workspace.write().tabs.set_pinned(&"b".into(), true);
    });
    rsx! { Strip {} }
}

fn tabs_states() -> Element {
    use_shell(|stores, _| {
        let states = [
            WorkerState::Pending,
            WorkerState::Loading,
            WorkerState::Ready,
            WorkerState::Busy,
            WorkerState::Draining,
            WorkerState::CrashLooping,
        ];
        let mut all: Vec<Worker> = states
            .iter()
            .enumerate()
            .map(|(place, &state)| Worker {
                state,
                ..worker(&format!("w{place}"), "local:qwen", WorkerKind::Text)
            })
            .collect();
        all.push(Worker {
            unreachable: true,
            ..worker("w6", "local:dream", WorkerKind::Image)
        });
        all.push(Worker {
            device: None,
            state: WorkerState::Validating,
            ..worker("w7", "local:dream", WorkerKind::Image)
        });
        tell(stores, all.clone());
        // The first left while the window was open.
        all.remove(0);
        tell(stores, all);
    });
    rsx! { Strip {} }
}

fn tabs_forty() -> Element {
    use_shell(|stores, _| {
        let kind = |place: usize| {
            if place.is_multiple_of(2) {
                WorkerKind::Text
            } else {
                WorkerKind::Image
            }
        };
        tell(
            stores,
            (0..40)
                .map(|place| worker(&format!("w{place:02}"), "local:qwen", kind(place)))
                .collect(),
        );
    });
    rsx! { Strip {} }
}

fn tabs_names() -> Element {
    use_shell(|stores, _| {
        let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
        tell(
            stores,
            vec![
                worker("a", "local:نموذج", WorkerKind::Text),
                worker("b", "local:日本語モデル", WorkerKind::Image),
                worker("c", &format!("local:{long}"), WorkerKind::Text),
            ],
        );
    });
    rsx! { Strip {} }
}

fn notice(hindrance: Hindrance) -> Element {
    use_shell(|stores, _| tell(stores, two()));
    rsx! { Notice { worker: WorkerId::from("a"), hindrance } }
}

fn notice_coming() -> Element {
    notice(Hindrance::Coming {
        words: "Loading the model".to_owned(),
        fraction: Some(0.4),
    })
}

fn notice_failed() -> Element {
    let failure = Failure::of_reason(
        "OUT_OF_MEMORY",
        "the GPU has 4.1 GiB free, and 6.2 GiB are needed",
    );
    notice(Hindrance::Failed(failure.with(Action::RestartWorker)))
}

fn notice_gone() -> Element {
    notice(Hindrance::Gone {
        failure: None,
        kind: WorkerKind::Text,
        model: "local:qwen".into(),
    })
}

fn overlay(open: Overlay) -> Element {
    use_shell(|stores, _| {
        tell(stores, two());
        let mut overlay = stores.overlay;
        overlay.set(Some(open));
    });
    rsx! { Overlays {} }
}

fn palette() -> Element {
    overlay(Overlay::Palette)
}

fn shortcuts() -> Element {
    overlay(Overlay::Shortcuts)
}

fn tab_menu() -> Element {
    overlay(Overlay::TabMenu {
        worker: "a".into(),
        at: (40, 64),
    })
}

fn close_tab() -> Element {
    overlay(Overlay::CloseTab("a".into()))
}

fn stop_worker() -> Element {
    overlay(Overlay::StopWorker("b".into()))
}

fn messages() -> Element {
    use_shell(|stores, session| {
        tell(stores, two());
        let mut toasts = stores.toasts;
        let reopen = Some(("Reopen".to_owned(), ToastAction::ReopenTab));
        toasts
            .write()
            .push(ToastTone::Info, "Tab closed", "Its worker goes on.", reopen);
        session.complain(&Failure::of_reason("DISK_FULL", "12 MiB are left in the store"));
    });
    rsx! { Overlays {} }
}
