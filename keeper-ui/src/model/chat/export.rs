//! A conversation as a file to keep or to give away.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Answer, Conversation, Ending, Said};

/// What is read of a conversation, as Markdown.
#[must_use]
pub fn to_markdown(conversation: &Conversation) -> String {
    let mut text = format!("# {}\n\n", conversation.name());
    let _ = writeln!(text, "Model: `{}`  ", conversation.model_id);
    let _ = writeln!(
        text,
        "Begun: {}\n",
        conversation.created_at.strftime("%Y-%m-%d %H:%M UTC")
    );
    if !conversation.system.is_empty() {
        let _ = writeln!(text, "## System\n\n{}\n", conversation.system.trim_end());
    }
    for id in conversation.transcript.path() {
        match conversation.transcript.message(id).map(|message| &message.said) {
            Some(Said::Question(question)) => {
                let _ = writeln!(text, "## You\n\n{}\n", question.trim_end());
            }
            Some(Said::Answer(answer)) => write_answer(&mut text, answer),
            None => {}
        }
    }
    text
}

fn write_answer(text: &mut String, answer: &Answer) {
    let _ = writeln!(text, "## {}\n", answer.model_id);
    if !answer.reasoning.is_empty() {
        let thoughts = answer
            .reasoning
            .trim()
            .lines()
            .map(|line| format!("> {line}"))
            .collect::<Vec<_>>();
        let _ = writeln!(text, "{}\n", thoughts.join("\n"));
    }
    if !answer.text.is_empty() {
        let _ = writeln!(text, "{}\n", answer.text.trim_end());
    }
    for call in &answer.tool_calls {
        let _ = writeln!(
            text,
            "Calls `{}`:\n\n```json\n{}\n```\n",
            call.name, call.arguments_json
        );
    }
    match &answer.ending {
        Some(Ending::Stopped) => text.push_str("*(stopped)*\n\n"),
        Some(Ending::Failed { trouble }) => {
            let _ = writeln!(text, "*(broke off: {})*\n", trouble.sentence);
        }
        _ => {}
    }
}

/// Everything of a conversation, all branches, as JSON. This is also how it is kept.
///
/// # Panics
///
/// Never: everything in a conversation can be written as JSON.
#[must_use]
pub fn to_json(conversation: &Conversation) -> String {
    #[derive(Serialize)]
    struct Kept<'a> {
        version: u32,
        #[serde(flatten)]
        conversation: &'a Conversation,
    }
    serde_json::to_string_pretty(&Kept {
        version: 1,
        conversation,
    })
    .expect("its keys are strings and its numbers finite")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::chat::{ConversationId, Trouble};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn conversation() -> Conversation {
        let mut conversation = Conversation::new(ConversationId::new("c").unwrap(), "local:tiny", NOW);
        conversation.system = "Be brief.".into();
        let question = conversation.transcript.ask("Why?", NOW).unwrap();
        let old = Answer {
            text: "never read".into(),
            ..Answer::asked("local:tiny")
        };
        conversation.transcript.answer(question, old, NOW).unwrap();
        let answer = Answer {
            text: "Because **so**.".into(),
            reasoning: "Hm.\nWell.".into(),
            ending: Some(Ending::Failed {
                trouble: Trouble::new("The worker is gone."),
            }),
            ..Answer::asked("local:tiny")
        };
        conversation.transcript.answer(question, answer, NOW).unwrap();
        conversation
    }

    #[test]
    fn markdown_has_what_is_read() {
        let expected = "# Why?\n\nModel: `local:tiny`  \nBegun: 1970-01-01 00:00 UTC\n\n## System\n\nBe brief.\n\n\
                        ## You\n\nWhy?\n\n## local:tiny\n\n> Hm.\n> Well.\n\nBecause **so**.\n\n\
                        *(broke off: The worker is gone.)*\n\n";
        assert_eq!(to_markdown(&conversation()), expected);
    }

    #[test]
    fn json_has_everything_and_reads_back() {
        let conversation = conversation();
        let json = to_json(&conversation);
        assert!(json.contains("never read"));
        let again: Conversation = serde_json::from_str(&json).unwrap();
        assert_eq!(again, conversation);
    }
}
