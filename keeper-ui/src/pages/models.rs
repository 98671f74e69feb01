//! Models: what is here, what is on its way, and what uses it.

mod import_dialog;
mod row;
mod screen;

use std::path::Path;

use dioxus::core::spawn_forever;
use dioxus::prelude::*;

pub use import_dialog::ImportDialog;
pub use screen::{ModelsScreen, Wish};

use super::jobs::{Order, use_jobs};
use crate::client::failure::Action;
use crate::client::provisioner;
use crate::model::ids::ModelId;
use crate::model::import::ImportDraft;
use crate::stores::use_stores;

/// The page's style.
pub const STYLE: &str = include_str!("models/style.css");

/// The page, fed by the stores.
#[component]
pub fn ModelsPage(
    /// A worker is wanted for this model.
    onspawn: EventHandler<ModelId>,
    /// Another place is wanted.
    onaction: EventHandler<Action>,
) -> Element {
    let stores = use_stores();
    let jobs = use_jobs();
    let mut draft = use_signal(|| None::<ImportDraft>);
    let mut refusal = jobs.refusal;
    let onwish = move |wish| match wish {
        Wish::Spawn(model) => onspawn.call(model),
        Wish::Order(order) => {
            if matches!(order, Order::Import(_)) {
                draft.set(None);
            }
            jobs.order(order);
        }
        Wish::Remove(model) => {
            let Some(cluster) = stores.client.peek().clone() else {
                return;
            };
            spawn_forever(async move {
                if let Err(failure) = provisioner::remove(&cluster, &model).await {
                    refusal.set(Some(failure));
                }
            });
        }
        Wish::Pick => {
            spawn(async move {
                if let Some(path) = pick().await {
                    draft.set(Some(ImportDraft::of(Path::new(&path))));
                }
            });
        }
        Wish::Dismiss => refusal.set(None),
        Wish::Action(action) => onaction.call(action),
    };
    rsx! {
        ModelsScreen {
            models: stores.models,
            cluster: stores.cluster,
            downloads: stores.downloads,
            trouble: refusal(),
            draft,
            onwish,
        }
    }
}

/// Lets a person pick a file in the system's own dialog.
#[cfg(feature = "desktop")]
async fn pick() -> Option<String> {
    let dialog = rfd::AsyncFileDialog::new()
        .set_title("Import a model")
        .add_filter("Models", &["gguf", "safetensors"]);
    Some(dialog.pick_file().await?.path().to_string_lossy().into_owned())
}

/// Without a window there is no dialog.
#[cfg(not(feature = "desktop"))]
async fn pick() -> Option<String> {
    None
}
