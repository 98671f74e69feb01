//! Why a constraint can't be kept.

use std::borrow::Cow;

/// Most characters of what is told of a problem.
const MAX_CHARACTERS: usize = 300;

/// Why a constraint can't be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// The model's vocabulary can't be walked as text.
    #[error("answers of this model can't be constrained: {0}")]
    Unsupported(String),
    /// The constraint is wrong, or asks for more work than one request may.
    #[error("{field} {problem}")]
    Refused {
        /// The field of the request, such as `constraint.regex`.
        field: Cow<'static, str>,
        /// What is wrong with it.
        problem: String,
    },
}

impl ConstraintError {
    /// A refusal in the words of the library, without what it adds for its developers.
    pub(super) fn refused(field: impl Into<Cow<'static, str>>, words: &str) -> Self {
        let words = words.split("\n<").next().unwrap_or_default().trim();
        let problem: String = words.chars().take(MAX_CHARACTERS).collect();
        Self::Refused {
            field: field.into(),
            problem: format!("can't be used: {problem}"),
        }
    }
}
