//! Hives, their devices and the workers on them, as the catalog last told.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{DeviceId, HiveId, ModelId, WorkerId};

mod view;

pub use view::{ClusterChange, ClusterView};

/// What a worker makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerKind {
    /// Text, by a language model.
    Text,
    /// Pictures, by Stable Diffusion.
    Image,
}

impl WorkerKind {
    /// The word for it in class names and `data-kind`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
        }
    }
}

/// The hardware that a worker program is built for, and what a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hardware {
    /// Main processor and memory.
    Cpu,
    /// NVIDIA GPU.
    Cuda,
    /// Apple GPU.
    Metal,
}

/// The program that serves a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerType {
    /// What it runs on.
    pub hardware: Hardware,
    /// What it makes.
    pub kind: WorkerKind,
}

/// Where a worker is in its life; see docs/workers.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkerState {
    /// Not said, or a state that this window does not know yet.
    Unknown,
    /// Wanted, and waits for its turn or its next attempt.
    Pending,
    /// Model, program, device and memory are being checked.
    Validating,
    /// Files that the host lacks are being fetched.
    Fetching,
    /// The process is being started.
    Starting,
    /// The process loads the model.
    Loading,
    /// It answers requests, and none is being answered now.
    Ready,
    /// It answers requests, and at least one is being answered now.
    Busy,
    /// It takes no more requests; those that run may finish.
    Draining,
    /// The process was told to leave.
    Stopping,
    /// It left because it was told to.
    Stopped,
    /// It can't run, and another attempt would end alike.
    Failed,
    /// It crashed too often in a row.
    CrashLooping,
}

impl WorkerState {
    /// The word for a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Pending => "waiting",
            Self::Validating => "checking",
            Self::Fetching => "fetching files",
            Self::Starting => "starting",
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Busy => "working",
            Self::Draining => "finishing",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::CrashLooping => "keeps crashing",
        }
    }

    /// What it comes down to for colours: `data-state` of a dot.
    #[must_use]
    pub fn tone(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Failed | Self::CrashLooping => "failed",
            Self::Draining | Self::Stopping | Self::Stopped | Self::Unknown => "off",
            Self::Pending | Self::Validating | Self::Fetching | Self::Starting | Self::Loading => "coming",
        }
    }

    /// Whether it takes requests.
    #[must_use]
    pub fn serves(self) -> bool {
        matches!(self, Self::Ready | Self::Busy)
    }

    /// Whether it rests after a failure until somebody restarts or stops it.
    #[must_use]
    pub fn has_failed(self) -> bool {
        matches!(self, Self::Failed | Self::CrashLooping)
    }
}

/// What one worker has of a device's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceUse {
    /// Whose it is.
    pub worker: WorkerId,
    /// What was reserved for it when it was spawned, in bytes.
    pub reserved_bytes: u64,
    /// How much of this it has taken, in bytes; `None` where it can't be measured.
    pub taken_bytes: Option<u64>,
}

/// Something a worker can run on. What is `None` is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// `cpu:0`, `cuda:N`; unique within a hive.
    pub id: DeviceId,
    /// The hardware behind it; `None` where not said.
    pub hardware: Option<Hardware>,
    /// The product's name.
    pub name: String,
    /// Memory in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory that is free now in bytes.
    pub memory_free_bytes: Option<u64>,
    /// Memory that a new worker may count on, in bytes.
    pub memory_available_bytes: Option<u64>,
    /// Processor cores or multiprocessors.
    pub core_count: Option<u32>,
    /// Share of the last moments in which it was busy, in percent.
    pub utilization_percent: Option<u32>,
    /// Temperature in degrees Celsius.
    pub temperature_celsius: Option<u32>,
    /// CUDA compute capability; empty for other kinds.
    pub compute_capability: String,
    /// Version of its driver; empty where not known.
    pub driver_version: String,
    /// Whether it was declared by the operator and not found.
    pub declared: bool,
    /// Workers on it, oldest first.
    pub uses: Vec<DeviceUse>,
}

/// A host's agent with its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hive {
    /// Its id, stable across restarts.
    pub id: HiveId,
    /// A name to show.
    pub name: String,
    /// Where clients reach it, as a URL.
    pub address: String,
    /// Whether its lease is current.
    pub reachable: bool,
    /// What workers can run on there.
    pub devices: Vec<Device>,
    /// Version of the hive program.
    pub version: String,
    /// Operating system and architecture: `linux x86_64`; empty where not said.
    pub platform: String,
    /// When the catalog last heard from it.
    pub last_seen_at: Option<Timestamp>,
    /// Whether it takes no spawns until it is resumed.
    pub draining: bool,
}

/// Why a worker is not serving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerFailure {
    /// One of the project's error reasons.
    pub reason: String,
    /// What happened, for a person.
    pub message: String,
    /// Exit code of the process, if it exited.
    pub exit_code: Option<i32>,
    /// Signal that ended it, if one did.
    pub signal: Option<i32>,
    /// The last lines of its log, oldest first.
    pub log_tail: Vec<String>,
    /// When it happened.
    pub occurred_at: Option<Timestamp>,
}

/// A worker's memory on its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerMemory {
    /// Estimate of the most that it may take, in bytes; this is reserved for it.
    pub estimated_bytes: u64,
    /// Estimate of what is taken once the model is loaded, in bytes.
    pub estimated_loaded_bytes: u64,
    /// What it had taken when it had just become ready, in bytes.
    pub resident_bytes: Option<u64>,
    /// The most that the system lets it have, in bytes.
    pub limit_bytes: Option<u64>,
}

/// A worker: one model on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its id, unique in the cluster.
    pub id: WorkerId,
    /// The model that it serves.
    pub model: ModelId,
    /// Which program it is; `None` for one that this window does not know.
    pub worker_type: Option<WorkerType>,
    /// Device within its hive; `None` until one is chosen.
    pub device: Option<DeviceId>,
    /// Where it is in its life.
    pub state: WorkerState,
    /// The hive that runs it.
    pub hive: HiveId,
    /// Address of that hive, as a URL.
    pub hive_address: String,
    /// When it was spawned.
    pub created_at: Option<Timestamp>,
    /// Why it is not serving, or why it was started anew last.
    pub failure: Option<WorkerFailure>,
    /// Share of the model that is loaded, 0 to 1.
    pub load_fraction: Option<f32>,
    /// Context in tokens.
    pub context_length: Option<u32>,
    /// Operating-system process id on its host.
    pub process_id: Option<u32>,
    /// Its memory, where it could be estimated.
    pub memory: Option<WorkerMemory>,
    /// When it came into its state.
    pub state_since: Option<Timestamp>,
    /// How often it was started anew by itself.
    pub restart_count: u32,
    /// When it is tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// Whether it is spared when room is made for others.
    pub pinned: bool,
    /// It is stopped when it has answered nothing for this long.
    pub idle_ttl: Option<Duration>,
    /// Whether its hive can't be reached: all else is what the hive said last.
    pub unreachable: bool,
}

impl Worker {
    /// What it makes; text where its type is not known, which every worker can at least tell about itself.
    #[must_use]
    pub fn kind(&self) -> WorkerKind {
        self.worker_type
            .map_or(WorkerKind::Text, |worker_type| worker_type.kind)
    }
}
