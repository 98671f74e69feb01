//! The middle of the pane: what is made now, what was made last, or why nothing is.

use std::time::Instant;

use dioxus::prelude::*;

use super::picture_view::PictureView;
use super::running::RunningView;
use super::view::{ImageSession, Wish};
use crate::client::failure::{Action, Failure};
use crate::components::{EmptyState, FailureNotice, IconName, Skeleton};

/// The middle.
#[component]
pub(super) fn Stage(
    session: Signal<ImageSession>,
    serves: bool,
    now: ReadSignal<Instant>,
    on: EventHandler<Wish>,
) -> Element {
    let mut session = session;
    let state = session.read();
    let failed = state.failed().map(|(id, failure)| (id, failure.clone()));
    rsx! {
        div { class: "image-stage", "data-state": if state.shows_run() { "running" } else { "still" },
            if let Some(trouble) = state.trouble.clone().filter(|_| serves) {
                Notice { failure: trouble, on }
            }
            if let Some((run, failure)) = failed {
                Notice { failure, on, ondismiss: move |()| session.write().dismiss(run) }
            }
            if state.shows_run() {
                RunningView { session, now }
            } else if state.picture().is_some() {
                PictureView { session, on }
            } else if serves && state.facts.is_none() && state.trouble.is_none() {
                div { class: "image-stage__loading", Skeleton { label: "Asking the worker what it can do", lines: 4 } }
            } else if serves {
                EmptyState {
                    icon: IconName::Image,
                    title: "What shall it paint?",
                    text: "Write a prompt below. A picture that is dropped here is one to begin from, or one whose settings are read.",
                }
            } else if state.trouble.is_none() {
                EmptyState {
                    icon: IconName::Image,
                    title: "It does not paint yet",
                    text: "The prompt can be written meanwhile; what was painted shows here when the worker is ready.",
                }
            }
        }
    }
}

/// Something that did not work, with what helps.
#[component]
fn Notice(
    failure: Failure,
    on: EventHandler<Wish>,
    #[props(default)] ondismiss: Option<EventHandler<()>>,
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
                    on.call(if action == Action::Retry { Wish::Paint } else { Wish::Act(action) });
                }
            },
            ondismiss,
        }
    }
}
