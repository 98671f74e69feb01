//! The prompt, what is not to be seen, and the button that begins.

use dioxus::prelude::*;

use super::view::{ImageSession, Wish};
use crate::components::{
    Button, ButtonVariant, ControlSize, Icon, IconButton, IconName, use_identity, use_typed,
};
use crate::model::image::{Facts, Settings};

/// The prompt with its buttons.
#[component]
pub(super) fn Composer(
    session: Signal<ImageSession>,
    serves: bool,
    panel_open: bool,
    ontoggle: EventHandler<()>,
    on: EventHandler<Wish>,
) -> Element {
    let mut session = session;
    let settings = use_memo(move || session.read().settings.clone());
    let facts = use_memo(move || session.read().facts.clone());
    let running = use_memo(move || {
        let session = session.read();
        session.current().filter(|run| !run.is_over()).map(|run| run.id)
    });
    let (prompt_id, negative_id) = (use_identity("prompt"), use_identity("negative"));
    let settings = settings.read();
    let prompt = use_typed(&prompt_id, &settings.prompt);
    let negative = use_typed(&negative_id, &settings.negative_prompt);
    let facts = facts.read();
    let guidance = settings.guidance.or(facts.as_ref().map(Facts::guidance));
    let ignores_negative = guidance.is_some_and(|guidance| guidance <= 1.0);
    let problem = settings.problem();
    let can_paint = serves && problem.is_none();
    let summary = summary(&settings, facts.as_ref());
    rsx! {
        form {
            class: "image-composer",
            onsubmit: move |event| {
                event.prevent_default();
                if can_paint {
                    on.call(Wish::Paint);
                }
            },
            label { class: "sr-only", r#for: "{prompt_id}", "Prompt" }
            textarea {
                class: "image-composer__prompt",
                id: "{prompt_id}",
                rows: "2",
                dir: "auto",
                placeholder: "What is to be seen",
                initial_value: prompt.first(),
                oninput: move |event| {
                    prompt.heard(&event.value());
                    session.write().settings.prompt = event.value();
                },
                onkeydown: move |event| {
                    if event.key() == Key::Enter && !event.modifiers().shift() && !event.is_composing() {
                        event.prevent_default();
                        if can_paint {
                            on.call(Wish::Paint);
                        }
                    }
                },
            }
            div { class: "image-composer__negative",
                span { class: "image-composer__minus", Icon { name: IconName::Minus, size: 14 } }
                label { class: "sr-only", r#for: "{negative_id}", "Negative prompt" }
                input {
                    id: "{negative_id}",
                    r#type: "text",
                    dir: "auto",
                    autocomplete: "off",
                    placeholder: if ignores_negative { "Not used while guidance is 1 or less" } else { "What is not to be seen" },
                    initial_value: negative.first(),
                    oninput: move |event| {
                        negative.heard(&event.value());
                        session.write().settings.negative_prompt = event.value();
                    },
                }
            }
            if let Some(problem) = problem {
                p { class: "image-composer__problem", role: "alert", "{problem}" }
            }
            div { class: "image-composer__bar",
                IconButton {
                    icon: IconName::Sliders,
                    label: "All settings",
                    pressed: panel_open,
                    "data-toggle": "panel",
                    onclick: move |_| ontoggle.call(()),
                }
                button {
                    class: "image-composer__summary truncate numeric",
                    r#type: "button",
                    // Numbers and signs keep their order among words of the other direction.
                    dir: "ltr",
                    title: "All settings",
                    onclick: move |_| ontoggle.call(()),
                    "{summary}"
                }
                SeedButtons { session }
                if let Some(run) = running() {
                    Button { icon: IconName::Stop, onclick: move |_| on.call(Wish::Cancel(run)), "Stop" }
                    Button {
                        variant: ButtonVariant::Primary,
                        icon: IconName::Plus,
                        kind: "submit",
                        disabled: !can_paint,
                        title: "Waits until those before it are done",
                        "Queue"
                    }
                } else {
                    Button {
                        variant: ButtonVariant::Primary,
                        icon: IconName::Brush,
                        kind: "submit",
                        disabled: !can_paint,
                        title: "Enter",
                        "Paint"
                    }
                }
            }
        }
    }
}

/// The lock and the dice.
#[component]
pub(super) fn SeedButtons(session: Signal<ImageSession>) -> Element {
    let mut session = session;
    let seed = use_memo(move || session.read().settings.seed);
    let seed = seed();
    let lock = if seed.locked {
        "Take a new seed for each picture"
    } else {
        "Keep this seed"
    };
    rsx! {
        div { class: "image-seed",
            IconButton {
                icon: if seed.locked { IconName::Lock } else { IconName::Unlock },
                label: lock,
                size: ControlSize::Small,
                pressed: seed.locked,
                disabled: seed.value.is_none(),
                onclick: move |_| {
                    let seed = &mut session.write().settings.seed;
                    seed.locked = !seed.locked;
                },
            }
            IconButton {
                icon: IconName::Dice,
                label: "Throw another seed",
                size: ControlSize::Small,
                onclick: move |_| session.write().settings.seed.throw(random()),
            }
        }
    }
}

/// A number that nobody foresees; no secret depends on it.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    // The keys of a new one are the system's random numbers.
    RandomState::new().hash_one(0_u8)
}

/// `512×768 · 20 steps · seed 7 · 4 pictures`.
fn summary(settings: &Settings, facts: Option<&Facts>) -> String {
    let mut parts = Vec::new();
    parts.extend(
        settings
            .size
            .or(facts.map(Facts::size))
            .map(|size| size.to_string()),
    );
    let steps = settings.steps.or(facts.map(Facts::steps));
    parts.extend(steps.map(|steps| format!("{steps} steps")));
    parts.push(match settings.seed.asked() {
        Some(seed) => format!("seed {seed}"),
        None => "random seed".to_owned(),
    });
    if settings.count > 1 {
        parts.push(format!("{} pictures", settings.count));
    }
    let loras = settings.used_loras().count();
    if loras > 0 {
        parts.push(if loras == 1 {
            "1 LoRA".to_owned()
        } else {
            format!("{loras} LoRAs")
        });
    }
    if let Some(source) = &settings.source {
        let what = if source.mask.is_empty() {
            "from a picture"
        } else {
            "within a mask"
        };
        parts.push(what.to_owned());
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::{Seed, Size};

    #[test]
    fn the_summary_says_what_differs() {
        let mut settings = Settings::default();
        assert_eq!(summary(&settings, None), "random seed");
        settings.size = Some(Size {
            width: 512,
            height: 768,
        });
        settings.seed = Seed {
            value: Some(7),
            locked: true,
        };
        settings.set_count(4);
        settings.add_lora("local:honey".into(), 1.0);
        assert_eq!(summary(&settings, None), "512×768 · seed 7 · 4 pictures · 1 LoRA");
    }
}
