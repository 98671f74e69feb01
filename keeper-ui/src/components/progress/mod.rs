//! How far something is, where that is known, and that it goes on, where it isn't.

use dioxus::prelude::*;

/// A line that fills.
#[component]
pub fn Progress(
    /// What goes on, for those who listen.
    #[props(into)]
    label: String,
    /// How much of it is done, from 0 to 1; absent where nobody knows.
    #[props(default)]
    value: Option<f64>,
    /// The same in words, such as `1.2 of 4.1 GB`; read in place of the percentage.
    #[props(default, into)]
    text: Option<String>,
    /// `running`, `waiting`, `done` or `failed`.
    #[props(default = "running")]
    state: &'static str,
) -> Element {
    let percent = value
        .filter(|value| value.is_finite())
        .map(|value| (value * 100.0).clamp(0.0, 100.0));
    let now = percent.map(|percent| format!("{percent:.0}"));
    let width = percent.map(|percent| format!("width: {percent:.2}%"));
    rsx! {
        div {
            class: "progress",
            role: "progressbar",
            "aria-label": "{label}",
            "aria-valuemin": "0",
            "aria-valuemax": "100",
            "aria-valuenow": now,
            "aria-valuetext": text,
            "data-state": state,
            "data-known": percent.is_some().to_string(),
            div { class: "progress__fill", style: width }
        }
    }
}

/// Turns while something is waited for. Decoration: what is waited for is said beside it.
#[component]
pub fn Spinner(
    /// Its edge in pixels.
    #[props(default = 14)]
    size: u32,
) -> Element {
    rsx! {
        span { class: "spinner", "aria-hidden": "true", style: "width: {size}px; height: {size}px" }
    }
}
