//! A closer look at an offer: versions and files to choose from, what a download would be, and the way to it.

use dioxus::prelude::*;

use super::card::{Badges, tone};
use super::screen::Wish;
use crate::client::failure::{Action, Failure};
use crate::components::{Badge, Button, ButtonVariant, FailureCard, Icon, IconButton, IconName, Skeleton};
use crate::model::downloads::{DownloadsView, Entry, JobState};
use crate::model::marketplace::{Details, Fits, Gate, Loading, Offer, OfferKind, Plan, Variant};
use crate::model::units;
use crate::pages::downloads::DownloadRow;
use crate::pages::jobs::Order;

/// The panel beside the offers.
#[component]
pub(super) fn DetailsPanel(
    details: Details<Failure>,
    room: Option<u64>,
    downloads: ReadSignal<DownloadsView<Failure>>,
    onwish: EventHandler<Wish>,
) -> Element {
    let offer = details.offer;
    let plan = match &details.plan {
        Loading::Here(plan) => Some(plan.clone()),
        _ => None,
    };
    let subject = plan
        .as_ref()
        .map_or_else(|| details.chosen.clone(), |plan| plan.id.clone());
    let entry = downloads
        .read()
        .about(&subject)
        .filter(|entry| entry.job.state != JobState::Succeeded)
        .cloned();
    let variants = variants(&offer, plan.as_ref());
    rsx! {
        aside {
            class: "details",
            "aria-label": "{offer.name}",
            "data-kind": offer.kind.map_or("text", OfferKind::accent),
            header { class: "details__head",
                div { class: "details__names",
                    h2 { class: "details__name", dir: "auto", "{offer.name}" }
                    p { class: "details__author truncate", dir: "auto", "{offer.author}" }
                }
                IconButton { icon: IconName::Close, label: "Close the details", onclick: move |_| onwish.call(Wish::Close) }
            }
            div { class: "details__body",
                div { class: "details__badges", Badges { offer: offer.clone(), room } }
                if !offer.thumbnail_url.is_empty() {
                    img { class: "details__image", src: "{offer.thumbnail_url}", alt: "What the hub shows of {offer.name}", referrerpolicy: "no-referrer", "data-veiled": offer.nsfw.then_some("true") }
                }
                if variants.len() > 1 {
                    Variants { variants, chosen: subject.clone(), room, onwish }
                }
                match &details.plan {
                    Loading::Idle | Loading::Waiting => rsx! { Skeleton { label: "Asking the hub", lines: 5 } },
                    Loading::Failed(failure) => {
                        let again = details.chosen.clone();
                        rsx! {
                            FailureCard {
                                failure: failure.clone(),
                                onaction: move |action| onwish.call(if action == Action::Retry { Wish::Choose(again.clone()) } else { Wish::Action(action) }),
                            }
                        }
                    }
                    Loading::Here(plan) => rsx! { Facts { plan: plan.clone(), offer: offer.clone(), room } },
                }
                if !offer.tags.is_empty() {
                    p { class: "details__tags", dir: "auto", "{offer.tags.join(\" · \")}" }
                }
            }
            footer { class: "details__foot",
                Way { plan, entry, offer: offer.clone(), asked: downloads.read().is_asked(&subject), onwish }
            }
        }
    }
}

/// What there is to choose from: the plan's other files where it has some, else the hub's versions.
fn variants(offer: &Offer, plan: Option<&Plan>) -> Vec<Variant> {
    let Some(plan) = plan.filter(|plan| !plan.variants.is_empty()) else {
        return offer.versions.clone();
    };
    let own = Variant {
        id: plan.id.clone(),
        name: plan.quantization.clone().unwrap_or_else(|| plan.name.clone()),
        size_bytes: plan.size_bytes,
    };
    let mut all = vec![own];
    all.extend(
        plan.variants
            .iter()
            .filter(|variant| variant.id != plan.id)
            .cloned(),
    );
    all.sort_by_key(|variant| variant.size_bytes.unwrap_or(u64::MAX));
    all
}

/// The choice.
#[component]
fn Variants(
    variants: Vec<Variant>,
    chosen: String,
    room: Option<u64>,
    onwish: EventHandler<Wish>,
) -> Element {
    rsx! {
        div { class: "variants", role: "group", "aria-label": "Versions and files",
            for variant in variants {
                button {
                    key: "{variant.id}",
                    class: "variants__item",
                    r#type: "button",
                    "aria-pressed": (variant.id == chosen).to_string(),
                    onclick: {
                        let id = variant.id.clone();
                        move |_| onwish.call(Wish::Choose(id.clone()))
                    },
                    span { class: "variants__name truncate", dir: "auto", "{variant.name}" }
                    if let Some(size) = variant.size_bytes {
                        span { class: "variants__size numeric", {units::size(size)} }
                    }
                    if let Some(label) = Fits::judge(variant.size_bytes, room).label() {
                        Badge { tone: tone(Fits::judge(variant.size_bytes, room)), "{label}" }
                    }
                }
            }
        }
    }
}

/// What a download would be.
#[component]
fn Facts(plan: Plan, offer: Offer, room: Option<u64>) -> Element {
    let fits = Fits::judge(plan.size_bytes, room);
    rsx! {
        if !plan.choice.is_empty() {
            p { class: "details__choice", "{plan.choice}" }
        }
        dl { class: "facts",
            Fact { name: "Files",
                {units::number(plan.files.len(), "file")}
                if let Some(size) = plan.size_bytes {
                    ", {units::size(size)}"
                }
            }
            if let Some(bytes) = plan.download_bytes.filter(|bytes| Some(*bytes) != plan.size_bytes) {
                Fact { name: "Still to fetch", {units::size(bytes)} }
            }
            if let Some(quantization) = &plan.quantization {
                Fact { name: "Quantization", "{quantization}" }
            }
            if !offer.base_model.is_empty() {
                Fact { name: "Derived from", "{offer.base_model}" }
            }
            Fact { name: "Licence", if plan.licence.is_empty() { "not said" } else { "{plan.licence}" } }
            if let Some(free) = plan.disk_available_bytes {
                Fact { name: "Free where it goes", {units::size(free)} }
            }
            if let Some(label) = fits.label() {
                Fact { name: "Memory here", Badge { tone: tone(fits), "{label}" } }
            }
        }
        if plan.fits_disk == Some(false) {
            p { class: "details__warning", Icon { name: IconName::Warning } "There is not enough room on the disk for it." }
        }
        if !plan.accessible {
            p { class: "details__warning",
                Icon { name: IconName::Lock }
                if plan.gate == Some(Gate::Manual) {
                    "Its owner decides who may have it. Ask on its page; then a token of yours in Settings opens it."
                } else {
                    "The hub wants to know who asks: accept its terms on its page, and keep a token in Settings."
                }
            }
        }
    }
}

/// One fact.
#[component]
fn Fact(name: &'static str, children: Element) -> Element {
    rsx! {
        div { class: "facts__row",
            dt { class: "facts__name", "{name}" }
            dd { class: "facts__value numeric", dir: "auto", {children} }
        }
    }
}

/// What can be done: download, follow the download, or use what is here.
#[component]
fn Way(
    plan: Option<Plan>,
    entry: Option<Entry>,
    offer: Offer,
    asked: bool,
    onwish: EventHandler<Wish>,
) -> Element {
    let page = plan
        .as_ref()
        .map_or_else(|| offer.page_url.clone(), |plan| plan.page_url.clone());
    rsx! {
        if let Some(entry) = entry {
            DownloadRow {
                entry,
                onorder: move |order| onwish.call(Wish::Order(order)),
                onaction: move |action| onwish.call(Wish::Action(action)),
            }
        } else if let Some(plan) = plan {
            if plan.already_here {
                Button {
                    variant: ButtonVariant::Primary,
                    icon: IconName::Plus,
                    disabled: !matches!(offer.kind, None | Some(OfferKind::Llm | OfferKind::Diffusion)),
                    onclick: move |_| onwish.call(Wish::Spawn(plan.id.clone().into())),
                    "Start a worker with it"
                }
            } else {
                Button {
                    variant: ButtonVariant::Primary,
                    icon: IconName::Download,
                    busy: asked,
                    disabled: !plan.accessible || plan.fits_disk == Some(false),
                    onclick: {
                        let id = plan.id.clone();
                        move |_| onwish.call(Wish::Order(Order::Download(id.clone())))
                    },
                    if plan.download_bytes == Some(0) {
                        "Add it: its files are here"
                    } else if let Some(bytes) = plan.download_bytes.or(plan.size_bytes) {
                        "Download {units::size(bytes)}"
                    } else {
                        "Download"
                    }
                }
            }
        }
        if page.starts_with("https://") {
            a { class: "details__page", href: "{page}", target: "_blank", rel: "noreferrer",
                "Its page on the hub"
                Icon { name: IconName::External, size: 12 }
            }
        }
    }
}
