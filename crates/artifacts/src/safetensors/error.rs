//! What can be wrong with a safetensors file, always with the field at fault.

use std::io;

/// Why a safetensors header was refused. The file's name is the caller's to add.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// The file could not be read; says nothing about its contents.
    #[error("reading {field} failed")]
    Read {
        /// What was being read.
        field: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file ends before the field does.
    #[error("the file ends inside the {field}: {needed_bytes} bytes are needed, {left_bytes} are left")]
    Truncated {
        /// What was being read.
        field: String,
        /// Bytes the field needs from where it starts.
        needed_bytes: u64,
        /// Bytes that the file still has there.
        left_bytes: u64,
    },
    /// The field has a value that no valid file has.
    #[error("{field} {problem}")]
    Invalid {
        /// The field at fault.
        field: String,
        /// What is wrong with it, to be read after its name.
        problem: String,
    },
    /// The field may be right, but it asks for something that is not supported.
    #[error("{field} {problem}")]
    Unsupported {
        /// The field at fault.
        field: String,
        /// What is asked for, to be read after the field's name.
        problem: String,
    },
}

impl SafetensorsError {
    /// The field at fault: `header`, `data`, `__metadata__` or a tensor.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Read { field, .. }
            | Self::Truncated { field, .. }
            | Self::Invalid { field, .. }
            | Self::Unsupported { field, .. } => field,
        }
    }

    pub(super) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            problem: problem.into(),
        }
    }
}
