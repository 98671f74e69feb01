//! The second, larger pass.

use dioxus::prelude::*;

use super::panel::rounded;
use super::view::ImageSession;
use crate::components::{Checkbox, NumberField, Slider};
use crate::model::image::extras::{LEAST_SCALE, LEAST_STRENGTH, MOST_SCALE};
use crate::model::image::settings::MAX_STEPS;
use crate::model::image::{Facts, HighResolution};

/// The second pass.
#[component]
pub(super) fn SecondPass(session: Signal<ImageSession>, facts: ReadSignal<Facts>) -> Element {
    let mut session = session;
    let set = use_memo(move || {
        let settings = &session.read().settings;
        (settings.high_resolution, settings.size)
    });
    let (pass, size) = set();
    let first = size.unwrap_or(facts.read().size());
    let mut change = move |change: &dyn Fn(&mut HighResolution)| {
        if let Some(pass) = &mut session.write().settings.high_resolution {
            change(pass);
        }
    };
    rsx! {
        section { class: "image-panel__section",
            Checkbox {
                label: "A second, larger pass",
                checked: pass.is_some(),
                hint: "The picture is enlarged and partly made anew, which brings details in.",
                onchange: move |wanted: bool| {
                    session.write().settings.high_resolution = wanted.then(HighResolution::default);
                },
            }
            if let Some(pass) = pass {
                Slider {
                    label: "Times larger",
                    value: rounded(pass.scale),
                    min: rounded(LEAST_SCALE),
                    max: rounded(MOST_SCALE),
                    step: 0.1,
                    text: format!("{:.1}×, {}", pass.scale, pass.size(first)),
                    oninput: move |scale: f64| change(&|pass| pass.set_scale(scale as f32)),
                }
                Slider {
                    label: "Made anew",
                    value: rounded(pass.strength),
                    min: rounded(LEAST_STRENGTH),
                    max: 1.0,
                    step: 0.05,
                    text: format!("{:.0} %", pass.strength * 100.0),
                    oninput: move |strength: f64| change(&|pass| pass.set_strength(strength as f32)),
                }
                NumberField {
                    label: "Steps of the second pass",
                    value: pass.steps.map(f64::from),
                    min: 1.0,
                    max: f64::from(MAX_STEPS),
                    placeholder: "As the first",
                    onchange: move |steps: Option<f64>| change(&|pass| pass.steps = steps.map(|steps| steps as u32)),
                }
            }
        }
    }
}
