//! What one client may ask of a listener, as clients meet it.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::time::Duration;

use rbee_proto::events::v1::WatchEventsRequest;
use rbee_proto::events::v1::event_service_client::EventServiceClient;
use rbee_service_kit::config::LimitsConfig;
use rbee_service_kit::{Auth, Lifecycle, Listener, RemoteFault, ServerBuilder, Target, reason};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

async fn start(limits: LimitsConfig) -> (Target, Lifecycle) {
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let target = Target {
        address: format!("http://{}", listener.local_addr().unwrap()),
        ..Target::default()
    };
    let lifecycle = Lifecycle::new();
    let life = lifecycle.clone();
    let mut server = ServerBuilder::new(Auth::Open);
    server.limits(limits);
    tokio::spawn(async move { server.serve(listener, &life, Duration::from_secs(5)).await });
    (target, lifecycle)
}

fn plain() -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest::default())
}

async fn check(target: &Target, request: Request<HealthCheckRequest>) -> Result<(), Status> {
    let mut health = HealthClient::new(target.connect_lazy().unwrap());
    health.check(request).await.map(|_| ())
}

#[track_caller]
fn assert_exhausted(status: &Status, reason: &str) -> RemoteFault {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let fault = RemoteFault::from(status);
    assert!(fault.is(reason), "{status:?}");
    fault
}

#[tokio::test]
async fn too_many_calls_a_second_are_told_when_to_come_again() {
    let (target, _life) = start(LimitsConfig {
        calls_per_second: 1,
        burst: 3,
        ..LimitsConfig::default()
    })
    .await;
    let mut refused = None;
    // Three at once; on a slow machine a few more, one for each second.
    for _ in 0..50 {
        if let Err(status) = check(&target, plain()).await {
            refused = Some(status);
            break;
        }
    }
    let fault = assert_exhausted(&refused.unwrap(), reason::RATE_LIMITED);
    let wait = fault.retry_after.unwrap();
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    tokio::time::sleep(wait + Duration::from_millis(50)).await;
    check(&target, plain()).await.unwrap();
}

#[tokio::test]
async fn calls_count_until_their_streams_end() {
    let (target, _life) = start(LimitsConfig {
        concurrent_calls: 2,
        ..LimitsConfig::default()
    })
    .await;
    let watch = async || {
        EventServiceClient::new(target.connect_lazy().unwrap())
            .watch_events(WatchEventsRequest::default())
            .await
    };
    let _first = watch().await.unwrap();
    let second = watch().await.unwrap();
    let fault = assert_exhausted(&watch().await.unwrap_err(), reason::TOO_MANY_CALLS);
    assert!(fault.retry_after.is_some());
    drop(second);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while let Err(status) = watch().await {
        assert!(tokio::time::Instant::now() < deadline, "{status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_size() {
    let (target, _life) = start(LimitsConfig {
        max_message_size: bytesize::ByteSize::kib(64),
        max_header_size: bytesize::ByteSize::kib(8),
        ..LimitsConfig::default()
    })
    .await;
    let of_size = |bytes: usize| {
        Request::new(HealthCheckRequest {
            service: "x".repeat(bytes),
        })
    };
    let small = check(&target, of_size(60 << 10)).await.unwrap_err();
    assert_eq!(
        small.code(),
        Code::NotFound,
        "it is read, and no service is called so"
    );
    let large = check(&target, of_size(64 << 10)).await.unwrap_err();
    let fault = assert_exhausted(&large, reason::MESSAGE_TOO_LARGE);
    assert_eq!(fault.metadata["limit_bytes"], "65536");

    let with_header = |bytes: usize| {
        let mut request = Request::new(HealthCheckRequest::default());
        let value = "x".repeat(bytes).parse().unwrap();
        request.metadata_mut().insert("note", value);
        request
    };
    check(&target, with_header(4 << 10)).await.unwrap();
    let large = check(&target, with_header(9 << 10)).await.unwrap_err();
    assert_exhausted(&large, reason::HEADERS_TOO_LARGE);
    // Far above the limit HTTP/2 itself says no.
    check(&target, with_header(64 << 10)).await.unwrap_err();
    check(&target, plain()).await.unwrap();
}
