//! What just happened, in a corner, for a while.

use dioxus::prelude::*;

use super::badge::Tone;
use super::button::{Button, ControlSize, IconButton};
use super::icon::{Icon, IconName};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Toast {
    /// Which one it is.
    pub id: u64,
    /// What its colour means.
    pub tone: Tone,
    /// What happened.
    pub title: String,
    /// More of it; empty if there is no more.
    pub text: String,
    /// What can be done about it; absent if nothing.
    pub action: Option<String>,
}

impl Toast {
    const fn icon(&self) -> IconName {
        match self.tone {
            Tone::Neutral | Tone::Accent => IconName::Info,
            Tone::Good => IconName::Success,
            Tone::Warn => IconName::Warning,
            Tone::Bad => IconName::Error,
        }
    }
}

/// All toasts, the newest below. The region is always there, so that what comes into it is read out.
#[component]
pub fn Toasts(
    /// What to show.
    toasts: Vec<Toast>,
    /// The one with this id was waved away.
    ondismiss: EventHandler<u64>,
    /// The action of the one with this id was asked for.
    #[props(default)]
    onaction: EventHandler<u64>,
) -> Element {
    rsx! {
        div { class: "toasts", role: "region", "aria-label": "Notifications", "aria-live": "polite",
            for toast in toasts {
                div { class: "toast", key: "{toast.id}", "data-tone": toast.tone.name(),
                    role: if toast.tone == Tone::Bad { "alert" } else { "status" },
                    span { class: "toast__icon", Icon { name: toast.icon() } }
                    div { class: "toast__words",
                        p { class: "toast__title", "{toast.title}" }
                        if !toast.text.is_empty() {
                            p { class: "toast__text", "{toast.text}" }
                        }
                    }
                    if let Some(action) = toast.action.clone() {
                        Button { size: ControlSize::Small, onclick: move |_| onaction.call(toast.id), "{action}" }
                    }
                    IconButton {
                        icon: IconName::Close,
                        label: "Dismiss",
                        size: ControlSize::Small,
                        onclick: move |_| ondismiss.call(toast.id),
                    }
                }
            }
        }
    }
}
