//! Why an import failed.

use std::io;
use std::path::PathBuf;

use rbee_artifacts::gguf::GgufError;
use rbee_artifacts::{ModelId, WorkerType};
use rbee_store::PutFileError;

use crate::grpc::CatalogError;

/// Why something was not brought in. Nothing of it is in the catalog then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
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
    #[error("{file} cannot be imported: {what}")]
    Format { file: String, what: String },
    #[error("{file} is damaged")]
    Corrupt {
        file: String,
        #[source]
        source: GgufError,
    },
    #[error("{file} is not supported")]
    Unsupported {
        file: String,
        #[source]
        source: GgufError,
    },
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
    #[error("it was cancelled")]
    Cancelled,
}

impl ImportError {
    /// An error of opening or reading `path`.
    pub(crate) fn reading(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound { path },
            _ => Self::Unreadable { path, source },
        }
    }
}

impl From<PutFileError> for ImportError {
    fn from(error: PutFileError) -> Self {
        match error {
            PutFileError::Cancelled { .. } => Self::Cancelled,
            PutFileError::ReadSource { path, source } => Self::reading(path, source),
            error => Self::Put(error),
        }
    }
}

impl From<CatalogError> for ImportError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Cancelled => Self::Cancelled,
            error => Self::Catalog(error),
        }
    }
}
