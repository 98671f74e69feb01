//! What is wrong with a request, field by field.

use std::fmt;

/// How many violations are kept. They travel in the trailers of the answer, which must stay small.
pub const MAX_KEPT: usize = 8;

/// One field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field within the request: `sampling.top_p`, `messages[2].role`.
    pub field: String,
    /// What it must be. Never what it was, which may be part of a prompt.
    pub description: String,
}

/// Everything that is wrong with a request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Violations {
    kept: Vec<Violation>,
    /// How many more there were.
    left_out: usize,
}

impl Violations {
    /// A single violation.
    pub fn of(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(field, description);
        violations
    }

    /// Adds one.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.kept.len() < MAX_KEPT {
            self.kept.push(Violation {
                field: field.into(),
                description: description.into(),
            });
        } else {
            self.left_out += 1;
        }
    }

    /// Adds one unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, description: impl Into<String>) {
        if !holds {
            self.add(field, description);
        }
    }

    /// The value, if nothing is wrong.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn check<T>(self, value: T) -> Result<T, Self> {
        if self.kept.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// The violations, in the order of the request's fields.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.kept.iter()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Violation { field, description }) in self.kept.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{field}: {description}")?;
        }
        if self.left_out > 0 {
            write!(formatter, "; and {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_told_up_to_a_bound() {
        let mut violations = Violations::default();
        violations.require(true, "fine", "is not mentioned");
        assert_eq!(violations.clone().check(5), Ok(5));
        for index in 0..MAX_KEPT + 3 {
            violations.add(format!("f[{index}]"), "is wrong");
        }
        assert_eq!(violations.iter().count(), MAX_KEPT);
        let text = violations.to_string();
        assert!(text.starts_with("f[0]: is wrong; f[1]: is wrong; "), "{text}");
        assert!(text.ends_with("; and 3 more"), "{text}");
        assert!(violations.check(()).is_err());
    }
}
