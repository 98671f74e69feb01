//! Conversations: what the template sees, what is left out, what is read out of an answer.

use rbee_proto::worker::v1 as proto;
use rbee_service_kit::reason;
use tonic::Code;

use super::harness::{Worker, chat, greedy, message, tiny, user};

const PLAIN: &str = "{% for m in messages %}{{ m.content }}\n{% endfor %}";

fn look() -> proto::Tool {
    proto::Tool {
        name: "look".into(),
        description: "Looks.".into(),
        parameters_json_schema: String::new(),
    }
}

async fn count(worker: &Worker, request: proto::CountTokensRequest) -> u32 {
    let answer = worker.text().count_tokens(request).await.unwrap();
    answer.into_inner().prompt_tokens
}

#[tokio::test]
async fn tools_results_and_variables_reach_the_template() {
    let worker = Worker::ready(&tiny(), &[]);
    let template = "{{ style }}{% for t in tools or [] %}{{ t.function.name }}{% endfor %}\
                    {% for m in messages %}{{ m.content }}{{ m.reasoning_content }}{{ m.name }}\
                    {% for c in m.tool_calls or [] %}{{ c.function.arguments.at }}{% endfor %}{% endfor %}";
    let mut called = message(proto::Role::Assistant, "");
    called.reasoning = "hm".into();
    called.tool_calls = vec![proto::ToolCall {
        id: "c1".into(),
        name: "look".into(),
        arguments_json: "{\"at\": \"Rome\"}".into(),
    }];
    let mut result = message(proto::Role::Tool, "rain");
    result.tool_call_id = "c1".into();
    let with_all = proto::CountTokensRequest {
        messages: vec![user("Q"), called, result],
        chat_template: template.into(),
        template_variables_json: "{\"style\": \"brief\"}".into(),
        tools: vec![look()],
    };
    let written = worker
        .text()
        .tokenize(proto::TokenizeRequest {
            text: "brieflookQhmRomerainlook".into(),
            ..proto::TokenizeRequest::default()
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(count(&worker, with_all).await as usize, written.token_ids.len());
}

#[tokio::test]
async fn a_template_that_knows_no_tools_refuses_them() {
    let worker = Worker::ready(&tiny(), &[]);
    let mut request = greedy(vec![user("hi")], 1);
    request.chat_template = PLAIN.into();
    request.tools = vec![look()];
    let fault = chat(&worker, request.clone()).await.unwrap_err();
    assert!(fault.is(reason::TOOLS_UNSUPPORTED), "{fault:?}");
    assert_eq!(fault.code, Code::FailedPrecondition);
    assert_eq!(fault.violations[0].0, "tools");
    // Hidden, they do no harm.
    request.tool_choice = proto::ToolChoice::None.into();
    chat(&worker, request).await.unwrap();
}

#[tokio::test]
async fn a_random_model_calls_the_tools_that_it_has_to() {
    let worker = Worker::ready(&tiny(), &[]);
    let mut request = greedy(vec![user("rain?")], 400);
    request.tools = vec![proto::Tool {
        parameters_json_schema: r#"{"type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}},
            "required": ["city"], "additionalProperties": false}"#
            .into(),
        ..look()
    }];
    request.tool_choice = proto::ToolChoice::Required.into();
    request.chat_template =
        r#"{% if tools %}{{ messages[0].content }}{% else %}<tool_call>\n{"name": {% endif %}"#.into();
    let mut whole = 0;
    for seed in 0..8 {
        request.sampling = Some(proto::SamplingParameters {
            temperature: Some(1.5),
            top_k: Some(0),
            seed: Some(seed),
            ..proto::SamplingParameters::default()
        });
        let answer = chat(&worker, request.clone()).await.unwrap();
        if !answer.reasoning.is_empty() || answer.reason() == proto::FinishReason::Length {
            continue;
        }
        assert_eq!(answer.reason(), proto::FinishReason::ToolCalls, "{answer:?}");
        assert!(
            answer.text.is_empty() && !answer.tool_calls.is_empty(),
            "{answer:?}"
        );
        for call in &answer.tool_calls {
            assert_eq!(call.name, "look");
            let arguments: serde_json::Value = serde_json::from_str(&call.arguments_json).unwrap();
            assert!(["Rome", "Oslo"].contains(&arguments["city"].as_str().unwrap()));
        }
        whole += 1;
    }
    assert!(whole > 0);
    // As the model writes it, from the first token on.
    request.raw = true;
    let raw = chat(&worker, request.clone()).await.unwrap();
    assert!(raw.text.trim_start().starts_with("<tool_call>"), "{raw:?}");
    request.raw = false;

    request.chat_template = "{% if tools %}<tool_call><function=x>{% endif %}".into();
    let fault = chat(&worker, request.clone()).await.unwrap_err();
    assert!(fault.is(reason::TOOLS_UNSUPPORTED), "{fault:?}");
    assert_eq!(
        (fault.code, fault.violations[0].0.as_str()),
        (Code::FailedPrecondition, "tool_choice")
    );
    request.chat_template = "{% if tools %}<tool_call>{\"name\": {% endif %}".into();
    request.tools[0].parameters_json_schema = r#"{"type": "string"}"#.into();
    let fault = chat(&worker, request).await.unwrap_err();
    assert!(fault.is(reason::INVALID_ARGUMENT), "{fault:?}");
    assert_eq!(fault.violations[0].0, "tools[0].parameters_json_schema");
}

#[tokio::test]
async fn the_oldest_turns_are_left_out_on_request() {
    let worker = Worker::ready(&tiny(), &["--context-length", "100"]);
    let mut messages = vec![message(proto::Role::System, "S")];
    for _ in 0..30 {
        messages.push(user("a question"));
        messages.push(message(proto::Role::Assistant, "an answer"));
    }
    messages.push(user("the last"));
    let mut request = greedy(messages, 20);
    request.chat_template = PLAIN.into();
    let fault = chat(&worker, request.clone()).await.unwrap_err();
    assert!(fault.is(reason::CONTEXT_OVERFLOW), "{fault:?}");

    request.context_overflow = proto::ContextOverflow::DropOldestTurns.into();
    let answer = chat(&worker, request.clone()).await.unwrap();
    let dropped = answer.started.dropped_messages;
    assert!(dropped > 0 && dropped.is_multiple_of(2), "{dropped}");
    assert!(answer.started.prompt_tokens + 20 <= 100);
    assert_eq!(answer.usage().completion_tokens, 20);
    let mut left = request.messages.clone();
    left.drain(1..=dropped as usize);
    let left = proto::CountTokensRequest {
        messages: left,
        chat_template: PLAIN.into(),
        ..proto::CountTokensRequest::default()
    };
    assert_eq!(count(&worker, left).await, answer.started.prompt_tokens);

    // What stays whatever happens is too long by itself.
    request.messages = vec![user("short"), user(&"word ".repeat(200))];
    let fault = chat(&worker, request).await.unwrap_err();
    assert!(fault.is(reason::CONTEXT_OVERFLOW), "{fault:?}");
}

#[tokio::test]
async fn what_the_prompt_opens_is_reasoning_unless_raw() {
    let worker = Worker::ready(&tiny(), &[]);
    let mut request = greedy(vec![user("hi")], 12);
    request.chat_template = "{{ messages[0].content }}<think>\n".into();
    let read = chat(&worker, request.clone()).await.unwrap();
    assert!(!read.reasoning.is_empty() && read.text.is_empty(), "{read:?}");
    assert!(read.tool_calls.is_empty());
    request.raw = true;
    let raw = chat(&worker, request).await.unwrap();
    assert!(raw.reasoning.is_empty());
    assert_eq!(raw.text.trim_matches('\n'), read.reasoning);
}
