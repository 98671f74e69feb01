//! One line that moves: the step, its speed, the noise level and how long it will take.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rbee_proto::worker::v1::ImageStep;
use rbee_proto::worker::v1::generate_image_response::Event;

use crate::output::Output;
use crate::render::human;

const BAR_WIDTH: usize = 24;

/// Shows how far pictures are, on stderr and on a terminal only.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    /// What the steps of this request took so far.
    spent: Duration,
    steps: u32,
}

impl Progress {
    /// Nothing has happened yet.
    pub(super) fn new(output: Output) -> Self {
        let shown = output.remarks_on_terminal && !output.json;
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is a constant"));
        Self {
            bar,
            spent: Duration::ZERO,
            steps: 0,
        }
    }

    /// Shows what an event says.
    pub(super) fn show(&mut self, event: &Event) {
        match event {
            Event::Queued(queued) => self
                .bar
                .set_message(format!("waiting: {} before", queued.position)),
            Event::Started(started) => self.bar.set_message(format!(
                "{}x{}, seed {}: reading the prompt",
                started.width, started.height, started.seed
            )),
            Event::Step(step) => {
                let took = step.duration.as_ref().and_then(human::from_proto);
                self.spent += took.unwrap_or_default();
                self.steps += 1;
                self.bar.set_message(line(step, self.spent / self.steps));
            }
            Event::Preview(_) | Event::Image(_) | Event::Finished(_) => {}
        }
    }

    /// Has something written without the line in its way.
    pub(super) fn aside(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    /// Nothing more will happen.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// `━━━━━━━━────────  7/20  1.23 s/step  sigma 4.12  16 s left`
fn line(step: &ImageStep, usual: Duration) -> String {
    let total = step.total_steps.max(1);
    let done = step.step.min(total);
    let filled = BAR_WIDTH * done as usize / total as usize;
    let left = usual * (total - done);
    let picture = match step.image {
        0 => String::new(),
        image => format!("picture {}  ", image + 1),
    };
    let after = match done == total {
        true => "making it visible".to_owned(),
        false => format!("{} s left", left.as_secs_f64().ceil()),
    };
    format!(
        "{picture}{}{}  {done}/{total}  {:.2} s/step  sigma {:.2}  {after}",
        "━".repeat(filled),
        "─".repeat(BAR_WIDTH - filled),
        usual.as_secs_f64(),
        step.sigma,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_long_it_will_take() {
        let mut step = ImageStep {
            image: 0,
            step: 5,
            total_steps: 20,
            sigma: 4.123,
            duration: None,
        };
        let usual = Duration::from_millis(1230);
        let text = line(&step, usual);
        assert!(
            text.ends_with("──────────────────  5/20  1.23 s/step  sigma 4.12  19 s left"),
            "{text}"
        );
        (step.image, step.step) = (1, 20);
        let text = line(&step, usual);
        assert!(
            text.starts_with("picture 2  ━") && text.ends_with("making it visible"),
            "{text}"
        );
    }

    #[test]
    fn numbers_that_make_no_sense_are_shown_all_the_same() {
        let step = ImageStep {
            step: 9,
            ..ImageStep::default()
        };
        assert!(line(&step, Duration::ZERO).contains("1/1"));
    }
}
