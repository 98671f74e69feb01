//! Small words and dots that say in which state something is.

use dioxus::prelude::*;

use super::icon::{Icon, IconName};
use crate::model::cluster::WorkerState;

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing in particular.
    #[default]
    Neutral,
    /// The accent of the kind around it.
    Accent,
    /// As it should be.
    Good,
    /// To be looked at.
    Warn,
    /// Wrong.
    Bad,
}

impl Tone {
    /// Its name in styles.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Accent => "accent",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A word in a small field of its tone.
#[component]
pub fn Badge(
    /// What its colour means.
    #[props(default)]
    tone: Tone,
    /// Before the word.
    #[props(default)]
    icon: Option<IconName>,
    /// More, when the pointer rests on it.
    #[props(default, into)]
    title: Option<String>,
    /// The word.
    children: Element,
) -> Element {
    rsx! {
        span { class: "badge", "data-tone": tone.name(), title,
            if let Some(name) = icon {
                Icon { name, size: 12 }
            }
            {children}
        }
    }
}

/// What a dot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dot {
    /// Not at work: stopped, or unknown.
    #[default]
    Off,
    /// On its way: starting, loading.
    Waiting,
    /// Ready.
    Ready,
    /// At work now.
    Busy,
    /// To be looked at.
    Warn,
    /// Failed.
    Bad,
}

impl Dot {
    /// Its name in styles.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Waiting => "coming",
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "failed",
        }
    }
}

impl From<WorkerState> for Dot {
    fn from(state: WorkerState) -> Self {
        match state.tone() {
            "ready" => Self::Ready,
            "busy" => Self::Busy,
            "failed" => Self::Bad,
            "coming" => Self::Waiting,
            _ => Self::Off,
        }
    }
}

/// A dot whose colour and shape say a state; the label says it for those who listen.
#[component]
pub fn StateDot(
    /// What it says.
    state: Dot,
    /// The same in a word.
    #[props(into)]
    label: String,
) -> Element {
    rsx! {
        span { class: "dot", "data-state": state.name(), role: "img", "aria-label": "{label}", title: "{label}" }
    }
}
