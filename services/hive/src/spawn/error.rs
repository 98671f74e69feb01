//! Why a spawn did not end with a worker.

use rbee_artifacts::detect::DetectError;
use rbee_service_kit::client::TargetError;
use rbee_store::{FetchError, StoreError};

use super::binaries::BinaryError;
use crate::catalog::CatalogError;
use crate::domain::{Failure, Refusal};
use crate::reconciler::OrderError;
use crate::worker::FolderError;

/// Why a spawn did not end with a worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// It can't be done as asked.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The catalog did not answer as hoped.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store can't be read.
    #[error("cannot read the store")]
    Store(#[from] StoreError),
    /// A file does not come from the store.
    #[error("cannot fetch from the store")]
    Fetch(#[from] FetchError),
    /// The model's files do not tell what it needs.
    #[error("cannot use the model")]
    Header(#[source] DetectError),
    /// The worker program can't be made ready to run.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The worker's folder can't be made ready.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The worker's address or token can't be used.
    #[error("cannot reach workers")]
    Channel(#[from] TargetError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers ({0})")]
    Random(getrandom::Error),
    /// Another worker has the id that was drawn.
    #[error("the worker's id is taken by chance; try again")]
    IdTaken,
    /// The hive takes no spawns.
    #[error(transparent)]
    Order(OrderError),
    /// The worker did not become ready.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// Somebody stopped the worker before it was ready.
    #[error("the worker was stopped before it was ready")]
    Stopped,
    /// The hive is shutting down.
    #[error("the hive is shutting down")]
    ShuttingDown,
}
