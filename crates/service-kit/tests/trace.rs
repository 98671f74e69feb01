//! Traces cross a process's border: a span of the caller is the parent of the called service's.
//!
//! One test, because telemetry is set up once for a process.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::time::Duration;

use rbee_proto::events::v1::WatchEventsRequest;
use rbee_proto::events::v1::event_service_client::EventServiceClient;
use rbee_service_kit::config::TelemetryConfig;
use rbee_service_kit::{Auth, Lifecycle, Listener, ServerBuilder, Target, narrate, telemetry};
use rbee_testkit::collector::Collector;
use tracing::Instrument as _;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_one_trace_from_caller_to_service() {
    let collector = Collector::start().await;
    let config = TelemetryConfig {
        otlp_endpoint: Some(collector.endpoint()),
        ..TelemetryConfig::default()
    };
    let telemetry = telemetry::init("rbee-test", &config).unwrap();

    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let target = Target {
        address: format!("http://{}", listener.local_addr().unwrap()),
        token: None,
        ..Target::default()
    };
    let lifecycle = Lifecycle::new();
    let life = lifecycle.clone();
    let serving = tokio::spawn(async move {
        ServerBuilder::new(Auth::Open)
            .serve(listener, &life, Duration::from_secs(5))
            .await
            .unwrap();
    });

    let told = async {
        narrate!("something happened");
        let mut events = EventServiceClient::new(target.connect_lazy().unwrap());
        let request = WatchEventsRequest {
            backlog: 10,
            ..WatchEventsRequest::default()
        };
        let mut stream = events.watch_events(request).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap().event.unwrap()
    }
    .instrument(tracing::info_span!("caller"))
    .await;
    lifecycle.shutdown();
    serving.await.unwrap();
    tokio::task::spawn_blocking(|| telemetry.flush()).await.unwrap();

    let spans = collector
        .wait_for(Duration::from_secs(10), |spans| spans.len() >= 2)
        .await;
    let caller = spans.iter().find(|span| span.name == "caller").unwrap();
    let called = spans
        .iter()
        .find(|span| span.name == "rbee.events.v1.EventService/WatchEvents")
        .unwrap();
    assert_eq!(called.parent_span_id, caller.span_id);
    assert_eq!(called.trace_id, caller.trace_id);
    assert_eq!(called.service, "rbee-test");
    assert_eq!(caller.parent_span_id, "");
    assert_eq!(told.message, "something happened");
    assert_eq!(told.trace_id, caller.trace_id, "narration names its trace");
}
