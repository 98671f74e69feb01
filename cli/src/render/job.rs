//! A job as it goes on.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rbee_proto::provisioner::v1::{Job, JobState};

use super::human::{duration, from_proto, rate, size};
use super::plain_text::one_line;
use super::words;
use crate::output;

/// Where the size is known.
const BAR: &str = "{prefix:<12} [{bar:24}] {wide_msg}";
/// Where it is not: a bar would stand for nothing.
const NO_BAR: &str = "{prefix:<12} {spinner} {wide_msg}";
/// How often the terminal is redrawn while nothing arrives.
const TICK: Duration = Duration::from_millis(120);

/// Shows a job on stderr: a moving line on a terminal, else a line for each phase and file.
#[derive(Debug)]
pub(crate) struct JobProgress {
    bar: ProgressBar,
    terminal: bool,
    with_output: bool,
    told: Told,
}

/// What was said last, so that it is said once.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    phase: i32,
    file_name: String,
    note: String,
    sized: bool,
}

impl JobProgress {
    /// Nothing has happened yet. `with_output` shows what the job's programs print, too.
    pub(crate) fn new(terminal: bool, with_output: bool) -> Self {
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style(NO_BAR));
        Self {
            bar,
            terminal,
            with_output,
            told: Told::default(),
        }
    }

    /// The job as it is now.
    pub(crate) fn update(&mut self, job: &Job, output_lines: &[String]) {
        if self.with_output {
            for line in output_lines {
                self.say(&one_line(line));
            }
        }
        for line in news(&self.told, job, self.terminal) {
            self.say(&line);
        }
        let sized = job.total_bytes.is_some_and(|total| total > 0);
        if sized != self.told.sized {
            self.bar.set_style(style(if sized { BAR } else { NO_BAR }));
        }
        self.told = Told {
            phase: job.phase,
            file_name: job.file_name.clone(),
            note: job.note.clone(),
            sized,
        };
        if let Some(total) = job.total_bytes {
            self.bar.set_length(total);
        }
        self.bar.set_position(job.done_bytes);
        self.bar.set_prefix(phase(job));
        self.bar.set_message(progress_text(job));
        if self.terminal {
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// The job has ended, or nobody watches it any more.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn say(&self, line: &str) {
        if self.terminal {
            self.bar.println(line);
        } else {
            output::note(line);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constants")
        .progress_chars("█▌░")
        .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}

/// `fetching sources`, or the state of a job that does not run.
fn phase(job: &Job) -> String {
    if job.phase == 0 {
        words::job_state(job.state)
    } else {
        words::job_phase(job.phase).replace('_', " ")
    }
}

/// The lines that stay: a note that is new and, where no line moves, each phase and file.
fn news(told: &Told, job: &Job, terminal: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if !job.note.is_empty() && told.note != job.note {
        lines.push(one_line(&job.note));
    }
    let moved = told.phase != job.phase || told.file_name != job.file_name;
    if !terminal && moved && job.phase != 0 {
        let subject = if job.subject.is_empty() {
            "all models"
        } else {
            &job.subject
        };
        let mut line = format!("{}: {}", one_line(subject), phase(job));
        if !job.file_name.is_empty() {
            line += &format!(" {}", one_line(&job.file_name));
        }
        lines.push(line);
    }
    lines
}

/// `120.0 MiB of 468.6 MiB, 80.2 MiB/s, 4.3 s left  model.gguf`: what is known of it.
fn progress_text(job: &Job) -> String {
    let mut facts = Vec::new();
    match job.total_bytes {
        Some(total) => facts.push(format!("{} of {}", size(job.done_bytes), size(total))),
        None if job.done_bytes > 0 => facts.push(size(job.done_bytes)),
        None => {}
    }
    facts.extend(job.bytes_per_second.filter(|measured| *measured > 0.0).map(rate));
    // Only the server's own: it knows of retries and of parallel files.
    if let Some(left) = job.remaining.as_ref().and_then(from_proto) {
        facts.push(format!("{} left", duration(left)));
    }
    let mut text = facts.join(", ");
    if !job.file_name.is_empty() {
        if !text.is_empty() {
            text += "  ";
        }
        text += &one_line(&job.file_name);
    }
    text
}

/// Whether a job has ended.
pub(crate) fn has_ended(job: &Job) -> bool {
    matches!(
        JobState::try_from(job.state),
        Ok(JobState::Succeeded | JobState::Failed | JobState::Cancelled)
    )
}

#[cfg(test)]
mod tests {
    use rbee_proto::provisioner::v1::JobPhase;

    use super::*;

    #[test]
    fn progress_tells_what_is_known() {
        let mut job = Job::default();
        assert_eq!(progress_text(&job), "");
        job.done_bytes = 100 << 20;
        assert_eq!(progress_text(&job), "100.0 MiB");
        job.total_bytes = Some(300 << 20);
        assert_eq!(progress_text(&job), "100.0 MiB of 300.0 MiB");
        job.bytes_per_second = Some(f64::from(50 << 20));
        assert_eq!(progress_text(&job), "100.0 MiB of 300.0 MiB, 50.0 MiB/s");
        job.remaining = Some(prost_types::Duration { seconds: 4, nanos: 0 });
        job.file_name = "a/model\x1b[2J.gguf".into();
        assert_eq!(
            progress_text(&job),
            "100.0 MiB of 300.0 MiB, 50.0 MiB/s, 4.0 s left  a/model.gguf"
        );
    }

    #[test]
    fn what_stays_is_said_once() {
        let job = Job {
            subject: "org/repo".into(),
            phase: JobPhase::Downloading as i32,
            file_name: "model.gguf".into(),
            note: "Q4_K_M: the best that fits".into(),
            ..Job::default()
        };
        let nothing = Told::default();
        assert_eq!(
            news(&nothing, &job, false),
            ["Q4_K_M: the best that fits", "org/repo: downloading model.gguf"]
        );
        assert_eq!(news(&nothing, &job, true), ["Q4_K_M: the best that fits"]);
        let told = Told {
            phase: job.phase,
            file_name: job.file_name.clone(),
            note: job.note.clone(),
            sized: false,
        };
        assert!(news(&told, &job, false).is_empty());
    }

    #[test]
    fn phases_are_words() {
        let job = |state, phase| Job {
            state,
            phase,
            ..Job::default()
        };
        assert_eq!(phase(&job(JobState::Pending as i32, 0)), "pending");
        assert_eq!(
            phase(&job(JobState::Running as i32, JobPhase::FetchingSources as i32)),
            "fetching sources"
        );
    }

    #[test]
    fn three_states_end_a_job() {
        let ended: Vec<bool> = (0..=5)
            .map(|state| {
                has_ended(&Job {
                    state,
                    ..Job::default()
                })
            })
            .collect();
        assert_eq!(ended, [false, false, false, true, true, true]);
    }
}
