//! The picture to begin from: how much of it is made anew, and where.

use dioxus::prelude::*;

use super::panel::rounded;
use super::view::{ImageSession, Wish};
use crate::components::{Button, ControlSize, IconButton, IconName, Slider};

/// The picture to begin from.
#[component]
pub(super) fn SourceField(
    session: Signal<ImageSession>,
    onmask: EventHandler<()>,
    on: EventHandler<Wish>,
) -> Element {
    let mut session = session;
    let source = use_memo(move || session.read().settings.source.clone());
    let source = source.read();
    rsx! {
        section { class: "image-panel__section",
            h4 { class: "image-panel__title", "Begin from a picture" }
            if let Some(source) = source.as_ref() {
                div { class: "image-source",
                    img { class: "image-source__picture", src: source.picture.address(), alt: "" }
                    div { class: "image-source__words",
                        p { class: "truncate", title: "{source.name}", "{source.name}" }
                        p { class: "image-panel__hint numeric", "{source.size}" }
                    }
                    IconButton {
                        icon: IconName::Close,
                        label: "Begin from noise again",
                        size: ControlSize::Small,
                        onclick: move |_| session.write().settings.source = None,
                    }
                }
                Slider {
                    label: "Made anew",
                    value: rounded(source.strength),
                    min: 0.05,
                    max: 1.0,
                    step: 0.05,
                    text: format!("{:.0} %", source.strength * 100.0),
                    oninput: move |value: f64| {
                        if let Some(source) = &mut session.write().settings.source {
                            source.strength = (value as f32).clamp(0.05, 1.0);
                        }
                    },
                }
                Button { size: ControlSize::Small, icon: IconName::Brush, onclick: move |_| onmask.call(()),
                    if source.mask.is_empty() {
                        "Paint a mask"
                    } else {
                        "Mask: {source.mask.share(source.size) * 100.0:.0} % made anew"
                    }
                }
            } else {
                button {
                    class: "image-source__empty",
                    r#type: "button",
                    onclick: move |_| on.call(Wish::PickSource),
                    "Choose a picture, or drop one on the pane"
                }
            }
        }
    }
}
