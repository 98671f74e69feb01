//! Where the person writes.

use dioxus::prelude::*;

use super::event::PaneEvent;
use crate::components::{ButtonVariant, IconButton, IconName, Meter, MeterPart, use_identity, use_typed};
use crate::model::chat::{ContextMeter, Fullness};

/// What is written, the way to send it, and how full the context is.
#[component]
pub(super) fn Composer(
    /// What is written.
    draft: String,
    /// Whom it goes to.
    model: String,
    /// Why nothing can be sent now; absent if it can.
    obstacle: Option<String>,
    /// Whether an answer is coming.
    speaking: bool,
    /// How full the context is.
    meter: ContextMeter,
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let id = use_identity("composer");
    let typed = use_typed(&id, &draft);
    let sendable = obstacle.is_none() && !speaking && !draft.trim().is_empty();
    let send = move || {
        if sendable {
            typed.write("");
            onevent.call(PaneEvent::Send);
        }
    };
    let onkeydown = move |event: KeyboardEvent| match event.key() {
        Key::Enter if !event.modifiers().shift() && !event.is_composing() => {
            event.prevent_default();
            send();
        }
        Key::Escape if speaking => onevent.call(PaneEvent::Stop),
        _ => {}
    };
    rsx! {
        form { class: "composer", onsubmit: move |event| event.prevent_default(),
            label { class: "sr-only", r#for: "{id}", "Message to {model}" }
            div { class: "composer__box",
                // The same text unseen beneath gives the field its height.
                div { class: "composer__grow",
                    div { class: "composer__shadow", "aria-hidden": "true", "{draft} " }
                    textarea {
                        class: "composer__input",
                        id: "{id}",
                        rows: "1",
                        dir: "auto",
                        initial_value: typed.first(),
                        placeholder: "Ask anything",
                        "aria-describedby": obstacle.is_some().then(|| format!("{id}-obstacle")),
                        oninput: move |event| {
                            typed.heard(&event.value());
                            onevent.call(PaneEvent::Draft(event.value()));
                        },
                        onkeydown,
                    }
                }
                if speaking {
                    IconButton {
                        icon: IconName::Stop,
                        label: "Stop",
                        variant: ButtonVariant::Quiet,
                        onclick: move |_| onevent.call(PaneEvent::Stop),
                    }
                } else {
                    IconButton {
                        icon: IconName::ArrowUp,
                        label: "Send",
                        variant: ButtonVariant::Primary,
                        disabled: !sendable,
                        onclick: move |_| send(),
                    }
                }
            }
            div { class: "composer__foot",
                if let Some(obstacle) = &obstacle {
                    span { class: "composer__obstacle", id: "{id}-obstacle", role: "status", "{obstacle}" }
                } else {
                    span { class: "composer__hint", kbd { "Enter" } " sends, " kbd { "Shift" } " " kbd { "Enter" } " breaks the line" }
                }
                Context { meter }
            }
        }
    }
}

/// How full the context is.
#[component]
fn Context(meter: ContextMeter) -> Element {
    let tone = match meter.fullness() {
        Some(Fullness::Full) => "bad",
        Some(Fullness::Close) => "warn",
        Some(Fullness::Roomy) | None => "accent",
    };
    let parts = meter.fraction().map(|share| MeterPart { share, tone });
    if meter == ContextMeter::default() {
        return rsx! {};
    }
    rsx! {
        div { class: "composer__context", title: "Context: tokens of this conversation, and those that the worker has room for",
            div { class: "composer__bar",
                Meter { label: "Context", parts: parts.into_iter().collect::<Vec<_>>(), text: meter.words(), bare: true }
            }
            span { class: "numeric", "{meter.words()}" }
        }
    }
}
