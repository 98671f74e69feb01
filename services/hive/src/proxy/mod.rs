//! The way to workers: calls with the metadata `rbee-worker-id` go to that worker's socket as they
//! come, and its answers go back as they come.
//!
//! Nothing is decoded or held back. A frame of the request is polled when the worker's connection
//! has room for it, and one of the answer when the client's has: flow control reaches through. What
//! changes on the way is three headers: the client's `authorization` gives way to the worker's own
//! token, `rbee-worker-id` has done its work, and `traceparent` names the hive's span. Deadlines
//! (`grpc-timeout`), metadata, trailers and every service that a worker has pass as they are; a
//! client that drops its call resets the stream, which drops the worker's.
//!
//! A worker that breaks off gives its clients a status that says so, and not a broken connection. A call whose
//! deadline passes ends then, also in the middle of its answer, and its worker's stream with it.

mod body;
mod counted;
mod deadline;
#[cfg(test)]
mod tests;

use std::pin::Pin;

use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, Request, Response};
use rbee_artifacts::WorkerId;
use rbee_proto::worker::v1::{image_service_server, text_service_server, worker_service_server};
use rbee_service_kit::client::WORKER_ID;
use rbee_service_kit::fault::Chain;
use rbee_service_kit::telemetry::propagation;
use rbee_service_kit::{Fault, Intercept, Intercepted};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tower::Service as _;

use self::body::AnswerBody;
use self::counted::Counted;
use crate::grpc::status;
use crate::telemetry::Metrics;
use crate::worker::{Link, Route, Workers};

/// Passes calls on to workers.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    workers: Workers,
    metrics: Metrics,
}

impl Proxy {
    /// A proxy to these workers, whose calls are counted here.
    #[must_use]
    pub(crate) fn new(workers: Workers, metrics: Metrics) -> Self {
        Self { workers, metrics }
    }

    fn link(&self, id: &str, path: &str) -> Result<(WorkerId, Link, Counted), Fault> {
        let worker_id: WorkerId = id.parse().map_err(|_| status::worker_not_found(id))?;
        match self.workers.route(&worker_id, is_work(path)) {
            Route::Ready(link, answering) => {
                let counted = Counted::new(self.metrics.request(&worker_id), answering);
                Ok((worker_id, link, counted))
            }
            Route::NotServing(worker) => Err(status::worker_not_serving(&worker)),
            Route::Unknown => Err(status::worker_not_found(id)),
        }
    }
}

impl Intercept for Proxy {
    fn intercept(&self, request: Request<Body>) -> Intercepted {
        let found = match request.headers().get(WORKER_ID).map(|id| id.to_str()) {
            Some(Ok(id)) => self.link(id, request.uri().path()),
            Some(Err(_)) => Err(status::worker_not_found("that")),
            None if is_of_a_worker(request.uri().path()) => Err(status::worker_id_missing()),
            None => return Intercepted::Pass(request),
        };
        Intercepted::Answer(match found {
            Ok((id, link, counted)) => forward(request, id, link, counted).boxed(),
            Err(fault) => {
                let answer = Status::from(fault).into_http();
                std::future::ready(answer).boxed()
            }
        })
    }
}

/// Whether only workers serve this method. Health, reflection and events are the hive's own too.
fn is_of_a_worker(path: &str) -> bool {
    service_of(path) == Some(worker_service_server::SERVICE_NAME) || is_work(path)
}

/// Whether a call makes a worker work. Questions about it don't.
fn is_work(path: &str) -> bool {
    matches!(
        service_of(path),
        Some(text_service_server::SERVICE_NAME | image_service_server::SERVICE_NAME)
    )
}

fn service_of(path: &str) -> Option<&str> {
    path.trim_start_matches('/').split('/').next()
}

/// When a call must be over. Without a deadline that is never.
type Deadline = Option<Pin<Box<Sleep>>>;

/// What a client gets whose deadline passed: of all that the layers of server and channel answer, the code that gRPC
/// has for it.
fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the client's deadline passed")
}

/// Not an async function: the deadline counts from the moment of the call.
fn forward(
    mut request: Request<Body>,
    id: WorkerId,
    link: Link,
    mut counted: Counted,
) -> impl Future<Output = Response<Body>> + Send + 'static {
    let mut deadline: Deadline =
        deadline::of(request.headers()).map(|limit| Box::pin(tokio::time::sleep(limit)));
    rewrite(request.headers_mut(), &link);
    let Link {
        mut channel, gone, ..
    } = link;
    async move {
        let call = async {
            std::future::poll_fn(|context| channel.poll_ready(context)).await?;
            channel.call(request).await
        };
        // Cancel safe: a call whose worker is gone or whose time is over is dropped on purpose. The deadline is asked
        // first, because the channel has a timer of the same length. An answer that came counts more than that the
        // worker left right after it.
        let end = tokio::select! {
            biased;
            () = passed(&mut deadline) => deadline_exceeded(),
            answer = call => match answer {
                Ok(answer) => return AnswerBody::of(answer, id, gone, deadline, counted),
                Err(error) => {
                    tracing::debug!(error = %Chain(&error), worker_id = %id, "a call broke off");
                    status::worker_lost(id.as_str()).into()
                }
            },
            () = gone.cancelled() => status::worker_lost(id.as_str()).into(),
        };
        counted.finished(end.code());
        end.into_http()
    }
}

async fn passed(deadline: &mut Deadline) {
    match deadline {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

fn rewrite(headers: &mut HeaderMap, link: &Link) {
    headers.remove(WORKER_ID);
    // Of the hive's own name; the worker's connection has its own.
    headers.remove(HOST);
    headers.insert(AUTHORIZATION, link.authorization.clone());
    propagation::inject(headers);
}
