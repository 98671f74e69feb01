//! What the registry refuses, and why.

use rbee_artifacts::{HiveId, WorkerId};

/// Why the word of a hive does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHeard {
    /// The catalog doesn't know the hive: it must register again.
    #[error("the hive {hive_id} is not registered")]
    NotRegistered {
        /// The unknown hive.
        hive_id: HiveId,
    },
    /// Another hive has registered with its id after it, and is alive.
    #[error("the hive at {address} has the id {hive_id} now")]
    IdTaken {
        /// The id that two hives have.
        hive_id: HiveId,
        /// Where the other one is reached.
        address: String,
        /// Whether this start of a hive is refused for the first time.
        first: bool,
    },
}

/// What there is no more room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Hives of the cluster.
    Hives,
    /// Workers of the cluster.
    Workers,
    /// Workers of one hive.
    WorkersOfHive,
}

/// There is no more room, and no unreachable hive to forget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the registry has its {limit} {} already", match full {
    Full::Hives => "hives",
    Full::Workers => "workers",
    Full::WorkersOfHive => "workers of one hive",
})]
pub struct RegistryFull {
    /// What there is no more room for.
    pub full: Full,
    /// How many there may be.
    pub limit: usize,
}

/// Why a worker could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterWorkerError {
    /// Its hive is not listened to.
    #[error(transparent)]
    NotHeard(#[from] NotHeard),
    /// There is no room for it.
    #[error(transparent)]
    Full(#[from] RegistryFull),
}

/// Why a worker could not be updated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateWorkerError {
    /// Its hive is not listened to.
    #[error(transparent)]
    NotHeard(#[from] NotHeard),
    /// The hive has no such worker.
    #[error("the hive {hive_id} has no worker {worker_id}")]
    WorkerNotFound {
        /// The hive.
        hive_id: HiveId,
        /// The worker that it doesn't have.
        worker_id: WorkerId,
    },
}
