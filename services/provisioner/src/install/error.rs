//! What each error of a package looks like to a client.

use std::io;

use rbee_pkgbuild::PackageError;
use rbee_service_kit::fault::Chain;
use rbee_service_kit::{Fault, reason};
use tonic::Code;

/// The reason in a job's failure.
pub(crate) fn package_reason(error: &PackageError) -> &'static str {
    match error {
        PackageError::NotFound { .. } | PackageError::NoneFor { .. } => reason::PACKAGE_NOT_FOUND,
        PackageError::NothingNamed | PackageError::OtherWorker { .. } => reason::INVALID_ARGUMENT,
        PackageError::IndexInvalid { .. } | PackageError::Invalid { .. } | PackageError::Archive { .. } => {
            reason::PACKAGE_INVALID
        }
        PackageError::IndexUnavailable { .. } | PackageError::SourceUnavailable { .. } => {
            reason::PACKAGE_SOURCE_UNAVAILABLE
        }
        PackageError::ArchUnsupported { .. } => reason::PACKAGE_ARCH_UNSUPPORTED,
        // Without confinement, what is missing is bubblewrap.
        PackageError::DependencyMissing { .. }
        | PackageError::NoBash { .. }
        | PackageError::NotConfined { .. } => reason::PACKAGE_DEPENDENCY_MISSING,
        PackageError::ChecksumMismatch { .. } => reason::PACKAGE_CHECKSUM_MISMATCH,
        PackageError::BuildFailed { .. } | PackageError::NoProgram { .. } => reason::PACKAGE_BUILD_FAILED,
        PackageError::DiskFull { .. } => reason::DISK_FULL,
        PackageError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => reason::DISK_FULL,
        PackageError::Io { .. } => reason::INTERNAL,
        // Ends a job as cancelled, not as failed.
        PackageError::Cancelled => reason::SHUTTING_DOWN,
    }
}

/// The answer to a call.
pub(crate) fn package_fault(error: &PackageError) -> Fault {
    let code = match error {
        PackageError::NotFound { .. } | PackageError::NoneFor { .. } => Code::NotFound,
        PackageError::NothingNamed => return Fault::invalid("worker_type", error.to_string()),
        PackageError::OtherWorker { .. } => return Fault::invalid("package", error.to_string()),
        PackageError::IndexUnavailable { .. } => Code::Unavailable,
        PackageError::Io { .. } => Code::Internal,
        PackageError::Cancelled => return Fault::shutting_down(),
        _ => Code::FailedPrecondition,
    };
    let fault = Fault::new(code, package_reason(error), Chain(error).to_string());
    match error {
        PackageError::NotFound { name } => fault.with("package", name),
        PackageError::NoneFor { worker_type } => fault.with("worker_type", worker_type),
        _ => fault,
    }
}
