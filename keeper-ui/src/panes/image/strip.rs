//! The pictures that were made, in a row: the newest first, the one on its way before them.

use dioxus::prelude::*;

use super::picture_view::alt;
use super::view::ImageSession;
use crate::components::{Icon, IconName};
use crate::model::image::{GalleryItem, Picture, PictureId};

/// Pictures in the row; the gallery in full view has them all.
const SHOWN: usize = 40;

#[derive(Debug, Clone, PartialEq)]
struct Tile {
    id: PictureId,
    address: String,
    alt: String,
    shown: bool,
}

/// The row.
#[component]
pub(super) fn Strip(session: Signal<ImageSession>) -> Element {
    let mut session = session;
    let tiles = use_memo(move || {
        let state = session.read();
        let shown = (!state.shows_run())
            .then(|| state.picture().map(|item| item.picture.id()))
            .flatten();
        let tile = |item: &GalleryItem| Tile {
            id: item.picture.id(),
            address: item.picture.address(),
            alt: alt(&item.parameters),
            shown: shown == Some(item.picture.id()),
        };
        state
            .gallery
            .items()
            .iter()
            .take(SHOWN)
            .map(tile)
            .collect::<Vec<_>>()
    });
    let run = use_memo(move || {
        let state = session.read();
        let run = state.current().filter(|run| !run.is_over())?;
        let preview = run.preview.as_ref().map(Picture::address);
        Some((preview, (run.share() * 100.0).round() as u32, state.shows_run()))
    });
    if tiles.read().is_empty() && (run.read().is_none() || session.peek().shows_run()) {
        return rsx! {};
    }
    rsx! {
        div { class: "image-strip", role: "group", "aria-label": "Pictures that were made",
            if let Some((preview, percent, shown)) = run() {
                button {
                    class: "image-strip__tile image-strip__tile--run",
                    r#type: "button",
                    style: "--share: {percent}%",
                    "aria-label": "What is made now, {percent} %",
                    "aria-pressed": shown.to_string(),
                    onclick: move |_| session.write().shown = None,
                    if let Some(address) = preview {
                        img { src: address, alt: "" }
                    } else {
                        Icon { name: IconName::Spark }
                    }
                }
            }
            for tile in tiles() {
                button {
                    key: "{tile.id.0}",
                    class: "image-strip__tile",
                    r#type: "button",
                    "aria-pressed": tile.shown.to_string(),
                    title: "{tile.alt}",
                    onclick: move |_| session.write().shown = Some(tile.id),
                    ondoubleclick: move |_| session.write().gallery.open(tile.id),
                    img { src: tile.address, alt: tile.alt, loading: "lazy", draggable: "false" }
                }
            }
        }
    }
}
