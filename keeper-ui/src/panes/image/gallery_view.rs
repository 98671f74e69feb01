//! Pictures in full view: one, or two with a line between them that moves.

use dioxus::prelude::*;

use super::picture_view::{PictureButtons, alt};
use super::view::{ImageSession, Wish};
use crate::components::{ControlSize, IconButton, IconName};
use crate::model::image::GalleryItem;
use crate::model::image::gallery::View;

/// The full view.
#[component]
pub(super) fn GalleryView(session: Signal<ImageSession>, on: EventHandler<Wish>) -> Element {
    let mut session = session;
    let state = session.read();
    let gallery = &state.gallery;
    let Some(view) = gallery.view() else {
        return rsx! {};
    };
    let (first, second) = match view {
        View::One(one) => (gallery.item(one), None),
        View::Compare(one, other) => (gallery.item(one), gallery.item(other)),
    };
    let Some(first) = first.cloned() else {
        return rsx! {};
    };
    let at = gallery
        .items()
        .iter()
        .position(|item| item.picture.id() == first.picture.id());
    let (at, count) = (at.unwrap_or_default(), gallery.items().len());
    let second = second.cloned();
    let compares = second.is_some();
    let id = first.picture.id();
    rsx! {
        div {
            class: "image-large",
            role: "dialog",
            "aria-modal": "true",
            "aria-label": "Pictures in full view",
            tabindex: "-1",
            onmounted: move |event| async move { drop(event.set_focus(true).await) },
            onkeydown: move |event| {
                let gallery = &mut session.write().gallery;
                match event.key() {
                    Key::Escape => gallery.close(),
                    Key::ArrowLeft => gallery.go(-1),
                    Key::ArrowRight => gallery.go(1),
                    _ => return,
                }
                event.stop_propagation();
            },
            header { class: "image-large__head",
                p { class: "image-large__facts numeric truncate", "{at + 1} of {count} · {first.size}" }
                PictureButtons { id, session, on }
                IconButton {
                    icon: IconName::Close,
                    label: "Close the full view",
                    onclick: move |_| session.write().gallery.close(),
                }
            }
            div { class: "image-large__stage",
                if let Some(second) = second {
                    Comparison { first, second }
                } else {
                    IconButton {
                        icon: IconName::ChevronLeft,
                        label: "Newer picture",
                        size: ControlSize::Large,
                        disabled: at == 0,
                        onclick: move |_| session.write().gallery.go(-1),
                    }
                    img { class: "image-large__picture", src: first.picture.address(), alt: alt(&first.parameters) }
                    IconButton {
                        icon: IconName::ChevronRight,
                        label: "Older picture",
                        size: ControlSize::Large,
                        disabled: at + 1 >= count,
                        onclick: move |_| session.write().gallery.go(1),
                    }
                }
            }
            if compares {
                Others { session }
            } else if !first_words(&state).is_empty() {
                pre { class: "image-large__words", dir: "auto", "{first_words(&state)}" }
            }
        }
    }
}

/// The settings of the picture that is shown, as text.
fn first_words(session: &ImageSession) -> String {
    match session.gallery.view() {
        Some(View::One(id)) => session
            .gallery
            .item(id)
            .map(|item| item.parameters.clone())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// The pictures to compare with.
#[component]
fn Others(session: Signal<ImageSession>) -> Element {
    let mut session = session;
    let state = session.read();
    let Some(View::Compare(first, second)) = state.gallery.view() else {
        return rsx! {};
    };
    let others = state
        .gallery
        .items()
        .iter()
        .filter(|item| item.picture.id() != first);
    let others = others.map(|item| (item.picture.id(), item.picture.address(), alt(&item.parameters)));
    let others: Vec<_> = others.take(40).collect();
    rsx! {
        div { class: "image-strip image-large__others", role: "group", "aria-label": "Compare with",
            for (id , address , words) in others {
                button {
                    key: "{id.0}",
                    class: "image-strip__tile",
                    r#type: "button",
                    "aria-pressed": (id == second).to_string(),
                    onclick: move |_| session.write().gallery.compare_with(id),
                    img { src: address, alt: words, loading: "lazy" }
                }
            }
        }
    }
}

/// Two pictures over each other: left of the line is the first. The line is a slider, so keys move it, too.
#[component]
fn Comparison(first: GalleryItem, second: GalleryItem) -> Element {
    let mut share = use_signal(|| 50.0);
    let size = first.size;
    let label = |item: &GalleryItem| {
        item.seed
            .map_or_else(|| item.size.to_string(), |seed| format!("seed {seed}"))
    };
    rsx! {
        div {
            class: "image-compare",
            style: "--width: {size.width}; --height: {size.height}; --share: {share}%",
            img { src: second.picture.address(), alt: alt(&second.parameters), draggable: "false" }
            img {
                class: "image-compare__first",
                src: first.picture.address(),
                alt: alt(&first.parameters),
                draggable: "false",
            }
            span { class: "image-compare__line", "aria-hidden": "true" }
            span { class: "image-compare__label numeric", "data-side": "first", {label(&first)} }
            span { class: "image-compare__label numeric", "data-side": "second", {label(&second)} }
            input {
                class: "image-compare__range",
                r#type: "range",
                min: "0",
                max: "100",
                step: "0.5",
                initial_value: "50",
                "aria-label": "Where the line between the two pictures is",
                oninput: move |event| {
                    if let Ok(value) = event.value().parse() {
                        share.set(value);
                    }
                },
            }
        }
    }
}
