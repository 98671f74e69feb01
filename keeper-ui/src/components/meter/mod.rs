//! How much of something there is: memory of a device, use of it, context of a conversation.

use dioxus::prelude::*;

/// One part of what fills a meter.
#[derive(Debug, Clone, PartialEq)]
pub struct MeterPart {
    /// Of the whole, from 0 to 1.
    pub share: f64,
    /// `accent`, `other`, `good`, `warn` or `bad`.
    pub tone: &'static str,
}

/// A bar with its name and what it stands at in words. Unknown is shown as unknown.
#[component]
pub fn Meter(
    /// What is measured.
    #[props(into)]
    label: String,
    /// What fills it, from the start on; empty where nothing is known.
    parts: Vec<MeterPart>,
    /// What it stands at, such as `6.2 of 24 GB`; absent where nothing is known.
    #[props(default, into)]
    text: Option<String>,
    /// Without the line of words above: they are beside it already.
    #[props(default)]
    bare: bool,
) -> Element {
    let known = !parts.is_empty();
    let sum: f64 = parts.iter().map(|part| part.share.max(0.0)).sum();
    let words = text.unwrap_or_else(|| {
        if known {
            format!("{:.0} %", sum * 100.0)
        } else {
            "unknown".to_owned()
        }
    });
    rsx! {
        div { class: "meter", "data-known": known.to_string(),
            if !bare {
                div { class: "meter__words",
                    span { class: "meter__label truncate", "{label}" }
                    span { class: "meter__value numeric", "{words}" }
                }
            }
            if known {
                div {
                    class: "meter__bar",
                    role: "meter",
                    "aria-label": "{label}",
                    "aria-valuemin": "0",
                    "aria-valuemax": "100",
                    "aria-valuenow": format!("{:.0}", sum.clamp(0.0, 1.0) * 100.0),
                    "aria-valuetext": "{words}",
                    for part in parts {
                        span {
                            class: "meter__part",
                            "data-tone": part.tone,
                            style: format!("width: {:.2}%", part.share.clamp(0.0, 1.0) * 100.0),
                        }
                    }
                }
            } else {
                div { class: "meter__bar", "aria-hidden": "true" }
                if bare {
                    span { class: "sr-only", "{label}: {words}" }
                }
            }
        }
    }
}
