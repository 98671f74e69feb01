//! Why a model could not be loaded.

use std::path::PathBuf;

use rbee_artifacts::detect::DetectError;
use rbee_artifacts::gguf::GgufError;

/// Why a model could not be loaded. The message names the file, its source the field in it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened, read or mapped.
    #[error("cannot read the model file {}", path.display())]
    Read {
        /// The model's file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is broken, or it is a model that this worker cannot run
    /// ([`GgufError::Unsupported`]).
    #[error("cannot load the model file {}", path.display())]
    File {
        /// The model's file.
        path: PathBuf,
        /// What is wrong, with the field's name.
        #[source]
        source: GgufError,
    },
    /// A file of a folder is broken, or it is a model that this worker cannot run.
    #[error("cannot load the model folder {}", path.display())]
    Folder {
        /// The model's folder.
        path: PathBuf,
        /// What is wrong, with the names of file and field.
        #[source]
        source: DetectError,
    },
    /// The context that was asked for is not possible.
    #[error("a context of {requested} tokens is not possible: the model was made for 1 to {longest}")]
    ContextLength {
        /// What was asked for, in tokens.
        requested: usize,
        /// The model's own context length, in tokens.
        longest: usize,
    },
    /// The device fails, or has no room for the model.
    #[error("the device cannot take the model: {0}")]
    Device(String),
    /// The KV cache can't be kept so on this device.
    #[error("on a GPU the KV cache is kept as f16")]
    KvFormat,
    /// The compute threads could not be started.
    #[error("cannot start {threads} compute threads: {message}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What went wrong.
        message: String,
    },
}
