//! Why a model cannot be loaded, and why a computation ended without a result.

use std::path::PathBuf;

use rbee_artifacts::detect::DetectError;

/// Why a model, or something that is used with one, could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be opened, read or mapped.
    #[error("cannot read the model file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is broken, or it is of a model that this worker cannot run.
    #[error("cannot load the model {}", path.display())]
    Model {
        /// The model's file or folder.
        path: PathBuf,
        /// What is wrong, with the names of file and tensor.
        #[source]
        source: DetectError,
    },
    /// The file is right, but it is something else than what it was given for.
    #[error("{} is {found}, but {wanted} is needed here", path.display())]
    WrongKind {
        /// The file or folder.
        path: PathBuf,
        /// What it is, in words.
        found: String,
        /// What it should be, in words.
        wanted: String,
    },
    /// The file is right, but it does not go with the model.
    #[error("{} does not go with this model: {problem}", path.display())]
    Unsuitable {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The device could not take the weights.
    #[error("the device cannot take the weights")]
    Device(#[from] candle_core::Error),
}

/// Why a computation ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// It was asked to stop.
    #[error("the computation was stopped")]
    Stopped,
    /// What it was given does not fit the model.
    #[error("{0}")]
    Input(String),
    /// The device failed.
    #[error("the device failed")]
    Device(#[from] candle_core::Error),
}

impl ComputeError {
    /// Whether the device had too little memory.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        let Self::Device(error) = self else {
            return false;
        };
        let words = error.to_string().to_ascii_lowercase();
        words.contains("out of memory") || words.contains("out_of_memory")
    }
}

/// Asked between the parts of a computation: whether it should end.
pub type Stop<'a> = dyn Fn() -> bool + 'a;

/// Ends a computation that is no longer wanted.
pub(super) fn go_on(stop: &Stop<'_>) -> Result<(), ComputeError> {
    if stop() {
        Err(ComputeError::Stopped)
    } else {
        Ok(())
    }
}
