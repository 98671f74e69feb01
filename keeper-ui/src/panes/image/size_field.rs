//! The size: presets in their shapes, or two numbers.

use dioxus::prelude::*;

use super::view::ImageSession;
use crate::components::{IconButton, IconName, NumberField};
use crate::model::image::size::{EDGE_STEP, EDGES};
use crate::model::image::{Facts, Size};

/// The size.
#[component]
pub(super) fn SizeField(session: Signal<ImageSession>, facts: ReadSignal<Facts>) -> Element {
    let mut session = session;
    let chosen = use_memo(move || session.read().settings.size);
    let size = chosen().unwrap_or(facts.read().size());
    let presets = facts.read().presets();
    let mut set = move |size: Size| session.write().settings.size = Some(size.nearest());
    rsx! {
        section { class: "image-panel__section",
            div { class: "image-sizes", role: "group", "aria-label": "Sizes that suit the model",
                for preset in presets {
                    button {
                        key: "{preset.size}",
                        class: "image-sizes__preset",
                        r#type: "button",
                        "aria-pressed": (preset.size == size).to_string(),
                        "aria-label": "{preset.label}, {preset.size}",
                        title: "{preset.label}, {preset.size}",
                        onclick: move |_| set(preset.size),
                        span { class: "image-sizes__shape",
                            span { style: "--width: {preset.size.width}; --height: {preset.size.height}" }
                        }
                        span { class: "image-sizes__ratio numeric", "{preset.ratio}" }
                    }
                }
            }
            div { class: "image-sizes__edges",
                Edge {
                    label: "Width",
                    value: size.width,
                    onchange: move |width| set(Size { width, ..size }),
                }
                IconButton {
                    icon: IconName::Refresh,
                    label: "Swap width and height",
                    onclick: move |_| set(size.turned()),
                }
                Edge {
                    label: "Height",
                    value: size.height,
                    onchange: move |height| set(Size { height, ..size }),
                }
            }
        }
    }
}

#[component]
fn Edge(label: &'static str, value: u32, onchange: EventHandler<u32>) -> Element {
    rsx! {
        NumberField {
            label,
            value: f64::from(value),
            min: f64::from(*EDGES.start()),
            max: f64::from(*EDGES.end()),
            step: f64::from(EDGE_STEP),
            unit: "px",
            onchange: move |edge: Option<f64>| {
                if let Some(edge) = edge {
                    onchange.call(edge as u32);
                }
            },
        }
    }
}
