//! All settings: beside the picture where there is room, over it where there is none.

use dioxus::prelude::*;

use super::composer::SeedButtons;
use super::embeddings::{Embeddings, VaeField};
use super::loras::Loras;
use super::second_pass::SecondPass;
use super::size_field::SizeField;
use super::source_field::SourceField;
use super::view::{AddOnChoice, ImageSession, Wish};
use crate::components::{
    Button, ButtonVariant, Choice, ControlSize, IconButton, IconName, NumberField, Select, Skeleton, Slider,
    TextField,
};
use crate::model::image::settings::{MAX_COUNT, MAX_GUIDANCE, MAX_STEPS};
use crate::model::image::{Convention, Facts, Sampler, Schedule, Settings};

/// Sliders end here unless more is set: beyond it pictures hardly change.
const USUAL_STEPS: u32 = 60;
const USUAL_GUIDANCE: f32 = 20.0;

/// All settings.
#[component]
pub(super) fn Panel(
    session: Signal<ImageSession>,
    add_ons: Vec<AddOnChoice>,
    onclose: EventHandler<()>,
    onmask: EventHandler<()>,
    on: EventHandler<Wish>,
) -> Element {
    let mut session = session;
    let facts = use_memo(move || session.read().facts.clone());
    let untouched = use_memo(move || {
        let settings = &session.read().settings;
        let kept = Settings {
            prompt: settings.prompt.clone(),
            negative_prompt: settings.negative_prompt.clone(),
            ..Settings::default()
        };
        *settings == kept
    });
    rsx! {
        aside { class: "image-panel", "aria-label": "All settings",
            header { class: "image-panel__head",
                h3 { "Settings" }
                Button {
                    variant: ButtonVariant::Plain,
                    size: ControlSize::Small,
                    disabled: untouched(),
                    title: "As the model has them; prompts stay",
                    onclick: move |_| {
                        let settings = &mut session.write().settings;
                        *settings = Settings {
                            prompt: std::mem::take(&mut settings.prompt),
                            negative_prompt: std::mem::take(&mut settings.negative_prompt),
                            ..Settings::default()
                        };
                    },
                    "Reset"
                }
                span { class: "image-panel__close",
                    IconButton {
                        icon: IconName::Close,
                        label: "Close the settings",
                        size: ControlSize::Small,
                        onclick: move |_| onclose.call(()),
                    }
                }
            }
            div { class: "image-panel__body",
                if let Some(facts) = facts() {
                    SizeField { session, facts: facts.clone() }
                    SourceField { session, onmask, on }
                    Sampling { session, facts: facts.clone() }
                    SecondPass { session, facts: facts.clone() }
                    SeedField { session }
                    Loras { session, add_ons: add_ons.clone(), on }
                    Embeddings { session, add_ons: add_ons.clone() }
                    Further { session, add_ons }
                } else if session.read().trouble.is_none() {
                    Skeleton { label: "Asking the worker what it can do", lines: 8, height: 20 }
                }
            }
        }
    }
}

/// Steps, guidance, sampler and schedule.
#[component]
fn Sampling(session: Signal<ImageSession>, facts: ReadSignal<Facts>) -> Element {
    let mut session = session;
    let settings = use_memo(move || session.read().settings.clone());
    let settings = settings.read();
    let known = facts.read();
    let steps = settings.steps.unwrap_or(known.steps());
    let guidance = settings.guidance.unwrap_or(known.guidance());
    let most_steps = if steps > USUAL_STEPS {
        MAX_STEPS
    } else {
        USUAL_STEPS
    };
    let most_guidance = if guidance > USUAL_GUIDANCE {
        MAX_GUIDANCE
    } else {
        USUAL_GUIDANCE
    };
    let evaluations = known
        .sampler(settings.sampler)
        .map_or(1, |sampler| sampler.evaluations_per_step);
    rsx! {
        section { class: "image-panel__section",
            Slider {
                label: "Steps",
                value: f64::from(steps),
                min: 1.0,
                max: f64::from(most_steps),
                step: 1.0,
                hint: (evaluations > 1).then(|| format!("This sampler computes {evaluations} times a step.")),
                oninput: move |value: f64| session.write().settings.set_steps(value as u32),
            }
            Slider {
                label: "Guidance",
                value: rounded(guidance),
                min: 0.0,
                max: f64::from(most_guidance),
                step: 0.5,
                text: format!("{guidance:.1}"),
                hint: (guidance <= 1.0).then(|| "No negative prompt, and half the time.".to_owned()),
                oninput: move |value: f64| session.write().settings.set_guidance(value as f32),
            }
            Select {
                label: "Sampler",
                value: settings.sampler.map(Sampler::id).unwrap_or_default(),
                choices: samplers(&known),
                onchange: move |id: String| {
                    let sampler = Sampler::named(&id);
                    session.write().settings.set_sampler(sampler, &facts.peek());
                },
            }
            Select {
                label: "Schedule",
                value: settings.schedule.map(Schedule::id).unwrap_or_default(),
                choices: schedules(&known, settings.sampler),
                onchange: move |id: String| session.write().settings.schedule = Schedule::named(&id),
            }
        }
    }
}

/// A setting as the slider has it: without the digits that come of storing it in less room.
pub(super) fn rounded(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}

fn samplers(facts: &Facts) -> Vec<Choice> {
    let default = match facts.default_sampler {
        Some(sampler) => format!("{} (default)", sampler.label()),
        None => "Default".to_owned(),
    };
    let known = facts.samplers.iter().map(|facts| facts.sampler);
    let choices = known.map(|sampler| Choice::new(sampler.id(), sampler.label()));
    std::iter::once(Choice::new("", default)).chain(choices).collect()
}

fn schedules(facts: &Facts, sampler: Option<Sampler>) -> Vec<Choice> {
    let default = match facts.default_schedule.filter(|_| sampler.is_none()) {
        Some(schedule) => format!("{} (default)", schedule.label()),
        None => "Default".to_owned(),
    };
    let choices = facts.schedules(sampler).iter();
    let choices = choices.map(|schedule| Choice::new(schedule.id(), schedule.label()));
    std::iter::once(Choice::new("", default)).chain(choices).collect()
}

fn conventions() -> Vec<Choice> {
    let choices = Convention::ALL
        .iter()
        .map(|convention| Choice::new(convention.id(), convention.label()));
    std::iter::once(Choice::new("", "A1111 (default)"))
        .chain(choices.skip(1))
        .collect()
}

/// The seed and how many pictures.
#[component]
fn SeedField(session: Signal<ImageSession>) -> Element {
    let mut session = session;
    let mut wrong = use_signal(|| false);
    let settings = use_memo(move || {
        let settings = &session.read().settings;
        (settings.seed, settings.count)
    });
    let (seed, count) = settings();
    rsx! {
        section { class: "image-panel__section",
            div { class: "image-panel__seed",
                TextField {
                    label: "Seed",
                    value: seed.value.map(|value| value.to_string()).unwrap_or_default(),
                    placeholder: "New for each picture",
                    error: wrong().then(|| "A seed is a whole number.".to_owned()),
                    oninput: move |text: String| wrong.set(!session.write().settings.seed.typed(&text)),
                }
                SeedButtons { session }
            }
            Slider {
                label: "Pictures",
                value: f64::from(count),
                min: 1.0,
                max: f64::from(MAX_COUNT),
                step: 1.0,
                oninput: move |value: f64| session.write().settings.set_count(value as u32),
            }
        }
    }
}

/// What few people change.
#[component]
fn Further(session: Signal<ImageSession>, add_ons: Vec<AddOnChoice>) -> Element {
    let mut session = session;
    let clip_skip = use_memo(move || session.read().settings.clip_skip);
    let convention = use_memo(move || session.read().settings.convention);
    rsx! {
        section { class: "image-panel__section",
            VaeField { session, add_ons }
            Select {
                label: "Like",
                value: convention().map(Convention::id).unwrap_or_default(),
                choices: conventions(),
                hint: "Whose schedules, noise and prompts hold: the same seed gives the picture that it gives there.",
                onchange: move |id: String| session.write().settings.convention = Convention::named(&id),
            }
            NumberField {
                label: "CLIP skip",
                value: clip_skip().map(f64::from),
                min: 1.0,
                max: 12.0,
                placeholder: "As the model has it",
                hint: "Blocks of the text encoder that are left out, counted from 1.",
                onchange: move |value: Option<f64>| {
                    session.write().settings.clip_skip = value.map(|value| value as u32);
                },
            }
        }
    }
}
