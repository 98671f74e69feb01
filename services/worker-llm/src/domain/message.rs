//! One message of a conversation.

use super::Violations;
use super::tool::{self, MAX_TOOL_CALL_ID_BYTES, MAX_TOOL_CALLS, TOOL_NAME_RULE, ToolCall};

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// What a tool gave back.
    Tool,
}

impl Role {
    /// The name that chat templates use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One message.
#[derive(Clone, PartialEq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub text: String,
    /// What the model thought before; only of the model.
    pub reasoning: String,
    /// The tools that the model called; only of the model.
    pub tool_calls: Vec<ToolCall>,
    /// Id of the call that this answers; only of a tool.
    pub tool_call_id: String,
    /// Name of the tool; only of a tool.
    pub tool_name: String,
}

impl Message {
    /// A message of nothing but text.
    #[must_use]
    pub fn new(role: Role, text: String) -> Self {
        Self {
            role,
            text,
            reasoning: String::new(),
            tool_calls: Vec::new(),
            tool_call_id: String::new(),
            tool_name: String::new(),
        }
    }
}

impl std::fmt::Debug for Message {
    /// Leaves the text out: logs hold no prompt.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Message")
            .field("role", &self.role)
            .field("text_bytes", &self.text.len())
            .field("reasoning_bytes", &self.reasoning.len())
            .field("tool_calls", &self.tool_calls)
            .finish_non_exhaustive()
    }
}

/// Adds what is wrong with the calls of a message.
pub(super) fn check_calls(message: &Message, field: &str, violations: &mut Violations) {
    let calls = &message.tool_calls;
    violations.require(
        calls.len() <= MAX_TOOL_CALLS,
        field,
        format!("must be at most {MAX_TOOL_CALLS} calls"),
    );
    for (index, call) in calls.iter().enumerate().take(MAX_TOOL_CALLS) {
        violations.require(
            (1..=MAX_TOOL_CALL_ID_BYTES).contains(&call.id.len())
                && calls[..index].iter().all(|other| other.id != call.id),
            &format!("{field}[{index}].id"),
            format!("must be 1 to {MAX_TOOL_CALL_ID_BYTES} bytes, and another than those before"),
        );
        violations.require(
            tool::is_tool_name(&call.name),
            &format!("{field}[{index}].name"),
            TOOL_NAME_RULE,
        );
    }
}
