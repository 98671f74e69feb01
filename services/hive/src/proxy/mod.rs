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
//! A worker that breaks off gives its clients a status that says so, and not a broken connection.

mod body;

use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, Request, Response};
use rbee_artifacts::WorkerId;
use rbee_proto::worker::v1::{text_service_server, worker_service_server};
use rbee_service_kit::client::WORKER_ID;
use rbee_service_kit::telemetry::propagation;
use rbee_service_kit::{Fault, Intercept, Intercepted};
use tonic::Status;
use tonic::body::Body;
use tower::Service as _;

use self::body::AnswerBody;
use crate::grpc::status;
use crate::worker::{Answering, Link, Route, Workers};

/// Passes calls on to workers.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    workers: Workers,
}

impl Proxy {
    /// A proxy to these workers.
    #[must_use]
    pub(crate) fn new(workers: Workers) -> Self {
        Self { workers }
    }

    fn link(&self, id: &str, path: &str) -> Result<(WorkerId, Link, Answering), Fault> {
        let worker_id: WorkerId = id.parse().map_err(|_| status::worker_not_found(id))?;
        match self.workers.route(&worker_id, is_work(path)) {
            Route::Ready(link, answering) => Ok((worker_id, link, answering)),
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
            Ok((id, link, answering)) => forward(request, id, link, answering).boxed(),
            Err(fault) => {
                let answer = Status::from(fault).into_http();
                std::future::ready(answer).boxed()
            }
        })
    }
}

/// Whether only workers serve this method. Health, reflection and events are the hive's own too.
fn is_of_a_worker(path: &str) -> bool {
    let service = path.trim_start_matches('/').split('/').next();
    service == Some(text_service_server::SERVICE_NAME) || service == Some(worker_service_server::SERVICE_NAME)
}

/// Whether a call makes a worker work. Questions about it don't.
fn is_work(path: &str) -> bool {
    let service = path.trim_start_matches('/').split('/').next();
    service == Some(text_service_server::SERVICE_NAME)
}

async fn forward(
    mut request: Request<Body>,
    id: WorkerId,
    link: Link,
    answering: Answering,
) -> Response<Body> {
    rewrite(request.headers_mut(), &link);
    let Link {
        mut channel, gone, ..
    } = link;
    let call = async {
        std::future::poll_fn(|context| channel.poll_ready(context)).await?;
        channel.call(request).await
    };
    // Cancel safe: a call whose worker is gone is dropped on purpose. An answer that came counts
    // more than that the worker left right after it.
    let answer = tokio::select! {
        biased;
        answer = call => answer.ok(),
        () = gone.cancelled() => None,
    };
    match answer {
        Some(answer) => answer.map(|body| Body::new(AnswerBody::new(body, id, gone, answering))),
        None => Status::from(status::worker_lost(id.as_str())).into_http(),
    }
}

fn rewrite(headers: &mut HeaderMap, link: &Link) {
    headers.remove(WORKER_ID);
    // Of the hive's own name; the worker's connection has its own.
    headers.remove(HOST);
    headers.insert(AUTHORIZATION, link.authorization.clone());
    propagation::inject(headers);
}
