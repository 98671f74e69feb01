//! A failure as a person needs it: what happened, and what to do about it.

use dioxus::prelude::*;

use super::button::{Button, ControlSize, IconButton};
use super::icon::{Icon, IconName};
use crate::client::failure::{Action, Failure};

/// What a call came to, as a notice whose button is what helps against it.
#[component]
pub fn FailureCard(
    /// What happened.
    failure: Failure,
    /// What helps was asked for.
    onaction: EventHandler<Action>,
    /// It was waved away; absent if it stays.
    #[props(default)]
    ondismiss: Option<EventHandler<()>>,
) -> Element {
    let action = failure.action;
    rsx! {
        FailureNotice {
            sentence: failure.sentence,
            advice: failure.detail,
            reason: failure.reason,
            action: action.map(|action| action.label().to_owned()),
            onaction: move |()| {
                if let Some(action) = action {
                    onaction.call(action);
                }
            },
            ondismiss,
        }
    }
}

/// A sentence, an action, and for those who ask for it the reason's name.
#[component]
pub fn FailureNotice(
    /// What happened, in a sentence.
    #[props(into)]
    sentence: String,
    /// What to do about it, in words; shown below the sentence.
    #[props(default, into)]
    advice: Option<String>,
    /// The reason's name in the project's own list, to look it up by.
    #[props(default, into)]
    reason: Option<String>,
    /// What the button says; absent if there is nothing to press.
    #[props(default, into)]
    action: Option<String>,
    /// The button was pressed.
    #[props(default)]
    onaction: EventHandler<()>,
    /// It was waved away; absent if it stays.
    #[props(default)]
    ondismiss: Option<EventHandler<()>>,
) -> Element {
    rsx! {
        div { class: "failure", role: "alert",
            span { class: "failure__icon", Icon { name: IconName::Error, label: "Error" } }
            div { class: "failure__words",
                p { class: "failure__sentence", "{sentence}" }
                if let Some(advice) = advice {
                    p { class: "failure__advice", "{advice}" }
                }
                if let Some(reason) = reason {
                    p { class: "failure__reason", "{reason}" }
                }
            }
            if let Some(action) = action {
                Button { size: ControlSize::Small, onclick: move |_| onaction.call(()), "{action}" }
            }
            if let Some(ondismiss) = ondismiss {
                IconButton {
                    icon: IconName::Close,
                    label: "Dismiss",
                    size: ControlSize::Small,
                    onclick: move |_| ondismiss.call(()),
                }
            }
        }
    }
}
