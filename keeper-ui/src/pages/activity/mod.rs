//! Activity: the narration of everything, newest first, and what to do about errors.

use dioxus::prelude::*;
use jiff::tz::TimeZone;

use crate::app::use_session;
use crate::client::failure::{Action, Failure};
use crate::components::{Button, ControlSize, CopyButton, EmptyState, Icon, IconName, SearchField};
use crate::model::activity::ActivityFilter;
use crate::model::narration::{EventLevel, NarrationLine, NarrationView};

/// The page.
#[component]
pub fn ActivityPage() -> Element {
    let session = use_session();
    let stores = session.stores;
    let filter = use_signal(ActivityFilter::default);
    rsx! {
        ActivityView {
            narration: ReadSignal::from(stores.narration),
            filter: filter(),
            zone: use_hook(TimeZone::system),
            onfilter: move |chosen| { let mut filter = filter; filter.set(chosen); },
            onaction: move |action| { session.act(action); },
        }
    }
}

/// The page as it is drawn.
#[component]
pub fn ActivityView(
    /// What happened.
    narration: ReadSignal<NarrationView>,
    /// What is shown of it.
    filter: ActivityFilter,
    /// In whose time.
    zone: TimeZone,
    /// The person wants to see something else.
    onfilter: EventHandler<ActivityFilter>,
    /// The person wants to do something about an error.
    onaction: EventHandler<Action>,
) -> Element {
    let view = narration.read();
    let lines: Vec<NarrationLine> = filter.lines(&view).into_iter().cloned().collect();
    let told = view.lines().len();
    let missed = view.missed;
    let text = lines
        .iter()
        .map(|line| as_text(line, &zone))
        .collect::<Vec<_>>()
        .join("\n");
    let searched = filter.clone();
    let levels = [
        (EventLevel::Info, "Everything"),
        (EventLevel::Warning, "Warnings and errors"),
        (EventLevel::Error, "Errors"),
    ];
    rsx! {
        div { class: "listing activity",
            header { class: "listing__head",
                h1 { "Activity" }
                div { class: "listing__tools",
                    div { class: "listing__choice", role: "group", "aria-label": "How much a line must matter",
                        for (least, label) in levels {
                            Button {
                                key: "{label}",
                                size: ControlSize::Small,
                                pressed: filter.least == least,
                                onclick: {
                                    let filter = filter.clone();
                                    move |_| onfilter.call(ActivityFilter { least, ..filter.clone() })
                                },
                                "{label}"
                            }
                        }
                    }
                    SearchField {
                        label: "Search in what happened",
                        placeholder: "Search",
                        value: filter.query.clone(),
                        oninput: move |query| onfilter.call(ActivityFilter { query, ..searched.clone() }),
                    }
                    CopyButton { label: "Copy what is shown", text: move |()| text.clone() }
                }
            }
            if missed > 0 {
                p { class: "listing__note", "{missed} lines were missed because this window read too slowly." }
            }
            if told == 0 {
                EmptyState {
                    icon: IconName::Activity,
                    title: "Nothing happened yet",
                    text: "What the services do is told here, line by line: downloads, workers that start and stop, and what went wrong.",
                }
            } else if lines.is_empty() {
                EmptyState { icon: IconName::Search, title: "No line is like that", text: "Change what you look for, or show everything." }
            } else {
                ol { class: "activity__lines",
                    for line in lines {
                        LineView { key: "{line.number}", line, zone: zone.clone(), onaction }
                    }
                }
            }
        }
    }
}

/// One line.
#[component]
fn LineView(line: NarrationLine, zone: TimeZone, onaction: EventHandler<Action>) -> Element {
    let (level, icon, word) = match line.level {
        EventLevel::Info => ("info", IconName::Info, "Information"),
        EventLevel::Warning => ("warning", IconName::Warning, "Warning"),
        EventLevel::Error => ("error", IconName::Error, "Error"),
    };
    let failure = line
        .fields
        .get("reason")
        .map(|reason| Failure::of_reason(reason, &line.message));
    let failure = failure.filter(|_| line.level != EventLevel::Info);
    let time = time(&line, &zone);
    rsx! {
        li { class: "activity__line", "data-level": level,
            span { class: "activity__icon", Icon { name: icon, size: 14, label: word } }
            time { class: "activity__time numeric", "{time}" }
            div { class: "activity__words",
                p { class: "activity__message", dir: "auto", "{line.message}" }
                if let Some(failure) = &failure {
                    if failure.sentence != line.message {
                        p { class: "activity__advice", "{failure.sentence}" }
                    }
                }
                p { class: "activity__facts",
                    span { "{line.service}" }
                    for (name, value) in &line.fields {
                        span { key: "{name}", "{name} {value}" }
                    }
                }
            }
            if let Some(action) = failure.as_ref().and_then(|failure| failure.action).filter(|action| leads_somewhere(*action)) {
                Button { size: ControlSize::Small, onclick: move |_| onaction.call(action), "{action.label()}" }
            }
        }
    }
}

/// What can be done from here: what needs the request that failed can't.
fn leads_somewhere(action: Action) -> bool {
    !matches!(
        action,
        Action::Retry | Action::RestartWorker | Action::NewConversation
    )
}

fn time(line: &NarrationLine, zone: &TimeZone) -> String {
    line.at
        .map(|at| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string())
        .unwrap_or_default()
}

fn as_text(line: &NarrationLine, zone: &TimeZone) -> String {
    format!(
        "{} {:?} {} {}",
        time(line, zone),
        line.level,
        line.service,
        line.message
    )
}
