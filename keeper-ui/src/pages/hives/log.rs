//! A worker's log: followed while it is in view, searched, copied.

use dioxus::prelude::*;
use jiff::tz::TimeZone;

use crate::app::use_session;
use crate::client::logs;
use crate::components::{
    Button, ControlSize, CopyButton, FailureNotice, IconButton, IconName, SearchField, use_identity,
};
use crate::model::cluster::Worker;
use crate::model::logs::{LogStream, LogView};
use crate::model::words::short_model;

/// How it stands with the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogState {
    /// Lines come as they are written.
    Following,
    /// The worker is gone: no more will come.
    Ended,
    /// The stream broke, and why.
    Broken(String),
}

/// Lines that are drawn at most; those before are in what is copied and searched.
const DRAWN_LINES: usize = 1_000;

/// Keeps the end in view while the person is there.
const FOLLOW: &str = r#"
const box = document.getElementById(await dioxus.recv());
if (!box) return;
let pinned = true;
box.addEventListener("scroll", () => { pinned = box.scrollHeight - box.scrollTop - box.clientHeight < 24; }, { passive: true });
const settle = () => { if (pinned) box.scrollTop = box.scrollHeight; };
new MutationObserver(settle).observe(box, { childList: true, subtree: true });
settle();
"#;

/// The log of a worker, read while this is drawn.
#[component]
pub fn LogPanel(worker: Worker, onclose: EventHandler<()>) -> Element {
    let session = use_session();
    let stores = session.stores;
    let mut view = use_signal(LogView::default);
    let mut state = use_signal(|| LogState::Following);
    let mut attempt = use_signal(|| 0_u32);
    let followed = worker.clone();
    let _reading = use_resource(move || {
        let _ = attempt();
        let (client, worker) = (stores.client.peek().clone(), followed.clone());
        async move {
            let Some(client) = client else { return };
            state.set(LogState::Following);
            let mut lines = logs::follow(client, &worker);
            while let Some(told) = lines.recv().await {
                match told {
                    Ok(lines) => view.write().push(lines),
                    Err(failure) => return state.set(LogState::Broken(failure.sentence)),
                }
            }
            state.set(LogState::Ended);
        }
    });
    rsx! {
        LogPanelView {
            title: format!("Log of {} {}", short_model(worker.model.as_str()), worker.id.short()),
            log: ReadSignal::from(view),
            state: state(),
            zone: use_hook(TimeZone::system),
            onretry: move |()| attempt += 1,
            onclose,
        }
    }
}

/// The log as it is drawn.
#[component]
pub fn LogPanelView(
    /// Whose it is.
    title: String,
    /// Its lines.
    log: ReadSignal<LogView>,
    /// How it stands with the stream.
    state: LogState,
    /// In whose time.
    zone: TimeZone,
    /// The person wants the stream again.
    onretry: EventHandler<()>,
    /// The person has seen enough.
    onclose: EventHandler<()>,
) -> Element {
    let id = use_identity("log");
    let mut query = use_signal(String::new);
    let view = log.read();
    let words = query.read();
    let lines = view.matching(&words);
    let left_out = lines.len().saturating_sub(DRAWN_LINES);
    let standing = match &state {
        LogState::Following => "following",
        LogState::Ended => "the worker is gone",
        LogState::Broken(_) => "not following",
    };
    let time = |at: Option<jiff::Timestamp>| {
        at.map(|at| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string())
            .unwrap_or_default()
    };
    let mounted = id.clone();
    rsx! {
        section { class: "log", "aria-label": "{title}",
            header { class: "log__head",
                h2 { class: "truncate", "{title}" }
                span { class: "log__state", role: "status", "{standing}" }
                SearchField { label: "Search in the log", placeholder: "Search", value: words.clone(), oninput: move |words| query.set(words) }
                CopyButton { label: "Copy the log", text: move |()| log.peek().text(&query.peek()) }
                IconButton { icon: IconName::Close, label: "Close the log", size: ControlSize::Small, onclick: move |_| onclose.call(()) }
            }
            if let LogState::Broken(sentence) = &state {
                FailureNotice { sentence: sentence.clone(), action: "Follow again", onaction: onretry }
            }
            div {
                class: "log__lines",
                id: "{id}",
                role: "log",
                "aria-label": "{title}",
                "aria-live": "off",
                tabindex: "0",
                onmounted: move |_| drop(document::eval(FOLLOW).send(mounted.clone())),
                if view.is_empty() {
                    p { class: "listing__note", "Nothing was written yet." }
                } else if lines.is_empty() {
                    p { class: "listing__note", "No line has that in it." }
                }
                if left_out > 0 {
                    p { class: "listing__note", "{left_out} earlier lines are not drawn; they are searched and copied." }
                }
                for (missing, line) in lines.iter().skip(left_out) {
                    div { key: "{line.number}", class: "log__line", "data-stream": stream(line.stream),
                        if *missing > 0 {
                            p { class: "log__gap", "{missing} lines before this one were written faster than they could be kept" }
                        }
                        span { class: "log__time", {time(line.at)} }
                        span { class: "log__text", "{line.text}" }
                    }
                }
            }
            if state == LogState::Ended {
                div { class: "log__foot",
                    Button { size: ControlSize::Small, onclick: move |_| onclose.call(()), "Close" }
                }
            }
        }
    }
}

fn stream(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Output => "output",
        LogStream::Error => "error",
        LogStream::Hive => "hive",
    }
}
