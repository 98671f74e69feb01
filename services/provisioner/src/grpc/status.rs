//! What each error of the provisioner looks like to a client: as the answer to a call, or as the
//! failure of a job.

use std::io;
use std::time::Duration;

use rbee_artifacts::detect::DetectError;
use rbee_artifacts::gguf::GgufError;
use rbee_artifacts::{ModelId, ModelIdError, Vendor};
use rbee_download::DownloadError;
use rbee_download::http::HttpError;
use rbee_service_kit::fault::Chain;
use rbee_service_kit::{Fault, reason};
use rbee_store::{PutFileError, StoreError};
use rbee_vendors::VendorError;
use tonic::Code;

use super::CatalogError;
use crate::domain::board::Refusal;
use crate::domain::job::JobFailure;
use crate::error::JobError;
use crate::install::package_reason;
use crate::source::SourceError;

pub(super) fn invalid_model_id(field: &str, error: &ModelIdError) -> Fault {
    Fault::new(Code::InvalidArgument, reason::INVALID_MODEL_ID, error.to_string())
        .field(field, error.to_string())
}

pub(super) fn not_of_a_hub(model_id: &ModelId) -> Fault {
    let problem = format!("{model_id} is of no hub; import local files with `rbee model import`");
    Fault::new(Code::InvalidArgument, reason::INVALID_MODEL_ID, &problem).field("model_id", &problem)
}

pub(super) fn model_not_found(model_id: &ModelId) -> Fault {
    let error = JobError::NoSuchModel {
        model_id: model_id.clone(),
    };
    Fault::new(Code::NotFound, reason::MODEL_NOT_FOUND, error.to_string()).with("id", model_id)
}

pub(super) fn job_not_written(error: &io::Error) -> Fault {
    let message = format!("the request cannot be written down: {error}");
    unwritable(error, message)
}

pub(super) fn not_kept(error: &io::Error) -> Fault {
    let message = format!("the token cannot be kept: {error}");
    unwritable(error, message)
}

fn unwritable(error: &io::Error, message: String) -> Fault {
    match io_reason(error) {
        reason::DISK_FULL => Fault::new(Code::ResourceExhausted, reason::DISK_FULL, message),
        reason => Fault::new(Code::Unavailable, reason, message),
    }
}

/// The token that is to be kept is nobody's.
pub(super) fn rejected_token(vendor: Vendor, error: &VendorError) -> Fault {
    let message = format!("{vendor} does not know this token; nothing was kept");
    Fault::new(Code::InvalidArgument, error.reason(), &message)
        .field("token", &message)
        .with("vendor", vendor)
}

/// What a hub's answer looks like to the one who asked through this service.
pub(super) fn vendor(error: &VendorError) -> Fault {
    let code = match error {
        VendorError::InvalidQuery { field, problem } => return Fault::invalid(*field, problem.clone()),
        VendorError::OtherVendor { .. } => Code::InvalidArgument,
        VendorError::NotThere { .. } => Code::NotFound,
        VendorError::LoginRequired { .. }
        | VendorError::TokenRejected { .. }
        | VendorError::Gated { .. }
        | VendorError::AccessDenied { .. } => Code::PermissionDenied,
        VendorError::RateLimited { .. } => Code::ResourceExhausted,
        VendorError::Unavailable { .. } => Code::Unavailable,
        VendorError::Unusable { .. } | VendorError::InvalidAnswer { .. } => Code::Internal,
        _ => Code::FailedPrecondition,
    };
    let fault = Fault::new(code, error.reason(), Chain(error).to_string());
    match error.wait() {
        Some(wait) => fault.retry_after(wait),
        None => fault,
    }
}

/// What an error of a job is in answer to a call.
pub(super) fn job_error(error: &JobError) -> Fault {
    let JobFailure { reason, message } = job_failure(error);
    match error {
        JobError::Hub(error) => vendor(error),
        JobError::Cancelled => Fault::shutting_down(),
        _ if reason == reason::DISK_FULL => Fault::new(Code::ResourceExhausted, reason, message),
        _ if reason == reason::INTERNAL => Fault::new(Code::Internal, reason, message),
        _ => Fault::new(Code::Unavailable, reason, message),
    }
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
    let error = JobError::Exists {
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
        format!("there is no job {id}; jobs that ended long ago are not kept"),
    )
    .with("job_id", id)
}

/// How an error reads in its job.
pub(crate) fn job_failure(error: &JobError) -> JobFailure {
    // A person reads this and nothing else, so it has the causes too.
    JobFailure {
        reason: reason_of(error),
        message: Chain(error).to_string(),
    }
}

fn reason_of(error: &JobError) -> &'static str {
    match error {
        JobError::NotFound { .. } => reason::FILE_NOT_FOUND,
        JobError::NotAFile { .. } => reason::NOT_A_REGULAR_FILE,
        JobError::Unreadable { .. } => reason::FILE_UNREADABLE,
        JobError::LeadsOut { .. } => reason::FILE_UNREADABLE,
        JobError::Detect(error) => detect_reason(error),
        JobError::NoSuchModel { .. } => reason::MODEL_NOT_FOUND,
        JobError::Download(error) => download_reason(error),
        JobError::Hub(error) => error.reason(),
        JobError::NoSpace { .. } => reason::DISK_FULL,
        JobError::Contended { .. } => reason::REVISION_CONFLICT,
        JobError::Package(error) => package_reason(error),
        JobError::WorkDir { source, .. } => io_reason(source),
        JobError::Exists { .. } => reason::MODEL_EXISTS,
        JobError::NotTheWorker { .. } => reason::WORKER_BINARY_INVALID,
        JobError::Put(error) => put_reason(error),
        JobError::Store(error) => store_reason(error),
        JobError::Catalog(error) => catalog_reason(error),
        // Ends a job as cancelled, not as failed.
        JobError::Cancelled => reason::SHUTTING_DOWN,
    }
}

/// Why a file or folder is no model.
fn detect_reason(error: &DetectError) -> &'static str {
    match error {
        DetectError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            reason::FILE_NOT_FOUND
        }
        DetectError::Read { .. }
        | DetectError::Gguf {
            source: GgufError::Read { .. },
            ..
        } => reason::FILE_UNREADABLE,
        DetectError::Refused { .. }
        | DetectError::Unsupported { .. }
        | DetectError::Gguf {
            source: GgufError::Unsupported { .. },
            ..
        } => reason::MODEL_FORMAT_UNSUPPORTED,
        DetectError::Missing { .. } => reason::MODEL_INCOMPLETE,
        _ => reason::MODEL_CORRUPT,
    }
}

fn download_reason(error: &DownloadError) -> &'static str {
    match error {
        DownloadError::Http(error) => http_reason(error),
        DownloadError::Source { .. } | DownloadError::Answer { .. } | DownloadError::TooLarge { .. } => {
            reason::VENDOR_ANSWER_INVALID
        }
        DownloadError::Corrupt { .. } => reason::DOWNLOAD_CORRUPT,
        DownloadError::DiskFull { .. } => reason::DISK_FULL,
        DownloadError::Disk { source, .. } => io_reason(source),
        DownloadError::Locked { .. } => reason::JOB_CONFLICT,
        DownloadError::BadName { .. } => reason::INTERNAL,
        // Ends a job as cancelled, not as failed.
        DownloadError::Cancelled { .. } => reason::SHUTTING_DOWN,
    }
}

fn http_reason(error: &HttpError) -> &'static str {
    match error.status().map(|status| status.as_u16()) {
        Some(401) => reason::VENDOR_LOGIN_REQUIRED,
        Some(403) => reason::VENDOR_ACCESS_DENIED,
        Some(404 | 410) => reason::MODEL_NOT_AT_VENDOR,
        Some(429) => reason::VENDOR_RATE_LIMITED,
        _ if error.is_transient() => reason::VENDOR_UNAVAILABLE,
        _ => reason::VENDOR_ANSWER_INVALID,
    }
}

/// Why the provisioner's own folder can't be used.
pub(crate) fn io_reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => reason::DISK_FULL,
        _ => reason::STORE_UNAVAILABLE,
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
        let failure = job_failure(&JobError::reading("/m.gguf", source));
        assert_eq!(failure.reason, "FILE_UNREADABLE");
        assert_eq!(failure.message, "/m.gguf cannot be read: permission denied");
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let full = StoreError::NoSpace {
            path: "/store".into(),
            needed_and_available: None,
        };
        assert_eq!(job_failure(&JobError::Put(full.into())).reason, "DISK_FULL");
        let broken = StoreError::File {
            operation: "writing",
            path: "/store".into(),
            source: std::io::Error::other("broken"),
        };
        assert_eq!(job_failure(&JobError::Store(broken)).reason, "STORE_UNAVAILABLE");
    }

    #[test]
    fn the_catalog_s_reason_is_passed_on() {
        let fault = Fault::new(Code::FailedPrecondition, reason::DOCUMENT_SET_ASIDE, "set aside");
        let fault = rbee_service_kit::RemoteFault::from(&fault.into());
        let failure = job_failure(&JobError::Catalog(CatalogError::Refused { fault }));
        assert_eq!(
            (failure.reason, failure.message.as_str()),
            ("DOCUMENT_SET_ASIDE", "set aside")
        );
    }
}
