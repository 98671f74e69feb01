//! Answers of the tiny model, which are nonsense, but the same nonsense as the reference's.

use futures_util::StreamExt as _;
use rbee_proto::types::v1::WorkerType;
use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::get_info_response::ModelInfo;

use super::harness::{Worker, chat, complete, golden, greedy, likeliest, message, read, stop, tiny, user};

fn ids(value: &serde_json::Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap() as u32)
        .collect()
}

#[tokio::test]
async fn a_continuation_is_the_references() {
    let worker = Worker::ready(&tiny(), &[]);
    let golden = &golden()["text"];
    let request = proto::CompleteRequest {
        prompt: golden["text"].as_str().unwrap().into(),
        sampling: Some(likeliest()),
        stop: stop(ids(&golden["greedy_ids"]).len() as u32),
        ..proto::CompleteRequest::default()
    };
    let answer = complete(&worker, request).await.unwrap();
    assert_eq!(answer.text, golden["decoded"].as_str().unwrap());
    assert_eq!(answer.reason(), proto::FinishReason::Length);
    assert_eq!(answer.started.prompt_tokens as usize, ids(&golden["ids"]).len());
    assert_eq!(
        answer.usage(),
        proto::Usage {
            prompt_tokens: answer.started.prompt_tokens,
            cached_prompt_tokens: 0,
            completion_tokens: 12,
        }
    );
    let counts: Vec<u32> = answer
        .deltas
        .iter()
        .map(|(_, delta)| delta.completion_tokens)
        .collect();
    assert!(
        counts.is_sorted_by(|a, b| a < b) && counts.last() == Some(&12),
        "{counts:?}"
    );
    let timings = answer.finished.timings.unwrap();
    assert!(timings.queue.is_some() && timings.time_to_first_token.is_some());
    assert!(timings.prefill_tokens_per_second.unwrap() > 0.0);
    assert!(timings.decode_tokens_per_second.unwrap() > 0.0);
}

#[tokio::test]
async fn a_conversation_is_the_references() {
    let worker = Worker::ready(&tiny(), &[]);
    let golden = &golden()["chat"];
    let messages: Vec<proto::Message> = golden["context"]["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|said| {
            let role = match said["role"].as_str().unwrap() {
                "user" => proto::Role::User,
                "assistant" => proto::Role::Assistant,
                other => panic!("{other}"),
            };
            message(role, said["content"].as_str().unwrap())
        })
        .collect();
    let prompt_tokens = ids(&golden["ids"]).len() as u32;

    let count = proto::CountTokensRequest {
        messages: messages.clone(),
        ..Default::default()
    };
    assert_eq!(
        worker
            .text()
            .count_tokens(count)
            .await
            .unwrap()
            .into_inner()
            .prompt_tokens,
        prompt_tokens
    );

    let answer = chat(&worker, greedy(messages, 12)).await.unwrap();
    assert_eq!(answer.started.prompt_tokens, prompt_tokens);
    // Its tokens are bytes that never become characters; each shows as one that stands for that.
    assert_eq!(answer.text, golden["decoded"].as_str().unwrap());
}

#[tokio::test]
async fn the_parts_of_a_message_are_joined() {
    let worker = Worker::ready(&tiny(), &[]);
    let mut parts = user("What is the ");
    parts.content.extend(user("weather").content);
    let count = async |messages: Vec<proto::Message>| {
        let request = proto::CountTokensRequest {
            messages,
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
    assert_eq!(
        count(vec![parts]).await,
        count(vec![user("What is the weather")]).await
    );
}

#[tokio::test]
async fn text_becomes_tokens_and_text_again() {
    let worker = Worker::ready(&tiny(), &[]);
    let golden = &golden()["text"];
    let text = golden["text"].as_str().unwrap();
    let tokenize = async |text: &str, parse_special| {
        let request = proto::TokenizeRequest {
            text: text.into(),
            add_special: false,
            parse_special,
        };
        worker
            .text()
            .tokenize(request)
            .await
            .unwrap()
            .into_inner()
            .token_ids
    };
    let tokens = tokenize(text, false).await;
    assert_eq!(tokens, ids(&golden["ids"]));
    let back = worker
        .text()
        .detokenize(proto::DetokenizeRequest { token_ids: tokens })
        .await
        .unwrap();
    assert_eq!(back.into_inner().text, text);

    assert_eq!(tokenize("<|im_end|>", true).await, [602]);
    assert!(tokenize("<|im_end|>", false).await.len() > 1);
    let marked = proto::DetokenizeRequest { token_ids: vec![602] };
    assert_eq!(
        worker.text().detokenize(marked).await.unwrap().into_inner().text,
        "<|im_end|>"
    );
}

#[tokio::test]
async fn a_stop_string_ends_an_answer_and_is_not_in_it() {
    let worker = Worker::ready(&tiny(), &[]);
    let ask = |strings: &[&str]| proto::CompleteRequest {
        prompt: "def add(a, b):\n".into(),
        sampling: Some(likeliest()),
        stop: Some(proto::StopConditions {
            max_tokens: Some(12),
            stop_strings: strings.iter().map(|&string| string.to_owned()).collect(),
            ..proto::StopConditions::default()
        }),
        ..proto::CompleteRequest::default()
    };
    // The answer is "):\n):\n):\nsssssssss".
    let answer = complete(&worker, ask(&["\nss"])).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.reason()),
        ("):\n):\n):", proto::FinishReason::StopString)
    );
    assert_eq!(
        answer.usage().completion_tokens,
        5,
        "the token that completes it is the last"
    );
    let answer = complete(&worker, ask(&["never", ":"])).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.reason()),
        (")", proto::FinishReason::StopString)
    );
    // What only begins like a stop string is held back, and comes in the end.
    let answer = complete(&worker, ask(&["ssssssssss"])).await.unwrap();
    assert_eq!(answer.text, "):\n):\n):\nsssssssss");
    assert_eq!(answer.reason(), proto::FinishReason::Length);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_answer() {
    let worker = Worker::ready(&tiny(), &[]);
    let ask = async |seed: Option<u64>| {
        let sampling = proto::SamplingParameters {
            temperature: Some(2.0),
            seed,
            ..Default::default()
        };
        let request = proto::CompleteRequest {
            prompt: "x".into(),
            sampling: Some(sampling),
            stop: stop(30),
            ..proto::CompleteRequest::default()
        };
        complete(&worker, request).await.unwrap()
    };
    let (first, second) = (ask(Some(7)).await, ask(Some(7)).await);
    assert_eq!((first.started.seed, &first.text), (7, &second.text));
    let (other, another) = (ask(None).await, ask(None).await);
    assert_ne!(other.started.seed, another.started.seed);
    assert_ne!(other.text, another.text);
    assert_eq!(
        ask(Some(other.started.seed)).await.text,
        other.text,
        "the seed that was told is the one"
    );
}

#[tokio::test]
async fn answers_are_generated_side_by_side() {
    let worker = Worker::ready(&tiny(), &["--slots", "2", "--queue", "0"]);
    let ask = async |name: &'static str| {
        let stream = worker
            .text()
            .chat(greedy(vec![user(name)], 400))
            .await
            .unwrap()
            .into_inner();
        stream
            .map(move |event| (name, event.unwrap().event.unwrap()))
            .boxed()
    };
    let (left, right) = futures_util::join!(ask("left"), ask("right"));
    let events: Vec<_> = futures_util::stream::select(left, right).collect().await;
    use proto::chat_response::Event;
    let first_end = events
        .iter()
        .position(|(_, event)| matches!(event, Event::Finished(_)))
        .unwrap();
    for name in ["left", "right"] {
        let of_one = |(of, event): &(&str, Event)| *of == name && matches!(event, Event::Delta(_));
        assert!(
            events[..first_end].iter().any(of_one),
            "{name} got text while the other was answered"
        );
        let end = events
            .iter()
            .find(|(of, event)| *of == name && matches!(event, Event::Finished(_)));
        let Some((_, Event::Finished(finished))) = end else {
            panic!("{name} has no end")
        };
        assert_eq!(finished.usage.unwrap().completion_tokens, 400);
    }
}

#[tokio::test]
async fn an_answer_does_not_depend_on_its_neighbours() {
    let worker = Worker::ready(&tiny(), &["--slots", "4"]);
    let alone = chat(&worker, greedy(vec![user("number 1")], 60))
        .await
        .unwrap()
        .text;
    let together = futures_util::future::join_all(
        (0..4).map(|number| chat(&worker, greedy(vec![user(&format!("number {number}"))], 60))),
    )
    .await;
    assert_eq!(together[1].as_ref().unwrap().text, alone);
}

#[tokio::test]
async fn it_tells_what_it_is_and_does() {
    let worker = Worker::ready(
        &tiny(),
        &["--slots", "3", "--queue", "5", "--context-length", "300"],
    );
    let stream = worker
        .text()
        .chat(greedy(vec![user("hi")], 10))
        .await
        .unwrap()
        .into_inner();
    let usage = read(stream).await.unwrap().usage();
    let info = worker.info().await;
    assert_eq!(
        (info.worker_id.as_str(), info.model_id.as_str()),
        ("w1", "local:tiny")
    );
    assert_eq!(info.worker_type(), WorkerType::CpuLlm);
    assert_eq!(
        (info.version.as_str(), info.device_id.as_str()),
        (env!("CARGO_PKG_VERSION"), "cpu:0")
    );
    assert_eq!(
        info.load.unwrap(),
        proto::WorkerLoad {
            running_requests: 0,
            waiting_requests: 0,
            slot_count: 3,
            queue_length: 5,
            generated_tokens: 10,
            prefilled_tokens: usage.prompt_tokens.into(),
            ..proto::WorkerLoad::default()
        }
    );
    assert_eq!(
        info.model_info.unwrap(),
        ModelInfo::Llm(proto::LlmInfo {
            architecture: "qwen2".into(),
            vocabulary_size: 640,
            context_length: 300,
            model_context_length: 512,
            has_chat_template: true,
            embeds: false,
        })
    );
}
