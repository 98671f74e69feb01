//! What every call passes before it reaches a service: its span, authentication and scope, limits, and a process's
//! own interception.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use super::Auth;
use super::auth::Caller;
use super::incoming::Peer;
use super::limits::{Client, Limiter, Running};
use super::message_size::Measured;
use crate::config::LimitsConfig;
use crate::telemetry::propagation;
use crate::{Fault, reason};

/// Sees every call before the services do. The hive's proxy is one.
pub trait Intercept: Send + Sync + 'static {
    /// Passes the call on or answers it. Runs within the call's span.
    fn intercept(&self, request: Request<Body>) -> Intercepted;
}

/// What an [`Intercept`] does with a call.
#[expect(
    clippy::large_enum_variant,
    reason = "moved once a call; boxing the request would cost an allocation"
)]
pub enum Intercepted {
    /// The services answer it.
    Pass(Request<Body>),
    /// This is the answer.
    Answer(BoxFuture<'static, Response<Body>>),
}

impl std::fmt::Debug for Intercepted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Pass(_) => "Pass",
            Self::Answer(_) => "Answer",
        })
    }
}

#[derive(Clone)]
pub(super) struct GateLayer {
    shared: Arc<Shared>,
}

struct Shared {
    auth: Auth,
    intercept: Option<Arc<dyn Intercept>>,
    limits: LimitsConfig,
    limiter: Limiter,
}

impl GateLayer {
    pub(super) fn new(auth: Auth, intercept: Option<Arc<dyn Intercept>>, limits: LimitsConfig) -> Self {
        let limiter = Limiter::new(&limits);
        Self {
            shared: Arc::new(Shared {
                auth,
                intercept,
                limits,
                limiter,
            }),
        }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            inner,
            shared: self.shared.clone(),
        }
    }
}

impl Shared {
    /// Lets a call in, and counts it, or says why not.
    ///
    /// On a Unix socket there is no limit: only this host's own user reaches it, and a worker's hive has set its
    /// limits already to those for whom it calls.
    fn admit(&self, request: &Request<Body>, peer: Option<&Peer>) -> Result<Option<Running>, Fault> {
        let is_service = peer.is_some_and(|peer| peer.is_service);
        let caller = self
            .auth
            .check(request.uri().path(), request.headers(), is_service);
        let Some(peer) = peer else {
            return caller.map(|_| None);
        };
        let at = || match peer.tcp.remote_addr() {
            Some(address) => Client::at(address.ip()),
            None => Client::Others,
        };
        let client = match &caller {
            Ok(Caller { name: Some(name) }) => Client::Named(name.clone()),
            _ => at(),
        };
        // Who guesses tokens is counted, too.
        let running = self.limiter.begin(client)?;
        caller?;
        header_size(request.headers(), self.limits.max_header_size.as_u64())?;
        Ok(Some(running))
    }
}

/// As HTTP/2 counts them (RFC 9113, 6.5.2).
fn header_size(headers: &HeaderMap, most: u64) -> Result<(), Fault> {
    let size: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum();
    if size as u64 <= most {
        return Ok(());
    }
    Err(Fault::new(
        Code::ResourceExhausted,
        reason::HEADERS_TOO_LARGE,
        format!("headers of {size} bytes are more than this server takes, which is {most}"),
    )
    .with("size_bytes", size)
    .with("limit_bytes", most))
}

#[derive(Clone)]
pub(super) struct Gate<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let span = call_span(&request);
        propagation::accept(&span, request.headers());

        let peer = request.extensions_mut().remove::<Peer>();
        let running = match self.shared.admit(&request, peer.as_ref()) {
            Ok(running) => running,
            Err(fault) => {
                let answer = Status::from(fault).into_http();
                return async move { Ok(answer) }.instrument(span).boxed();
            }
        };
        let mut too_large = None;
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer.tcp);
            let most = self.shared.limits.max_message_size.as_u64();
            request = request.map(|body| {
                let (body, heard) = Measured::wrap(body, most);
                too_large = Some(heard);
                body
            });
        }
        let intercepted = match &self.shared.intercept {
            Some(intercept) => span.in_scope(|| intercept.intercept(request)),
            None => Intercepted::Pass(request),
        };
        let answer = match intercepted {
            Intercepted::Answer(answer) => answer,
            Intercepted::Pass(request) => {
                let answer = span.in_scope(|| self.inner.call(request));
                async move {
                    match answer.await {
                        Ok(answer) => answer,
                        Err(never) => match never {},
                    }
                }
                .boxed()
            }
        };
        let span_of_body = span.clone();
        async move {
            let answer = unless_too_large(answer, too_large).await;
            Ok(answer.map(|body| TrackedBody::wrap(body, span_of_body, running)))
        }
        .instrument(span)
        .boxed()
    }
}

/// The answer to a request, or if a message of it is too large, that. Whoever reads the request only sees that it ended
/// badly.
async fn unless_too_large(
    answer: BoxFuture<'static, Response<Body>>,
    heard: Option<oneshot::Receiver<Fault>>,
) -> Response<Body> {
    let Some(mut heard) = heard else {
        return answer.await;
    };
    // Dropping the answer that was being made is meant: nobody waits for it. A sender that is gone has nothing to
    // say, and then the answer is waited for.
    tokio::select! {
        biased;
        Ok(fault) = &mut heard => Status::from(fault).into_http(),
        answer = answer => match heard.try_recv() {
            Ok(fault) => Status::from(fault).into_http(),
            Err(_) => answer,
        },
    }
}

/// A span named after the called method, `rbee.hive.v1.HiveService/SpawnWorker`. Health checks and
/// reflection have none: they say nothing of anybody's work.
fn call_span(request: &Request<Body>) -> Span {
    let method = request.uri().path().trim_start_matches('/');
    if method.starts_with("grpc.") {
        return Span::none();
    }
    tracing::info_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system = "grpc"
    )
}

/// A response's body that keeps the call's span open, and the call counted, until its stream has ended.
struct TrackedBody {
    inner: Body,
    span: Span,
    _running: Option<Running>,
}

impl TrackedBody {
    fn wrap(inner: Body, span: Span, running: Option<Running>) -> Body {
        if span.is_none() && running.is_none() {
            inner
        } else {
            Body::new(Self {
                inner,
                span,
                _running: running,
            })
        }
    }
}

impl http_body::Body for TrackedBody {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let _entered = this.span.enter();
        Pin::new(&mut this.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
