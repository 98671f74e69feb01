//! A worker as others see it.

use rbee_artifacts::{DeviceId, ModelId, WorkerId, WorkerType};

use super::{State, WorkerMemory};

/// A worker as others see it, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// The model that it serves.
    pub model_id: ModelId,
    /// Which worker program it is.
    pub worker_type: WorkerType,
    /// The device that it runs on.
    pub device_id: DeviceId,
    /// When it was spawned.
    pub created_at: jiff::Timestamp,
    /// Context in tokens that it was started with, if its spawn said.
    pub context_length: Option<u32>,
    /// Its memory, where it could be estimated.
    pub memory: Option<WorkerMemory>,
    /// Its process, while one runs.
    pub process_id: Option<u32>,
    /// Where it is in its life.
    pub state: State,
    /// Whether it ever was ready. Only then does the catalog hear of it: a spawn that fails
    /// leaves nothing behind.
    pub was_ready: bool,
}
