//! Answers of a real model, which make sense. The model is Qwen2.5-Coder-0.5B-Instruct.

use std::time::Duration;

use futures_util::StreamExt as _;
use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::chat_response::Event;
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::models;

use super::harness::{Worker, chat, greedy, likeliest, user};

fn qwen() -> Worker {
    Worker::ready(&models::path(models::QWEN), &["--context-length", "2048"])
}

#[tokio::test]
async fn real_model_gives_sensible_answers_token_by_token() {
    let worker = qwen();
    let question = "What is the capital of France? Answer with one word.";
    let answer = chat(&worker, greedy(vec![user(question)], 20)).await.unwrap();
    assert!(answer.text.contains("Paris"), "{}", answer.text);
    assert_eq!(answer.reason(), proto::FinishReason::EndOfGeneration);

    let question = "Count from 1 to 20, with commas between the numbers.";
    let answer = chat(&worker, greedy(vec![user(question)], 60)).await.unwrap();
    assert!(answer.text.contains("1, 2, 3, 4, 5, 6"), "{}", answer.text);
    // Each piece came by itself, when its token was there, and not all at the end.
    let gaps: Vec<Duration> = answer
        .deltas
        .windows(2)
        .map(|pair| pair[1].0.duration_since(pair[0].0))
        .collect();
    assert!(gaps.len() >= 20, "{} pieces", gaps.len() + 1);
    let apart = gaps.iter().filter(|gap| **gap > Duration::from_millis(1)).count();
    assert!(
        apart * 4 >= gaps.len() * 3,
        "{apart} of {} came apart: {gaps:?}",
        gaps.len()
    );
    let timings = answer.finished.timings.unwrap();
    println!(
        "time to first token {:?}, prefill {:.1} tokens/s, decode {:.1} tokens/s",
        timings.time_to_first_token.unwrap(),
        timings.prefill_tokens_per_second.unwrap(),
        timings.decode_tokens_per_second.unwrap(),
    );
}

#[tokio::test]
async fn real_model_answers_the_same_for_the_same_seed_and_stops_at_stop_strings() {
    let worker = qwen();
    let ask = async |temperature: f32, seed: u64, stop_strings: Vec<String>| {
        let mut request = greedy(vec![user("Write a sentence about the sea.")], 24);
        request.sampling = Some(proto::SamplingParameters {
            temperature: Some(temperature),
            seed: Some(seed),
            ..likeliest()
        });
        request.stop.as_mut().unwrap().stop_strings = stop_strings;
        chat(&worker, request).await.unwrap()
    };
    let first = ask(1.0, 42, vec![]).await;
    assert_eq!(first.text, ask(1.0, 42, vec![]).await.text);
    assert_ne!(first.text, ask(1.0, 43, vec![]).await.text);

    // A word from the middle of an answer ends it there.
    let whole = ask(0.0, 1, vec![]).await.text;
    let word = whole.split_whitespace().nth(4).unwrap().to_owned();
    let cut = ask(0.0, 1, vec![word.clone()]).await;
    assert_eq!(cut.reason(), proto::FinishReason::StopString);
    assert_eq!(cut.text, whole[..whole.find(&word).unwrap()]);
}

/// Begins an endless answer and reads some of it.
async fn begin(worker: &Worker) -> (tonic::Streaming<proto::ChatResponse>, u32) {
    let request = greedy(
        vec![user("Write a very long story about a lighthouse keeper.")],
        1500,
    );
    let mut stream = worker.text().chat(request).await.unwrap().into_inner();
    let mut seen = 0;
    while seen < 5 {
        if let Event::Delta(delta) = stream.next().await.unwrap().unwrap().event.unwrap() {
            seen = delta.completion_tokens;
        }
    }
    (stream, seen)
}

/// How a stream ends that does not come to its end.
async fn broken_off(stream: &mut tonic::Streaming<proto::ChatResponse>) -> RemoteFault {
    loop {
        match stream.next().await.expect("an answer does not just end") {
            Ok(event) => assert!(matches!(event.event, Some(Event::Delta(_))), "{event:?}"),
            Err(status) => return RemoteFault::from(&status),
        }
    }
}

#[tokio::test]
async fn real_model_stops_within_one_token_when_the_client_leaves() {
    let worker = qwen();
    let (stream, seen) = begin(&worker).await;
    drop(stream);
    let load = worker
        .until_load("the slot is free", |load| load.running_requests == 0)
        .await;
    // One token may have been on its way to the client, and one under way in the engine.
    let more = load.generated_tokens - u64::from(seen);
    assert!(more <= 2, "{more} more tokens were generated");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        worker.load().await.generated_tokens,
        load.generated_tokens,
        "it has really stopped"
    );
    let again = chat(&worker, greedy(vec![user("Say hello.")], 8)).await.unwrap();
    assert!(again.usage().completion_tokens > 0);
}

#[tokio::test]
async fn real_model_breaks_off_when_the_hive_is_gone() {
    let mut worker = qwen();
    let (mut stream, _) = begin(&worker).await;
    worker.abandon();
    let (code, took) = worker.left().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(broken_off(&mut stream).await.is(reason::WORKER_STOPPING));
}

#[tokio::test]
async fn real_model_breaks_off_when_the_grace_is_over() {
    let mut worker = Worker::ready(&models::path(models::QWEN), &["--drain-grace", "500ms"]);
    let (mut stream, _) = begin(&worker).await;
    worker.terminate();
    assert!(broken_off(&mut stream).await.is(reason::WORKER_STOPPING));
    let (code, took) = worker.left().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
}
