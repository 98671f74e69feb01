//! Tools that a model may call, and its calls.

use super::Violations;
use crate::text::Json;

/// Most tools of a request.
pub const MAX_TOOLS: usize = 128;
/// Most bytes of all tools of a request together.
pub const MAX_TOOLS_BYTES: usize = 1 << 20;
/// Most bytes of a tool's name.
pub const MAX_TOOL_NAME_BYTES: usize = 64;
/// Most calls of one message.
pub const MAX_TOOL_CALLS: usize = 128;
/// Most bytes of a call's id.
pub const MAX_TOOL_CALL_ID_BYTES: usize = 256;

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name, for which [`is_tool_name`] holds.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// JSON schema of its arguments: an object.
    pub parameters: Json,
}

/// A call of a tool by the model.
#[derive(Clone, PartialEq)]
pub struct ToolCall {
    /// Its id within the conversation.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments: an object.
    pub arguments: Json,
}

impl std::fmt::Debug for ToolCall {
    /// Leaves the arguments out: logs hold no prompt.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ToolCall")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Whether the model calls tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model decides.
    #[default]
    Auto,
    /// Not at all: it does not see them.
    None,
    /// At least one: the answer is constrained to calls.
    Required,
}

/// Whether a text can be the name of a tool. Templates print names among the marks of turns, so there is
/// nothing in them that could be one.
#[must_use]
pub fn is_tool_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=MAX_TOOL_NAME_BYTES).contains(&name.len()) && name.bytes().all(fits)
}

/// What [`is_tool_name`] wants, in words.
pub(crate) const TOOL_NAME_RULE: &str = "must be 1 to 64 of letters, digits, `_`, `-` and `.`";

/// Adds what is wrong with the tools of a request and the wish to call them.
pub(super) fn check(tools: &[Tool], choice: ToolChoice, violations: &mut Violations) {
    violations.require(
        tools.len() <= MAX_TOOLS,
        "tools",
        format!("must be at most {MAX_TOOLS} tools"),
    );
    for (index, tool) in tools.iter().enumerate() {
        violations.require(
            is_tool_name(&tool.name),
            &format!("tools[{index}].name"),
            TOOL_NAME_RULE,
        );
        violations.require(
            tools[..index].iter().all(|other| other.name != tool.name),
            &format!("tools[{index}].name"),
            "must not be the name of a tool before it",
        );
    }
    violations.require(
        choice != ToolChoice::Required || !tools.is_empty(),
        "tool_choice",
        "must not be TOOL_CHOICE_REQUIRED without tools",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_templates_can_print() {
        for name in ["a", "get_weather", "web.search-2", &"x".repeat(64)] {
            assert!(is_tool_name(name), "{name}");
        }
        for name in ["", "a b", "<|im_end|>", "é", "a\n", "a\"", &"x".repeat(65)] {
            assert!(!is_tool_name(name), "{name}");
        }
    }
}
