//! A spawn on its way: the six steps as the hive tells them.

use crate::model::ids::{ModelId, WorkerId};

/// A step of a spawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpawnStep {
    /// The model is looked up.
    Model,
    /// It must suit the worker type.
    Compatibility,
    /// A worker program is chosen.
    Program,
    /// Device and files are checked.
    Prepare,
    /// The process starts and loads the model.
    Start,
    /// The worker is made known.
    Register,
}

impl SpawnStep {
    /// All of them in their order.
    pub const ALL: [Self; 6] = [
        Self::Model,
        Self::Compatibility,
        Self::Program,
        Self::Prepare,
        Self::Start,
        Self::Register,
    ];

    /// What is done in it, for a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Model => "Find the model",
            Self::Compatibility => "Check that it suits the worker",
            Self::Program => "Choose the worker program",
            Self::Prepare => "Prepare device, memory and files",
            Self::Start => "Start and load the model",
            Self::Register => "Make the worker known",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum SpawnEvent<F> {
    /// The worker has this id.
    Named(WorkerId),
    /// A step began.
    Began(SpawnStep),
    /// A step succeeded, with what came out of it.
    Finished(SpawnStep, String),
    /// So much of the model is loaded, 0 to 1.
    Loading(f32),
    /// Files are being fetched: bytes that are here and bytes of all.
    Fetching {
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes of all.
        total_bytes: u64,
    },
    /// A worker left to make room.
    Evicted(ModelId),
    /// It is ready.
    Ready,
    /// It did not work.
    Failed(F),
}

/// Where a step is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StepState {
    /// Its turn has not come.
    #[default]
    Waiting,
    /// It is being done.
    Running,
    /// It is done, with what came out of it.
    Done(String),
    /// It did not work.
    Failed,
}

impl StepState {
    /// The word for it in `data-state`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done(_) => "done",
            Self::Failed => "failed",
        }
    }
}

/// How a spawn ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<F> {
    /// The worker is ready.
    Ready,
    /// It did not work.
    Failed(F),
}

/// A spawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Spawn<F> {
    /// The worker's id, once it has one.
    pub worker: Option<WorkerId>,
    /// The steps in their order.
    pub steps: [StepState; 6],
    /// How much of the model is loaded, 0 to 1.
    pub loaded: Option<f32>,
    /// Bytes that are here, and bytes of all files, while they are fetched.
    pub fetched: Option<(u64, u64)>,
    /// Models of the workers that left to make room.
    pub evicted: Vec<ModelId>,
    /// How it ended; `None` while it goes on.
    pub outcome: Option<Outcome<F>>,
}

impl<F> Default for Spawn<F> {
    fn default() -> Self {
        Self {
            worker: None,
            steps: <[StepState; 6]>::default(),
            loaded: None,
            fetched: None,
            evicted: Vec::new(),
            outcome: None,
        }
    }
}

impl<F> Spawn<F> {
    /// Takes what happened. What comes after the end is left out.
    pub fn apply(&mut self, event: SpawnEvent<F>) {
        if self.outcome.is_some() {
            return;
        }
        match event {
            SpawnEvent::Named(worker) => self.worker = Some(worker),
            SpawnEvent::Began(step) => self.steps[step as usize] = StepState::Running,
            SpawnEvent::Finished(step, detail) => {
                self.steps[step as usize] = StepState::Done(detail);
                (self.loaded, self.fetched) = (None, None);
            }
            SpawnEvent::Loading(fraction) if fraction.is_finite() => {
                self.loaded = Some(fraction.clamp(0.0, 1.0));
            }
            SpawnEvent::Loading(_) => {}
            SpawnEvent::Fetching {
                done_bytes,
                total_bytes,
            } => {
                self.fetched = Some((done_bytes.min(total_bytes), total_bytes));
            }
            SpawnEvent::Evicted(model) => self.evicted.push(model),
            SpawnEvent::Ready => self.outcome = Some(Outcome::Ready),
            SpawnEvent::Failed(failure) => {
                for step in &mut self.steps {
                    if *step == StepState::Running {
                        *step = StepState::Failed;
                    }
                }
                self.outcome = Some(Outcome::Failed(failure));
            }
        }
    }

    /// Whether it ended without a worker.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Failed(_)))
    }

    /// The share of the running step that is done, where the hive tells it: files that are fetched or the model that is
    /// loaded, 0 to 1.
    #[must_use]
    pub fn share(&self) -> Option<f32> {
        let fetched = self.fetched.filter(|&(_, total)| total > 0);
        let fetched = fetched.map(|(done, total)| (done as f64 / total as f64) as f32);
        self.loaded.or(fetched)
    }
}
