//! A chat through the hive, on a real model: message by message, and stopped when nobody listens.

mod common;

use std::time::{Duration, Instant};

use common::client::{self, Worker};
use common::{Cluster, wait_until};
use rbee_proto::worker::v1::FinishReason;
use rbee_proto::worker::v1::chat_response::Event;
use rbee_service_kit::client::ClientChannel;
use rbee_testkit::models;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// A cluster with a ready worker of the real instruct model.
fn cluster() -> (Cluster, String) {
    common::assert_worker_is_built();
    let cluster = Cluster::start();
    let model = cluster.import(&models::path(models::QWEN), "qwen");
    let worker_id = cluster.spawn(&model);
    (cluster, worker_id)
}

const LONG: &str = "Write a long story about a beekeeper.";

#[tokio::test(flavor = "multi_thread")]
async fn real_model_answers_arrive_piece_by_piece() {
    let (cluster, worker_id) = cluster();
    let worker = Worker::reach(&cluster, &worker_id).await;

    let tokens = 24;
    let answer = worker.answer(LONG, tokens).await;
    let usage = answer.finished.usage.expect("a finished answer tells its usage");
    assert_eq!(answer.finished.reason(), FinishReason::Length);
    assert_eq!(usage.completion_tokens, tokens);
    assert!(
        answer.arrivals.len() > tokens as usize / 2,
        "one piece for nearly every token: {answer:?}"
    );

    // The worker measures how quickly it generates. If the pieces were held back anywhere on the
    // way, they would arrive in less time than it took to make them.
    let rate = answer
        .finished
        .timings
        .and_then(|timings| timings.decode_tokens_per_second);
    let made_in = f64::from(tokens - 1) / rate.expect("more than one token was generated");
    let (first, last) = (answer.arrivals[0], answer.arrivals[answer.arrivals.len() - 1]);
    let arrived_in = (last - first).as_secs_f64();
    assert!(
        arrived_in > 0.7 * made_in,
        "{} pieces, made in {made_in:.3} s, arrived within {arrived_in:.3} s",
        answer.arrivals.len()
    );
    // And not in two heaps either: no pause is as long as half the answer.
    let longest = answer
        .arrivals
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .fold(0.0, f64::max);
    assert!(
        longest < 0.5 * made_in,
        "a pause of {longest:.3} s in an answer of {made_in:.3} s"
    );
    cluster.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_stops_when_nobody_listens() {
    let (cluster, worker_id) = cluster();
    let worker = Worker::reach(&cluster, &worker_id).await;

    let mut events = worker.chat(LONG, 2000).await;
    let mut pieces = 0;
    while pieces < 5 {
        let message = events
            .message()
            .await
            .expect("the stream does not break")
            .expect("the story is long");
        pieces += u32::from(matches!(message.event, Some(Event::Delta(_))));
    }
    drop(events);
    let when_dropped = worker.load().await.generated_tokens;
    let deadline = Instant::now() + Duration::from_secs(10);
    let stopped_at = loop {
        let load = worker.load().await;
        if load.running_requests == 0 {
            break load.generated_tokens;
        }
        assert!(Instant::now() < deadline, "it goes on generating: {load:?}");
    };
    // The token that was being computed when the news came may still have been finished.
    assert!(
        stopped_at <= when_dropped + 1,
        "{} tokens were generated after nobody listened",
        stopped_at - when_dropped
    );

    // Another chat works at once, and every token since is its own.
    let answer = worker.answer("Say hello.", 8).await;
    let usage = answer.finished.usage.expect("a finished answer tells its usage");
    assert!(!answer.text.is_empty());
    let load = worker.load().await;
    assert_eq!(
        load.generated_tokens,
        stopped_at + u64::from(usage.completion_tokens)
    );
    cluster.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_chats_at_the_command_line() {
    let (cluster, worker_id) = cluster();

    let said = cluster
        .rbee(&[
            "chat",
            "local:qwen",
            "--prompt",
            "Say hello.",
            "--max-tokens",
            "8",
            "--temperature",
            "0",
            "--json",
        ])
        .ok();
    let answer = said.json();
    assert_eq!(answer["model"], "local:qwen");
    assert_eq!(answer["worker_id"], worker_id.as_str());
    assert!(answer["prompt_tokens"].as_u64().unwrap() > 5, "{answer}");
    assert!(answer["completion_tokens"].as_u64().unwrap() >= 2, "{answer}");
    assert!(answer["ttft_ms"].as_f64().unwrap() > 0.0, "{answer}");
    assert!(answer["tokens_per_second"].as_f64().unwrap() > 0.0, "{answer}");
    let text = answer["text"].as_str().unwrap();
    assert!(!text.is_empty());

    // By the beginning of the worker's id, with the prompt piped in: the same words on stdout,
    // what it took on stderr.
    let mut command = cluster.command(&[
        "chat",
        &worker_id[..worker_id.len() - 2],
        "--max-tokens",
        "8",
        "--temperature",
        "0",
    ]);
    command.stdin(piped("Say hello."));
    let said = common::run(command).ok();
    assert_eq!(said.stdout.trim_end(), text.trim_end());
    assert!(said.stderr.contains("tok/s"), "{}", said.stderr);

    let said = cluster
        .rbee(&[
            "complete",
            "local:qwen",
            "--prompt",
            "def add(a, b):\n    return",
            "--max-tokens",
            "4",
            "--temperature",
            "0",
        ])
        .ok();
    assert!(said.stdout.contains("a + b"), "{}", said.stdout);

    cluster.rbee(&["worker", "stop", &worker_id]).ok();
    let said = cluster.rbee(&["chat", "local:qwen", "--prompt", "x"]).failed(5);
    assert!(
        said.stderr
            .contains("rbee worker spawn local:qwen --type cpu-llm --device cpu:0"),
        "{}",
        said.stderr
    );
    cluster.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_ctrl_c_stops_the_answer() {
    let (cluster, worker_id) = cluster();
    let worker = Worker::reach(&cluster, &worker_id).await;
    let mut command = cluster.command(&[
        "chat",
        "local:qwen",
        "--prompt",
        LONG,
        "--max-tokens",
        "2000",
        "--json",
    ]);
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while worker.load().await.generated_tokens < 3 {
        assert!(Instant::now() < deadline, "the answer does not begin");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    common::processes::signal(child.id(), "INT");
    wait_until("rbee chat has left", Duration::from_secs(10), || {
        child.try_wait().unwrap().is_some()
    });
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["finish_reason"], "interrupted");
    assert!(answer["completion_tokens"].as_u64().unwrap() < 2000);
    cluster.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_worker_is_described_through_the_hive() {
    let (cluster, worker_id) = cluster();
    let channel = client::channel(&cluster).await;

    let hive = services(channel.clone()).await;
    for service in [
        "rbee.hive.v1.HiveService",
        "rbee.catalog.v1.ModelService",
        "rbee.catalog.v1.RegistryService",
        "rbee.provisioner.v1.ProvisionerService",
        "rbee.events.v1.EventService",
        "grpc.health.v1.Health",
    ] {
        assert!(
            hive.iter().any(|name| name == service),
            "{service} is not among {hive:?}"
        );
    }
    let worker = services(channel.for_worker(&worker_id).unwrap()).await;
    for service in [
        "rbee.worker.v1.TextService",
        "rbee.worker.v1.WorkerService",
        "grpc.health.v1.Health",
    ] {
        assert!(
            worker.iter().any(|name| name == service),
            "{service} is not among {worker:?}"
        );
    }
    cluster.stop();
}

/// The services that reflection lists.
async fn services(channel: ClientChannel) -> Vec<String> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(request))
        .await
        .expect("reflection is served")
        .into_inner();
    let answer = answers
        .message()
        .await
        .expect("no error")
        .expect("one answer for one question");
    match answer.message_response {
        Some(MessageResponse::ListServicesResponse(list)) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("not a list: {other:?}"),
    }
}

/// A pipe that holds a text.
fn piped(text: &str) -> std::process::Stdio {
    let (reader, mut writer) = std::io::pipe().expect("the system has pipes");
    std::io::Write::write_all(&mut writer, text.as_bytes()).expect("a prompt fits into a pipe");
    reader.into()
}
