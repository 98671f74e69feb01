//! A run on its way: its preview in the size of what it becomes, how far it is, and how long it will take.

use std::time::Instant;

use dioxus::prelude::*;

use super::spans;
use super::view::ImageSession;
use crate::components::{Icon, IconName, Progress};
use crate::model::image::{Facts, Phase, Run};

/// The run that is shown.
#[component]
pub(super) fn RunningView(session: Signal<ImageSession>, now: ReadSignal<Instant>) -> Element {
    let state = session.read();
    let Some(run) = state.current() else {
        return rsx! {};
    };
    let facts = state.facts.as_ref();
    let size = run.size().or(run.settings.size).or(facts.map(Facts::size));
    let (width, height) = size.map_or((1, 1), |size| (size.width, size.height));
    let known = run.total > 0 && run.is_working();
    let told = words(run, now());
    let first = told.first().cloned();
    let phase = if known { "running" } else { "waiting" };
    let waiting = state.running().saturating_sub(1);
    rsx! {
        div { class: "image-run",
            div { class: "image-run__frame", style: "--width: {width}; --height: {height}",
                if let Some(preview) = &run.preview {
                    img { class: "image-run__preview", src: preview.address(), alt: "What it looks like so far" }
                } else {
                    span { class: "image-run__blank", Icon { name: IconName::Image, size: 28 } }
                }
            }
            div { class: "image-run__foot", role: "status", "aria-live": "off",
                Progress {
                    label: "Steps",
                    value: known.then(|| f64::from(run.share())),
                    text: first,
                    state: phase,
                }
                div { class: "image-run__words numeric",
                    for word in told {
                        span { "{word}" }
                    }
                    if waiting > 0 {
                        span { class: "image-run__waiting", "{waiting} more in the queue" }
                    }
                }
            }
        }
    }
}

/// Where it is, one thing after the other: `Picture 2 of 4`, `Step 7 of 20`, `12 s left`, `1.31 s a step`.
fn words<F>(run: &Run<F>, now: Instant) -> Vec<String> {
    let mut words = Vec::new();
    if run.settings.count > 1 && run.is_working() {
        words.push(format!("Picture {} of {}", run.image + 1, run.settings.count));
    }
    match run.phase {
        Phase::Asked => words.push("Asking the worker".into()),
        Phase::Queued { ahead: 0 } => words.push("Next in the queue".into()),
        Phase::Queued { ahead } => words.push(format!("In the queue, {ahead} before it")),
        Phase::Preparing => words.push("Reading the prompt".into()),
        Phase::Painting => words.push(format!("Step {} of {}", run.step, run.total)),
        Phase::Decoding => words.push("Making it visible".into()),
        Phase::Done(_) | Phase::Failed(_) | Phase::Cancelled => {}
    }
    // The last picture's last step is done: what decoding takes is not known from steps.
    let steps_left = run.left(now).filter(|left| !left.is_zero());
    words.extend(steps_left.map(spans::left));
    if matches!(run.phase, Phase::Painting) {
        let usual = run.usual_step();
        words.extend(usual.map(|step| format!("{} a step", spans::measured(step))));
    }
    words
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::image::{RunEvent, RunId, Settings};

    #[test]
    fn it_says_where_it_is_and_nothing_that_it_does_not_know() {
        let now = Instant::now();
        let mut settings = Settings::default();
        settings.set_count(2);
        let mut run: Run<()> = Run::new(RunId(1), settings);
        assert_eq!(words(&run, now), ["Asking the worker"]);
        run.apply(RunEvent::Queued { ahead: 2 }, now);
        assert_eq!(words(&run, now), ["In the queue, 2 before it"]);
        let took = Some(Duration::from_millis(1310));
        run.apply(
            RunEvent::Step {
                image: 1,
                step: 7,
                total: 20,
                took,
            },
            now,
        );
        assert_eq!(
            words(&run, now),
            ["Picture 2 of 2", "Step 7 of 20", "18 s left", "1.31 s a step"]
        );
        run.apply(
            RunEvent::Step {
                image: 1,
                step: 20,
                total: 20,
                took: None,
            },
            now,
        );
        assert_eq!(words(&run, now), ["Picture 2 of 2", "Making it visible"]);
    }
}
