//! One offer: as a card with its picture, and as a line.

use dioxus::prelude::*;

use super::screen::Wish;
use crate::components::{Badge, Icon, IconName, Spinner, Tone};
use crate::model::marketplace::{Fits, Gate, Offer, OfferKind};
use crate::model::units;

/// An offer with its picture. The whole card opens it.
#[component]
pub(super) fn OfferCard(
    offer: Offer,
    room: Option<u64>,
    is_coming: bool,
    onwish: EventHandler<Wish>,
) -> Element {
    let id = offer.id.clone();
    let accent = offer.kind.map_or("text", OfferKind::accent);
    rsx! {
        button {
            class: "offer",
            r#type: "button",
            "data-kind": accent,
            onclick: move |_| onwish.call(Wish::Open(id.clone())),
            if !offer.thumbnail_url.is_empty() {
                span { class: "offer__picture", "data-veiled": offer.nsfw.then_some("true"),
                    img { class: "offer__image", src: "{offer.thumbnail_url}", alt: "", loading: "lazy", referrerpolicy: "no-referrer" }
                }
            }
            span { class: "offer__words",
                span { class: "offer__head",
                    if offer.thumbnail_url.is_empty() {
                        span { class: "offer__sign", Icon { name: sign(offer.kind), size: 20 } }
                    }
                    span { class: "offer__names",
                        span { class: "offer__name truncate", dir: "auto", title: "{offer.name}", "{offer.name}" }
                        span { class: "offer__author truncate", dir: "auto", {byline(&offer)} }
                    }
                }
                span { class: "offer__badges",
                    Badges { offer: offer.clone(), room }
                    if is_coming {
                        Badge { tone: Tone::Accent,
                            Spinner { size: 10 }
                            "downloading"
                        }
                    }
                }
                Figures { offer: offer.clone() }
            }
        }
    }
}

/// An offer in a line of the table.
#[component]
pub(super) fn OfferRow(offer: Offer, room: Option<u64>, onwish: EventHandler<Wish>) -> Element {
    let id = offer.id.clone();
    let known = |number: Option<u64>| number.map(units::count).unwrap_or_default();
    rsx! {
        tr { "data-kind": offer.kind.map_or("text", OfferKind::accent),
            td { class: "offer__cell",
                button {
                    class: "offer__open truncate",
                    r#type: "button",
                    dir: "auto",
                    title: "{offer.name}",
                    onclick: move |_| onwish.call(Wish::Open(id.clone())),
                    "{offer.name}"
                }
                p { class: "offer__author truncate", dir: "auto", {byline(&offer)} }
            }
            td { span { class: "offer__badges", Badges { offer: offer.clone(), room } } }
            td { "data-numeric": "true", {offer.size_bytes.map(units::size).unwrap_or_default()} }
            td { "data-numeric": "true", {known(offer.downloads)} }
            td { "data-numeric": "true", {known(offer.likes)} }
        }
    }
}

/// A sign of what it is.
const fn sign(kind: Option<OfferKind>) -> IconName {
    match kind {
        Some(OfferKind::Llm) => IconName::Text,
        Some(OfferKind::Diffusion) => IconName::Image,
        Some(_) => IconName::Layers,
        None => IconName::Model,
    }
}

/// What it is, and whether it is here or would fit.
#[component]
pub(super) fn Badges(offer: Offer, room: Option<u64>) -> Element {
    let fits = Fits::judge(offer.size_bytes, room);
    rsx! {
        if let Some(kind) = offer.kind {
            Badge { tone: Tone::Accent, {kind.label()} }
        }
        if !offer.base_model.is_empty() && offer.kind != Some(OfferKind::Llm) {
            Badge { "{offer.base_model}" }
        }
        if offer.already_here {
            Badge { tone: Tone::Good, icon: IconName::Check, "already here" }
        } else if let Some(label) = fits.label() {
            Badge { tone: tone(fits), title: "By the size of its files and the memory of the roomiest device here", "{label}" }
        }
        if matches!(offer.gate, Some(Gate::Automatic | Gate::Manual)) {
            Badge { icon: IconName::Lock, title: "The hub asks for consent first", "gated" }
        }
        if offer.nsfw {
            Badge { tone: Tone::Warn, "not safe for work" }
        }
    }
}

/// The tone of a judgement.
pub(super) const fn tone(fits: Fits) -> Tone {
    match fits {
        Fits::Likely => Tone::Good,
        Fits::Tight => Tone::Warn,
        Fits::TooLarge => Tone::Bad,
        Fits::Unknown => Tone::Neutral,
    }
}

/// Whose it is, in which version, and under which licence.
fn byline(offer: &Offer) -> String {
    let parts = [
        offer.author.as_str(),
        offer.version_name.as_str(),
        offer.licence.as_str(),
    ];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ")
}

/// Size, downloads and likes in a line.
#[component]
fn Figures(offer: Offer) -> Element {
    rsx! {
        span { class: "offer__figures numeric",
            if let Some(size) = offer.size_bytes {
                span { {units::size(size)} }
            }
            if let Some(downloads) = offer.downloads {
                span { class: "offer__figure", title: "Downloads",
                    Icon { name: IconName::Download, size: 12, label: "Downloads" }
                    {units::count(downloads)}
                }
            }
            if let Some(likes) = offer.likes {
                span { class: "offer__figure", title: "Likes",
                    Icon { name: IconName::Heart, size: 12, label: "Likes" }
                    {units::count(likes)}
                }
            }
        }
    }
}
