//! A job and its life.
//!
//! ```text
//!             Entered(phase)                     Succeeded
//!  Pending ─────────────────► Running(phase) ────────────────► Succeeded
//!     │                        │   ▲  │  │
//!     │                        └───┘  │  └── Failed ─────────► Failed
//!     │               Entered(later),  │
//!     │               Advanced         └───── Cancelled ─────► Cancelled
//!     └── Failed ► Failed
//!     └── Cancelled ► Cancelled
//! ```
//!
//! A job that has ended never changes again.

use jiff::Timestamp;
use rbee_artifacts::JobId;
use rbee_service_kit::reason;
use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::request::{JobKind, JobRequest};

/// What a running job is doing; a later phase never gives way to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobPhase {
    /// Asking the hub what there is.
    Resolving,
    /// Receiving the files.
    Downloading,
    /// Receiving what a package is built from.
    FetchingSources,
    /// Building a package.
    Building,
    /// Reading the header and finding out what it is.
    Inspecting,
    /// Hashing, and copying if needed.
    Storing,
    /// Writing the entry to the catalog.
    Registering,
    /// Reading files anew.
    Verifying,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobFailure {
    /// One of the project's error reasons.
    pub reason: &'static str,
    /// What happened, for a person.
    pub message: String,
}

/// A failure as it was written down.
#[derive(Deserialize)]
struct WrittenFailure {
    reason: String,
    message: String,
}

impl<'de> Deserialize<'de> for JobFailure {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = WrittenFailure::deserialize(deserializer)?;
        Ok(Self {
            // One that this version does not know any more stands for a fault.
            reason: reason::known(&written.reason).unwrap_or(reason::INTERNAL),
            message: written.message,
        })
    }
}

/// Where a job is in its life. `A` is what it brings in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState<A> {
    /// Waiting for its turn.
    Pending,
    /// At work.
    Running(JobPhase),
    /// Done: this is in the catalog.
    Succeeded(A),
    /// Ended with a failure; nothing of it is in the catalog.
    Failed(JobFailure),
    /// Ended because it was asked to; nothing of it is in the catalog.
    Cancelled,
}

impl<A> JobState<A> {
    /// Whether the job's life is over.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Succeeded(_) | Self::Failed(_) | Self::Cancelled)
    }
}

/// Something that happens to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent<A> {
    /// It begins to do this.
    Entered(JobPhase),
    /// It got on.
    Advanced(Progress),
    /// It is at this file.
    Reached(String),
    /// A person who watches should know this now; empty for nothing.
    Noted(String),
    /// It is done.
    Succeeded(A),
    /// It can't be done.
    Failed(JobFailure),
    /// It was asked to end, and has.
    Cancelled,
}

/// Something happened to a job that can't happen in its state: a fault of the program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {state} cannot have {event}")]
pub struct IllegalTransition {
    /// The job's state.
    pub state: &'static str,
    /// What happened.
    pub event: &'static str,
}

/// A piece of the provisioner's work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job<A> {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// What it brings in: a model id or a worker type.
    pub subject: String,
    /// Where it is in its life.
    pub state: JobState<A>,
    /// How far it is.
    pub progress: Progress,
    /// The file that it is at; empty where there is none.
    pub file_name: String,
    /// What a person who watches should know now; empty if there is nothing.
    pub note: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl<A> Job<A> {
    /// A job that waits for its turn.
    #[must_use]
    pub fn new(id: JobId, request: &JobRequest, created_at: Timestamp) -> Self {
        Self {
            id,
            kind: request.kind(),
            subject: request.subject(),
            state: JobState::Pending,
            progress: Progress::default(),
            file_name: String::new(),
            note: String::new(),
            created_at,
            ended_at: None,
        }
    }

    /// Notes what happened, at `now`.
    ///
    /// # Errors
    /// If it can't happen in the job's state; the job is then as before.
    pub fn apply(&mut self, event: JobEvent<A>, now: Timestamp) -> Result<(), IllegalTransition> {
        let legal = match (&self.state, &event) {
            (JobState::Pending, JobEvent::Entered(_)) => true,
            (JobState::Running(phase), JobEvent::Entered(next)) => next > phase,
            (JobState::Running(_), JobEvent::Advanced(_) | JobEvent::Reached(_) | JobEvent::Succeeded(_)) => {
                true
            }
            (state, JobEvent::Noted(_)) => !state.has_ended(),
            (JobState::Pending | JobState::Running(_), JobEvent::Failed(_) | JobEvent::Cancelled) => true,
            _ => false,
        };
        if !legal {
            return Err(IllegalTransition {
                state: self.state.word(),
                event: event.word(),
            });
        }
        match event {
            JobEvent::Entered(phase) => {
                self.state = JobState::Running(phase);
                self.begin_anew();
            }
            JobEvent::Advanced(progress) => self.progress = self.forward(progress),
            JobEvent::Reached(file_name) => {
                self.file_name = file_name;
                self.begin_anew();
            }
            JobEvent::Noted(note) => self.note = note,
            JobEvent::Succeeded(artifact) => self.end(JobState::Succeeded(artifact), now),
            JobEvent::Failed(failure) => self.end(JobState::Failed(failure), now),
            JobEvent::Cancelled => self.end(JobState::Cancelled, now),
        }
        Ok(())
    }

    /// An installation's sources and its program are different things: the bytes of one say nothing of the
    /// other.
    fn begin_anew(&mut self) {
        if self.kind == JobKind::InstallWorker {
            self.progress = Progress::default();
        }
    }

    /// Progress never goes back, and never past the total.
    fn forward(&self, progress: Progress) -> Progress {
        let done_bytes = progress.done_bytes.max(self.progress.done_bytes);
        // A file that grew while it was read has more than was announced.
        let total_bytes = progress.total_bytes.map(|total| total.max(done_bytes));
        Progress {
            done_bytes,
            total_bytes,
            ..progress
        }
    }

    fn end(&mut self, state: JobState<A>, now: Timestamp) {
        self.state = state;
        // Nothing moves any more.
        self.progress.bytes_per_second = None;
        self.file_name.clear();
        // The wall clock may have been set back meanwhile.
        self.ended_at = Some(now.max(self.created_at));
    }
}

impl<A> JobState<A> {
    fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running(_) => "running",
            Self::Succeeded(_) => "done",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl<A> JobEvent<A> {
    fn word(&self) -> &'static str {
        match self {
            Self::Entered(JobPhase::Resolving) => "begun to resolve",
            Self::Entered(JobPhase::Downloading) => "begun to download",
            Self::Entered(JobPhase::FetchingSources) => "begun to fetch sources",
            Self::Entered(JobPhase::Building) => "begun to build",
            Self::Entered(JobPhase::Verifying) => "begun to verify",
            Self::Reached(_) => "reached a file",
            Self::Noted(_) => "noted something",
            Self::Entered(JobPhase::Inspecting) => "begun to inspect",
            Self::Entered(JobPhase::Storing) => "begun to store",
            Self::Entered(JobPhase::Registering) => "begun to register",
            Self::Advanced(_) => "got on",
            Self::Succeeded(_) => "succeeded",
            Self::Failed(_) => "failed",
            Self::Cancelled => "been cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::request::ImportMode;

    fn job() -> Job<&'static str> {
        let request = JobRequest::ImportModel {
            source: "/m.gguf".into(),
            file_name: "m.gguf".into(),
            model_id: "local:qwen".parse().unwrap(),
            mode: ImportMode::Copy,
        };
        Job::new(uuid::Uuid::now_v7().into(), &request, Timestamp::UNIX_EPOCH)
    }

    fn event() -> impl Strategy<Value = JobEvent<&'static str>> {
        let phase = prop_oneof![
            Just(JobPhase::Inspecting),
            Just(JobPhase::Storing),
            Just(JobPhase::Registering)
        ];
        let progress = (0..100_u64, prop::option::of(0..100_u64)).prop_map(|(done_bytes, total_bytes)| {
            JobEvent::Advanced(Progress {
                done_bytes,
                total_bytes,
                bytes_per_second: Some(1.0),
            })
        });
        prop_oneof![
            6 => phase.prop_map(JobEvent::Entered),
            6 => progress,
            1 => Just(JobEvent::Succeeded("model")),
            1 => Just(JobEvent::Failed(JobFailure { reason: "DISK_FULL", message: "the disk is full".into() })),
            1 => Just(JobEvent::Cancelled),
        ]
    }

    proptest! {
        #[test]
        fn a_life_goes_forward_and_ends_once(events in prop::collection::vec((event(), -5..5_i64), 0..40)) {
            let mut job = job();
            for (event, second) in events {
                let before = job.clone();
                let now = Timestamp::from_second(second).unwrap();
                let result = job.apply(event.clone(), now);
                if before.state.has_ended() || result.is_err() {
                    prop_assert!(result.is_err());
                    prop_assert_eq!(&job, &before, "what can't happen changes nothing");
                }
                prop_assert!(job.progress.done_bytes >= before.progress.done_bytes);
                prop_assert!(job.progress.total_bytes.is_none_or(|total| job.progress.done_bytes <= total));
                if let (JobState::Running(was), JobState::Running(is)) = (&before.state, &job.state) {
                    prop_assert!(is >= was);
                }
                prop_assert_eq!(job.ended_at.is_some(), job.state.has_ended());
                prop_assert!(job.ended_at.is_none_or(|ended| ended >= job.created_at));
                prop_assert!(!job.state.has_ended() || job.progress.bytes_per_second.is_none());
                // Only work can succeed.
                if let JobState::Succeeded(_) = job.state {
                    prop_assert!(before.state.has_ended() || matches!(before.state, JobState::Running(_)));
                }
            }
        }
    }

    #[test]
    fn an_illegal_transition_says_what_it_was() {
        let error = job()
            .apply(JobEvent::Succeeded("model"), Timestamp::UNIX_EPOCH)
            .unwrap_err();
        assert_eq!(error.to_string(), "a job that is pending cannot have succeeded");
    }
}
