//! One conversation: its messages, its instructions to the model, and its settings.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Ending, MessageId, Said, Sampling, Transcript, Trouble};

/// Id of a conversation. Letters, digits and `-` only, so that it can be a file's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConversationId(String);

impl ConversationId {
    /// An id; absent for a text that is none.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        ((1..=64).contains(&text.len()) && plain).then_some(Self(text))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ConversationId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text).ok_or("not the id of a conversation")
    }
}

impl From<ConversationId> for String {
    fn from(id: ConversationId) -> Self {
        id.0
    }
}

/// What a conversation is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Title {
    /// By its first question.
    #[default]
    FromFirstQuestion,
    /// By the person.
    Given(String),
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// What it is called.
    #[serde(default)]
    pub title: Title,
    /// The model that it was held with last.
    pub model_id: String,
    /// Instructions to the model; empty for none.
    #[serde(default)]
    pub system: String,
    /// Its settings.
    #[serde(default)]
    pub sampling: Sampling,
    /// Whether the oldest turns are left out when it outgrows the context; otherwise that is refused.
    #[serde(default)]
    pub drop_oldest_turns: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When something was said last.
    pub changed_at: Timestamp,
    /// What was said.
    #[serde(default)]
    pub transcript: Transcript,
}

/// Who says a message of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnSpeaker {
    /// Instructions to the model.
    System,
    /// The person.
    Person,
    /// The model.
    Model,
}

/// One message as the model gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnMessage {
    /// Who says it.
    pub speaker: TurnSpeaker,
    /// What is said.
    pub text: String,
    /// What the model thought before it said it.
    pub reasoning: String,
}

/// The longest name of a conversation that is made from its question.
const TITLE_CHARACTERS: usize = 60;

impl Conversation {
    /// One in which nothing was said yet.
    #[must_use]
    pub fn new(id: ConversationId, model_id: impl Into<String>, now: Timestamp) -> Self {
        Self {
            id,
            title: Title::default(),
            model_id: model_id.into(),
            system: String::new(),
            sampling: Sampling::default(),
            drop_oldest_turns: false,
            created_at: now,
            changed_at: now,
            transcript: Transcript::default(),
        }
    }

    /// Its name to show.
    #[must_use]
    pub fn name(&self) -> String {
        if let Title::Given(title) = &self.title {
            return title.clone();
        }
        let first = self
            .transcript
            .path()
            .first()
            .and_then(|id| self.transcript.message(*id));
        match first.map(|message| &message.said) {
            Some(Said::Question(text)) => first_line(text),
            _ => "New conversation".to_owned(),
        }
    }

    /// What the model gets to read so that it answers a question. A question that was never answered is joined to the next
    /// one: templates want the two sides to take turns.
    #[must_use]
    pub fn turns(&self, question: MessageId) -> Vec<TurnMessage> {
        let mut turns = self.turns_before_the_first();
        for id in self.transcript.path_to(question) {
            match self.transcript.message(id).map(|message| &message.said) {
                Some(Said::Question(text)) => match turns.last_mut() {
                    Some(last) if last.speaker == TurnSpeaker::Person => {
                        last.text.push_str("\n\n");
                        last.text.push_str(text);
                    }
                    _ => turns.push(turn(TurnSpeaker::Person, text)),
                },
                Some(Said::Answer(answer)) if !answer.text.is_empty() => {
                    let reasoning = answer.reasoning.clone();
                    turns.push(TurnMessage {
                        reasoning,
                        ..turn(TurnSpeaker::Model, &answer.text)
                    });
                }
                _ => {}
            }
        }
        turns
    }

    /// What the model gets to read before anything was said: its instructions.
    #[must_use]
    pub fn turns_before_the_first(&self) -> Vec<TurnMessage> {
        let system = self.system.as_str();
        let some = !system.trim().is_empty();
        some.then(|| turn(TurnSpeaker::System, system))
            .into_iter()
            .collect()
    }

    /// Tokens of the conversation as its last answer that was measured left it; absent if none was.
    #[must_use]
    pub fn measured_tokens(&self) -> Option<u32> {
        let path = self.transcript.path();
        let last = path
            .iter()
            .rev()
            .find_map(|id| match &self.transcript.message(*id)?.said {
                Said::Answer(answer) => Some(answer),
                Said::Question(_) => None,
            })?;
        Some(
            last.figures
                .prompt_tokens?
                .saturating_add(last.figures.completion_tokens?),
        )
    }

    /// Ends answers that were still coming when the window was closed. Says whether there were any.
    pub fn end_interrupted(&mut self) -> bool {
        let open: Vec<_> = self
            .transcript
            .messages()
            .filter(|(_, message)| matches!(&message.said, Said::Answer(answer) if answer.ending.is_none()))
            .map(|(id, _)| id)
            .collect();
        for id in &open {
            if let Some(answer) = self.transcript.answer_mut(*id) {
                let trouble = Trouble::new("The window was closed while this answer was coming.");
                answer.ending = Some(Ending::Failed { trouble });
            }
        }
        !open.is_empty()
    }
}

fn turn(speaker: TurnSpeaker, text: &str) -> TurnMessage {
    TurnMessage {
        speaker,
        text: text.to_owned(),
        reasoning: String::new(),
    }
}

fn first_line(text: &str) -> String {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("New conversation");
    if line.chars().count() <= TITLE_CHARACTERS {
        return line.to_owned();
    }
    let cut: String = line.chars().take(TITLE_CHARACTERS).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::chat::{Answer, Figures};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn conversation() -> Conversation {
        Conversation::new(ConversationId::new("c-1").unwrap(), "m", NOW)
    }

    #[test]
    fn an_id_is_never_a_path() {
        for bad in ["", "../x", "a/b", "a.json", "é", &"x".repeat(65)] {
            assert_eq!(ConversationId::new(bad), None, "{bad}");
        }
        assert!(serde_json::from_str::<ConversationId>("\"../x\"").is_err());
    }

    #[test]
    fn the_model_reads_what_is_on_the_path() {
        let mut conversation = conversation();
        conversation.system = "Be brief.".into();
        let tree = &mut conversation.transcript;
        let first = tree.ask("one", NOW).unwrap();
        tree.answer(
            first,
            Answer {
                text: "old".into(),
                ..Answer::default()
            },
            NOW,
        )
        .unwrap();
        let thought = Answer {
            text: "new".into(),
            reasoning: "hm".into(),
            ..Answer::default()
        };
        tree.answer(first, thought, NOW).unwrap();
        let second = tree.ask("two", NOW).unwrap();
        tree.answer(
            second,
            Answer {
                text: "not yet".into(),
                ..Answer::default()
            },
            NOW,
        )
        .unwrap();
        let turns = conversation.turns(second);
        let words: Vec<_> = turns
            .iter()
            .map(|turn| (turn.speaker, turn.text.as_str()))
            .collect();
        use TurnSpeaker::{Model, Person, System};
        assert_eq!(
            words,
            [
                (System, "Be brief."),
                (Person, "one"),
                (Model, "new"),
                (Person, "two")
            ]
        );
        assert_eq!(turns[2].reasoning, "hm");
    }

    #[test]
    fn a_question_without_an_answer_is_joined_to_the_next() {
        let mut conversation = conversation();
        let tree = &mut conversation.transcript;
        let first = tree.ask("one", NOW).unwrap();
        tree.answer(first, Answer::default(), NOW).unwrap();
        let second = tree.ask("two", NOW).unwrap();
        let turns = conversation.turns(second);
        assert_eq!(turns.len(), 1);
        assert_eq!(turns[0].text, "one\n\ntwo");
    }

    #[test]
    fn its_name_is_its_first_question() {
        let mut conversation = conversation();
        assert_eq!(conversation.name(), "New conversation");
        conversation
            .transcript
            .ask(format!("\n  {}  \nmore", "語".repeat(80)), NOW)
            .unwrap();
        assert_eq!(conversation.name(), format!("{}…", "語".repeat(60)));
        conversation.title = Title::Given("Mine".into());
        assert_eq!(conversation.name(), "Mine");
    }

    #[test]
    fn an_answer_that_was_coming_when_the_window_closed_has_failed() {
        let mut conversation = conversation();
        let question = conversation.transcript.ask("q", NOW).unwrap();
        let id = conversation
            .transcript
            .answer(question, Answer::asked("m"), NOW)
            .unwrap();
        assert!(conversation.end_interrupted());
        assert!(
            conversation
                .transcript
                .answer_mut(id)
                .unwrap()
                .trouble()
                .is_some()
        );
        assert!(!conversation.end_interrupted());
    }

    #[test]
    fn its_tokens_are_those_of_the_last_answer() {
        let mut conversation = conversation();
        assert_eq!(conversation.measured_tokens(), None);
        let question = conversation.transcript.ask("q", NOW).unwrap();
        let figures = Figures {
            prompt_tokens: Some(20),
            completion_tokens: Some(5),
            ..Figures::default()
        };
        conversation
            .transcript
            .answer(
                question,
                Answer {
                    figures,
                    ..Answer::default()
                },
                NOW,
            )
            .unwrap();
        assert_eq!(conversation.measured_tokens(), Some(25));
    }
}
