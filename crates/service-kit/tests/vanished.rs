//! A peer that vanishes without a word, as a host does that loses its power: both ends notice within seconds.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use rbee_proto::events::v1::WatchEventsRequest;
use rbee_proto::events::v1::event_service_client::EventServiceClient;
use rbee_service_kit::{Auth, Intercept, Intercepted, Lifecycle, Listener, ServerBuilder, Target};
use rbee_testkit::relay::Relay;
use tokio::sync::oneshot;
use tonic::body::Body;

/// What is promised is 15 s; a busy machine gets the same again.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);

/// An answer that begins and never ends; dropping it tells.
struct Endless(Option<oneshot::Sender<()>>);

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.0.take().map(|gone| gone.send(()));
    }
}

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

/// Answers the first call without end.
struct Generation(Mutex<Option<Endless>>);

impl Intercept for Generation {
    fn intercept(&self, request: http::Request<Body>) -> Intercepted {
        let Some(endless) = self.0.lock().take() else {
            return Intercepted::Pass(request);
        };
        let mut answer = http::Response::new(Body::new(endless));
        let grpc = http::HeaderValue::from_static("application/grpc");
        answer.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
        Intercepted::Answer(async { answer }.boxed())
    }
}

#[tokio::test]
async fn both_ends_notice_that_the_other_is_gone() {
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let relay = Relay::start("127.0.0.1:0".parse().unwrap(), listener.local_addr().unwrap())
        .await
        .unwrap();
    let (gone, dropped) = oneshot::channel();
    let mut server = ServerBuilder::new(Auth::Open);
    server.intercept(Arc::new(Generation(Mutex::new(Some(Endless(Some(gone)))))));
    let lifecycle = Lifecycle::new();
    let life = lifecycle.clone();
    lifecycle.spawn(async move { server.serve(listener, &life, Duration::ZERO).await });
    let target = Target {
        address: format!("http://{}", relay.address()),
        token: None,
        ..Target::default()
    };
    let channel = target.connect_lazy().unwrap();
    let watch = async |channel| {
        let mut events = EventServiceClient::new(channel);
        let answer = events.watch_events(WatchEventsRequest::default()).await;
        answer.unwrap().into_inner()
    };
    let mut stream = watch(channel.clone()).await;

    relay.cut();
    let cut_at = Instant::now();
    let (ended, ()) = tokio::time::timeout(NOTICED_WITHIN, async {
        tokio::join!(
            async {
                let ended = stream.message().await;
                (ended, cut_at.elapsed())
            },
            async { dropped.await.unwrap() }
        )
    })
    .await
    .expect("both notice in time");
    let (ended, client_noticed) = ended;
    println!(
        "the client noticed after {client_noticed:?}, both within {:?}",
        cut_at.elapsed()
    );
    let status = ended.expect_err("an answer that was cut off is no whole one");
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");

    // Its own deadline is told as such, and not as somebody's cancelling.
    let mut request = tonic::Request::new(WatchEventsRequest::default());
    request.set_timeout(Duration::from_millis(200));
    let late = EventServiceClient::new(channel.clone())
        .watch_events(request)
        .await;
    assert_eq!(late.unwrap_err().code(), tonic::Code::DeadlineExceeded);

    // A connection that was not noticed yet is no reason to wait: the way to a new one is there.
    let reconnecting = channel.reconnecting();
    relay.heal();
    watch(reconnecting).await;
    watch(channel).await;
    drop(stream);
    assert!(lifecycle.finish(NOTICED_WITHIN).await);
}
