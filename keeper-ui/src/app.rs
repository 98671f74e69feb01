//! The window's content: bar, tabs, panes, pages, and what stands in front of them.

use std::path::Path;

use dioxus::prelude::*;

mod banner;
mod bar;
mod commands;
mod drag;
mod foot;
mod grid;
mod keep;
mod overlays;
mod palette;
mod pane;
#[cfg(feature = "desktop")]
mod pictures;
mod session;
mod slots;
mod strip;
mod tab_menu;
mod take_in;

pub use banner::Banner;
pub use bar::Bar;
pub use overlays::{KeyList, Overlays};
pub use pane::{Hindrance, Notice};
pub use session::{Launch, Session, use_session};
pub use strip::Strip;

use crate::client::folder::Folder;
use crate::model::connection::ConnectionState;
use crate::pages::jobs::provide_jobs;
use crate::stores::{Stores, provide_stores};

/// What keeps letters that are typed fast from being lost.
const TYPING: &str = include_str!("app/typing.js");

/// The head of the window's page: its style and the theme that was chosen, so that the first thing that is painted looks
/// as everything after it, and what listens to typing.
#[must_use]
pub fn head(folder: Option<&Path>) -> String {
    let settings = folder.and_then(|folder| keep::settings(&Folder::at(folder.to_path_buf())));
    let theme = settings.and_then(|settings| settings.theme.attribute());
    let theme = theme.map_or(String::new(), |theme| {
        format!("document.documentElement.dataset.theme = \"{theme}\";")
    });
    format!(
        "<meta charset=\"utf-8\"><style>{}</style><script>{theme}{TYPING}</script>",
        crate::theme::sheet()
    )
}

/// Everything in the window.
#[component]
pub fn App() -> Element {
    let launch = use_hook(|| try_consume_context::<Launch>().unwrap_or_default());
    let stores = provide_stores(
        launch.folder.as_deref().map(keep::album),
        launch.folder.as_deref().map(keep::archive),
    );
    provide_jobs(stores);
    let session = provide_session(stores, launch.folder.clone().map(Folder::at));
    keep::use_keeping(&session);
    commands::use_shortcuts(&session);
    use_future({
        let session = session.clone();
        move || {
            let (session, launch) = (session.clone(), launch.clone());
            async move { session.begin(launch).await }
        }
    });
    #[cfg(feature = "desktop")]
    keep::use_last_words(&session);
    #[cfg(feature = "desktop")]
    pictures::use_pictures(stores.image.shelf());
    #[cfg(feature = "test-hook")]
    crate::hook::use_hook_socket();
    rsx! {
        document::Title { "rbee" }
        Shell {}
    }
}

/// Makes the window's session over its stores, and gives what the shell needs to all components below.
pub fn provide_session(stores: Stores, folder: Option<Folder>) -> Session {
    use_context_provider(drag::Dragging::new);
    use_context_provider(|| Session::new(stores, folder))
}

/// The window as the stores say it is.
#[component]
pub fn Shell() -> Element {
    let session = use_session();
    let stores = session.stores;
    let theme = stores.settings.read().theme;
    use_effect(move || {
        // The outermost element carries the theme, so that dialogs and scrollbars follow it as well.
        let theme = stores.settings.read().theme.attribute().unwrap_or_default();
        let script = "const theme = await dioxus.recv(); const root = document.documentElement; \
            if (theme) { root.dataset.theme = theme; } else { delete root.dataset.theme; }";
        drop(document::eval(script).send(theme));
    });
    let page = use_memo(move || stores.workspace.read().page);
    let has_panes = use_memo(move || stores.workspace.read().layout.root().is_some());
    let is_first = use_memo(move || {
        let connected =
            matches!(&*stores.connection.read(), ConnectionState::Connected) || stores.cluster.read().synced;
        !connected || !has_panes()
    });
    rsx! {
        div { class: "shell", "data-theme": theme.attribute(),
            bar::Bar {}
            banner::Banner {}
            strip::Strip {}
            main { class: "shell__main",
                match page() {
                    Some(page) => rsx! { section { class: "shell__page", "aria-label": page.label(), key: "{page.word()}", {slots::page(page)} } },
                    None if is_first() && !has_panes() => rsx! { section { class: "shell__page", "aria-label": "Start", {slots::start()} } },
                    None => rsx! {},
                }
                grid::Grid { hidden: page().is_some() || !has_panes() }
            }
            strip::DragCover {}
            overlays::Overlays {}
        }
    }
}
