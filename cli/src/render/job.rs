//! A job as it goes on.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rbee_proto::provisioner::v1::{Job, JobState};

use super::human::{duration, rate, size};
use super::plain_text::one_line;
use super::words;
use crate::output;

/// Shows a job on stderr: a bar on a terminal, else a line for each phase.
#[derive(Debug)]
pub(crate) struct JobProgress {
    bar: ProgressBar,
    terminal: bool,
    last_phase: Option<i32>,
}

impl JobProgress {
    /// Nothing has happened yet.
    pub(crate) fn new(terminal: bool) -> Self {
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        bar.set_style(
            ProgressStyle::with_template("{prefix:<12} [{bar:30}] {msg}")
                .expect("the template is a constant")
                .progress_chars("█▌░"),
        );
        Self {
            bar,
            terminal,
            last_phase: None,
        }
    }

    /// The job as it is now.
    pub(crate) fn update(&mut self, job: &Job) {
        let phase = if job.phase == 0 {
            words::job_state(job.state)
        } else {
            words::job_phase(job.phase)
        };
        if !self.terminal && self.last_phase != Some(job.phase) && job.phase != 0 {
            output::note(&format!("{}: {phase}", one_line(&job.subject)));
        }
        self.last_phase = Some(job.phase);
        self.bar.set_length(job.total_bytes.unwrap_or(0));
        self.bar.set_position(job.done_bytes);
        self.bar.set_prefix(phase);
        self.bar.set_message(progress_text(job));
    }

    /// The job has ended, or nobody watches it any more.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// `120.0 MiB of 468.6 MiB, 80.2 MiB/s, 4.3 s left`: what is known of it.
fn progress_text(job: &Job) -> String {
    let mut text = match job.total_bytes {
        Some(total) => format!("{} of {}", size(job.done_bytes), size(total)),
        None => size(job.done_bytes),
    };
    if let Some(measured) = job.bytes_per_second.filter(|rate| *rate > 0.0) {
        text.push_str(&format!(", {}", rate(measured)));
        if let Some(left) = job
            .total_bytes
            .and_then(|total| total.checked_sub(job.done_bytes))
            && left > 0
            && let Ok(left) = std::time::Duration::try_from_secs_f64(left as f64 / measured)
        {
            text.push_str(&format!(", {} left", duration(left)));
        }
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
    use super::*;

    #[test]
    fn progress_tells_what_is_known() {
        let mut job = Job {
            done_bytes: 100 << 20,
            ..Job::default()
        };
        assert_eq!(progress_text(&job), "100.0 MiB");
        job.total_bytes = Some(300 << 20);
        assert_eq!(progress_text(&job), "100.0 MiB of 300.0 MiB");
        job.bytes_per_second = Some(f64::from(50 << 20));
        assert_eq!(
            progress_text(&job),
            "100.0 MiB of 300.0 MiB, 50.0 MiB/s, 4.0 s left"
        );
        job.done_bytes = 300 << 20;
        assert_eq!(progress_text(&job), "300.0 MiB of 300.0 MiB, 50.0 MiB/s");
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
