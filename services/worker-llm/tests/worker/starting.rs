//! Before and while it starts: the command line, the token, the socket, who is let in.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_proto::worker::v1::text_service_server::SERVICE_NAME as TEXT_SERVICE;
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rbee_service_kit::client::{ClientChannel, unix_channel};
use rbee_service_kit::{Auth, Lifecycle, Listener, RemoteFault, ServerBuilder, reason};
use secrecy::SecretString;
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::harness::{PROGRAM, TOKEN, Worker, greedy, tiny, user};

#[test]
fn it_says_what_it_is() {
    let output = Command::new(PROGRAM).arg("--version").output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("llm-worker-rbee-cpu {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = Command::new(PROGRAM).arg("--help").output().unwrap();
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .contains("(echo TOKEN; cat) |")
    );
}

#[test]
fn a_wrong_command_line_is_told_from_everything_else() {
    let status = Command::new(PROGRAM).arg("--unknown").output().unwrap().status;
    assert_eq!(status.code(), Some(2));
}

#[tokio::test]
async fn without_a_token_it_does_not_start() {
    for input in [None, Some("\n"), Some("not a token\n")] {
        let mut worker = Worker::start_with(&tiny(), &[], input);
        let status = worker.until("failed");
        assert_eq!(status["reason"], reason::WORKER_START_FAILED);
        assert!(status["message"].as_str().unwrap().contains("token"), "{status}");
        assert_eq!(worker.left().await.0, Some(3));
        assert!(!worker.socket.exists());
    }
}

#[tokio::test]
async fn a_socket_that_cannot_be_is_a_reason_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("w.sock")).unwrap();
    let mut worker = Worker::start_in(folder, &tiny(), &[], Some(&format!("{TOKEN}\n")));
    let status = worker.until("failed");
    assert_eq!(status["reason"], reason::WORKER_START_FAILED);
    assert!(status["message"].as_str().unwrap().contains("w.sock"), "{status}");
    assert_eq!(worker.left().await.0, Some(3));
}

#[tokio::test]
async fn it_gets_ready_and_says_so() {
    let worker = Worker::start(&tiny(), &[]);
    worker.until("loading");
    worker.until("ready");
    // Who has read the line finds it ready, at the first attempt.
    let mut health = HealthClient::new(worker.channel());
    for service in ["", TEXT_SERVICE] {
        let answer = health
            .check(HealthCheckRequest {
                service: service.into(),
            })
            .await
            .unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    }
    let mode = std::fs::metadata(&worker.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else may connect");
    let command_line = std::fs::read(format!("/proc/{}/cmdline", worker.child.id())).unwrap();
    assert!(!String::from_utf8_lossy(&command_line).contains(TOKEN));
}

#[tokio::test]
async fn it_can_be_explored() {
    let worker = Worker::ready(&tiny(), &[]);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(worker.channel())
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(services) = answer else {
        panic!("{answer:?}")
    };
    let mut names: Vec<String> = services.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "rbee.events.v1.EventService",
            "rbee.worker.v1.TextService",
            "rbee.worker.v1.WorkerService",
        ]
    );
}

/// Calls everything that a worker serves of the contract, all of which is to be refused.
async fn refusals_of_every_call(channel: ClientChannel) -> Vec<Status> {
    let mut text = TextServiceClient::new(channel.clone());
    let mut info = WorkerServiceClient::new(channel);
    vec![
        text.chat(greedy(vec![user("hi")], 1)).await.unwrap_err(),
        text.complete(proto::CompleteRequest::default())
            .await
            .unwrap_err(),
        text.tokenize(proto::TokenizeRequest::default())
            .await
            .unwrap_err(),
        text.detokenize(proto::DetokenizeRequest::default())
            .await
            .unwrap_err(),
        text.count_tokens(proto::CountTokensRequest::default())
            .await
            .unwrap_err(),
        info.get_info(proto::GetInfoRequest {}).await.unwrap_err(),
    ]
}

#[tokio::test]
async fn only_its_hive_is_let_in() {
    let worker = Worker::ready(&tiny(), &[]);
    let wrong = SecretString::from("fedcba9876543210fedcba9876543210");
    for (token, why) in [
        (None, reason::UNAUTHENTICATED),
        (Some(&wrong), reason::TOKEN_UNKNOWN),
    ] {
        let channel = unix_channel(&worker.socket, token).unwrap();
        let mut refusals = refusals_of_every_call(channel.clone()).await;
        let health = HealthClient::new(channel)
            .check(HealthCheckRequest::default())
            .await;
        refusals.push(health.unwrap_err());
        for refusal in refusals {
            assert_eq!(refusal.code(), Code::Unauthenticated);
            assert!(RemoteFault::from(&refusal).is(why));
        }
    }
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    // Closing a listener leaves its file, as a killed worker does.
    drop(UnixListener::bind(folder.path().join("w.sock")).unwrap());
    let worker = Worker::start_in(folder, &tiny(), &[], Some(&format!("{TOKEN}\n")));
    worker.until("ready");
    assert_eq!(worker.info().await.worker_id, "w1");
}

#[tokio::test]
async fn until_the_model_is_loaded_every_call_is_told_to_come_back() {
    use llm_worker_rbee::grpc::{Loaded, mount};
    use rbee_worker_kit::{Identity, info};

    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("w.sock");
    let mut server = ServerBuilder::new(Auth::Open);
    let identity = Identity {
        worker_id: "w1".into(),
        model_id: "m".into(),
        device_id: "cpu:0".into(),
        worker_type: rbee_proto::types::v1::WorkerType::CpuLlm,
        version: "1",
    };
    let loaded = Loaded::default();
    mount(&mut server, &loaded);
    info::mount(&mut server, identity, &loaded);
    let _readiness = server.readiness();
    let listener = Listener::unix(&socket).await.unwrap();
    let lifecycle = Lifecycle::new();
    let serving = {
        let lifecycle = lifecycle.clone();
        tokio::spawn(async move { server.serve(listener, &lifecycle, Duration::ZERO).await })
    };

    let channel = unix_channel(&socket, None).unwrap();
    let answer = HealthClient::new(channel.clone())
        .check(HealthCheckRequest::default())
        .await
        .unwrap();
    assert_eq!(answer.into_inner().status(), ServingStatus::NotServing);
    for refusal in refusals_of_every_call(channel).await {
        let fault = RemoteFault::from(&refusal);
        assert_eq!(fault.code, Code::Unavailable);
        assert!(fault.is(reason::WORKER_NOT_READY), "{fault:?}");
        assert!(fault.retry_after.is_some());
    }
    lifecycle.shutdown();
    serving.await.unwrap().unwrap();
}
