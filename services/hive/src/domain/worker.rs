//! A worker as others see it.

use jiff::Timestamp;
use rbee_artifacts::{DeviceId, ModelId, WorkerId, WorkerType};

use super::{Failure, Keep, State, WorkerMemory};

/// A worker as others see it, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// The model that it serves.
    pub model_id: ModelId,
    /// Which worker program it is.
    pub worker_type: WorkerType,
    /// The device that it runs on, or ran on last; `None` until one is chosen.
    pub device_id: Option<DeviceId>,
    /// When it was spawned.
    pub created_at: Timestamp,
    /// Context in tokens that it is started with, if its spawn said.
    pub context_length: Option<u32>,
    /// Its memory, where it could be estimated.
    pub memory: Option<WorkerMemory>,
    /// Its process, while one runs.
    pub process_id: Option<u32>,
    /// Where it is in its life.
    pub state: State,
    /// When it came into its state.
    pub state_since: Timestamp,
    /// Why it does not serve, or was started anew last.
    pub failure: Option<Failure>,
    /// Whether it ever was ready. Only then does the catalog hear of it: a spawn that fails leaves nothing behind.
    pub proven: bool,
    /// How often it was started anew by itself.
    pub restart_count: u32,
    /// When it is tried again, if it waits for that.
    pub next_attempt_at: Option<Timestamp>,
    /// How long it is kept.
    pub keep: Keep,
}
