//! The messages of a conversation, of which only those in view and some around them are drawn.

use std::cell::RefCell;
use std::rc::Rc;

use dioxus::prelude::*;
use serde::Deserialize;

use super::event::PaneEvent;
use super::message::{AnswerView, LiveView, QuestionView};
use crate::components::{Button, ControlSize, IconName, use_identity};
use crate::model::chat::{Branch, Conversation, LiveAnswer, MessageId, Said, VisibleRange, Window};

/// Follows the scrolling. It lives in the page because what it does must be done before the next frame.
const SCROLL: &str = include_str!("scroll.js");

/// The height that is taken for the view's until it is measured, in pixels.
const FIRST_VIEW_HEIGHT: f64 = 800.0;

/// What the page tells of the view.
#[derive(Debug, Clone, Deserialize)]
struct Told {
    top: f64,
    height: f64,
    pinned: bool,
    /// The width changed: all heights are others now.
    narrowed: bool,
    heights: Vec<(u32, f64)>,
}

/// Where the view is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct View {
    top: f64,
    height: f64,
    pinned: bool,
}

/// The messages, and the way to the end where one is not there.
#[component]
pub(super) fn TranscriptView(
    conversation: Rc<Conversation>,
    /// The answer that is coming.
    live: Option<ReadSignal<LiveAnswer>>,
    /// A message to show, when it changes.
    shown: Option<MessageId>,
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let id = use_identity("transcript");
    let mut view = use_signal(|| View {
        top: 0.0,
        height: FIRST_VIEW_HEIGHT,
        pinned: true,
    });
    let mut heights = use_signal(Window::<MessageId>::default);
    let mut page = use_signal(|| None::<document::Eval>);
    let order = move |order: String| {
        if let Some(page) = *page.peek() {
            drop(page.send(order));
        }
    };
    let keys = conversation.transcript.path();
    let path = use_hook(|| Rc::new(RefCell::new(Vec::new())));
    path.borrow_mut().clone_from(&keys);
    use_effect(use_reactive!(|(shown,)| {
        let Some(message) = shown else { return };
        let top = heights.peek().top_of(&path.borrow(), message);
        if let Some(top) = top {
            let height = view.peek().height;
            view.set(View {
                top,
                height,
                pinned: false,
            });
            spawn(async move { order(format!("show {}", message.0)) });
        }
    }));
    // What is asked is seen.
    let last = keys.last().copied();
    use_effect(use_reactive!(|(last,)| {
        if last.is_some() && live.is_some() {
            order("end".to_owned());
        }
    }));
    let onmounted = {
        let id = id.clone();
        move |_| {
            let mut eval = document::eval(SCROLL);
            drop(eval.send(id.clone()));
            page.set(Some(eval));
            spawn(async move {
                while let Ok(told) = eval.recv::<Told>().await {
                    heights.with_mut(|heights| {
                        if told.narrowed {
                            heights.forget();
                        }
                        for (key, height) in told.heights {
                            heights.measure(MessageId(key), height);
                        }
                    });
                    let now = View {
                        top: told.top,
                        height: told.height,
                        pinned: told.pinned,
                    };
                    if *view.peek() != now {
                        view.set(now);
                    }
                }
            });
        }
    };
    let here = view();
    let range = if here.pinned {
        heights.read().visible_at_end(&keys, here.height)
    } else {
        heights.read().visible(&keys, here.top, here.height)
    };
    rsx! {
        div { class: "transcript",
            div {
                class: "transcript__view",
                id: "{id}",
                role: "log",
                "aria-label": "Conversation",
                "aria-live": "off",
                tabindex: "0",
                onmounted,
                div { class: "transcript__inner",
                    Turns { conversation, keys, range, live, onevent }
                }
            }
            if !here.pinned {
                div { class: "transcript__end",
                    Button {
                        icon: IconName::ArrowDown,
                        size: ControlSize::Small,
                        onclick: move |_| order("end".to_owned()),
                        "To the end"
                    }
                }
            }
        }
    }
}

/// The messages of a range, with the room of the others.
#[component]
fn Turns(
    conversation: Rc<Conversation>,
    keys: Vec<MessageId>,
    range: VisibleRange,
    live: Option<ReadSignal<LiveAnswer>>,
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let coming = live.map(|live| live.read().message);
    let idle = live.is_none();
    rsx! {
        div { class: "transcript__room", style: "height: {range.before:.0}px" }
        for id in keys[range.first..range.end].iter().copied() {
            if coming == Some(id) && let Some(live) = live {
                article { key: "{id.0}", class: "turn", "data-key": "{id.0}", "data-by": "model", "data-live": "true", "aria-label": "The model",
                    LiveView { live }
                }
            } else {
                TurnView { key: "{id.0}", conversation: conversation.clone(), id, idle, onevent }
            }
        }
        div { class: "transcript__room", style: "height: {range.after:.0}px" }
    }
}

/// One message.
#[component]
fn TurnView(
    conversation: Rc<Conversation>,
    id: MessageId,
    idle: bool,
    onevent: EventHandler<PaneEvent>,
) -> Element {
    let Some(message) = conversation.transcript.message(id) else {
        return rsx! {};
    };
    let branch = conversation
        .transcript
        .branch(id)
        .unwrap_or(Branch { index: 0, count: 1 });
    match &message.said {
        Said::Question(text) => rsx! {
            article { class: "turn", "data-key": "{id.0}", "data-by": "person", "aria-label": "You",
                QuestionView { id, text: text.clone(), branch, idle, onevent }
            }
        },
        Said::Answer(answer) => rsx! {
            article { class: "turn", "data-key": "{id.0}", "data-by": "model", "aria-label": "The model",
                AnswerView { id, answer: answer.clone(), branch, idle, onevent }
            }
        },
    }
}
