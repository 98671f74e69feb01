//! The six steps of a spawn, as they happen.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::human;
use super::paint::{Paint, Tone};
use super::plain_text::one_line;
use super::words;
use crate::output;

/// Width of a step's name, so that the details are aligned.
const NAME_WIDTH: usize = 13;
const BAR_WIDTH: usize = 24;
/// How often the terminal is redrawn while nothing arrives.
const TICK: Duration = Duration::from_millis(120);

/// Shows steps on stderr: a line for each that ended and, on a terminal, a moving one for the
/// step at work.
#[derive(Debug)]
pub(crate) struct Steps {
    bar: ProgressBar,
    paint: Paint,
    terminal: bool,
    current: Option<(i32, Instant)>,
}

impl Steps {
    /// Nothing has happened yet.
    pub(crate) fn new(paint: Paint, terminal: bool) -> Self {
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg}")
                .expect("the template is a constant")
                .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "),
        );
        Self {
            bar,
            paint,
            terminal,
            current: None,
        }
    }

    /// A step began.
    pub(crate) fn started(&mut self, step: i32) {
        self.current = Some((step, Instant::now()));
        self.bar.set_message(name(step));
        if self.terminal {
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// The model is being loaded.
    pub(crate) fn loading(&mut self, fraction: f32) {
        if let Some((step, _)) = self.current {
            self.bar
                .set_message(format!("{}{}", name(step), load_bar(fraction)));
        }
    }

    /// Files are being fetched.
    pub(crate) fn fetching(&mut self, done_bytes: u64, total_bytes: u64) {
        if let Some((step, _)) = self.current {
            self.bar
                .set_message(format!("{}{}", name(step), fetch_bar(done_bytes, total_bytes)));
        }
    }

    /// A worker was stopped to make room.
    pub(crate) fn evicted(&mut self, worker_id: &str, model_id: &str) {
        self.print(&evicted_line(self.paint, worker_id, model_id));
    }

    /// A step succeeded.
    pub(crate) fn finished(&mut self, step: i32, detail: &str) {
        let took = self
            .current
            .take()
            .filter(|(current, _)| *current == step)
            .map(|(_, at)| at.elapsed());
        self.print(&line(self.paint, Tone::Good, "✓", step, detail, took));
    }

    /// The step at work failed.
    pub(crate) fn failed(&mut self) {
        if let Some((step, at)) = self.current.take() {
            self.print(&line(self.paint, Tone::Bad, "✗", step, "", Some(at.elapsed())));
        }
        self.end();
    }

    /// Nothing more will happen.
    pub(crate) fn end(&mut self) {
        self.bar.finish_and_clear();
    }

    fn print(&self, line: &str) {
        if self.terminal {
            self.bar.println(line);
        } else {
            output::note(line);
        }
    }
}

fn name(step: i32) -> String {
    format!("{:<NAME_WIDTH$}  ", words::spawn_step(step))
}

/// `✓ model          qwen2, Q4_K_M, 469 MiB  12 ms`
fn line(paint: Paint, tone: Tone, mark: &str, step: i32, detail: &str, took: Option<Duration>) -> String {
    let mut line = format!("{} {}{}", paint.tone(tone, mark), name(step), one_line(detail));
    if let Some(took) = took {
        if !detail.is_empty() {
            line.push_str("  ");
        }
        line.push_str(&paint.faint(&human::duration(took)));
    }
    line.trim_end().to_owned()
}

/// `- stopped gemma-1f2e of local:gemma to make room`
fn evicted_line(paint: Paint, worker_id: &str, model_id: &str) -> String {
    format!(
        "{} stopped {} of {} to make room",
        paint.tone(Tone::Busy, "-"),
        one_line(worker_id),
        one_line(model_id)
    )
}

/// `█████░░░░░░░░░░░░░░░░░░░  21%  98.2 MiB of 468.6 MiB fetched`
fn fetch_bar(done_bytes: u64, total_bytes: u64) -> String {
    let done = human::size(done_bytes);
    if total_bytes == 0 {
        return format!("{done} fetched");
    }
    let fraction = done_bytes as f32 / total_bytes as f32;
    format!(
        "{}  {done} of {} fetched",
        load_bar(fraction),
        human::size(total_bytes)
    )
}

/// `█████▌                   23%`
fn load_bar(fraction: f32) -> String {
    let fraction = if fraction.is_finite() {
        fraction.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let filled = (fraction * BAR_WIDTH as f32).round() as usize;
    format!(
        "{}{} {:>3.0}%",
        "█".repeat(filled),
        "░".repeat(BAR_WIDTH - filled),
        fraction * 100.0
    )
}

#[cfg(test)]
mod tests {
    use rbee_proto::hive::v1::SpawnStep;

    use super::*;

    #[test]
    fn a_finished_step_is_a_line() {
        let took = Some(Duration::from_millis(12));
        assert_eq!(
            line(
                Paint::OFF,
                Tone::Good,
                "✓",
                SpawnStep::Model as i32,
                "qwen2, Q4_K_M",
                took
            ),
            "✓ model          qwen2, Q4_K_M  12 ms"
        );
        assert_eq!(
            line(
                Paint::OFF,
                Tone::Bad,
                "✗",
                SpawnStep::Compatibility as i32,
                "",
                took
            ),
            "✗ compatibility  12 ms"
        );
    }

    #[test]
    fn what_is_fetched_is_counted_and_who_makes_room_is_named() {
        assert_eq!(
            fetch_bar(1 << 20, 4 << 20),
            format!(
                "{}{}  25%  1.0 MiB of 4.0 MiB fetched",
                "█".repeat(6),
                "░".repeat(18)
            )
        );
        assert_eq!(fetch_bar(1 << 20, 0), "1.0 MiB fetched");
        assert_eq!(
            evicted_line(Paint::OFF, "gemma-1f2e", "local:gemma"),
            "- stopped gemma-1f2e of local:gemma to make room"
        );
    }

    #[test]
    fn the_bar_stays_in_its_bounds() {
        assert_eq!(
            load_bar(0.5),
            format!("{}{}  50%", "█".repeat(12), "░".repeat(12))
        );
        for odd in [-1.0, 2.0, f32::NAN] {
            assert_eq!(load_bar(odd).chars().count(), BAR_WIDTH + 5, "{odd}");
        }
    }
}
