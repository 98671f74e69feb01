//! What is being brought in: downloads, imports, installations, as the provisioner's jobs tell.
//!
//! ```text
//!   asked for ──► pending ──► running ──► succeeded
//!       │                        │  ├───► failed      (retry goes on where it was)
//!       └─ refused               │  └───► stopped     (resume goes on where it was; discard forgets it)
//!                                └─ pause and cancel ask the provisioner to end it; discard takes the part as well
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::ids::{JobId, ModelId};
use super::units;

/// Lines of a build that are kept.
const MOST_LINES: usize = 2_000;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Imports a model file.
    ImportModel,
    /// Installs a worker program from a file.
    ImportWorker,
    /// Downloads a model.
    Download,
    /// Builds and installs a worker program.
    InstallWorker,
    /// Reads models anew.
    Verify,
    /// One that this window does not know.
    Unknown,
}

/// Where a job is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for its turn.
    Pending,
    /// At work.
    Running,
    /// Done.
    Succeeded,
    /// Ended with this reason and these words.
    Failed {
        /// One of the project's error reasons.
        reason: String,
        /// What happened, for a person.
        message: String,
    },
    /// Ended because somebody asked for it. What there is of a download stays, to go on from.
    Stopped,
}

impl JobState {
    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// What a running job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobPhase {
    /// Finding out what a file is.
    Inspecting,
    /// Hashing and copying.
    Storing,
    /// Telling the catalog.
    Registering,
    /// Asking the hub.
    Resolving,
    /// Receiving files.
    Downloading,
    /// Receiving what a program is built from.
    FetchingSources,
    /// Building.
    Building,
    /// Reading files anew.
    Verifying,
}

impl JobPhase {
    /// The words for a person.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Inspecting => "Looking at the file",
            Self::Storing => "Storing",
            Self::Registering => "Finishing",
            Self::Resolving => "Asking the hub",
            Self::Downloading => "Downloading",
            Self::FetchingSources => "Fetching sources",
            Self::Building => "Building",
            Self::Verifying => "Verifying",
        }
    }
}

/// A piece of the provisioner's work.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// What it is about: a model, a worker type or a package.
    pub subject: String,
    /// Where it is in its life.
    pub state: JobState,
    /// What it is doing, while it runs.
    pub phase: Option<JobPhase>,
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all, where known.
    pub total_bytes: Option<u64>,
    /// Measured rate.
    pub bytes_per_second: Option<f64>,
    /// Time left at the measured rate.
    pub remaining: Option<Duration>,
    /// The file that it is at; empty where there is none.
    pub file_name: String,
    /// What a person should know now; empty if nothing.
    pub note: String,
    /// When it was asked for.
    pub created_at: Option<Timestamp>,
    /// The model that it brought in, once it succeeded.
    pub brought: Option<ModelId>,
}

impl Job {
    /// How much of it is done, from 0 to 1, where that is known.
    #[must_use]
    pub fn fraction(&self) -> Option<f64> {
        let total = self.total_bytes.filter(|total| *total > 0)?;
        Some((self.done_bytes as f64 / total as f64).min(1.0))
    }

    /// Where it stands in a line: bytes, rate, time left, as far as they are known.
    #[must_use]
    pub fn figures(&self) -> String {
        let mut words = Vec::new();
        if self.done_bytes > 0 || self.total_bytes.is_some() {
            words.push(units::of_whole(self.done_bytes, self.total_bytes));
        }
        if self.state == JobState::Running {
            words.extend(self.bytes_per_second.map(units::rate));
            words.extend(
                self.remaining
                    .map(|left| format!("{} left", units::duration(left))),
            );
        }
        words.join(" · ")
    }

    /// What is told when it has ended, and whether that is good; nothing where somebody here ended it.
    #[must_use]
    pub fn ending(&self) -> Option<(bool, String)> {
        let name = self.short_subject();
        let done = match self.kind {
            JobKind::Download => format!("{name} is here"),
            JobKind::ImportModel => format!("{name} is imported"),
            JobKind::ImportWorker | JobKind::InstallWorker => format!("{name} is installed"),
            JobKind::Verify => format!("{name} is sound"),
            JobKind::Unknown => format!("{name} is done"),
        };
        match &self.state {
            JobState::Succeeded => Some((true, done)),
            JobState::Failed { .. } => Some((false, format!("{name} failed"))),
            JobState::Pending | JobState::Running | JobState::Stopped => None,
        }
    }

    /// Whether a part of it stays when it is stopped, to go on from.
    #[must_use]
    pub fn can_resume(&self) -> bool {
        self.kind == JobKind::Download
    }

    /// The name of what it is about, without the account or the vendor before it.
    #[must_use]
    pub fn short_subject(&self) -> &str {
        let name = self.subject.rsplit('/').next().unwrap_or(&self.subject);
        match name.rsplit_once(':') {
            // The one file of several.
            Some((_, file)) if file.contains('.') => file,
            _ => name.strip_prefix("local:").unwrap_or(name),
        }
    }
}

/// A job with what its programs printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The job.
    pub job: Job,
    /// The last lines, oldest first.
    pub lines: VecDeque<String>,
}

/// Something that happened to the jobs.
#[derive(Debug, Clone, PartialEq)]
pub enum DownloadsEvent<F> {
    /// Somebody here asked for this; there is no job yet.
    Asked(String),
    /// It was refused before there was a job.
    Refused(String, F),
    /// All jobs that the provisioner knows.
    Listed(Vec<Job>),
    /// A job went on, and its programs printed these lines.
    Progress(Box<Job>, Vec<String>),
    /// A job, or what was refused, need not be shown any more.
    Dismissed(String),
}

/// The jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct DownloadsView<F> {
    /// Jobs by id, which is by age.
    jobs: BTreeMap<JobId, Entry>,
    /// What was asked for and has no job yet; with a failure where it will have none.
    asked: BTreeMap<String, Option<F>>,
    /// Jobs that somebody is done with.
    dismissed: BTreeSet<String>,
    /// Whether the provisioner has told all once.
    pub listed: bool,
}

impl<F> Default for DownloadsView<F> {
    fn default() -> Self {
        Self {
            jobs: BTreeMap::new(),
            asked: BTreeMap::new(),
            dismissed: BTreeSet::new(),
            listed: false,
        }
    }
}

impl<F> DownloadsView<F> {
    /// The job of this event, if it ends with it: it went on here before.
    #[must_use]
    pub fn ends<'a>(&self, event: &'a DownloadsEvent<F>) -> Option<&'a Job> {
        let DownloadsEvent::Progress(job, _) = event else {
            return None;
        };
        let known = &self.jobs.get(&job.id)?.job;
        (job.state.has_ended() && !known.state.has_ended()).then_some(job)
    }

    /// Takes in what happened.
    pub fn apply(&mut self, event: DownloadsEvent<F>) {
        match event {
            DownloadsEvent::Asked(subject) => {
                self.asked.insert(subject, None);
            }
            DownloadsEvent::Refused(subject, failure) => {
                self.asked.insert(subject, Some(failure));
            }
            DownloadsEvent::Listed(jobs) => {
                let known: BTreeSet<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
                self.jobs.retain(|id, _| known.contains(id));
                jobs.into_iter().for_each(|job| self.take(job, Vec::new()));
                self.listed = true;
            }
            DownloadsEvent::Progress(job, lines) => self.take(*job, lines),
            DownloadsEvent::Dismissed(id) => {
                if self.asked.remove(&id).is_none() {
                    self.dismissed.insert(id);
                }
            }
        }
    }

    fn take(&mut self, job: Job, lines: Vec<String>) {
        self.asked.remove(&job.subject);
        let entry = self.jobs.entry(job.id.clone()).or_insert_with(|| Entry {
            job: job.clone(),
            lines: VecDeque::new(),
        });
        // A list that was asked for before a job ended must not bring it back to life.
        if !entry.job.state.has_ended() || job.state.has_ended() {
            entry.job = job;
        }
        entry.lines.extend(lines);
        let surplus = entry.lines.len().saturating_sub(MOST_LINES);
        entry.lines.drain(..surplus);
    }

    /// What to show, newest first: of several jobs about one thing the newest.
    pub fn shown(&self) -> impl Iterator<Item = &Entry> {
        let mut subjects = BTreeSet::new();
        self.jobs
            .iter()
            .rev()
            .filter(move |(_, entry)| subjects.insert((entry.job.subject.as_str(), entry.job.kind as u8)))
            .filter(|(id, entry)| {
                !self.dismissed.contains(id.as_str()) && entry.job.state != JobState::Succeeded
            })
            .map(|(_, entry)| entry)
    }

    /// What was asked for and has no job yet, or will have none.
    pub fn asked(&self) -> impl Iterator<Item = (&str, Option<&F>)> {
        self.asked
            .iter()
            .map(|(subject, failure)| (subject.as_str(), failure.as_ref()))
    }

    /// Whether something was asked for and nothing has come of it yet.
    #[must_use]
    pub fn is_asked(&self, subject: &str) -> bool {
        self.asked.get(subject).is_some_and(Option::is_none)
    }

    /// The newest job about something.
    #[must_use]
    pub fn about(&self, subject: &str) -> Option<&Entry> {
        self.jobs
            .values()
            .rev()
            .find(|entry| entry.job.subject == subject)
    }

    /// A job.
    #[must_use]
    pub fn job(&self, id: &JobId) -> Option<&Entry> {
        self.jobs.get(id)
    }

    /// Jobs that have not ended.
    pub fn active(&self) -> impl Iterator<Item = &Job> {
        self.jobs
            .values()
            .map(|entry| &entry.job)
            .filter(|job| !job.state.has_ended())
    }
}

#[cfg(test)]
mod tests;
