//! What each error of the catalog looks like to a client.

use rbee_artifacts::{ModelIdError, WorkerBinary};
use rbee_service_kit::{Fault, reason};
use tonic::Code;

use crate::domain::limits::InvalidField;
use crate::domain::page::InvalidPageToken;
use crate::domain::registry::{Full, NotHeard, RegisterWorkerError, RegistryFull, UpdateWorkerError};
use crate::store::{CatalogEntry, CreateError, UpdateError, WriteError};

pub(super) fn invalid_field(error: impl Into<InvalidField>) -> Fault {
    let error = error.into();
    Fault::invalid(error.field, error.problem)
}

pub(super) fn invalid_page_token(error: InvalidPageToken) -> Fault {
    Fault::invalid("page_token", error.to_string())
}

pub(super) fn invalid_model_id(error: &ModelIdError) -> Fault {
    Fault::new(Code::InvalidArgument, reason::INVALID_MODEL_ID, error.to_string())
        .field("id", error.to_string())
}

pub(super) fn model_not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(
        Code::NotFound,
        reason::MODEL_NOT_FOUND,
        format!("the catalog has no model {id}; `rbee model ls` lists those there are"),
    )
    .with("model_id", id)
}

pub(super) fn worker_binary_not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(
        Code::NotFound,
        reason::WORKER_BINARY_NOT_FOUND,
        format!("the catalog has no worker binary {id}"),
    )
    .with("worker_binary_id", id)
}

pub(super) fn create<T: CatalogEntry>(error: CreateError<T>) -> Fault {
    match error {
        CreateError::Exists { ref existing } => {
            let message = format!("{error}; give it another name, or remove that one first");
            Fault::new(Code::AlreadyExists, exists_reason::<T>(), message)
                .with("id", existing.entry.id())
                .with("revision", existing.revision)
        }
        CreateError::RequestIdReused => Fault::invalid("request_id", error.to_string()),
        CreateError::Blob(field) => invalid_field(field),
        CreateError::Write(error) => write(&error),
    }
}

/// A worker binary's id says all about it, so that only models collide.
fn exists_reason<T: CatalogEntry>() -> &'static str {
    debug_assert!(T::COLLECTION != <WorkerBinary as rbee_artifacts::Artifact>::COLLECTION);
    reason::MODEL_EXISTS
}

pub(super) fn update(id: impl std::fmt::Display, error: UpdateError) -> Fault {
    match error {
        UpdateError::NotFound => model_not_found(id),
        UpdateError::Conflict { expected, current } => Fault::new(
            Code::Aborted,
            reason::REVISION_CONFLICT,
            format!(
                "{id} is at revision {current}, not {expected}: somebody changed it meanwhile; read it again"
            ),
        )
        .with("model_id", id)
        .with("expected_revision", expected)
        .with("current_revision", current),
        UpdateError::Blob(field) => invalid_field(field),
        UpdateError::Write(error) => write(&error),
    }
}

pub(super) fn write(error: &WriteError) -> Fault {
    match error {
        WriteError::Store(cause @ rbee_store::StoreError::NoSpace { .. }) => {
            Fault::new(Code::ResourceExhausted, reason::DISK_FULL, cause.to_string())
        }
        WriteError::Store(cause) => {
            tracing::error!(error = %rbee_service_kit::fault::Chain(cause), "the store failed");
            Fault::new(
                Code::Unavailable,
                reason::STORE_UNAVAILABLE,
                format!("the store failed: {cause}"),
            )
            .retry_after(std::time::Duration::from_secs(5))
        }
        WriteError::SetAside { id, .. } => Fault::new(
            Code::FailedPrecondition,
            reason::DOCUMENT_SET_ASIDE,
            error.to_string(),
        )
        .with("id", id),
        WriteError::ShuttingDown => Fault::shutting_down(),
    }
}

pub(super) fn not_heard(error: &NotHeard) -> Fault {
    match error {
        NotHeard::NotRegistered { hive_id } => Fault::new(
            Code::NotFound,
            reason::HIVE_NOT_REGISTERED,
            format!("{error} with this catalog, which may have been restarted; register it again"),
        )
        .with("hive_id", hive_id),
        NotHeard::IdTaken { hive_id, address, .. } => Fault::new(
            Code::FailedPrecondition,
            reason::HIVE_ID_TAKEN,
            format!(
                "{error}: it registered after this one. If its folder was copied from another host, remove the file \
                 `id` in it and start it again"
            ),
        )
        .with("hive_id", hive_id)
        .with("address", address),
    }
}

pub(super) fn registry_full(error: &RegistryFull) -> Fault {
    let way_out = match error.full {
        Full::Hives => "hives that are unreachable are forgotten to make room, and none is",
        Full::Workers => {
            "hives that are unreachable are forgotten to make room, and none is; stop some workers"
        }
        Full::WorkersOfHive => "stop some of its workers",
    };
    let fault = Fault::new(
        Code::ResourceExhausted,
        reason::REGISTRY_FULL,
        format!("{error}; {way_out}"),
    );
    fault.with("limit", error.limit)
}

pub(super) fn register_worker(error: &RegisterWorkerError) -> Fault {
    match error {
        RegisterWorkerError::NotHeard(error) => not_heard(error),
        RegisterWorkerError::Full(error) => registry_full(error),
    }
}

pub(super) fn update_worker(error: &UpdateWorkerError) -> Fault {
    match error {
        UpdateWorkerError::NotHeard(error) => not_heard(error),
        UpdateWorkerError::WorkerNotFound { hive_id, worker_id } => {
            Fault::new(Code::NotFound, reason::WORKER_NOT_FOUND, error.to_string())
                .with("hive_id", hive_id)
                .with("worker_id", worker_id)
        }
    }
}
