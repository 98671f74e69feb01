//! A conversation, as Chat answers and CountTokens counts it.

use super::Violations;

/// Most messages of a conversation.
pub const MAX_MESSAGES: usize = 4096;
/// Most bytes of text in a request.
pub const MAX_TEXT_BYTES: usize = 4 << 20;
/// Most bytes of a chat template in a request. The largest that models bring are about 20 KiB.
pub const MAX_TEMPLATE_BYTES: usize = 128 << 10;

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The name that chat templates use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub text: String,
}

impl std::fmt::Debug for Message {
    /// Leaves the text out: logs hold no prompt.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Message")
            .field("role", &self.role)
            .field("text_bytes", &self.text.len())
            .finish()
    }
}

/// A conversation and how it is written down for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// A chat template in place of the model's own.
    pub template: Option<String>,
}

impl Conversation {
    /// Adds what is wrong with its sizes.
    pub fn check(&self, violations: &mut Violations) {
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
        let bytes: usize = self.messages.iter().map(|message| message.text.len()).sum();
        violations.require(
            bytes <= MAX_TEXT_BYTES,
            "messages",
            format!("must hold at most {MAX_TEXT_BYTES} bytes of text"),
        );
        violations.require(
            self.template
                .as_ref()
                .is_none_or(|template| template.len() <= MAX_TEMPLATE_BYTES),
            "chat_template",
            format!("must be at most {MAX_TEMPLATE_BYTES} bytes"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        Message {
            role: Role::User,
            text: "x".repeat(bytes),
        }
    }

    fn wrong(messages: Vec<Message>, template: Option<String>) -> Option<String> {
        let mut violations = Violations::default();
        Conversation { messages, template }.check(&mut violations);
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
    fn what_is_said_is_not_in_debug_output() {
        let message = Message {
            role: Role::User,
            text: "my secret".into(),
        };
        assert!(!format!("{message:?}").contains("secret"));
    }
}
