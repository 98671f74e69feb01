//! What has been said.

use rbee_proto::worker::v1::{ContentPart, Message, Role, content_part};

/// A conversation: instructions, then questions and answers in turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Conversation {
    system: Option<String>,
    turns: Vec<Turn>,
}

#[derive(Debug, Clone, PartialEq)]
struct Turn {
    question: String,
    answer: Option<String>,
}

impl Conversation {
    /// A conversation that has not begun.
    pub(super) fn new(system: Option<String>) -> Self {
        Self {
            system: system.filter(|text| !text.trim().is_empty()),
            turns: Vec::new(),
        }
    }

    /// Replaces the instructions; an empty text takes them away.
    pub(super) fn instruct(&mut self, system: &str) {
        self.system = Some(system.to_owned()).filter(|text| !text.trim().is_empty());
    }

    /// Forgets what was said. The instructions stay.
    pub(super) fn clear(&mut self) {
        self.turns.clear();
    }

    /// Adds a question.
    pub(super) fn ask(&mut self, question: String) {
        self.turns.push(Turn {
            question,
            answer: None,
        });
    }

    /// Adds the answer to the last question. Without a word of an answer the question is taken
    /// back: models expect an answer after each question.
    pub(super) fn answered(&mut self, answer: &str) {
        if answer.trim().is_empty() {
            self.take_back();
        } else if let Some(turn) = self.turns.last_mut() {
            turn.answer = Some(answer.to_owned());
        }
    }

    /// Takes the last question back: it could not be answered.
    pub(super) fn take_back(&mut self) {
        self.turns.pop();
    }

    /// Number of questions.
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    /// In the contract's words.
    pub(super) fn messages(&self) -> Vec<Message> {
        let system = self.system.iter().map(|text| message(Role::System, text));
        let turns = self.turns.iter().flat_map(|turn| {
            let answer = turn.answer.iter().map(|text| message(Role::Assistant, text));
            std::iter::once(message(Role::User, &turn.question)).chain(answer)
        });
        system.chain(turns).collect()
    }
}

fn message(role: Role, text: &str) -> Message {
    let part = content_part::Part::Text(text.to_owned());
    Message {
        role: role as i32,
        content: vec![ContentPart { part: Some(part) }],
        ..Message::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(conversation: &Conversation) -> Vec<Role> {
        conversation.messages().iter().map(Message::role).collect()
    }

    #[test]
    fn messages_alternate_after_the_instructions() {
        let mut conversation = Conversation::new(Some("be brief".into()));
        conversation.ask("one".into());
        conversation.answered("1");
        conversation.ask("two".into());
        assert_eq!(
            roles(&conversation),
            [Role::System, Role::User, Role::Assistant, Role::User]
        );
    }

    #[test]
    fn a_question_without_an_answer_is_taken_back() {
        let mut conversation = Conversation::new(None);
        conversation.ask("one".into());
        conversation.answered(" \n");
        assert_eq!(conversation.len(), 0);
        conversation.ask("two".into());
        conversation.take_back();
        assert_eq!(roles(&conversation), []);
    }

    #[test]
    fn clearing_keeps_the_instructions() {
        let mut conversation = Conversation::new(None);
        conversation.instruct("be brief");
        conversation.ask("one".into());
        conversation.clear();
        assert_eq!(roles(&conversation), [Role::System]);
        conversation.instruct(" ");
        assert_eq!(roles(&conversation), []);
    }
}
