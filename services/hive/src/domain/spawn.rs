//! What a spawn is asked to do, and its steps.

use std::time::Duration;

use rbee_artifacts::estimate::KvFormat;
use rbee_artifacts::{DeviceId, ModelId, WorkerType};
use serde::{Deserialize, Serialize};

/// A worker that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnRequest {
    /// The model to serve.
    pub model_id: ModelId,
    /// Which worker program.
    pub worker_type: WorkerType,
    /// Device to run on; `None` for the one that suits best.
    pub device_id: Option<DeviceId>,
    /// Settings of a text worker.
    pub llm: LlmSettings,
    /// Settings of an image worker.
    #[serde(default)]
    pub sd: SdSettings,
    /// Start it even where it does not fit by estimate.
    pub force: bool,
    /// Stop idle workers if it does not fit otherwise.
    pub evict: bool,
}

/// Settings of a text worker; what is absent is left to the worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmSettings {
    /// Context in tokens to make room for.
    pub context_length: Option<u32>,
    /// Answers that are generated at the same time.
    pub slot_count: Option<u32>,
    /// Requests that may wait.
    pub queue_length: Option<u32>,
    /// Threads that compute.
    pub thread_count: Option<u32>,
    /// How the KV cache keeps its numbers.
    #[serde(default)]
    pub kv_format: Option<KvFormat>,
    /// The most bytes that KV caches take together.
    #[serde(default)]
    pub kv_limit_bytes: Option<u64>,
}

/// Settings of an image worker; what is absent is left to the worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdSettings {
    /// Requests that may wait.
    pub queue_length: Option<u32>,
    /// Threads that compute.
    pub thread_count: Option<u32>,
    /// Requests that may be computed together.
    #[serde(default)]
    pub slot_count: Option<u32>,
}

/// The steps of a spawn, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpawnStep {
    /// The model is looked up in the catalog.
    Model,
    /// The model must be compatible with the worker type.
    Compatibility,
    /// A worker program for this platform is chosen.
    Binary,
    /// Device and files are checked and the command is put together.
    Prepare,
    /// The process starts, loads the model and becomes ready.
    Start,
    /// The worker is registered with the catalog.
    Register,
}

/// How long a worker is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// It is spared when room is made for others, and when it is idle.
    pub pinned: bool,
    /// It is stopped when it has answered nothing for this long.
    pub idle_ttl: Option<Duration>,
}

impl Keep {
    /// After being idle for how long it is stopped, if ever.
    #[must_use]
    pub fn idle_limit(&self) -> Option<Duration> {
        self.idle_ttl.filter(|_| !self.pinned)
    }
}
