//! Reaching workers through the hive.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rbee_proto::types::v1::WorkerState;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rbee_proto::worker::v1::{
    ChatRequest, ChatResponse, GetInfoRequest, TokenizeRequest, WorkerLoad, chat_response::Event,
};
use rbee_service_kit::client::{ClientChannel, unix_channel};
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::exposition::scrape;
use rbee_testkit::scripted_worker::Script;
use tonic::{Code, Request, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::harness::{Cluster, DEADLINE, quick, quick_without_restarts};
use crate::telemetry::serve_metrics;

pub(crate) async fn chat(cluster: &Cluster, id: &str) -> Result<Streaming<ChatResponse>, RemoteFault> {
    let answer = TextServiceClient::new(cluster.worker(id))
        .chat(ChatRequest::default())
        .await;
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| RemoteFault::from(&status))
}

async fn load(cluster: &Cluster, id: &str) -> WorkerLoad {
    let info = WorkerServiceClient::new(cluster.worker(id))
        .get_info(GetInfoRequest {})
        .await
        .unwrap();
    info.into_inner().load.unwrap()
}

#[tokio::test]
async fn messages_come_one_by_one() {
    let cluster = Cluster::start().await;
    let worker = cluster
        .spawn_scripted(
            "slow",
            &Script {
                tokens: 5,
                token_ms: 400,
                ..Script::default()
            },
        )
        .await;
    let mut answer = chat(&cluster, &worker.id).await.unwrap();
    let mut arrivals = Vec::new();
    let mut text = String::new();
    while let Some(message) = answer.message().await.unwrap() {
        match message.event.unwrap() {
            Event::Delta(delta) => {
                arrivals.push(Instant::now());
                text.push_str(&delta.text);
            }
            Event::Started(_) => assert!(arrivals.is_empty()),
            Event::Finished(_) => assert_eq!(arrivals.len(), 5),
            Event::Reasoning(_) | Event::ToolCall(_) => panic!("nothing but text was expected"),
        }
    }
    assert_eq!(text, "1 2 3 4 5 ");
    // Held back until its end, an answer would come in one piece.
    let spread = arrivals[4] - arrivals[0];
    assert!(
        spread > Duration::from_millis(200),
        "they came together: {spread:?}"
    );
}

#[tokio::test]
async fn a_dropped_answer_is_dropped_at_the_worker() {
    let cluster = Cluster::start().await;
    let worker = cluster
        .spawn_scripted(
            "long",
            &Script {
                tokens: 1_000_000,
                token_ms: 5,
                ..Script::default()
            },
        )
        .await;
    let mut answer = chat(&cluster, &worker.id).await.unwrap();
    for _ in 0..5 {
        answer.message().await.unwrap().unwrap();
    }
    assert_eq!(load(&cluster, &worker.id).await.running_requests, 1);
    drop(answer);
    let dropped = Instant::now();
    while load(&cluster, &worker.id).await.running_requests > 0 {
        assert!(dropped.elapsed() < DEADLINE, "it goes on generating");
    }
    let generated = load(&cluster, &worker.id).await.generated_tokens;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(load(&cluster, &worker.id).await.generated_tokens, generated);
    let mut another = chat(&cluster, &worker.id).await.unwrap();
    another.message().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_worker_that_cannot_answer_says_why() {
    let cluster = Cluster::start_with(quick_without_restarts()).await;
    for unknown in ["none-1", "Not An Id", "../../etc"] {
        let fault = chat(&cluster, unknown).await.unwrap_err();
        assert!(fault.is(reason::WORKER_NOT_FOUND), "{fault:?}");
        assert_eq!(fault.code, Code::NotFound);
    }

    let (_spawn, loading) = cluster.spawn_loading("loading").await;
    let fault = chat(&cluster, &loading).await.unwrap_err();
    assert!(
        fault.is(reason::WORKER_NOT_READY) && fault.retry_after.is_some(),
        "{fault:?}"
    );

    let failed = cluster
        .spawn_scripted(
            "failed",
            &Script {
                exit_serving: Some(3),
                ..Script::default()
            },
        )
        .await;
    assert!(
        chat(&cluster, &failed.id)
            .await
            .unwrap_err()
            .is(reason::WORKER_LOST)
    );
    cluster.worker_in(&failed.id, WorkerState::CrashLooping).await;
    let fault = chat(&cluster, &failed.id).await.unwrap_err();
    assert!(fault.is(reason::WORKER_CRASH_LOOPING), "{fault:?}");
    assert_eq!(fault.metadata["failure"], reason::WORKER_EXITED);
}

#[tokio::test]
async fn a_worker_that_is_killed_ends_its_answers_with_a_reason() {
    let cluster = Cluster::start().await;
    let worker = cluster
        .spawn_scripted(
            "long",
            &Script {
                tokens: 1_000_000,
                token_ms: 5,
                ..Script::default()
            },
        )
        .await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        let mut answer = chat(&cluster, &worker.id).await.unwrap();
        answer.message().await.unwrap().unwrap();
        answers.push(answer);
    }
    let pid = nix::unistd::Pid::from_raw(worker.process_id.unwrap().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let killed = Instant::now();
    let ends = join_all(answers.into_iter().map(async |mut answer| {
        loop {
            if let Err(status) = answer.message().await {
                break RemoteFault::from(&status);
            }
        }
    }));
    for fault in ends.await {
        assert!(fault.is(reason::WORKER_LOST), "{fault:?}");
        assert!(fault.code == Code::Unavailable && fault.retry_after.is_some());
    }
    // By its death and not by health checks that it misses.
    let took = killed.elapsed();
    assert!(took < quick().health_timeout, "{took:?}");
}

#[tokio::test]
async fn many_answers_share_a_connection() {
    let cluster = Cluster::start().await;
    let worker = cluster
        .spawn_scripted(
            "busy",
            &Script {
                tokens: 20,
                token_ms: 2,
                ..Script::default()
            },
        )
        .await;
    let answers = join_all((0..40).map(async |_| {
        let mut answer = chat(&cluster, &worker.id).await.unwrap();
        let mut deltas = 0;
        while let Some(message) = answer.message().await.unwrap() {
            deltas += usize::from(matches!(message.event, Some(Event::Delta(_))));
        }
        deltas
    }));
    assert_eq!(answers.await, vec![20; 40]);
    assert_eq!(load(&cluster, &worker.id).await.running_requests, 0);
}

#[tokio::test]
async fn each_call_is_counted_by_how_it_ended() {
    let cluster = Cluster::start().await;
    let address = serve_metrics(&cluster).await;
    let script = Script {
        tokens: 50,
        token_ms: 20,
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("counted", &script).await;
    let mut whole = chat(&cluster, &worker.id).await.unwrap();
    while whole.message().await.unwrap().is_some() {}
    let mut left = chat(&cluster, &worker.id).await.unwrap();
    left.message().await.unwrap().unwrap();
    drop(left);
    load(&cluster, &worker.id).await;

    let begun = Instant::now();
    loop {
        let page = scrape(address).await;
        let ended =
            |code: &str| page["rbee_worker_requests_total"].value(&[("worker", &worker.id), ("code", code)]);
        if ended("OK") == Some(2.0) && ended("CANCELLED") == Some(1.0) {
            break;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "{:?} {:?}",
            ended("OK"),
            ended("CANCELLED")
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The services that reflection lists.
async fn services(channel: ClientChannel) -> BTreeSet<String> {
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(question))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!()
    };
    services.service.into_iter().map(|service| service.name).collect()
}

#[tokio::test]
async fn a_call_to_no_worker_in_particular_is_told_what_is_missing() {
    let cluster = Cluster::start().await;
    let names = services(cluster.hive.channel()).await;
    for service in ["rbee.worker.v1.TextService", "rbee.hive.v1.HiveService"] {
        assert!(names.contains(service), "{names:?}");
    }
    let status = TextServiceClient::new(cluster.hive.channel())
        .chat(ChatRequest::default())
        .await
        .unwrap_err();
    assert!(
        RemoteFault::from(&status).is(reason::WORKER_ID_MISSING),
        "{status:?}"
    );
}

#[tokio::test]
async fn everything_a_worker_serves_is_reached() {
    let cluster = Cluster::start().await;
    let worker = cluster.spawn_scripted("whole", &Script::default()).await;
    let channel = cluster.worker(&worker.id);

    let health = HealthClient::new(channel.clone())
        .check(HealthCheckRequest {
            service: "rbee.worker.v1.TextService".into(),
        })
        .await;
    assert_eq!(health.unwrap().into_inner().status, 1, "SERVING");

    let names = services(channel.clone()).await;
    assert!(names.contains("rbee.worker.v1.TextService"), "{names:?}");
    assert!(
        !names.contains("rbee.hive.v1.HiveService"),
        "the worker's, not the hive's: {names:?}"
    );

    // A message larger than one frame, there and back.
    let text = "x".repeat(300_000);
    let tokens = TextServiceClient::new(channel)
        .tokenize(TokenizeRequest {
            text,
            ..TokenizeRequest::default()
        })
        .await
        .unwrap();
    assert_eq!(tokens.into_inner().token_ids.len(), 300_000);
}

#[tokio::test]
async fn a_deadline_reaches_through() {
    let cluster = Cluster::start().await;
    let worker = cluster
        .spawn_scripted(
            "hangs",
            &Script {
                hang_requests: true,
                ..Script::default()
            },
        )
        .await;
    let status = TextServiceClient::new(cluster.worker(&worker.id))
        .chat(with_deadline(Duration::from_millis(500)))
        .await
        .unwrap_err();
    // The client's own channel keeps the deadline too, and calls that cancelled.
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status:?}"
    );
    // It answers health, so it is none that hangs.
    cluster.worker_in(&worker.id, WorkerState::Ready).await;
}

#[tokio::test]
async fn a_deadline_ends_an_answer_in_its_middle() {
    let cluster = Cluster::start().await;
    let worker = cluster
        .spawn_scripted(
            "long",
            &Script {
                tokens: 1_000_000,
                token_ms: 20,
                ..Script::default()
            },
        )
        .await;
    let mut answer = TextServiceClient::new(cluster.worker(&worker.id))
        .chat(with_deadline(Duration::from_secs(4)))
        .await
        .unwrap()
        .into_inner();
    let reading = async {
        loop {
            if let Err(status) = answer.message().await {
                break status;
            }
        }
    };
    let status = tokio::time::timeout(DEADLINE, reading).await.unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    let ended = Instant::now();
    while load(&cluster, &worker.id).await.running_requests > 0 {
        assert!(ended.elapsed() < DEADLINE, "the worker goes on generating");
    }
}

fn with_deadline(deadline: Duration) -> Request<ChatRequest> {
    let mut call = Request::new(ChatRequest::default());
    call.set_timeout(deadline);
    call
}

#[tokio::test]
async fn a_socket_answers_only_its_hive() {
    let cluster = Cluster::start().await;
    let worker = cluster.spawn_scripted("private", &Script::default()).await;
    let socket = cluster
        .data
        .path()
        .join("hive/sockets")
        .join(format!("{}.sock", worker.id));
    let channel = unix_channel(&socket, None).unwrap();
    let status = WorkerServiceClient::new(channel)
        .get_info(GetInfoRequest {})
        .await
        .unwrap_err();
    assert!(
        RemoteFault::from(&status).is(reason::UNAUTHENTICATED),
        "{status:?}"
    );
}
