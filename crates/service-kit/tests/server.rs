//! A server as clients meet it: health, reflection, events, tokens, interception, shutdown.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use rbee_proto::events::v1::WatchEventsRequest;
use rbee_proto::events::v1::event_service_client::EventServiceClient;
use rbee_service_kit::server::{Intercept, Intercepted, Readiness};
use rbee_service_kit::{Auth, Lifecycle, Listener, RemoteFault, ServerBuilder, Target, reason};
use secrecy::SecretString;
use tonic::body::Body;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const TOKEN: &str = "0123456789abcdef";

struct Running {
    target: Target,
    lifecycle: Lifecycle,
    serving: tokio::task::JoinHandle<()>,
}

async fn start(auth: Auth, prepare: impl FnOnce(&mut ServerBuilder)) -> Running {
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let target = Target {
        address,
        token: auth.token().cloned(),
        ..Target::default()
    };
    let lifecycle = Lifecycle::new();
    let mut server = ServerBuilder::new(auth);
    prepare(&mut server);
    let life = lifecycle.clone();
    let serving = tokio::spawn(async move {
        server
            .serve(listener, &life, Duration::from_secs(30))
            .await
            .unwrap();
    });
    Running {
        target,
        lifecycle,
        serving,
    }
}

async fn health(target: &Target) -> ServingStatus {
    HealthClient::new(target.connect_lazy().unwrap())
        .check(HealthCheckRequest {
            service: "rbee.events.v1.EventService".into(),
        })
        .await
        .unwrap()
        .into_inner()
        .status()
}

#[tokio::test]
async fn only_who_shows_the_token_is_answered() {
    let running = start(Auth::Token(SecretString::from(TOKEN)), |_| {}).await;
    assert_eq!(health(&running.target).await, ServingStatus::Serving);

    let stranger = Target {
        token: Some(SecretString::from("fedcba9876543210")),
        ..running.target.clone()
    };
    let mut events = EventServiceClient::new(stranger.connect_lazy().unwrap());
    let refusal = events
        .watch_events(WatchEventsRequest::default())
        .await
        .unwrap_err();
    assert!(RemoteFault::from(&refusal).is(reason::TOKEN_UNKNOWN));
}

#[tokio::test]
async fn health_answers_not_serving_until_ready() {
    let mut readiness: Option<Readiness> = None;
    let running = start(Auth::Open, |server| readiness = Some(server.readiness())).await;
    assert_eq!(health(&running.target).await, ServingStatus::NotServing);
    readiness.unwrap().set_ready().await;
    assert_eq!(health(&running.target).await, ServingStatus::Serving);
}

/// A small model is loaded before the server's task has begun.
#[tokio::test]
async fn ready_before_it_serves_is_ready() {
    let mut readiness: Option<Readiness> = None;
    let running = start(Auth::Open, |server| readiness = Some(server.readiness())).await;
    // On this runtime's one thread the server has not run yet.
    readiness.unwrap().set_ready().await;
    assert_eq!(health(&running.target).await, ServingStatus::Serving);
}

#[tokio::test]
async fn shutdown_ends_streams_at_once() {
    let running = start(Auth::Open, |_| {}).await;
    let mut events = EventServiceClient::new(running.target.connect_lazy().unwrap());
    let mut stream = events
        .watch_events(WatchEventsRequest::default())
        .await
        .unwrap()
        .into_inner();
    running.lifecycle.shutdown();
    assert!(stream.next().await.is_none());
    drop((stream, events));
    // Far below the grace of 30 s.
    tokio::time::timeout(Duration::from_secs(5), running.serving)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn an_interceptor_answers_in_place_of_the_services() {
    struct Teapot;
    impl Intercept for Teapot {
        fn intercept(&self, request: http::Request<Body>) -> Intercepted {
            if !request.headers().contains_key("teapot") {
                return Intercepted::Pass(request);
            }
            Intercepted::Answer(async { tonic::Status::data_loss("short and stout").into_http() }.boxed())
        }
    }
    let running = start(Auth::Open, |server| {
        server.intercept(Arc::new(Teapot));
    })
    .await;
    assert_eq!(health(&running.target).await, ServingStatus::Serving);
    let mut request = tonic::Request::new(HealthCheckRequest::default());
    request.metadata_mut().insert("teapot", "yes".parse().unwrap());
    let answer = HealthClient::new(running.target.connect_lazy().unwrap())
        .check(request)
        .await;
    assert_eq!(answer.unwrap_err().code(), tonic::Code::DataLoss);
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_private_and_leaves_no_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    {
        let _stale = std::os::unix::net::UnixListener::bind(&path).unwrap();
    }
    let listener = Listener::unix(&path).await.unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        Listener::unix(&path).await.is_err(),
        "a socket in use is not taken over"
    );

    let lifecycle = Lifecycle::new();
    let life = lifecycle.clone();
    let serving = tokio::spawn(async move {
        ServerBuilder::new(Auth::Open)
            .serve(listener, &life, Duration::from_secs(5))
            .await
            .unwrap();
    });
    let channel = rbee_service_kit::client::unix_channel(&path, None).unwrap();
    HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await
        .unwrap();
    lifecycle.shutdown();
    serving.await.unwrap();
    assert!(!path.exists());
}
