//! What each error of the provisioner looks like to a client: as the answer to a call, or as the
//! failure of a job.

use std::time::Duration;

use rbee_artifacts::{ModelId, ModelIdError};
use rbee_service_kit::fault::Chain;
use rbee_service_kit::{Fault, reason};
use rbee_store::{PutFileError, StoreError};
use tonic::Code;

use super::CatalogError;
use crate::domain::board::Refusal;
use crate::domain::job::JobFailure;
use crate::import::ImportError;
use crate::source::SourceError;

pub(super) fn invalid_name(error: &ModelIdError) -> Fault {
    Fault::new(Code::InvalidArgument, reason::INVALID_MODEL_ID, error.to_string())
        .field("name", error.to_string())
}

pub(super) fn source(error: &SourceError) -> Fault {
    match error {
        SourceError::NotAbsolute { .. } => Fault::invalid("source_path", error.to_string()),
        SourceError::NotAllowed { path } => Fault::new(
            Code::PermissionDenied,
            reason::IMPORT_NOT_ALLOWED,
            error.to_string(),
        )
        .with("path", path.display()),
    }
}

pub(super) fn exists(model_id: &ModelId) -> Fault {
    let error = ImportError::Exists {
        model_id: model_id.clone(),
    };
    Fault::new(Code::AlreadyExists, reason::MODEL_EXISTS, error.to_string()).with("id", model_id)
}

pub(super) fn refusal(error: &Refusal) -> Fault {
    match error {
        Refusal::Conflict { job_id, subject } => {
            Fault::new(Code::FailedPrecondition, reason::JOB_CONFLICT, error.to_string())
                .with("job_id", job_id)
                .with("subject", subject)
        }
        Refusal::Full { .. } => Fault::new(Code::ResourceExhausted, reason::TOO_MANY_JOBS, error.to_string())
            .retry_after(Duration::from_secs(10)),
    }
}

pub(super) fn job_not_found(id: &str) -> Fault {
    let id: String = id.chars().take(128).collect();
    Fault::new(
        Code::NotFound,
        reason::JOB_NOT_FOUND,
        format!("there is no job {id}; jobs that ended long ago, or before the provisioner was restarted, are not kept"),
    )
    .with("job_id", id)
}

/// How an import's error reads in its job.
pub(crate) fn job_failure(error: &ImportError) -> JobFailure {
    // A person reads this and nothing else, so it has the causes too.
    JobFailure {
        reason: import_reason(error),
        message: Chain(error).to_string(),
    }
}

fn import_reason(error: &ImportError) -> &'static str {
    match error {
        ImportError::NotFound { .. } => reason::FILE_NOT_FOUND,
        ImportError::NotAFile { .. } => reason::NOT_A_REGULAR_FILE,
        ImportError::Unreadable { .. } => reason::FILE_UNREADABLE,
        ImportError::Format { .. } | ImportError::Unsupported { .. } => reason::MODEL_FORMAT_UNSUPPORTED,
        ImportError::Corrupt { .. } => reason::MODEL_CORRUPT,
        ImportError::Exists { .. } => reason::MODEL_EXISTS,
        ImportError::NotTheWorker { .. } => reason::WORKER_BINARY_INVALID,
        ImportError::Put(error) => put_reason(error),
        ImportError::Store(error) => store_reason(error),
        ImportError::Catalog(error) => catalog_reason(error),
        // Ends a job as cancelled, not as failed.
        ImportError::Cancelled => reason::SHUTTING_DOWN,
    }
}

fn put_reason(error: &PutFileError) -> &'static str {
    match error {
        PutFileError::NotAFile { .. } => reason::NOT_A_REGULAR_FILE,
        PutFileError::ReadSource { .. } => reason::FILE_UNREADABLE,
        PutFileError::SourceChanged { .. } | PutFileError::DigestMismatch { .. } => reason::FILE_CHANGED,
        PutFileError::HardLink { .. } => reason::HARD_LINK_IMPOSSIBLE,
        PutFileError::Cancelled { .. } => reason::SHUTTING_DOWN,
        PutFileError::Store(error) => store_reason(error),
        _ => reason::INTERNAL,
    }
}

fn store_reason(error: &StoreError) -> &'static str {
    match error {
        StoreError::NoSpace { .. } => reason::DISK_FULL,
        _ => reason::STORE_UNAVAILABLE,
    }
}

fn catalog_reason(error: &CatalogError) -> &'static str {
    match error {
        CatalogError::Unavailable { .. } => reason::CATALOG_UNAVAILABLE,
        CatalogError::Exists => reason::MODEL_EXISTS,
        CatalogError::Refused { fault } => fault
            .reason
            .as_deref()
            .and_then(reason::known)
            .unwrap_or(reason::INTERNAL),
        CatalogError::Malformed { .. } => reason::INTERNAL,
        CatalogError::Cancelled => reason::SHUTTING_DOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_its_causes_in_words() {
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let failure = job_failure(&ImportError::reading("/m.gguf", source));
        assert_eq!(failure.reason, "FILE_UNREADABLE");
        assert_eq!(failure.message, "/m.gguf cannot be read: permission denied");
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let full = StoreError::NoSpace {
            path: "/store".into(),
            needed_and_available: None,
        };
        assert_eq!(job_failure(&ImportError::Put(full.into())).reason, "DISK_FULL");
        let broken = StoreError::File {
            operation: "writing",
            path: "/store".into(),
            source: std::io::Error::other("broken"),
        };
        assert_eq!(
            job_failure(&ImportError::Store(broken)).reason,
            "STORE_UNAVAILABLE"
        );
    }

    #[test]
    fn the_catalog_s_reason_is_passed_on() {
        let fault = Fault::new(Code::FailedPrecondition, reason::DOCUMENT_SET_ASIDE, "set aside");
        let fault = rbee_service_kit::RemoteFault::from(&fault.into());
        let failure = job_failure(&ImportError::Catalog(CatalogError::Refused { fault }));
        assert_eq!(
            (failure.reason, failure.message.as_str()),
            ("DOCUMENT_SET_ASIDE", "set aside")
        );
    }
}
