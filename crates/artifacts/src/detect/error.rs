//! Why something is not a model that can be used, always with the file and the field at fault.

use std::io;

use super::file_kind::FileKind;
use crate::gguf::GgufError;
use crate::safetensors::SafetensorsError;

/// Why detection refused a file or a folder. File names are relative to what was looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The file could not be read; says nothing about its contents.
    #[error("{file} cannot be read")]
    Read {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file is of a kind that is never taken.
    #[error("{file} has no header of a model: {}", .kind.refusal().unwrap_or("it is not taken"))]
    Refused {
        /// The file.
        file: String,
        /// What it is.
        kind: FileKind,
    },
    /// The header of a GGUF file is wrong.
    #[error("{file} is not a GGUF file that can be used")]
    Gguf {
        /// The file.
        file: String,
        /// What is wrong with it.
        #[source]
        source: GgufError,
    },
    /// The header of a safetensors file is wrong.
    #[error("{file} is not a safetensors file that can be used")]
    Safetensors {
        /// The file.
        file: String,
        /// What is wrong with it.
        #[source]
        source: SafetensorsError,
    },
    /// A description in JSON cannot be read.
    #[error("{file} is not a JSON text that can be used")]
    Json {
        /// The file.
        file: String,
        /// Where and how.
        #[source]
        source: serde_json::Error,
    },
    /// A field of a file has a value that no valid model has.
    #[error("{file}: {field} {problem}")]
    Invalid {
        /// The file.
        file: String,
        /// The field or tensor at fault.
        field: String,
        /// What is wrong with it, to be read after its name.
        problem: String,
    },
    /// The model may be right, but no worker serves such models.
    #[error("{file}: {field} {problem}")]
    Unsupported {
        /// The file.
        file: String,
        /// The field or tensor that tells.
        field: String,
        /// What it is, to be read after the field's name.
        problem: String,
    },
    /// A file that is needed is not there.
    #[error("{file} is missing: {why}")]
    Missing {
        /// The file.
        file: String,
        /// What it is needed for.
        why: String,
    },
}

impl DetectError {
    /// The file at fault, relative to what was looked at.
    #[must_use]
    pub fn file(&self) -> &str {
        match self {
            Self::Read { file, .. }
            | Self::Refused { file, .. }
            | Self::Gguf { file, .. }
            | Self::Safetensors { file, .. }
            | Self::Json { file, .. }
            | Self::Invalid { file, .. }
            | Self::Unsupported { file, .. }
            | Self::Missing { file, .. } => file,
        }
    }

    /// The field, key or tensor at fault, where there is one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Gguf { source, .. } => Some(source.field()),
            Self::Safetensors { source, .. } => Some(source.field()),
            Self::Invalid { field, .. } | Self::Unsupported { field, .. } => Some(field),
            Self::Read { .. } | Self::Refused { .. } | Self::Json { .. } | Self::Missing { .. } => None,
        }
    }

    /// The error and its causes in one line.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            words.push_str(": ");
            words.push_str(&error.to_string());
            cause = error.source();
        }
        words
    }

    pub(super) fn invalid(
        file: impl Into<String>,
        field: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            file: file.into(),
            field: field.into(),
            problem: problem.into(),
        }
    }

    pub(super) fn unsupported(
        file: impl Into<String>,
        field: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Unsupported {
            file: file.into(),
            field: field.into(),
            problem: problem.into(),
        }
    }
}
