//! The last page: the six steps as they happen.

use dioxus::prelude::*;

use super::view::Ask;
use crate::client::failure::{Action, Failure};
use crate::components::{FailureNotice, Icon, IconName, Progress, Spinner};
use crate::model::models::ModelsView;
use crate::model::units;
use crate::model::wizard::spawn::Outcome;
use crate::model::wizard::{SpawnStep, StepState, Wizard};

/// The steps.
#[component]
pub(super) fn StepList(
    wizard: ReadSignal<Wizard<Failure>>,
    models: ReadSignal<ModelsView>,
    on: EventHandler<Ask>,
) -> Element {
    let state = wizard.read();
    let Some(spawn) = state.spawn.as_ref() else {
        return rsx! {};
    };
    let name = state
        .model
        .as_ref()
        .map(|model| models.read().name_of(model).to_owned())
        .unwrap_or_default();
    let failure = match &spawn.outcome {
        Some(Outcome::Failed(failure)) => Some(failure.clone()),
        _ => None,
    };
    let evicted: Vec<_> = spawn
        .evicted
        .iter()
        .map(|model| models.read().name_of(model).to_owned())
        .collect();
    rsx! {
        p { class: "wizard__subject", dir: "auto", "{name}" }
        ol { class: "wizard__steps", "aria-label": "What is done", "aria-live": "polite",
            for (step , state) in SpawnStep::ALL.into_iter().zip(spawn.steps.clone()) {
                li { key: "{step.label()}", class: "wizard__step", "data-state": state.word(),
                    span { class: "wizard__step-mark", Mark { state: state.clone() } }
                    div { class: "wizard__step-words",
                        p { "{step.label()}" }
                        if let StepState::Done(detail) = &state {
                            if !detail.is_empty() {
                                p { class: "wizard__hint", dir: "auto", "{detail}" }
                            }
                        }
                        if step == SpawnStep::Prepare {
                            for model in evicted.clone() {
                                p { class: "wizard__hint", "{model} was stopped to make room." }
                            }
                        }
                        if state == StepState::Running {
                            Running { share: spawn.share(), fetched: spawn.fetched }
                        }
                    }
                }
            }
        }
        if let Some(failure) = failure {
            FailureNotice {
                sentence: failure.sentence,
                advice: failure.detail,
                reason: failure.reason,
                action: failure.action.filter(is_useful).map(|action| action.label().to_owned()),
                onaction: move |()| {
                    if let Some(action) = failure.action {
                        on.call(Ask::Act(action));
                    }
                },
            }
        }
    }
}

/// Whether an action does something about a spawn that failed: another try is what Back leads to.
fn is_useful(action: &Action) -> bool {
    !matches!(
        action,
        Action::SpawnWorker | Action::RestartWorker | Action::Retry
    )
}

#[component]
fn Mark(state: StepState) -> Element {
    match state {
        StepState::Waiting => rsx! { span { class: "wizard__step-dot" } },
        StepState::Running => rsx! { Spinner { size: 16 } },
        StepState::Done(_) => rsx! { Icon { name: IconName::Check, label: "done" } },
        StepState::Failed => rsx! { Icon { name: IconName::Close, label: "failed" } },
    }
}

/// How far the running step is, where the hive tells it.
#[component]
fn Running(share: Option<f32>, fetched: Option<(u64, u64)>) -> Element {
    let Some(share) = share else {
        return rsx! {};
    };
    let (label, words) = match fetched {
        Some((done, total)) => (
            "Fetching files",
            format!("Fetching files: {} of {}", units::size(done), units::size(total)),
        ),
        None => ("Loading the model", format!("{:.0} % loaded", share * 100.0)),
    };
    rsx! {
        div { class: "wizard__running",
            Progress { label, value: f64::from(share), text: words.clone() }
            p { class: "wizard__hint numeric", "{words}" }
        }
    }
}
