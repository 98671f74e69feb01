//! What is wrong with a message.

use std::fmt::Display;
use std::str::FromStr;

/// A field of a message is missing or malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    /// The field's path in the message, such as `files[2].sha256`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl InvalidField {
    /// Says what is wrong with a field.
    #[must_use]
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// Says that a field is missing.
    #[must_use]
    pub fn missing(field: &str) -> Self {
        Self::new(field, "must be given")
    }

    /// The same of the message that this one stands in, in the field `outer`.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        Self {
            field: format!("{outer}.{}", self.field),
            problem: self.problem,
        }
    }
}

/// Reads what is text on the wire.
pub(crate) fn parsed<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, InvalidField> {
    text.parse()
        .map_err(|error: T::Err| InvalidField::new(field, error.to_string()))
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::Sha256;

    use super::*;

    #[test]
    fn an_error_names_the_field_from_the_outermost_message_on() {
        let error = parsed::<Sha256>("sha256", "ab").unwrap_err();
        let error = error.within("files[2]").within("model");
        assert_eq!(error.field, "model.files[2].sha256");
        assert_eq!(
            error.to_string(),
            "model.files[2].sha256: \"ab\" is not a SHA-256 digest of 64 hexadecimal digits"
        );
        assert_eq!(InvalidField::missing("state").to_string(), "state: must be given");
    }
}
