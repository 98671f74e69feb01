//! What has been said.

use rbee_proto::worker::v1::{ContentPart, Message, Role, ToolCall, content_part};

use crate::render::stats::Answer;

/// A conversation: instructions, then questions and answers in turn. An answer may call tools; what they give
/// back comes before the next question.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Conversation {
    system: Option<String>,
    messages: Vec<Message>,
}

impl Conversation {
    /// A conversation that has not begun.
    pub(super) fn new(system: Option<String>) -> Self {
        Self {
            system: system.filter(|text| !text.trim().is_empty()),
            messages: Vec::new(),
        }
    }

    /// Replaces the instructions; an empty text takes them away.
    pub(super) fn instruct(&mut self, system: &str) {
        self.system = Some(system.to_owned()).filter(|text| !text.trim().is_empty());
    }

    /// Forgets what was said. The instructions stay.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
    }

    /// Adds a question.
    pub(super) fn ask(&mut self, question: String) {
        self.messages.push(message(Role::User, question));
    }

    /// Adds what the tool gave back whose call waits for it.
    pub(super) fn result(&mut self, result: String) {
        if let Some(call) = self.waiting_call() {
            let id = call.id.clone();
            self.messages.push(Message {
                tool_call_id: id,
                ..message(Role::Tool, result)
            });
        }
    }

    /// The first call of a tool that has no result yet.
    pub(super) fn waiting_call(&self) -> Option<&ToolCall> {
        let is_result = |message: &&Message| message.role() == Role::Tool;
        let results = self.messages.iter().rev().take_while(is_result).count();
        let answer = self.messages.iter().rev().nth(results)?;
        answer.tool_calls.get(results)
    }

    /// Adds the answer to what was said last. Without an answer that is taken back: models expect an answer
    /// after each question.
    pub(super) fn answered(&mut self, answer: &Answer) {
        if answer.text.trim().is_empty() && answer.tool_calls.is_empty() {
            self.take_back();
            return;
        }
        self.messages.push(Message {
            reasoning: answer.reasoning.clone(),
            tool_calls: answer.tool_calls.clone(),
            ..message(Role::Assistant, answer.text.clone())
        });
    }

    /// Takes back what was said last, a question or the result of a tool: it could not be answered.
    pub(super) fn take_back(&mut self) {
        self.messages.pop();
    }

    /// Number of questions.
    pub(super) fn len(&self) -> usize {
        let is_question = |message: &&Message| message.role() == Role::User;
        self.messages.iter().filter(is_question).count()
    }

    /// In the contract's words.
    pub(super) fn messages(&self) -> Vec<Message> {
        let system = self.system.iter().map(|text| message(Role::System, text.clone()));
        system.chain(self.messages.iter().cloned()).collect()
    }
}

fn message(role: Role, text: String) -> Message {
    let part = content_part::Part::Text(text);
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

    fn answer(text: &str, calls: &[&str]) -> Answer {
        let mut answer = Answer::begin("local:qwen", "w1");
        answer.text = text.to_owned();
        let call = |id: &&str| ToolCall {
            id: (*id).to_owned(),
            name: "look".into(),
            arguments_json: "{}".into(),
        };
        answer.tool_calls = calls.iter().map(call).collect();
        answer
    }

    #[test]
    fn messages_alternate_after_the_instructions() {
        let mut conversation = Conversation::new(Some("be brief".into()));
        conversation.ask("one".into());
        conversation.answered(&answer("1", &[]));
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
        conversation.answered(&answer(" \n", &[]));
        assert_eq!(conversation.len(), 0);
        conversation.ask("two".into());
        conversation.take_back();
        assert_eq!(roles(&conversation), []);
    }

    #[test]
    fn calls_wait_for_their_results_in_order() {
        let mut conversation = Conversation::new(None);
        conversation.ask("one".into());
        assert!(conversation.waiting_call().is_none());
        conversation.answered(&answer("", &["a", "b"]));
        for id in ["a", "b"] {
            assert_eq!(conversation.waiting_call().unwrap().id, id);
            conversation.result("it rains".into());
        }
        assert!(conversation.waiting_call().is_none());
        let said = conversation.messages();
        assert_eq!(roles(&conversation)[2..], [Role::Tool, Role::Tool]);
        assert_eq!(said[3].tool_call_id, "b");
        // Could it not be answered, the last result is asked for again.
        conversation.take_back();
        assert_eq!(conversation.waiting_call().unwrap().id, "b");
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
