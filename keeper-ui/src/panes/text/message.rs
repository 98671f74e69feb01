//! Messages: what the person asked, what the model answered, and what can be done with either.

use std::rc::Rc;

use dioxus::prelude::*;

use super::event::PaneEvent;
use crate::components::{
    Button, ButtonVariant, ControlSize, CopyButton, FailureNotice, Icon, IconButton, IconName, Markdown,
    Spinner, TextArea,
};
use crate::model::chat::{
    Answer, Branch, LiveAnswer, MessageId, Phase, Remedy, Trouble, figure_words, phase_words,
};
use crate::model::markdown::{Block, Document};

/// A question.
#[component]
pub(super) fn QuestionView(
    id: MessageId,
    text: String,
    branch: Branch,
    /// Whether it can be edited now.
    idle: bool,
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let mut editing = use_signal(|| None::<String>);
    if let Some(draft) = editing() {
        let unchanged = draft.trim().is_empty();
        let mut send = move || {
            let text = editing.peek().clone().unwrap_or_default();
            if !text.trim().is_empty() {
                editing.set(None);
                onevent.call(PaneEvent::Edit(id, text));
            }
        };
        return rsx! {
            div { class: "turn__edit",
                TextArea {
                    label: "Edit the question",
                    hide_label: true,
                    value: draft,
                    oninput: move |text| editing.set(Some(text)),
                    onkeydown: move |event: KeyboardEvent| match event.key() {
                        Key::Enter if !event.modifiers().shift() && !event.is_composing() => {
                            event.prevent_default();
                            send();
                        }
                        Key::Escape => editing.set(None),
                        _ => {}
                    },
                }
                div { class: "turn__buttons",
                    Button { size: ControlSize::Small, onclick: move |_| editing.set(None), "Cancel" }
                    Button {
                        size: ControlSize::Small,
                        variant: ButtonVariant::Primary,
                        disabled: unchanged || !idle,
                        onclick: move |_| send(),
                        "Ask again"
                    }
                }
            }
        };
    }
    let copied = text.clone();
    let edited = text.clone();
    rsx! {
        div { class: "turn__question", dir: "auto", "{text}" }
        div { class: "turn__tools",
            BranchSwitch { id, branch, idle, onevent }
            CopyButton { label: "Copy the question", text: move |()| copied.clone() }
            IconButton {
                icon: IconName::Edit,
                label: "Edit and ask again",
                size: ControlSize::Small,
                disabled: !idle,
                onclick: move |_| editing.set(Some(edited.clone())),
            }
        }
    }
}

/// An answer that has ended.
#[component]
pub(super) fn AnswerView(
    id: MessageId,
    answer: Answer,
    branch: Branch,
    /// Whether another can be asked for now.
    idle: bool,
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let blocks = use_memo(use_reactive!(|answer| {
        Document::whole(&answer.text)
            .blocks()
            .cloned()
            .collect::<Vec<Rc<Block>>>()
    }));
    let note = phase_words(&answer).filter(|_| answer.ending.is_some());
    let figures = figure_words(&answer.figures).join(" · ");
    let text = answer.text.clone();
    rsx! {
        if answer.dropped_messages > 0 {
            p { class: "turn__note", "The oldest {answer.dropped_messages} messages were left out to make room." }
        }
        Thoughts { text: answer.reasoning.clone(), thinking: false }
        if !answer.text.is_empty() {
            Markdown { blocks: blocks() }
        } else if answer.is_empty() && answer.trouble().is_none() && note.is_none() {
            p { class: "turn__note", "The model ended its answer without a word." }
        }
        for call in &answer.tool_calls {
            div { class: "turn__call", key: "{call.id}",
                Icon { name: IconName::Code }
                code { "{call.name}({call.arguments_json})" }
            }
        }
        if let Some(note) = note {
            p { class: "turn__note", "{note}" }
        }
        if let Some(trouble) = answer.trouble() {
            TroubleView { id, trouble: trouble.clone(), idle, onevent }
        }
        div { class: "turn__tools",
            BranchSwitch { id, branch, idle, onevent }
            if !figures.is_empty() {
                span { class: "turn__figures numeric", "{figures}" }
            }
            if !answer.text.is_empty() {
                CopyButton { label: "Copy the answer", text: move |()| text.clone() }
            }
            IconButton {
                icon: IconName::Refresh,
                label: "Answer again",
                size: ControlSize::Small,
                disabled: !idle,
                onclick: move |_| onevent.call(PaneEvent::Regenerate(id)),
            }
        }
    }
}

/// An answer that comes.
#[component]
pub(super) fn LiveView(live: ReadSignal<LiveAnswer>) -> Element {
    let live = live.read();
    let answer = live.answer();
    let waiting = matches!(answer.phase(), Phase::Queued | Phase::Reading);
    let figures = figure_words(&answer.figures).join(" · ");
    rsx! {
        if answer.dropped_messages > 0 {
            p { class: "turn__note", "The oldest {answer.dropped_messages} messages were left out to make room." }
        }
        Thoughts { text: live.reasoning().to_owned(), thinking: !live.shows_text() }
        if live.shows_text() {
            Markdown { blocks: live.blocks() }
        }
        if waiting && let Some(words) = phase_words(answer) {
            p { class: "turn__waiting", role: "status",
                Spinner {}
                "{words}"
            }
        }
        if !waiting {
            div { class: "turn__tools", "data-shown": "true",
                span { class: "turn__figures numeric", "{figures}" }
            }
        }
    }
}

/// What the model thought, folded away once it answers.
#[component]
fn Thoughts(text: String, thinking: bool) -> Element {
    if text.is_empty() {
        return rsx! {};
    }
    rsx! {
        details { class: "thoughts", open: thinking,
            summary { class: "thoughts__head",
                Icon { name: IconName::ChevronRight, size: 14 }
                if thinking {
                    "Thinking…"
                } else {
                    "Thoughts"
                }
            }
            div { class: "thoughts__text", dir: "auto", "{text}" }
        }
    }
}

/// Which of several messages in one place is read, and the way to the others.
#[component]
fn BranchSwitch(id: MessageId, branch: Branch, idle: bool, onevent: EventHandler<PaneEvent>) -> Element {
    if branch.count < 2 {
        return rsx! {};
    }
    let number = branch.index + 1;
    rsx! {
        div { class: "branch", role: "group", "aria-label": "Version {number} of {branch.count}",
            IconButton {
                icon: IconName::ChevronLeft,
                label: "Version before",
                size: ControlSize::Small,
                disabled: !idle || branch.index == 0,
                onclick: move |_| onevent.call(PaneEvent::Choose(id, branch.index.saturating_sub(1))),
            }
            span { class: "branch__number numeric", "{number} / {branch.count}" }
            IconButton {
                icon: IconName::ChevronRight,
                label: "Version after",
                size: ControlSize::Small,
                disabled: !idle || number == branch.count,
                onclick: move |_| onevent.call(PaneEvent::Choose(id, number)),
            }
        }
    }
}

/// Why an answer failed, and what to do.
#[component]
fn TroubleView(id: MessageId, trouble: Trouble, idle: bool, onevent: EventHandler<PaneEvent>) -> Element {
    let mut remedies = trouble.remedies().iter().copied();
    let first = remedies.next();
    rsx! {
        div { class: "turn__trouble",
            FailureNotice {
                sentence: trouble.sentence.clone(),
                advice: trouble.detail.clone(),
                reason: trouble.reason.clone(),
                action: first.filter(|_| idle).map(|remedy| remedy_words(remedy).to_owned()),
                onaction: move |()| {
                    if let Some(remedy) = first {
                        onevent.call(PaneEvent::Remedy(id, remedy));
                    }
                },
            }
            if idle {
                for remedy in remedies {
                    Button {
                        size: ControlSize::Small,
                        variant: ButtonVariant::Plain,
                        onclick: move |_| onevent.call(PaneEvent::Remedy(id, remedy)),
                        "{remedy_words(remedy)}"
                    }
                }
            }
        }
    }
}

fn remedy_words(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Retry => "Try again",
        Remedy::RetryWithoutOldest => "Leave out the oldest and try again",
        Remedy::StartAnew => "New conversation",
        Remedy::RestartWorker => "Restart the worker",
        Remedy::OpenSettings => "Open the settings",
        Remedy::ShowActivity => "Show what happened",
    }
}
