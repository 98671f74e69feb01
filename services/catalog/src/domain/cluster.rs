//! Hosts, devices and live workers.

use std::time::Duration;

use jiff::Timestamp;
use rbee_artifacts::{DeviceId, HiveId, ModelId, Platform, WorkerId, WorkerType};

/// Something a worker can run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// `cpu:0`, `cuda:N`, `metal:N`; unique within a hive. Says what hardware it is.
    pub id: DeviceId,
    /// The product's name.
    pub name: String,
    /// Memory in bytes, where known.
    pub memory_total_bytes: Option<u64>,
    /// Memory that is free now in bytes, where known.
    pub memory_free_bytes: Option<u64>,
    /// Processor cores or multiprocessors, where known.
    pub core_count: Option<u32>,
    /// The vendor's unique id of it; empty where there is none.
    pub uuid: String,
    /// Share of the last moments in which it was busy in percent, where measured.
    pub utilization_percent: Option<u32>,
    /// Degrees Celsius, where measured.
    pub temperature_celsius: Option<u32>,
    /// CUDA compute capability; empty for other kinds.
    pub compute_capability: String,
    /// Version of its driver; empty where not known.
    pub driver_version: String,
    /// Whether it was declared by the operator and not found.
    pub declared: bool,
    /// What workers have of it.
    pub uses: Vec<DeviceUse>,
    /// Memory that a new worker may count on in bytes, where known.
    pub memory_available_bytes: Option<u64>,
}

/// What one worker has of a device's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceUse {
    /// The worker's id, as the hive said it.
    pub worker_id: WorkerId,
    /// What is reserved for it in bytes.
    pub reserved_bytes: u64,
    /// How much of this it has taken in bytes, where measured.
    pub taken_bytes: Option<u64>,
}

/// Which start of a hive's program speaks. Two hives under one id are told apart by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiveInstance(String);

impl HiveInstance {
    /// The one with this text; `None` if it is empty, which is what a hive sends that does not say.
    #[must_use]
    pub fn named(text: String) -> Option<Self> {
        (!text.is_empty()).then_some(Self(text))
    }
}

/// Whether a hive can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiveState {
    /// Its lease is current.
    Ready,
    /// Its lease has ended without a farewell.
    Unreachable,
}

/// What a hive says of itself when it registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiveFacts {
    /// Id, stable across restarts of the host.
    pub id: HiveId,
    /// A name to show.
    pub name: String,
    /// Address where clients reach it, as a URL.
    pub address: String,
    /// What workers can run on there.
    pub devices: Vec<Device>,
    /// Version of the hive program.
    pub version: String,
    /// What programs must be built for to run there, where it said so.
    pub platform: Option<Platform>,
    /// Whether it is being emptied or kept empty.
    pub draining: bool,
}

/// A host's agent as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hive {
    /// What it says of itself.
    pub facts: HiveFacts,
    /// Whether it can be reached.
    pub state: HiveState,
    /// When the catalog last heard from it.
    pub last_seen_at: Timestamp,
}

/// Where a worker is in its life, as its hive says; the contract tells what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    /// It waits for its turn or for the next attempt.
    Pending,
    /// What it needs is being checked.
    Validating,
    /// Files are being fetched to its host.
    Fetching,
    /// The process is being started.
    Starting,
    /// The process runs and loads the model.
    Loading,
    /// It answers requests, none now.
    Ready,
    /// It is answering requests.
    Busy,
    /// It takes no more requests and finishes those that run.
    Draining,
    /// It was told to leave and is finishing.
    Stopping,
    /// It left because it was told to.
    Stopped,
    /// It can't run.
    Failed,
    /// It crashed too often in a row.
    CrashLooping,
}

/// What made a worker's process end; the contract tells what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCause {
    /// The host's memory, or the worker's limit of it, was used up.
    OutOfMemory,
    /// The GPU's memory was used up.
    OutOfDeviceMemory,
    /// An instruction that the processor does not have.
    IllegalInstruction,
    /// An access to memory that the process does not have.
    InvalidMemoryAccess,
    /// The GPU or its driver failed.
    DeviceError,
    /// A file or library is missing.
    MissingFile,
    /// A panic or an abort.
    Bug,
    /// Somebody else killed it.
    Killed,
    /// The hive ended it because it did not get ready or did not answer.
    Hung,
}

/// Why a worker is not serving.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerFailure {
    /// One of the project's error reasons.
    pub reason: String,
    /// What happened, for a person.
    pub message: String,
    /// Exit code of the process, if it exited.
    pub exit_code: Option<i32>,
    /// Signal that ended the process, if one did.
    pub signal: Option<i32>,
    /// The last lines of its log, oldest first.
    pub log_tail: Vec<String>,
    /// What made the process end, where that can be told.
    pub cause: Option<FailureCause>,
    /// When it happened, where the hive said so.
    pub occurred_at: Option<Timestamp>,
}

/// A worker: one model on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Id, unique in the cluster.
    pub id: WorkerId,
    /// The model that it serves.
    pub model_id: ModelId,
    /// Which worker program it is.
    pub worker_type: WorkerType,
    /// Device that it runs on, within its hive; `None` until one is chosen.
    pub device_id: Option<DeviceId>,
    /// Where it is in its life.
    pub state: WorkerState,
    /// The hive that runs it.
    pub hive_id: HiveId,
    /// Address of that hive. Set by the registry.
    pub hive_address: String,
    /// When it was spawned, where the hive said so.
    pub created_at: Option<Timestamp>,
    /// Why it is not serving, or was started anew last.
    pub failure: Option<WorkerFailure>,
    /// Share of the model that is loaded, 0 to 1, where the worker has said.
    pub load_fraction: Option<f32>,
    /// Context in tokens that it was started with, where known.
    pub context_length: Option<u32>,
    /// Operating-system process id on its host, if a process runs.
    pub process_id: Option<u32>,
    /// Its memory, where it was estimated.
    pub memory: Option<WorkerMemory>,
    /// When it came into its state, where the hive said so.
    pub state_since: Option<Timestamp>,
    /// How often it was started anew by itself.
    pub restart_count: u32,
    /// When it is tried again, if it waits for that.
    pub next_attempt_at: Option<Timestamp>,
    /// Whether it is spared when room is made for others.
    pub pinned: bool,
    /// It is stopped when it has answered nothing for this long.
    pub idle_ttl: Option<Duration>,
    /// Whether its hive can't be reached. Set by the registry.
    pub unreachable: bool,
}

/// A worker's memory: what was estimated and what it took, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerMemory {
    /// The most it may take.
    pub estimated_bytes: u64,
    /// What it has once the model is loaded.
    pub estimated_loaded_bytes: u64,
    /// What it really had then, where measured.
    pub resident_bytes: Option<u64>,
    /// The most that the system lets it have on the host, where that is limited.
    pub limit_bytes: Option<u64>,
}
