//! Why a job failed.

use std::io;
use std::path::PathBuf;

use rbee_artifacts::detect::DetectError;
use rbee_artifacts::{ModelId, WorkerType};
use rbee_download::DownloadError;
use rbee_pkgbuild::PackageError;
use rbee_store::PutFileError;
use rbee_vendors::VendorError;

use crate::grpc::CatalogError;

/// Why something was not brought in. Nothing of it is in the catalog then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error("there is no file {}", path.display())]
    NotFound { path: PathBuf },
    #[error("{} is {what}, not a file", path.display())]
    NotAFile { path: PathBuf, what: &'static str },
    #[error("{} cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is a link that leads out of the folder; only links within it are followed", path.display())]
    LeadsOut { path: PathBuf },
    #[error(transparent)]
    Detect(Box<DetectError>),
    #[error(
        "{model_id} is in the catalog already, with other content; choose another name, or remove it first \
         (`rbee model rm {model_id}`)"
    )]
    Exists { model_id: ModelId },
    #[error("{} is not the worker {worker_type}: {problem}", path.display())]
    NotTheWorker {
        path: PathBuf,
        worker_type: WorkerType,
        problem: String,
    },
    #[error(transparent)]
    Put(PutFileError),
    #[error(transparent)]
    Store(#[from] rbee_store::StoreError),
    #[error(transparent)]
    Catalog(CatalogError),
    #[error("there is no model {model_id} in the catalog")]
    NoSuchModel { model_id: ModelId },
    #[error(transparent)]
    Download(DownloadError),
    #[error(transparent)]
    Hub(#[from] VendorError),
    #[error(
        "not enough space in {}: {needed_bytes} bytes are needed, {available_bytes} are available; free some and try again",
        path.display()
    )]
    NoSpace {
        path: PathBuf,
        needed_bytes: u64,
        available_bytes: u64,
    },
    #[error("the entry of {model_id} is changed by others all the time; try again")]
    Contended { model_id: ModelId },
    #[error(transparent)]
    Package(PackageError),
    #[error("the provisioner's own folder cannot be used: {} {}", doing, path.display())]
    WorkDir {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("it was cancelled")]
    Cancelled,
}

impl JobError {
    /// An error of opening or reading `path`.
    pub(crate) fn reading(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound { path },
            _ => Self::Unreadable { path, source },
        }
    }
}

impl JobError {
    /// Whether the same may well succeed later, with nothing changed here.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Hub(VendorError::Unavailable { .. } | VendorError::RateLimited { .. })
        )
    }
}

impl From<DownloadError> for JobError {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::Cancelled { .. } => Self::Cancelled,
            // Why the hub gives no address is what matters.
            DownloadError::Source { source, name } => match source.downcast::<VendorError>() {
                Ok(error) => Self::Hub(*error),
                Err(source) => Self::Download(DownloadError::Source { source, name }),
            },
            error => Self::Download(error),
        }
    }
}

impl From<PackageError> for JobError {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Cancelled => Self::Cancelled,
            error => Self::Package(error),
        }
    }
}

impl From<PutFileError> for JobError {
    fn from(error: PutFileError) -> Self {
        match error {
            PutFileError::Cancelled { .. } => Self::Cancelled,
            PutFileError::ReadSource { path, source } => Self::reading(path, source),
            error => Self::Put(error),
        }
    }
}

impl From<CatalogError> for JobError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Cancelled => Self::Cancelled,
            error => Self::Catalog(error),
        }
    }
}

impl From<DetectError> for JobError {
    fn from(error: DetectError) -> Self {
        Self::Detect(Box::new(error))
    }
}
