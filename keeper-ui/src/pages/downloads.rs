//! What is being brought in, a row for each.

use dioxus::prelude::*;

use super::jobs::Order;
use crate::client::failure::{Action, Failure};
use crate::components::{Button, ControlSize, FailureCard, Icon, IconButton, IconName, Progress};
use crate::model::downloads::{DownloadsView, Entry, Job, JobKind, JobState};

/// The style of the rows.
pub const STYLE: &str = include_str!("downloads/style.css");

/// Lines of a build that show before somebody asks for all.
const LAST_LINES: usize = 200;

/// All that is on its way, was stopped or failed, and what was refused.
#[component]
pub fn DownloadList(
    /// The jobs.
    downloads: ReadSignal<DownloadsView<Failure>>,
    /// Something is wanted of one.
    onorder: EventHandler<Order>,
    /// The place where the list stands, which no button need lead to.
    #[props(default)]
    here: Option<Action>,
    /// What helps against a failure was asked for.
    onaction: EventHandler<Action>,
) -> Element {
    let view = downloads.read();
    let entries: Vec<Entry> = view.shown().cloned().collect();
    let asked: Vec<(String, Option<Failure>)> = view
        .asked()
        .map(|(subject, failure)| (subject.to_owned(), failure.cloned()))
        .collect();
    if entries.is_empty() && asked.is_empty() {
        return rsx! {};
    }
    rsx! {
        section { class: "downloads", "aria-label": "Downloads",
            for (subject, failure) in asked {
                AskedRow { key: "{subject}", subject, failure: failure.map(|failure| elsewhere(failure, here)), onorder, onaction }
            }
            for entry in entries {
                DownloadRow { key: "{entry.job.id}", entry, here, onorder, onaction }
            }
        }
    }
}

/// What was asked for and has no job.
#[component]
fn AskedRow(
    subject: String,
    failure: Option<Failure>,
    onorder: EventHandler<Order>,
    onaction: EventHandler<Action>,
) -> Element {
    let dismissed = subject.clone();
    match failure {
        Some(failure) => rsx! {
            article { class: "download", "aria-label": "{subject}", "data-state": "failed",
                p { class: "download__name truncate", dir: "auto", "{subject}" }
                FailureCard { failure, onaction, ondismiss: move |()| onorder.call(Order::Dismiss(dismissed.clone())) }
            }
        },
        None => rsx! {
            article { class: "download", "aria-label": "{subject}",
                p { class: "download__name truncate", dir: "auto", "{subject}" }
                Progress { label: "Asking for {subject}" }
                p { class: "download__figures", "Asking the provisioner" }
            }
        },
    }
}

/// One job: how far it is, and what can be done about it.
#[component]
pub fn DownloadRow(
    /// The job with its log.
    entry: Entry,
    /// The place where the row stands, which no button need lead to.
    #[props(default)]
    here: Option<Action>,
    /// Something is wanted of it.
    onorder: EventHandler<Order>,
    /// What helps against its failure was asked for.
    onaction: EventHandler<Action>,
) -> Element {
    let job = entry.job;
    let name = job.short_subject().to_owned();
    let accent = if job.kind == JobKind::InstallWorker {
        "worker"
    } else {
        "model"
    };
    let failure = match &job.state {
        // To try it again there is a button above.
        JobState::Failed { reason, message } => Some(elsewhere(
            elsewhere(Failure::of_reason(reason, message), here),
            Some(Action::Retry),
        )),
        _ => None,
    };
    let (state, words) = standing(&job);
    let lines: Vec<String> = entry.lines.iter().rev().take(LAST_LINES).rev().cloned().collect();
    rsx! {
        article { class: "download", "aria-label": "{name}", "data-state": state, "data-about": accent,
            div { class: "download__head",
                Icon { name: if accent == "worker" { IconName::Worker } else { IconName::Download } }
                p { class: "download__name truncate", dir: "auto", title: "{job.subject}", "{name}" }
                JobButtons { job: job.clone(), name: name.clone(), onorder }
            }
            if failure.is_none() {
                Progress { label: "{words} {name}", value: job.fraction(), text: job.figures(), state }
                div { class: "download__words",
                    span { class: "download__phase truncate",
                        "{words}"
                        if !job.file_name.is_empty() && !job.state.has_ended() {
                            span { class: "download__file", dir: "auto", " {job.file_name}" }
                        }
                    }
                    span { class: "download__figures numeric", "{job.figures()}" }
                }
            }
            if !job.note.is_empty() && failure.is_none() {
                p { class: "download__note", "{job.note}" }
            }
            if let Some(failure) = failure {
                FailureCard { failure, onaction }
            }
            if !lines.is_empty() {
                details { class: "download__log",
                    summary { "Build log" }
                    pre { class: "download__lines", tabindex: "0", role: "log", "aria-label": "Build log of {name}", "{lines.join(\"\\n\")}" }
                }
            }
        }
    }
}

/// What can be done about a job.
#[component]
fn JobButtons(job: Job, name: String, onorder: EventHandler<Order>) -> Element {
    let id = job.id.clone();
    let discarded = job.id.clone();
    match job.state {
        JobState::Pending | JobState::Running => rsx! {
            if job.can_resume() {
                IconButton { icon: IconName::Pause, label: "Pause {name}", size: ControlSize::Small, onclick: move |_| onorder.call(Order::Pause(id.clone())) }
            }
            IconButton { icon: IconName::Close, label: "Cancel {name}", size: ControlSize::Small, onclick: move |_| onorder.call(Order::Discard(discarded.clone())) }
        },
        JobState::Stopped | JobState::Failed { .. } => {
            let is_stopped = job.state == JobState::Stopped;
            rsx! {
                if matches!(job.kind, JobKind::Download | JobKind::InstallWorker) {
                    Button {
                        icon: if is_stopped { IconName::Play } else { IconName::Refresh },
                        size: ControlSize::Small,
                        onclick: move |_| onorder.call(again(&job)),
                        if is_stopped { "Resume" } else { "Try again" }
                    }
                }
                IconButton { icon: IconName::Trash, label: "Discard {name}", size: ControlSize::Small, onclick: move |_| onorder.call(Order::Discard(discarded.clone())) }
            }
        }
        JobState::Succeeded => rsx! {},
    }
}

/// A failure without the button that leads to where one is.
fn elsewhere(mut failure: Failure, here: Option<Action>) -> Failure {
    failure.action = failure.action.filter(|action| Some(*action) != here);
    failure
}

/// The order that does a job again.
fn again(job: &Job) -> Order {
    match job.kind {
        JobKind::InstallWorker => Order::Install(job.subject.clone()),
        _ => Order::Download(job.subject.clone()),
    }
}

/// How the line stands, and in words.
fn standing(job: &Job) -> (&'static str, &'static str) {
    match &job.state {
        JobState::Pending => ("waiting", "Waiting for its turn"),
        JobState::Running => (
            "running",
            job.phase
                .map_or("At work", crate::model::downloads::JobPhase::label),
        ),
        JobState::Stopped => ("waiting", "Paused"),
        JobState::Succeeded => ("done", "Done"),
        JobState::Failed { .. } => ("failed", "Failed"),
    }
}
