//! What an answer must look like, as a request says it.

use std::fmt;

use super::Violations;

/// Most bytes of a JSON schema and of a grammar.
pub const MAX_GRAMMAR_BYTES: usize = 64 << 10;
/// Most bytes of a regular expression.
pub const MAX_REGEX_BYTES: usize = 16 << 10;

/// What the text of an answer must look like.
#[derive(Clone, PartialEq, Eq)]
pub enum Constraint {
    /// Any JSON object.
    JsonObject,
    /// JSON that fits a JSON schema, which is JSON itself.
    JsonSchema(String),
    /// Text that matches a regular expression from start to end.
    Regex(String),
    /// Text that the rule `start` of a grammar derives, in the Lark form of `llguidance`.
    Lark(String),
    /// Calls of the request's tools: a grammar of the same form, which the worker makes of them.
    Calls(String),
}

impl fmt::Debug for Constraint {
    /// Leaves the grammar out: logs hold nothing of what a request says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field())
    }
}

impl Constraint {
    /// The field of the request that says it.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::JsonObject => "constraint.json_object",
            Self::JsonSchema(_) => "constraint.json_schema",
            Self::Regex(_) => "constraint.regex",
            Self::Lark(_) => "constraint.lark_grammar",
            Self::Calls(_) => "tools",
        }
    }

    /// Adds what is wrong with its size. What it says is seen when it is compiled.
    pub fn check(&self, violations: &mut Violations) {
        let (text, most) = match self {
            Self::JsonObject | Self::Calls(_) => return,
            Self::Regex(text) => (text, MAX_REGEX_BYTES),
            Self::JsonSchema(text) | Self::Lark(text) => (text, MAX_GRAMMAR_BYTES),
        };
        violations.require(
            !text.trim().is_empty() && text.len() <= most,
            self.field(),
            format!("must be 1 to {most} bytes long, and not only white space"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded_and_nothing_is_told_of_the_text() {
        let wrong = |constraint: Constraint| {
            let mut violations = Violations::default();
            constraint.check(&mut violations);
            violations.iter().next().map(|violation| violation.field.clone())
        };
        assert_eq!(wrong(Constraint::JsonObject), None);
        assert_eq!(wrong(Constraint::Regex("x".repeat(16 << 10))), None);
        assert_eq!(
            wrong(Constraint::Regex("x".repeat((16 << 10) + 1))).unwrap(),
            "constraint.regex"
        );
        assert_eq!(
            wrong(Constraint::Lark(" ".into())).unwrap(),
            "constraint.lark_grammar"
        );
        let long = "x".repeat((64 << 10) + 1);
        assert_eq!(
            wrong(Constraint::JsonSchema(long)).unwrap(),
            "constraint.json_schema"
        );
        assert_eq!(
            format!("{:?}", Constraint::Regex("secret".into())),
            "constraint.regex"
        );
    }
}
