//! Where the areas' pages and panes come into the shell: one line each.

use dioxus::prelude::*;

use super::session::use_session;
use crate::client::failure::Action;
use crate::model::cluster::WorkerKind;
use crate::model::ids::{ModelId, WorkerId};
use crate::model::overlay::Overlay;
use crate::model::workspace::Page;
use crate::pages;
use crate::panes::image::ImagePane;
use crate::panes::text::TextPane;
use crate::wizard::SpawnWizard;

/// A page of the bar.
pub(super) fn page(page: Page) -> Element {
    match page {
        Page::Settings => rsx! { pages::settings::SettingsPage {} },
        Page::Models => rsx! { Models {} },
        Page::Marketplace => rsx! { Marketplace {} },
        Page::Workers => rsx! { pages::workers::WorkersPage {} },
        Page::Hives => rsx! { pages::hives::HivesPage {} },
        Page::Activity => rsx! { pages::activity::ActivityPage {} },
    }
}

/// The models, with the window's own ways out of the page.
#[component]
fn Models() -> Element {
    let session = use_session();
    let mut overlay = session.stores.overlay;
    rsx! {
        pages::models::ModelsPage {
            onspawn: move |model| overlay.set(Some(Overlay::Spawn { kind: None, model: Some(model) })),
            onaction: move |action| {
                session.act(action);
            },
        }
    }
}

/// What could be brought in, with the window's own ways out of the page.
#[component]
fn Marketplace() -> Element {
    let session = use_session();
    let mut overlay = session.stores.overlay;
    rsx! {
        pages::marketplace::MarketplacePage {
            onspawn: move |model| overlay.set(Some(Overlay::Spawn { kind: None, model: Some(model) })),
            onaction: move |action| {
                session.act(action);
            },
        }
    }
}

/// What shows before there is a worker.
pub(super) fn start() -> Element {
    rsx! { pages::first_start::FirstStart {} }
}

/// What is in a worker's pane. `onaction` is for what helps against a failure and is the window's to do.
pub(super) fn pane(worker: WorkerId, kind: WorkerKind, onaction: EventHandler<Action>) -> Element {
    match kind {
        WorkerKind::Text => rsx! { TextPane { worker, onaction } },
        WorkerKind::Image => rsx! { ImagePane { worker, onaction } },
    }
}

/// The dialog that starts a worker.
pub(super) fn spawn(kind: Option<WorkerKind>, model: Option<ModelId>, onclose: EventHandler<()>) -> Element {
    rsx! { SpawnWizard { kind, model, onclose } }
}
