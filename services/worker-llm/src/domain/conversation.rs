//! A conversation, as Chat answers and CountTokens counts it.

use std::collections::HashMap;

use super::message::{Message, Role};
use super::tool::{self, TOOL_NAME_RULE, Tool, ToolChoice};
use super::{Violations, message};
use crate::text::Json;

/// Most messages of a conversation.
pub const MAX_MESSAGES: usize = 4096;
/// Most bytes of text in a request.
pub const MAX_TEXT_BYTES: usize = 4 << 20;
/// Most bytes of a chat template in a request. The largest that models bring are about 20 KiB.
pub const MAX_TEMPLATE_BYTES: usize = 128 << 10;
/// Most bytes of the variables for a chat template.
pub const MAX_VARIABLES_BYTES: usize = 64 << 10;

/// Variables of a chat template that a request can't name: what the worker sets itself, and functions.
const OWN_VARIABLES: &[&str] = &[
    "messages",
    "tools",
    "add_generation_prompt",
    "bos_token",
    "eos_token",
    "strftime_now",
    "raise_exception",
    "range",
    "namespace",
    "dict",
    "cycler",
    "joiner",
    "lipsum",
    "self",
    "loop",
];

/// A conversation and how it is written down for the model.
#[derive(Clone, Default, PartialEq)]
pub struct Conversation {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// The tools that the model may call.
    pub tools: Vec<Tool>,
    /// A chat template in place of the model's own.
    pub template: Option<String>,
    /// More variables for the chat template.
    pub variables: Vec<(String, Json)>,
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Conversation")
            .field("messages", &self.messages.len())
            .field("tools", &self.tools.len())
            .finish_non_exhaustive()
    }
}

/// What to do with a conversation that is longer than the context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContextOverflow {
    /// Refuse it.
    #[default]
    Refuse,
    /// Leave the oldest turns out, whole.
    DropOldestTurns,
}

/// A conversation to be answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chat {
    /// What was said.
    pub conversation: Conversation,
    /// Whether the model calls tools.
    pub tool_choice: ToolChoice,
    /// What to do if it is too long.
    pub overflow: ContextOverflow,
    /// Give the answer as the model writes it.
    pub raw: bool,
}

impl Chat {
    /// Adds what is wrong with it. To be called before tools are hidden from the model.
    pub fn check(&self, violations: &mut Violations) {
        self.conversation.check(violations);
        tool::check(&self.conversation.tools, self.tool_choice, violations);
    }
}

impl Conversation {
    /// Adds what is wrong with its messages, template and variables, and with its tools as far as no
    /// [`ToolChoice`] is concerned.
    pub fn check_all(&self, violations: &mut Violations) {
        self.check(violations);
        tool::check(&self.tools, ToolChoice::Auto, violations);
    }

    fn check(&self, violations: &mut Violations) {
        violations.require(
            !self.messages.is_empty(),
            "messages",
            "must hold at least one message",
        );
        violations.require(
            self.messages.len() <= MAX_MESSAGES,
            "messages",
            format!("must be at most {MAX_MESSAGES} messages"),
        );
        let bytes: usize = self
            .messages
            .iter()
            .map(|message| message.text.len() + message.reasoning.len())
            .sum();
        violations.require(
            bytes <= MAX_TEXT_BYTES,
            "messages",
            format!("must hold at most {MAX_TEXT_BYTES} bytes of text"),
        );
        self.check_messages(violations);
        violations.require(
            self.template
                .as_ref()
                .is_none_or(|template| template.len() <= MAX_TEMPLATE_BYTES),
            "chat_template",
            format!("must be at most {MAX_TEMPLATE_BYTES} bytes"),
        );
        for (name, _) in &self.variables {
            violations.require(
                !OWN_VARIABLES.contains(&name.as_str()),
                "template_variables_json",
                "must not name a variable that the worker sets itself",
            );
        }
    }

    fn check_messages(&self, violations: &mut Violations) {
        // The tool of each call so far.
        let mut called: HashMap<&str, &str> = HashMap::new();
        for (index, message) in self.messages.iter().enumerate() {
            let field = |name: &str| format!("messages[{index}].{name}");
            if message.role != Role::Assistant {
                violations.require(
                    message.reasoning.is_empty(),
                    &field("reasoning"),
                    "must be empty but for ROLE_ASSISTANT",
                );
                violations.require(
                    message.tool_calls.is_empty(),
                    &field("tool_calls"),
                    "must be empty but for ROLE_ASSISTANT",
                );
            }
            message::check_calls(message, &field("tool_calls"), violations);
            called.extend(
                message
                    .tool_calls
                    .iter()
                    .map(|call| (call.id.as_str(), call.name.as_str())),
            );
            let (id, name) = (message.tool_call_id.as_str(), message.tool_name.as_str());
            if message.role == Role::Tool {
                violations.require(
                    if id.is_empty() {
                        !name.is_empty()
                    } else {
                        called.contains_key(id)
                    },
                    &field("tool_call_id"),
                    "must be the id of a call in a message before; only with tool_name may it be empty",
                );
                violations.require(
                    name.is_empty() || tool::is_tool_name(name),
                    &field("tool_name"),
                    TOOL_NAME_RULE,
                );
            } else {
                violations.require(
                    id.is_empty(),
                    &field("tool_call_id"),
                    "must be empty but for ROLE_TOOL",
                );
                violations.require(
                    name.is_empty(),
                    &field("tool_name"),
                    "must be empty but for ROLE_TOOL",
                );
            }
        }
    }

    /// The messages as turns: what the user says, with all that follows until they speak again. What
    /// comes before their first word is a turn, too. System messages belong to none.
    ///
    /// Gives for each message the number of its turn, or none, and how many turns there are.
    #[must_use]
    pub fn turns(&self) -> (Vec<Option<usize>>, usize) {
        let mut count = 0;
        let turn_of = |message: &Message| match message.role {
            Role::System => None,
            Role::User => {
                count += 1;
                Some(count - 1)
            }
            Role::Assistant | Role::Tool => {
                count = count.max(1);
                Some(count - 1)
            }
        };
        (self.messages.iter().map(turn_of).collect(), count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ToolCall;

    fn message(bytes: usize) -> Message {
        Message::new(Role::User, "x".repeat(bytes))
    }

    fn wrong(messages: Vec<Message>, template: Option<String>) -> Option<String> {
        let mut violations = Violations::default();
        let conversation = Conversation {
            messages,
            template,
            ..Conversation::default()
        };
        conversation.check_all(&mut violations);
        violations
            .check(())
            .err()
            .map(|violations| violations.to_string())
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(wrong(vec![message(0)], None), None);
        assert_eq!(
            wrong(
                vec![message(MAX_TEXT_BYTES)],
                Some("t".repeat(MAX_TEMPLATE_BYTES))
            ),
            None
        );
        assert_eq!(wrong(vec![message(1); MAX_MESSAGES], None), None);
        let says = |found: Option<String>, words: &str| assert!(found.unwrap().contains(words));
        says(wrong(vec![], None), "messages: must hold at least one");
        says(
            wrong(vec![message(0); MAX_MESSAGES + 1], None),
            "messages: must be at most 4096",
        );
        says(
            wrong(vec![message(MAX_TEXT_BYTES), message(1)], None),
            "messages: must hold at most 4194304",
        );
        let template = "t".repeat(MAX_TEMPLATE_BYTES + 1);
        says(
            wrong(vec![message(1)], Some(template)),
            "chat_template: must be at most",
        );
    }

    #[test]
    fn results_answer_calls_that_were_made() {
        let call = ToolCall {
            id: "c1".into(),
            name: "look".into(),
            arguments: Json::object::<&str>([]),
        };
        let asked = Message {
            tool_calls: vec![call],
            ..Message::new(Role::Assistant, String::new())
        };
        let result = |id: &str, name: &str| Message {
            tool_call_id: id.into(),
            tool_name: name.into(),
            ..Message::new(Role::Tool, "it is there".into())
        };
        assert_eq!(
            wrong(vec![message(1), asked.clone(), result("c1", "")], None),
            None
        );
        assert_eq!(
            wrong(vec![message(1), asked.clone(), result("", "look")], None),
            None
        );
        for unanswered in [result("c2", ""), result("", "")] {
            let found = wrong(vec![message(1), asked.clone(), unanswered], None).unwrap();
            assert!(found.starts_with("messages[2].tool_call_id:"), "{found}");
        }
        let found = wrong(vec![result("c1", ""), asked], None).unwrap();
        assert!(found.starts_with("messages[0].tool_call_id:"), "{found}");
    }

    #[test]
    fn turns_begin_with_the_user() {
        use Role::{Assistant, System, Tool, User};
        let turns = |roles: &[Role]| {
            let messages = roles.iter().map(|&role| Message::new(role, String::new()));
            Conversation {
                messages: messages.collect(),
                ..Conversation::default()
            }
            .turns()
        };
        assert_eq!(
            turns(&[System, User, Assistant, Tool, Assistant, System, User]),
            (vec![None, Some(0), Some(0), Some(0), Some(0), None, Some(1)], 2)
        );
        assert_eq!(turns(&[Assistant, User]), (vec![Some(0), Some(1)], 2));
        assert_eq!(turns(&[System]), (vec![None], 0));
    }

    #[test]
    fn what_is_said_is_not_in_debug_output() {
        let message = Message::new(Role::User, "my secret".into());
        assert!(!format!("{message:?}").contains("secret"));
    }
}
