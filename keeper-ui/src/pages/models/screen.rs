//! The page as it is drawn.

use dioxus::html::HasFileData as _;
use dioxus::prelude::*;

use super::import_dialog::ImportDialog;
use super::row::ModelRow;
use crate::client::failure::{Action, Failure};
use crate::components::{
    Button, ButtonVariant, Choice, Column, Dialog, EmptyState, FailureCard, IconName, Order as Direction,
    PageFrame, SearchField, Segments, Skeleton, Table,
};
use crate::model::cluster::ClusterView;
use crate::model::downloads::DownloadsView;
use crate::model::ids::ModelId;
use crate::model::import::ImportDraft;
use crate::model::model_list::{ModelList, Shelf, SortBy, used_by};
use crate::model::models::ModelsView;
use crate::model::units;
use crate::pages::downloads::DownloadList;
use crate::pages::jobs::Order;

/// Something that is wanted on this page.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// A worker for a model.
    Spawn(ModelId),
    /// Something of the provisioner.
    Order(Order),
    /// A model out of the catalog.
    Remove(ModelId),
    /// A file, picked in the system's dialog.
    Pick,
    /// The notice need not be shown any more.
    Dismiss,
    /// What helps against a failure, or another place.
    Action(Action),
}

/// The page.
#[component]
pub fn ModelsScreen(
    /// The models.
    models: ReadSignal<ModelsView>,
    /// Who uses them.
    cluster: ReadSignal<ClusterView>,
    /// What is on its way.
    downloads: ReadSignal<DownloadsView<Failure>>,
    /// Why something did not work.
    #[props(default)]
    trouble: Option<Failure>,
    /// The import that is being prepared.
    draft: Signal<Option<ImportDraft>>,
    /// Something is wanted.
    onwish: EventHandler<Wish>,
) -> Element {
    let list = use_signal(ModelList::default);
    let mut over = use_signal(|| false);
    let mut removing = use_signal(|| None::<ModelId>);
    let view = models.read();
    let (count, bytes) = ModelList::total(&view, Shelf::All);
    let summary = view.synced.then(|| {
        if count == 0 {
            "none yet".to_owned()
        } else {
            format!("{} · {}", units::number(count, "model"), units::size(bytes))
        }
    });
    let drop_file = move |event: DragEvent| {
        event.prevent_default();
        over.set(false);
        if let Some(file) = event.files().first() {
            draft.set(Some(ImportDraft::of(&file.path())));
        }
    };
    rsx! {
        div {
            class: "models",
            ondragover: move |event| {
                event.prevent_default();
                if !over() {
                    over.set(true);
                }
            },
            ondragleave: move |_| over.set(false),
            ondrop: drop_file,
            PageFrame {
                title: "Models",
                summary,
                actions: rsx! {
                    Button { icon: IconName::Upload, onclick: move |_| onwish.call(Wish::Pick), "Import a file" }
                    Button {
                        variant: ButtonVariant::Primary,
                        icon: IconName::Market,
                        onclick: move |_| onwish.call(Wish::Action(Action::OpenMarketplace)),
                        "Find models"
                    }
                },
                tools: (count > 0).then(|| rsx! { Tools { list, models } }),
                if let Some(failure) = trouble {
                    div { class: "models__trouble",
                        FailureCard {
                            failure,
                            onaction: move |action| onwish.call(Wish::Action(action)),
                            ondismiss: move |()| onwish.call(Wish::Dismiss),
                        }
                    }
                }
                DownloadList {
                    downloads,
                    here: Action::OpenModels,
                    onorder: move |order| onwish.call(Wish::Order(order)),
                    onaction: move |action| onwish.call(Wish::Action(action)),
                }
                if !view.synced {
                    Skeleton { label: "Loading models", lines: 8, height: 28 }
                } else if count == 0 {
                    EmptyState {
                        icon: IconName::Model,
                        title: "No models yet",
                        text: "Download one from a marketplace, or drop a GGUF or safetensors file here.",
                        Button {
                            variant: ButtonVariant::Primary,
                            icon: IconName::Market,
                            onclick: move |_| onwish.call(Wish::Action(Action::OpenMarketplace)),
                            "Find models"
                        }
                    }
                } else {
                    Rows { list, models, cluster, onwish, onremove: move |model| removing.set(Some(model)) }
                }
            }
            if over() {
                div { class: "models__drop", "aria-hidden": "true", "Drop a GGUF or safetensors file to import it" }
            }
            if let Some(model) = removing() {
                RemoveDialog {
                    name: view.name_of(&model).to_owned(),
                    used: cluster.read().workers.values().filter(|worker| worker.model == model).count(),
                    onclose: move |()| removing.set(None),
                    onremove: move |()| {
                        removing.set(None);
                        onwish.call(Wish::Remove(model.clone()));
                    },
                }
            }
            if draft.read().is_some() {
                ImportDialog { draft, onimport: move |draft| onwish.call(Wish::Order(Order::Import(draft))) }
            }
        }
    }
}

/// The search and the shelves.
#[component]
fn Tools(list: Signal<ModelList>, models: ReadSignal<ModelsView>) -> Element {
    let view = models.read();
    let shelves = Shelf::ALL.into_iter().map(|shelf| {
        let (count, _) = ModelList::total(&view, shelf);
        Choice::new(shelf.id(), format!("{} {count}", shelf.label()))
    });
    let (text, shelf) = (list.read().text.clone(), list.read().shelf);
    rsx! {
        Segments {
            label: "Kind of model",
            choices: shelves.collect::<Vec<_>>(),
            value: shelf.id(),
            onchange: move |id: String| list.write().shelf = Shelf::of(&id).unwrap_or_default(),
        }
        SearchField {
            label: "Search models",
            value: text,
            placeholder: "Search names, families, quantizations",
            oninput: move |text| list.write().text = text,
        }
    }
}

/// The table.
#[component]
fn Rows(
    list: Signal<ModelList>,
    models: ReadSignal<ModelsView>,
    cluster: ReadSignal<ClusterView>,
    onwish: EventHandler<Wish>,
    onremove: EventHandler<ModelId>,
) -> Element {
    let (view, cluster) = (models.read(), cluster.read());
    let shown = list.read().shown(&view);
    if shown.is_empty() {
        return rsx! {
            EmptyState {
                icon: IconName::Search,
                title: "Nothing here matches",
                text: "Other words, or another kind of model.",
                Button { onclick: move |_| list.set(ModelList::default()), "Show all models" }
            }
        };
    }
    let column = |id, label: &str, numeric, sortable, width| Column {
        id,
        label: label.to_owned(),
        numeric,
        sortable,
        hidden: id == "actions",
        width,
    };
    let columns = vec![
        column("name", "Name", false, true, ""),
        column("type", "Type", false, false, "220px"),
        column("size", "Size", true, true, "96px"),
        column("vendor", "Source", false, false, "120px"),
        column("used", "Used by", false, false, "140px"),
        column("actions", "Actions", false, false, "136px"),
    ];
    let sorted = match list.read().sort {
        SortBy::Name => "name",
        SortBy::Size => "size",
        SortBy::Added => "added",
    };
    let direction = if list.read().descending {
        Direction::Descending
    } else {
        Direction::Ascending
    };
    rsx! {
        Table {
            caption: "Models",
            columns,
            sorted: (sorted.to_owned(), direction),
            onsort: move |id: String| list.write().press(if id == "size" { SortBy::Size } else { SortBy::Name }),
            for model in shown {
                ModelRow {
                    key: "{model.id}",
                    workers: used_by(&cluster, model).cloned().collect::<Vec<_>>(),
                    model: model.clone(),
                    onwish,
                    onremove,
                }
            }
        }
    }
}

/// Asks whether a model is really to go.
#[component]
fn RemoveDialog(name: String, used: usize, onclose: EventHandler<()>, onremove: EventHandler<()>) -> Element {
    rsx! {
        Dialog {
            title: "Remove this model?",
            onclose,
            footer: rsx! {
                Button { onclick: move |_| onclose.call(()), "Keep it" }
                Button { variant: ButtonVariant::Danger, onclick: move |_| onremove.call(()), "Remove" }
            },
            p { "{name} leaves the catalog. Its files stay in the store until they are collected." }
            if used > 0 {
                p { class: "models__warning", "It is served by {units::number(used, \"worker\")}, which cannot start anew without it." }
            }
        }
    }
}
