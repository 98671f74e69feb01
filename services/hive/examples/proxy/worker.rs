//! The worker: a real worker's server, whose answers are made as cheaply as they can be.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use prost::Message as _;
use rbee_proto::worker::v1::chat_response::Event;
use rbee_proto::worker::v1::{ChatResponse, TextDelta};
use rbee_service_kit::{Auth, Intercept, Intercepted, Lifecycle, Listener, ServerBuilder};
use tokio::time::{Interval, MissedTickBehavior};
use tonic::Status;
use tonic::body::Body;

use super::cores;

/// Metadata of a call: messages of its answer.
pub(crate) const MESSAGES: &str = "bench-messages";
/// Metadata of a call: microseconds between messages; 0 for as fast as they go.
pub(crate) const PACE: &str = "bench-pace-us";
/// Metadata of an answer: the worker's socket.
pub(crate) const SOCKET: &str = "bench-socket";

/// The client speaks to it without its hive too, which knows no token for that.
struct Streams {
    socket: HeaderValue,
}

impl Intercept for Streams {
    fn intercept(&self, request: Request<Body>) -> Intercepted {
        if !request.uri().path().ends_with("TextService/Chat") {
            return Intercepted::Pass(request);
        }
        let number = |name| -> Option<u64> { request.headers().get(name)?.to_str().ok()?.parse().ok() };
        let pace = Duration::from_micros(number(PACE).unwrap_or(0));
        let tokens = Tokens {
            left: number(MESSAGES).unwrap_or(0),
            interval: (!pace.is_zero()).then(|| interval(pace)),
            flood: message(0),
        };
        let mut answer = Response::new(Body::new(tokens));
        let headers = answer.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert(SOCKET, self.socket.clone());
        Intercepted::Answer(std::future::ready(answer).boxed())
    }
}

fn interval(pace: Duration) -> Interval {
    let mut interval = tokio::time::interval(pace);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// One message of a chat as it is on the wire, 54 bytes; its text says when it left.
fn message(sent_ns: u64) -> Bytes {
    let delta = TextDelta {
        text: format!("{sent_ns:020} a token's text"),
        completion_tokens: 1234,
        tokens: Vec::new(),
    };
    let answer = ChatResponse {
        event: Some(Event::Delta(delta)),
    };
    let mut wire = BytesMut::new();
    wire.put_u8(0);
    wire.put_u32(u32::try_from(answer.encoded_len()).unwrap_or(u32::MAX));
    wire.extend_from_slice(&answer.encode_to_vec());
    wire.freeze()
}

/// An answer: each message in a frame of its own, as it is when tokens come one by one.
struct Tokens {
    left: u64,
    interval: Option<Interval>,
    flood: Bytes,
}

impl http_body::Body for Tokens {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(left) = this.left.checked_sub(1) else {
            let trailers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )]);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        };
        let message = match &mut this.interval {
            None => this.flood.clone(),
            Some(interval) => {
                std::task::ready!(interval.poll_tick(context));
                message(cores::now_ns())
            }
        };
        this.left = left;
        Poll::Ready(Some(Ok(Frame::data(message))))
    }
}

/// What a hive starts.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut arguments = std::env::args()
        .skip_while(|argument| argument != "--socket")
        .skip(1);
    let socket = PathBuf::from(arguments.next().unwrap_or_default());
    let mut input = std::io::stdin().lock();
    input.read_line(&mut String::new())?;
    drop(input);
    leave_with_starter();
    cores::leave_inherited()?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(&socket))
}

/// The end of the standard input means that who started this process is gone.
pub(crate) fn leave_with_starter() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(0);
    });
}

async fn serve(socket: &Path) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::new();
    lifecycle.shut_down_on_signals()?;
    let mut server = ServerBuilder::new(Auth::Open);
    server.intercept(Arc::new(Streams {
        socket: HeaderValue::try_from(socket.to_string_lossy().as_ref())?,
    }));
    let listener = Listener::unix(socket).await?;
    println!(r#"rbee-worker: {{"event": "ready"}}"#);
    server.serve(listener, &lifecycle, Duration::ZERO).await?;
    Ok(())
}
