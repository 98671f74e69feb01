//! Requests that can't be answered: each is refused with the field or the reason, and costs nothing.

use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::output_constraint::Constraint;
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::models::fixture;
use tonic::{Code, Status};

use super::harness::{Worker, chat, complete, greedy, likeliest, message, stop, tiny, user};

fn fields(status: &Status) -> Vec<String> {
    let fault = RemoteFault::from(status);
    assert_eq!(fault.code, Code::InvalidArgument, "{fault:?}");
    assert!(fault.is(reason::INVALID_ARGUMENT), "{fault:?}");
    fault.violations.into_iter().map(|(field, _)| field).collect()
}

fn tool(name: &str, schema: &str) -> proto::Tool {
    proto::Tool {
        name: name.into(),
        description: "Looks.".into(),
        parameters_json_schema: schema.into(),
    }
}

type Change = fn(&mut proto::ChatRequest);

fn must(request: &mut proto::ChatRequest, constraint: Option<Constraint>) {
    request.constraint = Some(proto::OutputConstraint { constraint });
}

/// What is wrong with the form that an answer is to have.
const FORMS: &[(&str, Change)] = &[
    ("details.top_log_probabilities", |request| {
        request.details = Some(proto::OutputDetails {
            top_log_probabilities: Some(21),
        });
    }),
    ("constraint", |request| must(request, None)),
    ("constraint.json_object", |request| {
        must(request, Some(Constraint::JsonObject(false)));
    }),
    ("constraint.json_schema", |request| {
        must(request, Some(Constraint::JsonSchema(String::new())));
    }),
    ("constraint.json_schema", |request| {
        must(request, Some(Constraint::JsonSchema(" ".repeat((64 << 10) + 1))));
    }),
    ("constraint.json_schema", |request| {
        must(request, Some(Constraint::JsonSchema("{]".into())));
    }),
    ("constraint.regex", |request| {
        must(request, Some(Constraint::Regex("x".repeat((16 << 10) + 1))));
    }),
    ("constraint.regex", |request| {
        must(request, Some(Constraint::Regex("(a".into())));
    }),
    ("constraint.regex", |request| {
        must(request, Some(Constraint::Regex("a?".repeat(8000))));
    }),
    ("constraint.lark_grammar", |request| {
        must(request, Some(Constraint::LarkGrammar("x".repeat((64 << 10) + 1))));
    }),
    ("constraint.lark_grammar", |request| {
        must(request, Some(Constraint::LarkGrammar("begin: \"x\"".into())));
    }),
];

#[tokio::test]
async fn every_field_of_a_chat_that_is_out_of_range_is_named() {
    fn sampling(request: &mut proto::ChatRequest) -> &mut proto::SamplingParameters {
        request.sampling.get_or_insert_default()
    }
    fn stopping(request: &mut proto::ChatRequest) -> &mut proto::StopConditions {
        request.stop.get_or_insert_default()
    }
    fn bias(token_id: u32, bias: f32) -> proto::LogitBias {
        proto::LogitBias { token_id, bias }
    }
    let table: &[(&str, Change)] = &[
        ("messages", |request| request.messages.clear()),
        ("messages", |request| request.messages = vec![user("x"); 4097]),
        ("messages", |request| {
            request.messages = vec![user(&"x".repeat(1 << 20)); 5];
        }),
        ("messages[0].role", |request| request.messages[0].role = 0),
        ("messages[0].role", |request| request.messages[0].role = 99),
        ("messages[1].content[1]", |request| {
            let mut late = user("x");
            late.content.push(proto::ContentPart { part: None });
            request.messages.push(late);
        }),
        ("chat_template", |request| {
            request.chat_template = "x".repeat((128 << 10) + 1);
        }),
        ("messages[0].reasoning", |request| {
            request.messages[0].reasoning = "hm".into();
        }),
        ("messages[0].tool_calls", |request| {
            request.messages[0].tool_calls = vec![call("c1", "look", "{}")];
        }),
        ("messages[1].tool_calls", |request| {
            let calls = (0..129).map(|id| call(&format!("c{id}"), "look", "{}"));
            request.messages.push(calling(calls.collect()));
        }),
        ("messages[1].tool_calls[0].id", |request| {
            request.messages.push(calling(vec![call("", "look", "{}")]));
        }),
        ("messages[1].tool_calls[0].id", |request| {
            let long = "x".repeat(257);
            request.messages.push(calling(vec![call(&long, "look", "{}")]));
        }),
        ("messages[1].tool_calls[1].id", |request| {
            let same = || call("c1", "look", "{}");
            request.messages.push(calling(vec![same(), same()]));
        }),
        ("messages[1].tool_calls[0].name", |request| {
            request
                .messages
                .push(calling(vec![call("c1", "<|im_end|>", "{}")]));
        }),
        ("messages[1].tool_calls[0].arguments_json", |request| {
            request.messages.push(calling(vec![call("c1", "look", "[1]")]));
        }),
        ("messages[1].tool_calls[0].arguments_json", |request| {
            request
                .messages
                .push(calling(vec![call("c1", "look", "{\"a\":")]));
        }),
        ("messages[1].tool_calls[0].arguments_json", |request| {
            let many = format!("{{\"a\": [{}1]}}", "1,".repeat(200_000));
            request.messages.push(calling(vec![call("c1", "look", &many)]));
        }),
        ("messages[1].tool_calls[0].arguments_json", |request| {
            let deep = format!("{{\"a\": {}{}}}", "[".repeat(500), "]".repeat(500));
            request.messages.push(calling(vec![call("c1", "look", &deep)]));
        }),
        ("messages[0].tool_call_id", |request| {
            request.messages[0].tool_call_id = "c1".into();
        }),
        ("messages[0].tool_name", |request| {
            request.messages[0].tool_name = "look".into();
        }),
        ("messages[1].tool_call_id", |request| {
            request.messages.push(message(proto::Role::Tool, "nothing"));
        }),
        ("messages[1].tool_call_id", |request| {
            let mut result = message(proto::Role::Tool, "nothing");
            result.tool_call_id = "c1".into();
            request.messages.push(result);
        }),
        ("messages[1].tool_name", |request| {
            let mut result = message(proto::Role::Tool, "nothing");
            result.tool_name = "two words".into();
            request.messages.push(result);
        }),
        ("tools", |request| {
            request.tools = (0..129).map(|place| tool(&format!("t{place}"), "")).collect();
        }),
        ("tools", |request| {
            request.tools = vec![tool("look", "")];
            request.tools[0].description = "x".repeat((1 << 20) + 1);
        }),
        ("tools[0].name", |request| request.tools = vec![tool("", "")]),
        ("tools[0].name", |request| {
            request.tools = vec![tool("two words", "")];
        }),
        ("tools[0].name", |request| {
            request.tools = vec![tool(&"x".repeat(65), "")];
        }),
        ("tools[1].name", |request| {
            request.tools = vec![tool("look", ""); 2];
        }),
        ("tools[0].parameters_json_schema", |request| {
            request.tools = vec![tool("look", "[]")];
        }),
        ("tools[0].parameters_json_schema", |request| {
            request.tools = vec![tool("look", "{")];
        }),
        ("tool_choice", |request| request.tool_choice = 3),
        ("tool_choice", |request| request.tool_choice = 4),
        ("context_overflow", |request| request.context_overflow = 3),
        ("template_variables_json", |request| {
            request.template_variables_json = "[]".into();
        }),
        ("template_variables_json", |request| {
            request.template_variables_json = "{\"a\"".into();
        }),
        ("template_variables_json", |request| {
            request.template_variables_json = "{\"messages\": []}".into();
        }),
        ("template_variables_json", |request| {
            request.template_variables_json = "{\"add_generation_prompt\": false}".into();
        }),
        ("template_variables_json", |request| {
            request.template_variables_json = format!("{{\"a\": \"{}\"}}", "x".repeat(64 << 10));
        }),
        ("sampling.temperature", |request| {
            sampling(request).temperature = Some(-0.1);
        }),
        ("sampling.temperature", |request| {
            sampling(request).temperature = Some(5.1);
        }),
        ("sampling.temperature", |request| {
            sampling(request).temperature = Some(f32::NAN);
        }),
        ("sampling.top_p", |request| sampling(request).top_p = Some(0.0)),
        ("sampling.top_p", |request| sampling(request).top_p = Some(1.1)),
        ("sampling.min_p", |request| sampling(request).min_p = Some(-0.1)),
        ("sampling.min_p", |request| {
            sampling(request).min_p = Some(f32::INFINITY);
        }),
        ("sampling.repetition_penalty", |request| {
            sampling(request).repetition_penalty = Some(0.0);
        }),
        ("sampling.repetition_penalty", |request| {
            sampling(request).repetition_penalty = Some(2.1);
        }),
        ("sampling.typical_p", |request| {
            sampling(request).typical_p = Some(0.0);
        }),
        ("sampling.typical_p", |request| {
            sampling(request).typical_p = Some(f32::NAN);
        }),
        ("sampling.typical_p", |request| {
            sampling(request).typical_p = Some(1.1);
        }),
        ("sampling.frequency_penalty", |request| {
            sampling(request).frequency_penalty = Some(-2.1);
        }),
        ("sampling.frequency_penalty", |request| {
            sampling(request).frequency_penalty = Some(f32::NAN);
        }),
        ("sampling.presence_penalty", |request| {
            sampling(request).presence_penalty = Some(2.1);
        }),
        ("sampling.presence_penalty", |request| {
            sampling(request).presence_penalty = Some(f32::INFINITY);
        }),
        ("sampling.penalty_window", |request| {
            sampling(request).penalty_window = Some(65_537);
        }),
        ("sampling.logit_bias", |request| {
            sampling(request).logit_bias = vec![bias(1, 0.0); 1025];
        }),
        ("sampling.logit_bias[1].token_id", |request| {
            sampling(request).logit_bias = vec![bias(639, 1.0), bias(640, 1.0)];
        }),
        ("sampling.logit_bias[2].token_id", |request| {
            sampling(request).logit_bias = vec![bias(5, 1.0), bias(6, 1.0), bias(5, 2.0)];
        }),
        ("sampling.logit_bias[0].bias", |request| {
            sampling(request).logit_bias = vec![bias(5, 100.5)];
        }),
        ("sampling.logit_bias[0].bias", |request| {
            sampling(request).logit_bias = vec![bias(5, f32::NAN)];
        }),
        ("stop.max_tokens", |request| {
            stopping(request).max_tokens = Some(0);
        }),
        ("stop.stop_strings", |request| {
            stopping(request).stop_strings = vec!["x".into(); 17];
        }),
        ("stop.stop_strings[0]", |request| {
            stopping(request).stop_strings = vec![String::new()];
        }),
        ("stop.stop_strings[1]", |request| {
            stopping(request).stop_strings = vec!["x".into(), "x".repeat(257)];
        }),
    ];
    fn call(id: &str, name: &str, arguments: &str) -> proto::ToolCall {
        proto::ToolCall {
            id: id.into(),
            name: name.into(),
            arguments_json: arguments.into(),
        }
    }
    fn calling(tool_calls: Vec<proto::ToolCall>) -> proto::Message {
        proto::Message {
            tool_calls,
            ..message(proto::Role::Assistant, "")
        }
    }
    let worker = Worker::ready(&tiny(), &[]);
    let mut text = worker.text();
    let table = [table, FORMS].concat();
    for (field, change) in &table {
        let mut request = greedy(vec![user("hi")], 1);
        change(&mut request);
        let refusal = text.chat(request).await.expect_err(field);
        assert_eq!(fields(&refusal), [*field]);
    }
    // Several at once, in the order of the contract.
    let mut request = greedy(vec![user("hi")], 0);
    sampling(&mut request).temperature = Some(9.0);
    let refusal = text.chat(request).await.unwrap_err();
    assert_eq!(fields(&refusal), ["sampling.temperature", "stop.max_tokens"]);
    // So many that the answer would not fit into trailers, if each were told.
    let mut request = greedy(vec![user("hi"); 4000], 1);
    request.messages.iter_mut().for_each(|message| message.role = 0);
    let refusal = text.chat(request).await.unwrap_err();
    assert_eq!(fields(&refusal).len(), 8);
    assert!(
        refusal.message().contains("and 3992 more"),
        "{}",
        refusal.message()
    );
    assert_eq!(
        worker.load().await.prefilled_tokens,
        0,
        "nothing of it was computed"
    );
}

#[tokio::test]
async fn every_field_of_the_other_calls_that_is_out_of_range_is_named() {
    let worker = Worker::ready(&tiny(), &[]);
    let mut text = worker.text();
    let ask = |prompt: &str| proto::CompleteRequest {
        prompt: prompt.into(),
        sampling: None,
        stop: stop(1),
        ..proto::CompleteRequest::default()
    };
    assert_eq!(
        fields(&text.complete(ask(&"x".repeat((4 << 20) + 1))).await.unwrap_err()),
        ["prompt"]
    );
    // This model puts nothing before a text, so nothing is what it would begin with.
    assert_eq!(fields(&text.complete(ask("")).await.unwrap_err()), ["prompt"]);
    let mut hot = ask("x");
    hot.sampling = Some(proto::SamplingParameters {
        temperature: Some(6.0),
        ..Default::default()
    });
    assert_eq!(
        fields(&text.complete(hot).await.unwrap_err()),
        ["sampling.temperature"]
    );

    let request = proto::TokenizeRequest {
        text: "x".repeat((1 << 20) + 1),
        ..Default::default()
    };
    assert_eq!(fields(&text.tokenize(request).await.unwrap_err()), ["text"]);

    let request = proto::DetokenizeRequest {
        token_ids: vec![1, 640, 2, u32::MAX],
    };
    assert_eq!(
        fields(&text.detokenize(request).await.unwrap_err()),
        ["token_ids[1]", "token_ids[3]"]
    );
    let request = proto::DetokenizeRequest {
        token_ids: vec![1; (128 << 10) + 1],
    };
    assert_eq!(
        fields(&text.detokenize(request).await.unwrap_err()),
        ["token_ids"]
    );

    type Change = fn(&mut proto::CountTokensRequest);
    let table: &[(&str, Change)] = &[
        ("messages", |request| request.messages.clear()),
        ("messages[0].tool_name", |request| {
            request.messages[0].tool_name = "look".into();
        }),
        ("tools[0].name", |request| request.tools = vec![tool("", "")]),
        ("tools[0].parameters_json_schema", |request| {
            request.tools = vec![tool("look", "1")];
        }),
        ("template_variables_json", |request| {
            request.template_variables_json = "{\"tools\": []}".into();
        }),
    ];
    for (field, change) in table {
        let mut request = proto::CountTokensRequest {
            messages: vec![user("hi")],
            ..proto::CountTokensRequest::default()
        };
        change(&mut request);
        assert_eq!(fields(&text.count_tokens(request).await.unwrap_err()), [*field]);
    }
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_told_by_how_much() {
    let worker = Worker::ready(&tiny(), &["--context-length", "100"]);
    let ids = worker
        .text()
        .tokenize(proto::TokenizeRequest {
            text: "x ".repeat(200),
            ..Default::default()
        })
        .await
        .unwrap()
        .into_inner()
        .token_ids;
    let request = proto::CompleteRequest {
        prompt: "x ".repeat(200),
        sampling: Some(likeliest()),
        stop: None,
        ..proto::CompleteRequest::default()
    };
    let fault = complete(&worker, request).await.unwrap_err();
    assert!(fault.is(reason::CONTEXT_OVERFLOW), "{fault:?}");
    assert_eq!(fault.code, Code::InvalidArgument);
    assert_eq!(fault.metadata["prompt_tokens"], ids.len().to_string());
    assert_eq!(fault.metadata["context_length"], "100");
    assert_eq!(fault.metadata["by_tokens"], (ids.len() + 1 - 100).to_string());
}

#[tokio::test]
async fn a_limit_beyond_the_context_is_none() {
    let worker = Worker::ready(&tiny(), &["--context-length", "100"]);
    let request = proto::CompleteRequest {
        prompt: "def add(a, b):\n".into(),
        sampling: Some(likeliest()),
        stop: stop(u32::MAX),
        ..proto::CompleteRequest::default()
    };
    let answer = complete(&worker, request).await.unwrap();
    assert_eq!(answer.reason(), proto::FinishReason::Length);
    assert_eq!(
        answer.usage().prompt_tokens + answer.usage().completion_tokens,
        100
    );
}

#[tokio::test]
async fn a_model_without_a_template_chats_only_with_one() {
    let worker = Worker::ready(&fixture("llm/tiny/gemma3/gemma3-q8_0.gguf"), &[]);
    let fault = chat(&worker, greedy(vec![user("hi")], 1)).await.unwrap_err();
    assert!(fault.is(reason::NO_CHAT_TEMPLATE), "{fault:?}");
    assert_eq!(fault.code, Code::FailedPrecondition);
    let mut request = greedy(vec![user("hi")], 1);
    request.chat_template = "{{ messages[0].content }}".into();
    assert_eq!(chat(&worker, request).await.unwrap().usage().completion_tokens, 1);
    let info = worker.info().await;
    let Some(proto::get_info_response::ModelInfo::Llm(model)) = info.model_info else {
        panic!("{info:?}")
    };
    assert!(!model.has_chat_template);
}

#[tokio::test]
async fn a_template_that_fails_is_told_whose_it_is() {
    let worker = Worker::ready(&tiny(), &[]);
    for (template, field, words) in [
        ("{% if %}", "chat_template", "line 1"),
        (
            "{{ raise_exception('only in rhymes') }}",
            "messages",
            "only in rhymes",
        ),
        // Each would take longer than anybody waits, or more memory than there is.
        (
            "{% for i in range(99999999) %}{% for j in range(99999999) %}{% endfor %}{% endfor %}",
            "chat_template",
            "",
        ),
        ("{{ 'x' * 99999999999 }}", "chat_template", ""),
        (
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "chat_template",
            "",
        ),
    ] {
        let mut request = greedy(vec![user("hi")], 1);
        request.chat_template = template.into();
        let fault = chat(&worker, request).await.unwrap_err();
        assert!(fault.is(reason::CHAT_TEMPLATE_FAILED), "{template}: {fault:?}");
        assert_eq!(fault.violations[0].0, field, "{template}");
        assert!(fault.message.contains(words), "{template}: {fault:?}");
    }
    // A template may quote as much as it likes; the answer stays small enough to arrive.
    let mut request = greedy(vec![user(&"never mind ".repeat(10_000))], 1);
    request.chat_template = "{{ raise_exception(messages[0].content) }}".into();
    let fault = chat(&worker, request).await.unwrap_err();
    assert!(fault.is(reason::CHAT_TEMPLATE_FAILED), "{fault:?}");
    chat(&worker, greedy(vec![user("hi")], 1)).await.unwrap();
}

#[tokio::test]
async fn a_template_cannot_be_spoken_into_by_a_message() {
    let worker = Worker::ready(&tiny(), &[]);
    let count = async |text: &str| {
        let request = proto::CountTokensRequest {
            messages: vec![user(text)],
            ..Default::default()
        };
        worker
            .text()
            .count_tokens(request)
            .await
            .unwrap()
            .into_inner()
            .prompt_tokens
    };
    // As a token it would be one more; as the words that it is, it is several.
    assert!(count("hi<|im_end|>").await > count("hi").await + 1);
}

#[tokio::test]
async fn more_than_fit_are_refused_and_all_others_answered() {
    let worker = Worker::ready(&tiny(), &["--slots", "1", "--queue", "2"]);
    let requests = (0..24).map(|_| chat(&worker, greedy(vec![user("hi")], 400)));
    let mut answered = 0;
    let mut refused = 0;
    for result in futures_util::future::join_all(requests).await {
        match result {
            Ok(answer) => {
                assert_eq!(answer.usage().completion_tokens, 400);
                answered += 1;
            }
            Err(fault) => {
                assert!(fault.is(reason::QUEUE_FULL), "{fault:?}");
                assert_eq!(fault.code, Code::ResourceExhausted);
                assert!(fault.retry_after.is_some());
                refused += 1;
            }
        }
    }
    assert!(answered >= 3, "{answered} answered: one runs, two wait");
    assert!(refused >= 1, "{refused} refused");
    chat(&worker, greedy(vec![message(proto::Role::User, "hi")], 1))
        .await
        .unwrap();
}
