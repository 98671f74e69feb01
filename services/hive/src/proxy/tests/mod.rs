//! The proxy between real servers: a client's channel, a server that forwards every call, and a worker's server whose
//! answers are bodies that a test writes frame by frame.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use rbee_service_kit::client::{ClientChannel, raw_unix_channel};
use rbee_service_kit::{
    Auth, Intercept, Intercepted, Lifecycle, Listener, RemoteFault, ServerBuilder, Target, reason,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service as _, ServiceExt as _};

use super::counted::Counted;
use super::forward;
use crate::telemetry::Metrics;
use crate::worker::{Answering, Link};

mod ends;
mod flow;
mod passes;

#[test]
fn answers_and_pictures_are_work_and_questions_are_not() {
    for (path, work) in [
        ("/rbee.worker.v1.TextService/Chat", true),
        ("/rbee.worker.v1.ImageService/GenerateImage", true),
        ("/rbee.worker.v1.WorkerService/GetInfo", false),
        ("/grpc.health.v1.Health/Check", false),
    ] {
        assert_eq!(super::is_work(path), work, "{path}");
        let only_workers = path.starts_with("/rbee.worker.");
        assert_eq!(super::is_of_a_worker(path), only_workers, "{path}");
    }
}

/// Long enough for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// The token that the worker's own server would want to see.
const TOKEN: &str = "Bearer of-the-worker";

type Answers = dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync;

struct Worker(Box<Answers>);

impl Intercept for Worker {
    fn intercept(&self, request: Request<Body>) -> Intercepted {
        Intercepted::Answer((self.0)(request))
    }
}

/// A deadline that only the proxy knows of; the client's channel keeps those of `grpc-timeout` by itself.
const DEADLINE_FOR_PROXY: &str = "test-timeout";

/// Forwards every call to one worker.
struct ToWorker(Link);

impl Intercept for ToWorker {
    fn intercept(&self, mut request: Request<Body>) -> Intercepted {
        if let Some(deadline) = request.headers_mut().remove(DEADLINE_FOR_PROXY) {
            request.headers_mut().insert("grpc-timeout", deadline);
        }
        let id = "w-1".parse().unwrap();
        let counted = Counted::new(Metrics::default().request(&id), Answering::uncounted());
        Intercepted::Answer(forward(request, id, self.0.clone(), counted).boxed())
    }
}

/// All of it, running.
struct Rig {
    address: String,
    gone: CancellationToken,
    /// What the worker runs on, as a process of its own would.
    worker: Option<Runtime>,
    _folder: TempDir,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill_worker();
    }
}

impl Rig {
    async fn start<F>(answer: impl Fn(Request<Body>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("w.sock");
        let gone = CancellationToken::new();
        let link = Link {
            channel: raw_unix_channel(socket.clone()),
            authorization: HeaderValue::from_static(TOKEN),
            gone: gone.clone(),
        };
        let answers = Worker(Box::new(move |request| answer(request).boxed()));
        let worker = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listening = worker.spawn(async move { serve(Listener::unix(&socket).await.unwrap(), answers) });
        listening.await.unwrap();
        let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        serve(listener, ToWorker(link));
        Self {
            address,
            gone,
            worker: Some(worker),
            _folder: folder,
        }
    }

    /// A connection of its own.
    fn client(&self) -> ClientChannel {
        let target = Target {
            address: self.address.clone(),
            token: None,
            ..Target::default()
        };
        target.connect_lazy().unwrap()
    }

    /// Closes the worker's connections in the middle of whatever they carry.
    fn kill_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.shutdown_background();
        }
    }
}

fn serve(listener: Listener, intercept: impl Intercept) {
    let lifecycle = Lifecycle::new();
    let mut server = ServerBuilder::new(Auth::Open);
    server.intercept(Arc::new(intercept));
    tokio::spawn(async move { server.serve(listener, &lifecycle, Duration::ZERO).await });
}

fn request(path: &str, body: Body) -> Request<Body> {
    Request::post(format!("http://hive{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", "Bearer of-the-client")
        .header("rbee-worker-id", "w-1")
        .body(body)
        .unwrap()
}

async fn call(client: &ClientChannel, request: Request<Body>) -> Response<Body> {
    client.clone().ready().await.unwrap().call(request).await.unwrap()
}

/// A body and where to write its frames; it ends when that is dropped.
fn written() -> (mpsc::Sender<Result<Frame<Bytes>, Status>>, Body) {
    let (sender, frames) = mpsc::channel(1);
    (sender, Body::new(StreamBody::new(ReceiverStream::new(frames))))
}

/// A body of these frames.
fn frames(frames: impl IntoIterator<Item = Frame<Bytes>, IntoIter: Send + 'static>) -> Body {
    let frames = frames.into_iter().map(Ok::<_, Status>);
    Body::new(StreamBody::new(tokio_stream::iter(frames)))
}

fn data(bytes: impl Into<Bytes>) -> Frame<Bytes> {
    Frame::data(bytes.into())
}

fn ok() -> Frame<Bytes> {
    Frame::trailers(HeaderMap::from_iter([(
        "grpc-status".parse().unwrap(),
        HeaderValue::from_static("0"),
    )]))
}

fn answer(body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    answer
}

/// All bytes and the trailers.
async fn read(answer: Response<Body>) -> (Bytes, HeaderMap) {
    let collected = tokio::time::timeout(DEADLINE, answer.into_body().collect())
        .await
        .expect("the answer ends")
        .unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    (collected.to_bytes(), trailers)
}

/// The bytes of the next frame.
async fn next(body: &mut Body) -> Bytes {
    let frame = tokio::time::timeout(DEADLINE, body.frame()).await;
    let frame = frame
        .expect("a frame comes")
        .expect("the answer goes on")
        .unwrap();
    frame.into_data().unwrap()
}

/// What an answer ended with, in its headers or trailers.
async fn end(answer: Response<Body>) -> Status {
    if let Some(status) = Status::from_header_map(answer.headers()) {
        return status;
    }
    let (_, trailers) = read(answer).await;
    Status::from_header_map(&trailers).expect("the answer ends with a status")
}

fn assert_lost(status: &Status) {
    let fault = RemoteFault::from(status);
    assert!(fault.is(reason::WORKER_LOST), "{fault:?}");
    assert_eq!(fault.code, Code::Unavailable);
    assert!(fault.retry_after.is_some());
}
