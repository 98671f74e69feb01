//! Why a tokenizer was refused.

use rbee_artifacts::gguf::GgufError;

/// Why a file's tokenizer cannot be used. The file's name is the caller's to add.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A metadata value is absent, of a wrong type, too short or out of range.
    #[error(transparent)]
    Metadata(#[from] GgufError),
    /// The lists contradict each other.
    #[error("{field} {problem}")]
    Invalid {
        /// The metadata key at fault.
        field: String,
        /// What is wrong with it, to be read after its name.
        problem: String,
    },
    /// The file asks for a way of cutting text that is not known here.
    #[error("{field} {problem}")]
    Unsupported {
        /// The metadata key.
        field: String,
        /// What is asked for, to be read after its name.
        problem: String,
    },
}

impl TokenizerError {
    /// The metadata key at fault.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Metadata(error) => error.field(),
            Self::Invalid { field, .. } | Self::Unsupported { field, .. } => field,
        }
    }

    pub(super) fn invalid(field: &str, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.to_owned(),
            problem: problem.into(),
        }
    }

    pub(super) fn unsupported(field: &str, problem: impl Into<String>) -> Self {
        Self::Unsupported {
            field: field.to_owned(),
            problem: problem.into(),
        }
    }
}
