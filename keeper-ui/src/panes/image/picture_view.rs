//! A picture that is done, with what can be done with it.

use dioxus::prelude::*;

use super::spans;
use super::view::{ImageSession, Wish};
use crate::components::{Button, ControlSize, IconButton, IconName};
use crate::model::image::{Phase, PictureId};

/// The picture that is shown.
#[component]
pub(super) fn PictureView(session: Signal<ImageSession>, on: EventHandler<Wish>) -> Element {
    let mut session = session;
    let state = session.read();
    let Some(item) = state.picture() else {
        return rsx! {};
    };
    let id = item.picture.id();
    let facts = facts_of(&state, id);
    let alt = alt(&item.parameters);
    rsx! {
        figure { class: "image-picture",
            button {
                class: "image-picture__open",
                r#type: "button",
                title: "Show it large",
                style: "--width: {item.size.width}; --height: {item.size.height}",
                onclick: move |_| session.write().gallery.open(id),
                img { src: item.picture.address(), alt: "{alt}", draggable: "false" }
            }
            figcaption { class: "image-picture__foot",
                p { class: "image-picture__facts numeric truncate", dir: "ltr",
                    for fact in facts {
                        span { "{fact}" }
                    }
                }
                PictureButtons { id, session, on }
            }
        }
    }
}

/// What can be done with a picture.
#[component]
pub(super) fn PictureButtons(
    id: PictureId,
    session: Signal<ImageSession>,
    on: EventHandler<Wish>,
) -> Element {
    let mut session = session;
    let address = use_memo(use_reactive!(|id| {
        let state = session.read();
        state.gallery.item(id).map(|item| item.picture.address())
    }));
    let several = use_memo(move || session.read().gallery.items().len() > 1);
    rsx! {
        div { class: "image-picture__buttons",
            Button {
                size: ControlSize::Small,
                icon: IconName::Sliders,
                onclick: move |_| on.call(Wish::UseSettings(id)),
                "Use settings"
            }
            IconButton {
                icon: IconName::Layers,
                label: "Begin from this picture",
                size: ControlSize::Small,
                onclick: move |_| on.call(Wish::BeginFrom(id)),
            }
            IconButton {
                icon: IconName::Compare,
                label: "Compare with another",
                size: ControlSize::Small,
                disabled: !several(),
                onclick: move |_| {
                    let gallery = &mut session.write().gallery;
                    gallery.open(id);
                    gallery.compare_with_neighbour();
                },
            }
            IconButton {
                icon: IconName::Copy,
                label: "Copy the picture",
                size: ControlSize::Small,
                "data-copy": address(),
            }
            IconButton {
                icon: IconName::Save,
                label: "Save the picture",
                size: ControlSize::Small,
                onclick: move |_| on.call(Wish::Save(id)),
            }
            IconButton {
                icon: IconName::Trash,
                label: "Throw the picture away",
                size: ControlSize::Small,
                onclick: move |_| on.call(Wish::Remove(id)),
            }
        }
    }
}

/// `512×512`, `seed 7`, and for one that was made since the program began what it took.
fn facts_of(session: &ImageSession, id: PictureId) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(item) = session.gallery.item(id) {
        facts.push(item.size.to_string());
        facts.extend(item.seed.map(|seed| format!("seed {seed}")));
    }
    let run = session.runs().iter().find(|run| run.pictures.contains(&id));
    if let Some((run, Phase::Done(timings))) = run.map(|run| (run, &run.phase)) {
        let pictures = u32::try_from(run.pictures.len()).unwrap_or(1).max(1);
        if let Some(worked) = timings.worked() {
            facts.push(spans::measured(worked / pictures));
        }
        if let (Some(denoise), true) = (timings.denoise, run.total > 0) {
            let steps = run.total.saturating_mul(pictures);
            facts.push(format!("{} a step", spans::measured(denoise / steps)));
        }
    }
    facts
}

/// The prompt as the picture's words for those who don't see it.
pub(super) fn alt(parameters: &str) -> String {
    let prompt = parameters.lines().next().unwrap_or_default().trim();
    if prompt.is_empty() {
        return "A picture without a description".to_owned();
    }
    prompt.chars().take(200).collect()
}
