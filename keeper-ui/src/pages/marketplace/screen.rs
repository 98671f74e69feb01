//! The page as it is drawn: one template for all hubs.

use dioxus::prelude::*;

use super::card::{OfferCard, OfferRow};
use super::details::DetailsPanel;
use super::filter_bar::FilterBar;
use super::package::PackageCard;
use crate::client::failure::{Action, Failure};
use crate::components::{
    Button, Choice, Column, EmptyState, FailureCard, Icon, IconName, PageFrame, SearchField, Segments,
    Skeleton, TabItem, Table, Tabs,
};
use crate::model::cluster::{ClusterView, Hardware};
use crate::model::downloads::DownloadsView;
use crate::model::ids::ModelId;
use crate::model::marketplace::fits::room_bytes;
use crate::model::marketplace::{Arrangement, Filters, Hub, Loading, Market, Offer, Package, Search};
use crate::pages::jobs::Order;

/// Something that is wanted on this page.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Another hub.
    Show(Hub),
    /// Cards or a list.
    Arrange(Arrangement),
    /// The hub is to be asked with these filters: at once, or when the person has stopped typing.
    Look {
        /// The filters.
        filters: Filters,
        /// Without a pause.
        at_once: bool,
    },
    /// These filters, which the window applies itself.
    Filter(Filters),
    /// The same again.
    Again,
    /// The next page.
    More,
    /// A closer look at the offer of this id.
    Open(String),
    /// Another version or file of what is looked at.
    Choose(String),
    /// No closer look any more.
    Close,
    /// Something of the provisioner.
    Order(Order),
    /// A worker for a model.
    Spawn(ModelId),
    /// What helps against a failure.
    Action(Action),
}

/// The page.
#[component]
pub fn MarketScreen(
    /// What the hubs have.
    market: ReadSignal<Market<Failure>>,
    /// What is on its way.
    downloads: ReadSignal<DownloadsView<Failure>>,
    /// What there is to run it on.
    cluster: ReadSignal<ClusterView>,
    /// Something is wanted.
    onwish: EventHandler<Wish>,
) -> Element {
    let view = market.read();
    let room = room_bytes(&cluster.read());
    let hub = view.hub;
    let tabs = Hub::ALL
        .into_iter()
        .map(|hub| TabItem::new(hub.id(), hub.label()))
        .collect::<Vec<_>>();
    let arrangements = vec![Choice::new("cards", "Cards"), Choice::new("list", "List")];
    rsx! {
        div { class: "market",
            PageFrame {
                title: "Marketplace",
                actions: (hub != Hub::Workers).then(|| rsx! {
                    Segments {
                        label: "Arrangement",
                        choices: arrangements,
                        icons: vec![IconName::Grid, IconName::List],
                        value: if view.arrangement == Arrangement::Cards { "cards" } else { "list" },
                        onchange: move |id: String| {
                            onwish.call(Wish::Arrange(if id == "list" { Arrangement::List } else { Arrangement::Cards }));
                        },
                    }
                }),
                Tabs {
                    label: "Marketplaces",
                    items: tabs,
                    selected: hub.id(),
                    onselect: move |id: String| onwish.call(Wish::Show(Hub::of(&id).unwrap_or_default())),
                    if let Some(search) = view.search(hub) {
                        FilterBar { hub, filters: search.filters.clone(), onwish }
                        Offers { search: search.clone(), arrangement: view.arrangement, room, downloads, onwish }
                    } else {
                        Packages { packages: view.packages.clone(), downloads, onwish }
                    }
                }
            }
            if let Some(details) = view.details.clone() {
                DetailsPanel { details, room, downloads, onwish }
            }
        }
    }
}

/// What a hub has.
#[component]
fn Offers(
    search: Search<Failure>,
    arrangement: Arrangement,
    room: Option<u64>,
    downloads: ReadSignal<DownloadsView<Failure>>,
    onwish: EventHandler<Wish>,
) -> Element {
    let shown: Vec<Offer> = search.shown(room).into_iter().cloned().collect();
    let came = match &search.offers {
        Loading::Idle | Loading::Waiting => return rsx! { Waiting {} },
        Loading::Failed(failure) => {
            return rsx! {
                div { class: "market__trouble",
                    FailureCard {
                        failure: failure.clone(),
                        onaction: move |action| onwish.call(if action == Action::Retry { Wish::Again } else { Wish::Action(action) }),
                    }
                }
            };
        }
        Loading::Here(offers) => offers.len(),
    };
    if shown.is_empty() {
        return rsx! {
            EmptyState {
                icon: IconName::Search,
                title: "Nothing found",
                text: if came > 0 { "The hub has some, and the filters hide all of them." } else { "Other words, or fewer filters." },
                if search.next.is_some() {
                    Button { onclick: move |_| onwish.call(Wish::More), "Look further" }
                }
            }
        };
    }
    rsx! {
        if arrangement == Arrangement::Cards {
            ul { class: "market__cards",
                for offer in shown {
                    li { key: "{offer.id}", class: "market__cell",
                        OfferCard { is_coming: is_coming(&downloads.read(), &offer), offer, room, onwish }
                    }
                }
            }
        } else {
            Table { caption: "What the hub has", columns: columns(),
                for offer in shown {
                    OfferRow { key: "{offer.id}", offer, room, onwish }
                }
            }
        }
        More { search, onwish }
    }
}

fn columns() -> Vec<Column> {
    let column = |id, label: &str, numeric, width| Column {
        id,
        label: label.to_owned(),
        numeric,
        width,
        ..Column::default()
    };
    vec![
        column("name", "Name", false, ""),
        column("kind", "Kind", false, "300px"),
        column("size", "Size", true, "88px"),
        column("downloads", "Downloads", true, "88px"),
        column("likes", "Likes", true, "72px"),
    ]
}

/// Whether a download of an offer, or of a file of it, is on its way.
fn is_coming(downloads: &DownloadsView<Failure>, offer: &Offer) -> bool {
    downloads.is_asked(&offer.id) || downloads.active().any(|job| job.subject.starts_with(&offer.id))
}

/// The way to the next page.
#[component]
fn More(search: Search<Failure>, onwish: EventHandler<Wish>) -> Element {
    rsx! {
        div { class: "market__more",
            if let Loading::Failed(failure) = &search.more {
                FailureCard { failure: failure.clone(), onaction: move |_| onwish.call(Wish::More) }
            } else if search.next.is_some() {
                Button { busy: search.more.is_waiting(), onclick: move |_| onwish.call(Wish::More), "Show more" }
            }
        }
    }
}

/// What shows while a hub is asked.
#[component]
fn Waiting() -> Element {
    rsx! {
        div { class: "market__waiting",
            Skeleton { label: "Asking the hub", lines: 6, height: 72 }
        }
    }
}

/// The worker programs.
#[component]
fn Packages(
    packages: Loading<Vec<Package>, Failure>,
    downloads: ReadSignal<DownloadsView<Failure>>,
    onwish: EventHandler<Wish>,
) -> Element {
    match packages {
        Loading::Idle | Loading::Waiting => rsx! { Waiting {} },
        Loading::Failed(failure) => rsx! {
            div { class: "market__trouble",
                FailureCard {
                    failure,
                    onaction: move |action| onwish.call(if action == Action::Retry { Wish::Again } else { Wish::Action(action) }),
                }
            }
        },
        Loading::Here(packages) if packages.is_empty() => rsx! {
            EmptyState { icon: IconName::Worker, title: "No packages", text: "The provisioner's package index is empty." }
        },
        Loading::Here(packages) => rsx! { PackageList { packages, downloads, onwish } },
    }
}

/// The worker programs that pass the search and the hardware.
#[component]
fn PackageList(
    packages: Vec<Package>,
    downloads: ReadSignal<DownloadsView<Failure>>,
    onwish: EventHandler<Wish>,
) -> Element {
    let mut text = use_signal(String::new);
    let mut hardware = use_signal(|| "any".to_owned());
    let devices = [
        ("any", "All"),
        ("cpu", "Processors"),
        ("cuda", "NVIDIA"),
        ("metal", "Apple"),
    ];
    let devices = devices
        .into_iter()
        .map(|(id, label)| Choice::new(id, label))
        .collect::<Vec<_>>();
    let shown: Vec<Package> = packages
        .into_iter()
        .filter(|package| package.matches(&text.read(), hardware_of(&hardware.read())))
        .collect();
    rsx! {
        div { class: "filters",
            Segments { label: "Device", choices: devices, value: hardware(), onchange: move |id| hardware.set(id) }
            SearchField { label: "Search workers", placeholder: "Search workers", value: text(), oninput: move |words| text.set(words) }
        }
        p { class: "market__note",
            Icon { name: IconName::Info }
            "Worker programs are built on the provisioner's host, from packages that say what they fetch and run."
        }
        if shown.is_empty() {
            EmptyState { icon: IconName::Search, title: "Nothing found", text: "Other words, or another device." }
        }
        ul { class: "market__cards market__cards--wide",
            for package in shown {
                li { key: "{package.name}", class: "market__cell",
                    PackageCard { entry: downloads.read().about(&package.name).cloned(), package, onwish }
                }
            }
        }
    }
}

/// The hardware of an id; `None` for any.
fn hardware_of(id: &str) -> Option<Hardware> {
    match id {
        "cpu" => Some(Hardware::Cpu),
        "cuda" => Some(Hardware::Cuda),
        "metal" => Some(Hardware::Metal),
        _ => None,
    }
}
