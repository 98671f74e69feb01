//! Icons: inline pictures in the colour of the text around them.

mod paths;

use dioxus::prelude::*;

pub use paths::IconName;

/// An icon. Without a label it is decoration, and passed over by those who listen.
#[component]
pub fn Icon(
    /// Which one.
    name: IconName,
    /// Its edge in pixels.
    #[props(default = 16)]
    size: u32,
    /// What it says, where nothing beside it does.
    #[props(default, into)]
    label: Option<String>,
) -> Element {
    let role = label.as_ref().map(|_| "img");
    let hidden = label.is_none().then_some("true");
    rsx! {
        svg {
            class: "icon",
            width: "{size}",
            height: "{size}",
            view_box: "0 0 24 24",
            fill: "none",
            stroke: "currentColor",
            stroke_width: "1.75",
            stroke_linecap: "round",
            stroke_linejoin: "round",
            role,
            "aria-label": label,
            "aria-hidden": hidden,
            "focusable": "false",
            for data in name.paths() {
                path { d: "{data}" }
            }
        }
    }
}
