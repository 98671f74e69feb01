//! What can be wrong with a GGUF file, always with the field at fault.

use std::io;

/// Why a GGUF header was refused. The file's name is the caller's to add.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
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
    #[error("the file ends inside {field}: {needed_bytes} bytes are needed, {left_bytes} are left")]
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
    /// A metadata value has another type than its key requires.
    #[error("{field} is {found}, but must be {expected}")]
    WrongType {
        /// The metadata key.
        field: String,
        /// The type that the key requires, with its article.
        expected: &'static str,
        /// What the file has, with its article.
        found: String,
    },
    /// A metadata key or a tensor that is needed is not there.
    #[error("{field} is missing")]
    Missing {
        /// The metadata key or the tensor's name.
        field: String,
    },
}

impl GgufError {
    /// The field at fault: a part of the container (`tensor count`), a metadata key or a tensor.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Read { field, .. }
            | Self::Truncated { field, .. }
            | Self::Invalid { field, .. }
            | Self::Unsupported { field, .. }
            | Self::WrongType { field, .. }
            | Self::Missing { field } => field,
        }
    }

    pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn unsupported(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Unsupported {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// Turns an absent value into [`GgufError::Missing`]: `required(key, metadata.u32(key)?)`.
///
/// # Errors
/// [`GgufError::Missing`] when there is no value.
pub fn required<T>(key: &str, value: Option<T>) -> Result<T, GgufError> {
    value.ok_or_else(|| GgufError::Missing {
        field: key.to_owned(),
    })
}
