use std::fs::File;

use rbee_artifacts::gguf::GgufHeader;

use super::*;
use crate::domain::{Tool, ToolCall};

/// Writes one token for most characters, so that lengths are easy to tell.
const TEMPLATE: &str = "{% for tool in tools or [] %}{{ tool | tojson }}\n{% endfor %}\
{% for m in messages %}{{ m.role[0] }}{{ m.content }}\
{% if m.reasoning_content %}({{ m.reasoning_content }}){% endif %}\
{% for c in m.tool_calls or [] %}={{ c | tojson }}{% endfor %}\
{% if m.role == 'tool' %}[{{ m.name }} {{ m.tool_call_id }}]{% endif %}|{% endfor %}{{ more }}";

fn tokenizer() -> Arc<Tokenizer> {
    let path = rbee_testkit::models::fixture("llm/tiny/qwen2/qwen2-q8_0.gguf");
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    Arc::new(Tokenizer::from_gguf(&GgufHeader::read(file, size).unwrap()).unwrap())
}

fn writer(template: &str) -> Writer {
    let tokenizer = tokenizer();
    let template = ChatTemplate::from_request(template, &tokenizer);
    Writer::new(tokenizer, template)
}

fn said(role: Role, text: &str) -> Message {
    Message::new(role, text.to_owned())
}

fn chat(messages: Vec<Message>) -> Chat {
    Chat {
        conversation: Conversation {
            messages,
            ..Conversation::default()
        },
        overflow: ContextOverflow::DropOldestTurns,
        ..Chat::default()
    }
}

fn text(writer: &Writer, prompt: &ChatPrompt) -> String {
    writer.tokenizer.decode(&prompt.ids, true)
}

#[test]
fn templates_get_what_transformers_gives_them() {
    let writer = writer(TEMPLATE);
    let call = ToolCall {
        id: "c1".into(),
        name: "look".into(),
        arguments: r#"{"z": 1.0, "a": {"y": null, "b": []}}"#.parse().unwrap(),
    };
    let asked = Message {
        reasoning: "hm".into(),
        tool_calls: vec![call],
        ..said(Role::Assistant, "")
    };
    let result = Message {
        tool_call_id: "c1".into(),
        ..said(Role::Tool, "R")
    };
    let mut chat = chat(vec![said(Role::User, "Q"), asked, result]);
    chat.conversation.tools.push(Tool {
        name: "look".into(),
        description: "Looks.".into(),
        parameters: r#"{"type": "object", "properties": {"z": {}, "a": {}}}"#.parse().unwrap(),
    });
    chat.conversation.variables = vec![("more".into(), "!".into())];
    let prompt = writer.prompt(&chat, None, 100_000).unwrap();
    assert_eq!(
        text(&writer, &prompt),
        concat!(
            r#"{"type": "function", "function": {"name": "look", "description": "Looks.", "#,
            r#""parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}}"#,
            "\nuQ|a(hm)",
            r#"={"id": "c1", "type": "function", "function": {"name": "look", "#,
            r#""arguments": {"z": 1.0, "a": {"y": null, "b": []}}}}"#,
            "|tR[look c1]|!"
        )
    );
    assert_eq!(prompt.ids.len(), writer.count(&chat.conversation).unwrap());
}

#[test]
fn tools_need_a_template_that_reads_them() {
    let writer = writer("{% for m in messages %}{{ m.content }}{# tools #}{% endfor %}");
    let mut chat = chat(vec![said(Role::User, "Q")]);
    assert!(writer.prompt(&chat, None, 100).is_ok());
    chat.conversation.tools.push(Tool {
        name: "look".into(),
        description: String::new(),
        parameters: "{}".parse().unwrap(),
    });
    let refusal = writer.prompt(&chat, None, 100).unwrap_err();
    assert!(
        matches!(&refusal, GenerateError::Template(error) if matches!(**error, TemplateError::NoTools { .. })),
        "{refusal:?}"
    );
}

/// A system message, turns of three messages, and the last question.
fn long(turns: usize) -> Vec<Message> {
    let mut messages = vec![said(Role::System, "S")];
    for turn in 0..turns {
        messages.push(said(Role::User, &format!("q{turn}")));
        messages.push(said(Role::Assistant, "xxxxxxxxxx"));
        messages.push(said(Role::Assistant, "y"));
    }
    messages.push(said(Role::User, "last"));
    messages
}

#[test]
fn the_oldest_turns_are_left_out_until_it_fits() {
    let writer = writer(TEMPLATE);
    let chat = chat(long(20));
    let whole = writer.count(&chat.conversation).unwrap();
    let fits = writer.prompt(&chat, Some(10), whole + 10).unwrap();
    assert_eq!((fits.dropped_messages, fits.ids.len()), (0, whole));

    for context_length in [whole + 9, whole, whole / 2, 60] {
        let prompt = writer.prompt(&chat, Some(10), context_length).unwrap();
        assert!(prompt.ids.len() + 10 <= context_length, "{context_length}");
        let dropped = prompt.dropped_messages;
        assert!(dropped > 0 && dropped.is_multiple_of(3), "whole turns: {dropped}");
        let left = text(&writer, &prompt);
        assert!(left.starts_with(&format!("sS|uq{}|", dropped / 3)), "{left}");
        assert!(left.ends_with("|ulast|"), "{left}");
        // Not a turn more than needed.
        let mut less = chat.conversation.clone();
        less.messages.drain(1..=dropped - 3);
        assert!(writer.count(&less).unwrap() + 10 > context_length);
    }
}

#[test]
fn the_last_turn_stays_whatever_its_length() {
    let writer = writer(TEMPLATE);
    let chat = chat(long(20));
    let prompt = writer.prompt(&chat, None, 12).unwrap();
    assert_eq!(prompt.dropped_messages, 60);
    assert_eq!(text(&writer, &prompt), "sS|ulast|");
    let refused = Chat {
        overflow: ContextOverflow::Refuse,
        ..chat
    };
    assert_eq!(writer.prompt(&refused, None, 12).unwrap().dropped_messages, 0);
}

#[test]
fn an_answer_without_a_limit_finds_some_room() {
    let writer = writer(TEMPLATE);
    let chat = chat(long(20));
    let whole = writer.count(&chat.conversation).unwrap();
    for limit in [None, Some(usize::MAX)] {
        let prompt = writer.prompt(&chat, limit, whole).unwrap();
        assert!(prompt.ids.len() + whole / 4 <= whole);
    }
}

#[test]
fn thousands_of_turns_are_written_a_few_times_only() {
    let writer = writer(TEMPLATE);
    let chat = chat(long(1365));
    let began = std::time::Instant::now();
    let once = writer.count(&chat.conversation).unwrap();
    let time_once = began.elapsed();
    let prompt = writer.prompt(&chat, Some(10), once / 2).unwrap();
    assert!(prompt.ids.len() + 10 <= once / 2);
    // Twelve renderings at most, most of them of half of it; one for each turn would be hundreds.
    let took = began.elapsed() - time_once;
    assert!(took < time_once * 40, "{took:?}, and once {time_once:?}");
}

#[test]
fn a_prompt_that_opens_the_reasoning_is_known() {
    let chat = chat(vec![said(Role::User, "Q")]);
    for (template, is_open) in [
        ("{{ messages[0].content }}|<think>\n", true),
        ("{{ messages[0].content.split('</think>')[-1] }}|", false),
        ("{{ messages[0].content }}|<think>\n\n</think>\n\n", false),
    ] {
        let prompt = writer(template).prompt(&chat, None, 100).unwrap();
        assert!(prompt.marks.reasoning.is_some(), "{template}");
        assert_eq!(prompt.reasoning_is_open, is_open, "{template}");
    }
    let prompt = writer("{{ messages[0].content }}|")
        .prompt(&chat, None, 100)
        .unwrap();
    // This template says nothing of marks; the vocabulary has tokens for these.
    assert_eq!(prompt.marks.reasoning.unwrap().close, "</think>");
    assert_eq!(prompt.marks.calls, Some(crate::text::CallForm::Tagged));
    assert!(!prompt.reasoning_is_open);
}
