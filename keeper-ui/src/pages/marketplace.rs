//! Marketplace: what could be brought in, from each hub in the same way.

mod card;
mod details;
mod filter_bar;
mod package;
mod screen;

use std::time::Duration;

use dioxus::core::spawn_forever;
use dioxus::prelude::*;

pub use screen::{MarketScreen, Wish};

use super::jobs::use_jobs;
use crate::client::failure::{Action, Failure};
use crate::client::provisioner;
use crate::model::ids::ModelId;
use crate::model::marketplace::{Hub, Loading, Market};
use crate::stores::{Stores, use_stores};

/// The page's style.
pub const STYLE: &str = include_str!("marketplace/style.css");

/// How long somebody must have stopped typing before a hub is asked.
const PAUSE: Duration = Duration::from_millis(350);

/// The page, fed by the stores.
#[component]
pub fn MarketplacePage(
    /// A worker is wanted for this model.
    onspawn: EventHandler<ModelId>,
    /// Another place is wanted.
    onaction: EventHandler<Action>,
) -> Element {
    let stores = use_stores();
    let jobs = use_jobs();
    let mut market = stores.market;
    use_effect(move || {
        // Asks again with another cluster, and for what has not been asked for yet.
        if (stores.client)().is_some() {
            begin(stores, Duration::ZERO, false);
        }
    });
    let onwish = move |wish| match wish {
        Wish::Show(hub) => {
            market.write().show(hub);
            begin(stores, Duration::ZERO, false);
        }
        Wish::Arrange(arrangement) => market.write().arrangement = arrangement,
        Wish::Look { filters, at_once } => {
            let hub = market.peek().hub;
            if let Some(search) = market.write().search_mut(hub) {
                search.filters = filters;
            }
            begin(stores, if at_once { Duration::ZERO } else { PAUSE }, true);
        }
        Wish::Filter(filters) => {
            let hub = market.peek().hub;
            if let Some(search) = market.write().search_mut(hub) {
                search.filters = filters;
            }
        }
        Wish::Again => begin(stores, Duration::ZERO, true),
        Wish::More => more(stores),
        Wish::Open(id) => open(market, stores, &id),
        Wish::Choose(id) => choose(market, stores, id),
        Wish::Close => market.write().details = None,
        Wish::Order(order) => jobs.order(order),
        Wish::Spawn(model) => onspawn.call(model),
        Wish::Action(action) => onaction.call(action),
    };
    rsx! {
        MarketScreen { market, downloads: stores.downloads, cluster: stores.cluster, onwish }
    }
}

/// Asks the hub that shows; with `anew`, also where its answer is here already.
fn begin(stores: Stores, pause: Duration, anew: bool) {
    let mut market = stores.market;
    let hub = market.peek().hub;
    let Some(cluster) = stores.client.peek().clone() else {
        return;
    };
    if hub == Hub::Workers {
        if anew || !matches!(market.peek().packages, Loading::Here(_)) {
            market.write().packages = Loading::Waiting;
            spawn_forever(async move {
                let answer = provisioner::packages(&cluster).await;
                market.write().packages = answer.map_or_else(Loading::Failed, Loading::Here);
            });
        }
        return;
    }
    let is_idle = market
        .peek()
        .search(hub)
        .is_some_and(|search| matches!(search.offers, Loading::Idle | Loading::Failed(_)));
    if !anew && !is_idle {
        return;
    }
    let begun = market
        .write()
        .search_mut(hub)
        .map(|search| (search.begin(), search.filters.clone()));
    let Some((ticket, filters)) = begun else { return };
    spawn_forever(async move {
        tokio::time::sleep(pause).await;
        let is_current = market
            .peek()
            .search(hub)
            .is_some_and(|search| search.is_current(ticket));
        if is_current {
            let answer = provisioner::search(&cluster, hub, &filters, None).await;
            if let Some(search) = market.write().search_mut(hub) {
                search.arrived(ticket, answer);
            }
        }
    });
}

/// Asks for the next page.
fn more(stores: Stores) {
    let mut market = stores.market;
    let hub = market.peek().hub;
    let Some(cluster) = stores.client.peek().clone() else {
        return;
    };
    let begun = market
        .write()
        .search_mut(hub)
        .and_then(|search| Some((search.begin_more()?, search.filters.clone())));
    let Some(((ticket, page), filters)) = begun else {
        return;
    };
    spawn_forever(async move {
        let answer = provisioner::search(&cluster, hub, &filters, Some(page)).await;
        if let Some(search) = market.write().search_mut(hub) {
            search.arrived(ticket, answer);
        }
    });
}

/// Looks at an offer more closely.
fn open(mut market: Signal<Market<Failure>>, stores: Stores, id: &str) {
    let Some(offer) = market.peek().offer(id).cloned() else {
        return;
    };
    let chosen = offer.id.clone();
    market.write().details = Some(crate::model::marketplace::Details::open(offer));
    choose(market, stores, chosen);
}

/// Asks what the download of a version or file would be.
fn choose(mut market: Signal<Market<Failure>>, stores: Stores, id: String) {
    let Some(cluster) = stores.client.peek().clone() else {
        return;
    };
    if let Some(details) = market.write().details.as_mut() {
        details.choose(id.clone());
    }
    spawn_forever(async move {
        let answer = provisioner::resolve(&cluster, id.clone()).await;
        if let Some(details) = market.write().details.as_mut() {
            details.arrived(&id, answer);
        }
    });
}
