//! What every call passes before it reaches a service: its span, authentication, and a process's
//! own interception.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use super::Auth;
use crate::telemetry::propagation;

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
}

impl GateLayer {
    pub(super) fn new(auth: Auth, intercept: Option<Arc<dyn Intercept>>) -> Self {
        Self {
            shared: Arc::new(Shared { auth, intercept }),
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let span = call_span(&request);
        propagation::accept(&span, request.headers());

        if let Err(fault) = self.shared.auth.check(request.headers()) {
            let answer = Status::from(fault).into_http();
            return async move { Ok(answer) }.instrument(span).boxed();
        }
        let intercepted = match &self.shared.intercept {
            Some(intercept) => span.in_scope(|| intercept.intercept(request)),
            None => Intercepted::Pass(request),
        };
        match intercepted {
            Intercepted::Answer(answer) => {
                let span_of_body = span.clone();
                async move { Ok(answer.await.map(|body| SpannedBody::wrap(body, span_of_body))) }
                    .instrument(span)
                    .boxed()
            }
            Intercepted::Pass(request) => {
                let span_of_body = span.clone();
                let answer = span.in_scope(|| self.inner.call(request));
                async move { Ok(answer.await?.map(|body| SpannedBody::wrap(body, span_of_body))) }
                    .instrument(span)
                    .boxed()
            }
        }
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

/// A response's body that keeps the call's span open until its stream has ended.
struct SpannedBody {
    inner: Body,
    span: Span,
}

impl SpannedBody {
    fn wrap(inner: Body, span: Span) -> Body {
        if span.is_none() {
            inner
        } else {
            Body::new(Self { inner, span })
        }
    }
}

impl http_body::Body for SpannedBody {
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
