//! What a request can say of the answer's form: constraints, log-probabilities, echo, ends that are ignored.

use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::output_constraint::Constraint;
use rbee_service_kit::reason;
use rbee_testkit::models::fixture;
use tonic::Code;

use super::harness::{Worker, chat, complete, greedy, likeliest, stop, tiny, user};

fn must(constraint: Constraint) -> Option<proto::OutputConstraint> {
    Some(proto::OutputConstraint {
        constraint: Some(constraint),
    })
}

fn hot(seed: u64) -> Option<proto::SamplingParameters> {
    Some(proto::SamplingParameters {
        temperature: Some(1.5),
        top_k: Some(0),
        top_p: Some(1.0),
        min_p: Some(0.0),
        seed: Some(seed),
        ..proto::SamplingParameters::default()
    })
}

/// A template without marks of reasoning, which a random model would write and never close.
const PLAIN: &str = "{{ messages[0].content }}";

const SCHEMA: &str = r#"{"type": "object", "properties": {
    "name": {"type": "string", "maxLength": 8},
    "kind": {"enum": ["cat", "dog"]},
    "age": {"type": "integer", "minimum": 0, "maximum": 99}
}, "required": ["name", "kind", "age"], "additionalProperties": false}"#;

#[tokio::test]
async fn a_random_model_gives_json_that_fits_its_schema() {
    let worker = Worker::ready(&tiny(), &[]);
    let ask = async |seed: u64, max_tokens: u32| {
        let mut request = greedy(vec![user("a pet")], max_tokens);
        request.sampling = hot(seed);
        request.chat_template = PLAIN.to_owned();
        // The vocabulary has marks of reasoning, which a random model would open and never close.
        request.raw = true;
        request.constraint = must(Constraint::JsonSchema(SCHEMA.to_owned()));
        chat(&worker, request).await.unwrap()
    };
    let mut whole = 0;
    for seed in 0..12 {
        let answer = ask(seed, 300).await;
        if answer.reason() == proto::FinishReason::Length {
            continue;
        }
        assert_eq!(
            answer.reason(),
            proto::FinishReason::Constraint,
            "{}",
            answer.text
        );
        let value: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
        assert!(value["name"].as_str().unwrap().chars().count() <= 8, "{value}");
        assert!(
            ["cat", "dog"].contains(&value["kind"].as_str().unwrap()),
            "{value}"
        );
        assert!((0..=99).contains(&value["age"].as_i64().unwrap()), "{value}");
        assert_eq!(value.as_object().unwrap().len(), 3);
        whole += 1;
    }
    assert!(whole >= 8, "{whole} of 12 were whole");
    assert_eq!(ask(1, 5).await.reason(), proto::FinishReason::Length);
    // The same seed gives the same answer under a constraint, too, and beside others.
    let alone = ask(3, 300).await.text;
    let together = futures_util::future::join_all((1..5).map(|seed| ask(seed, 300))).await;
    assert_eq!(together[2].text, alone);
}

#[tokio::test]
async fn expressions_grammars_and_objects_hold() {
    let worker = Worker::ready(&tiny(), &[]);
    let ask = async |constraint: Constraint, seed: u64, max_tokens: u32| {
        let request = proto::CompleteRequest {
            prompt: "x".into(),
            sampling: hot(seed),
            stop: stop(max_tokens),
            constraint: must(constraint),
            ..proto::CompleteRequest::default()
        };
        complete(&worker, request).await.unwrap()
    };
    let ended = |answer: &super::harness::Answer| {
        matches!(
            answer.reason(),
            proto::FinishReason::Constraint | proto::FinishReason::EndOfGeneration
        )
    };
    for seed in 0..6 {
        let answer = ask(Constraint::Regex("(yes|no), [0-9]{3}!".into()), seed, 40).await;
        assert_eq!(answer.reason(), proto::FinishReason::Constraint);
        let (word, rest) = answer.text.split_once(", ").unwrap();
        assert!(["yes", "no"].contains(&word), "{}", answer.text);
        assert!(rest.len() == 4 && rest.ends_with('!'), "{}", answer.text);

        let grammar = r#"start: "<" (/[ab]/ ","?)+ ">""#;
        let answer = ask(Constraint::LarkGrammar(grammar.into()), seed, 200).await;
        if ended(&answer) {
            let inner = answer
                .text
                .strip_prefix('<')
                .and_then(|text| text.strip_suffix('>'));
            assert!(inner.unwrap().chars().all(|character| "ab,".contains(character)));
        }

        let answer = ask(Constraint::JsonObject(true), seed, 300).await;
        assert!(answer.text.trim_start().starts_with('{'), "{}", answer.text);
        if ended(&answer) {
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&answer.text).unwrap();
        }
    }
}

#[tokio::test]
async fn stop_strings_and_bias_go_with_a_constraint() {
    let worker = Worker::ready(&tiny(), &[]);
    let mut request = greedy(vec![user("count")], 40);
    request.constraint = must(Constraint::Regex("12345678".into()));
    request.chat_template = PLAIN.to_owned();
    request.raw = true;
    request.stop.as_mut().unwrap().stop_strings = vec!["56".into()];
    let answer = chat(&worker, request).await.unwrap();
    assert_eq!(answer.text, "1234");
    assert_eq!(answer.reason(), proto::FinishReason::StopString);

    // Nothing is left where every token that the constraint allows is ruled out.
    let ids = worker
        .text()
        .tokenize(proto::TokenizeRequest {
            text: "7".into(),
            ..Default::default()
        })
        .await
        .unwrap()
        .into_inner()
        .token_ids;
    let mut request = greedy(vec![user("count")], 40);
    request.constraint = must(Constraint::Regex("7".into()));
    request.chat_template = PLAIN.to_owned();
    request.raw = true;
    request.sampling.as_mut().unwrap().logit_bias = vec![proto::LogitBias {
        token_id: *ids.last().unwrap(),
        bias: -100.0,
    }];
    let fault = chat(&worker, request).await.unwrap_err();
    assert_eq!(fault.code, Code::InvalidArgument, "{fault:?}");
    assert_eq!(fault.violations[0].0, "sampling.logit_bias");
}

#[tokio::test]
async fn a_vocabulary_without_all_characters_takes_no_constraint() {
    let worker = Worker::ready(&fixture("llm/ok/plain.gguf"), &[]);
    let request = proto::CompleteRequest {
        prompt: "ab".into(),
        stop: stop(1),
        constraint: must(Constraint::JsonObject(true)),
        ..proto::CompleteRequest::default()
    };
    let fault = complete(&worker, request).await.unwrap_err();
    assert_eq!(fault.code, Code::FailedPrecondition, "{fault:?}");
    assert!(fault.is(reason::CONSTRAINT_UNSUPPORTED), "{fault:?}");
}

/// All that is told of tokens, with the tokens generated so far.
fn told(answer: &super::harness::Answer) -> Vec<(u32, proto::TokenDetails)> {
    let deltas = answer.deltas.iter();
    deltas
        .flat_map(|(_, delta)| {
            let count = delta.completion_tokens;
            delta.tokens.iter().map(move |token| (count, token.clone()))
        })
        .collect()
}

fn details(top: u32) -> Option<proto::OutputDetails> {
    Some(proto::OutputDetails {
        top_log_probabilities: Some(top),
    })
}

#[tokio::test]
async fn tokens_are_told_with_their_text() {
    let worker = Worker::ready(&tiny(), &[]);
    let mut request = greedy(vec![user("hi")], 60);
    request.details = details(20);
    let answer = chat(&worker, request).await.unwrap();
    let told = told(&answer);
    assert_eq!(told.len(), answer.usage().completion_tokens as usize);
    let mut bytes = Vec::new();
    for (_, details) in &told {
        let token = details.token.as_ref().unwrap();
        bytes.extend_from_slice(&token.token);
        assert_eq!(details.top.len(), 20);
        assert_eq!(details.top[0].token_id, token.token_id, "it is the likeliest");
        assert_eq!(details.top[0].log_probability, token.log_probability);
        let sum: f32 = details
            .top
            .iter()
            .map(|top| top.log_probability.unwrap().exp())
            .sum();
        assert!(sum <= 1.0001 && token.log_probability.unwrap() <= 0.0);
    }
    assert_eq!(String::from_utf8_lossy(&bytes), answer.text);
    // Each delta's text is out with its tokens.
    let mut so_far = 0;
    for (_, delta) in &answer.deltas {
        so_far += delta.tokens.len();
        assert!(so_far <= delta.completion_tokens as usize);
    }

    let mut plain = greedy(vec![user("hi")], 60);
    plain.details = Some(proto::OutputDetails::default());
    let plain = chat(&worker, plain).await.unwrap();
    assert_eq!(plain.text, answer.text);
    assert!(plain.deltas.iter().all(|(_, delta)| delta.tokens.is_empty()));

    // What a stop string cuts off is not told.
    let cut: String = answer.text.chars().skip(12).take(3).collect();
    let mut stopped = greedy(vec![user("hi")], 60);
    stopped.details = details(0);
    stopped.stop.as_mut().unwrap().stop_strings = vec![cut];
    let stopped = chat(&worker, stopped).await.unwrap();
    assert_eq!(stopped.reason(), proto::FinishReason::StopString);
    let bytes: Vec<u8> = self::told(&stopped)
        .into_iter()
        .flat_map(|(_, details)| details.token.unwrap().token)
        .collect();
    assert!(
        stopped.text.as_bytes().starts_with(&bytes),
        "{:?} {:?}",
        stopped.text,
        String::from_utf8_lossy(&bytes)
    );
}

#[tokio::test]
async fn a_prompt_comes_back_before_its_continuation() {
    let worker = Worker::ready(&tiny(), &[]);
    let prompt = "def add(a, b):\n    # é and 👍\n".repeat(8);
    let ask = async |echo: bool, details: Option<proto::OutputDetails>| {
        let request = proto::CompleteRequest {
            prompt: prompt.clone(),
            sampling: Some(likeliest()),
            stop: stop(12),
            echo,
            details,
            ..proto::CompleteRequest::default()
        };
        complete(&worker, request).await.unwrap()
    };
    let plain = ask(false, None).await;
    let echoed = ask(true, None).await;
    assert_eq!(echoed.text, format!("{prompt}{}", plain.text));
    let first = &echoed.deltas[0].1;
    assert_eq!(
        (first.completion_tokens, first.text.as_str()),
        (0, prompt.as_str())
    );

    let detailed = ask(true, details(2)).await;
    assert_eq!(detailed.text, echoed.text);
    let told = told(&detailed);
    let usage = detailed.usage();
    assert_eq!(usage.cached_prompt_tokens, 0, "all of it was computed");
    let of_prompt: Vec<_> = told.iter().filter(|(count, _)| *count == 0).collect();
    assert_eq!(of_prompt.len(), usage.prompt_tokens as usize);
    assert_eq!(
        told.len(),
        (usage.prompt_tokens + usage.completion_tokens) as usize
    );
    let (_, first) = of_prompt[0];
    assert!(first.top.is_empty() && first.token.as_ref().unwrap().log_probability.is_none());
    let likely = |details: &proto::TokenDetails| details.token.as_ref().unwrap().log_probability;
    assert!(
        of_prompt[1..]
            .iter()
            .all(|(_, details)| likely(details).is_some())
    );
    let bytes: Vec<u8> = of_prompt
        .iter()
        .flat_map(|(_, details)| details.token.clone().unwrap().token)
        .collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), prompt);
}

#[tokio::test]
async fn the_models_end_can_be_ignored() {
    let worker = Worker::ready(&tiny(), &[]);
    // The end tokens of this model, made so likely that nothing else is chosen.
    let ids = worker
        .text()
        .tokenize(proto::TokenizeRequest {
            text: "<|im_end|><|endoftext|>".into(),
            parse_special: true,
            ..Default::default()
        })
        .await
        .unwrap()
        .into_inner()
        .token_ids;
    let ask = async |ignore: bool| {
        let mut request = greedy(vec![user("hi")], 20);
        request.sampling.as_mut().unwrap().logit_bias = ids
            .iter()
            .map(|&token_id| proto::LogitBias {
                token_id,
                bias: 100.0,
            })
            .collect();
        request.stop.as_mut().unwrap().ignore_end_of_generation = ignore;
        chat(&worker, request).await.unwrap()
    };
    let ended = ask(false).await;
    assert_eq!(ended.reason(), proto::FinishReason::EndOfGeneration);
    assert_eq!(ended.usage().completion_tokens, 0);
    let ignored = ask(true).await;
    assert_eq!(ignored.reason(), proto::FinishReason::Length);
    assert_eq!(ignored.usage().completion_tokens, 20);
}
