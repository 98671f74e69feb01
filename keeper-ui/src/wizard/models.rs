//! The second page: the models of a kind, those that fit first, with the reason beside those that don't.

use dioxus::prelude::*;

use super::view::Ask;
use crate::client::failure::{Action, Failure};
use crate::components::{Badge, Button, ButtonVariant, EmptyState, Icon, IconName, SearchField, Spinner};
use crate::model::cluster::WorkerKind;
use crate::model::ids::ModelId;
use crate::model::models::ModelsView;
use crate::model::units;
use crate::model::wizard::{Verdict, Wizard};

/// A model's row.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    id: ModelId,
    name: String,
    facts: Vec<String>,
    /// `fits`, `perhaps`, `no`; `None` while the hives are asked.
    word: Option<&'static str>,
    verdict: String,
}

/// The models.
#[component]
pub(super) fn Models(
    wizard: ReadSignal<Wizard<Failure>>,
    models: ReadSignal<ModelsView>,
    on: EventHandler<Ask>,
) -> Element {
    let state = wizard.read();
    let known = models.read();
    let rows: Vec<_> = state
        .choices(&known)
        .into_iter()
        .map(|choice| row(choice.model, choice.verdict.as_ref()))
        .collect();
    let searched = !state.search.trim().is_empty();
    let what = match state.kind {
        Some(WorkerKind::Image) => "image",
        _ => "text",
    };
    rsx! {
        if !rows.is_empty() || searched {
            SearchField {
                label: "Search models",
                value: state.search.clone(),
                placeholder: "Search models",
                oninput: move |words| on.call(Ask::Search(words)),
            }
        }
        if rows.is_empty() && searched {
            p { class: "wizard__none", "No model is called so." }
        } else if rows.is_empty() {
            EmptyState {
                icon: IconName::Model,
                title: "No {what} model is here yet",
                text: "The marketplace has many; one that fits this machine is marked there.",
                Button {
                    variant: ButtonVariant::Primary,
                    icon: IconName::Market,
                    onclick: move |_| on.call(Ask::Act(Action::OpenMarketplace)),
                    "Find a model"
                }
            }
        } else {
            ul { class: "wizard__list", "aria-label": "Models",
                for row in rows {
                    li { key: "{row.id}",
                        button {
                            class: "wizard__row",
                            r#type: "button",
                            "data-fit": row.word,
                            onclick: {
                                let id = row.id.clone();
                                move |_| on.call(Ask::Model(id.clone()))
                            },
                            span { class: "wizard__row-words",
                                span { class: "wizard__row-name", dir: "auto", "{row.name}" }
                                span { class: "wizard__row-verdict",
                                    match row.word {
                                        None => rsx! { Spinner { size: 12 } },
                                        Some("fits") => rsx! { Icon { name: IconName::Success, size: 14 } },
                                        Some("perhaps") => rsx! { Icon { name: IconName::Info, size: 14 } },
                                        Some(_) => rsx! { Icon { name: IconName::Warning, size: 14 } },
                                    }
                                    span { "{row.verdict}" }
                                }
                            }
                            span { class: "wizard__row-facts",
                                for fact in row.facts {
                                    Badge { "{fact}" }
                                }
                            }
                            span { class: "wizard__row-arrow", Icon { name: IconName::ChevronRight } }
                        }
                    }
                }
            }
        }
    }
}

fn row(model: &crate::model::models::Model, verdict: Option<&Verdict<'_, Failure>>) -> Row {
    let mut facts: Vec<_> = model.quantization.clone().into_iter().collect();
    if model.size_bytes > 0 {
        facts.push(units::size(model.size_bytes));
    }
    let (word, words) = match verdict {
        None => (None, "Asking the hives".to_owned()),
        Some(Verdict::Fits(place)) => (
            Some("fits"),
            format!("Fits on {}, {}", place.device, place.hive_name),
        ),
        Some(Verdict::Perhaps(place)) => (Some("perhaps"), of_place(place.fit.label(), &place.sentence)),
        Some(Verdict::TooLarge(place)) => (Some("no"), of_place(place.fit.label(), &place.sentence)),
        Some(Verdict::Refused(refusal)) => (Some("no"), refusal.failure.sentence.clone()),
        Some(Verdict::NoDevice) => (Some("no"), "No device of the cluster can run it".to_owned()),
    };
    Row {
        id: model.id.clone(),
        name: if model.name.is_empty() {
            model.id.to_string()
        } else {
            model.name.clone()
        },
        facts,
        word,
        verdict: words,
    }
}

/// What the hive said, where it said something.
fn of_place(label: &str, sentence: &str) -> String {
    let words = if sentence.is_empty() { label } else { sentence };
    capital(words)
}

/// Words with a capital, as a line of its own begins.
pub(super) fn capital(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters.next();
    first.map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}
