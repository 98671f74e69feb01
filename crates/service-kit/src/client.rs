//! Channels that carry credentials and trace context.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Map;
use http::header::{AUTHORIZATION, HeaderValue};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::channel::ResponseFuture;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use crate::keepalive::Keepalive;
use crate::telemetry::propagation;
use crate::tls::{ClientTls, Connector, TlsError};

mod lost;

/// The metadata that names the worker a call is for.
pub const WORKER_ID: &str = "rbee-worker-id";

/// The metadata that marks a call as passed on by another service, whose host is not the caller's.
pub const FORWARDED: &str = "rbee-forwarded-by";

/// A channel whose calls carry a token, the current trace and, if it is for one, a worker's id.
///
/// Cheap to clone; clones share one connection.
#[derive(Debug, Clone)]
pub struct ClientChannel {
    channel: Channel,
    /// Where it leads; `None` for a Unix socket, whose connection can't be lost without both ends knowing.
    way: Option<Arc<Way>>,
    authorization: Option<HeaderValue>,
    worker_id: Option<HeaderValue>,
}

impl ClientChannel {
    fn new(channel: Channel, way: Option<Way>, token: Option<&SecretString>) -> Result<Self, TargetError> {
        Ok(Self {
            channel,
            way: way.map(Arc::new),
            authorization: token.map(bearer).transpose()?,
            worker_id: None,
        })
    }

    /// A channel to the same place with a connection of its own, made with its first call. For when nothing comes
    /// through this one, which may be lost without anybody having said so.
    #[must_use]
    pub fn reconnecting(&self) -> Self {
        let fresh = self.way.as_ref().map(|way| way.connect_lazy());
        Self {
            channel: fresh.unwrap_or_else(|| self.channel.clone()),
            ..self.clone()
        }
    }

    /// The same connection, for calls to one worker through its hive.
    ///
    /// # Errors
    /// If the id can't go into a header.
    pub fn for_worker(&self, worker_id: &str) -> Result<Self, TargetError> {
        let worker_id = HeaderValue::try_from(worker_id).map_err(|_| TargetError::WorkerId {
            worker_id: worker_id.to_owned(),
        })?;
        Ok(Self {
            worker_id: Some(worker_id),
            ..self.clone()
        })
    }
}

impl Service<http::Request<Body>> for ClientChannel {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, context).map_err(lost::of_call)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(worker_id) = &self.worker_id {
            headers.insert(WORKER_ID, worker_id.clone());
        }
        propagation::inject(headers);
        let answer = self.channel.call(request);
        let watched: fn(_) -> _ = |answer: Result<_, _>| answer.map(lost::watched).map_err(lost::of_call);
        answer.map(watched)
    }
}

type Answered<E> = Result<http::Response<Body>, E>;

/// The answer to a call, when it begins.
pub type Answer = Map<ResponseFuture, fn(Answered<tonic::transport::Error>) -> Answered<Status>>;

/// A server to call.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Its address as a URL, such as `http://127.0.0.1:7220` or `https://desk:7220`.
    pub address: String,
    /// The token to show.
    pub token: Option<SecretString>,
    /// Whom to trust and what to show where the address begins with `https`.
    pub tls: ClientTls,
}

/// How connections to a server are made.
#[derive(Debug)]
struct Way {
    endpoint: Endpoint,
    /// `None` without TLS.
    tls: Option<Connector>,
}

impl Way {
    fn connect_lazy(&self) -> Channel {
        match &self.tls {
            Some(connector) => self.endpoint.connect_with_connector_lazy(connector.clone()),
            None => self.endpoint.connect_lazy(),
        }
    }

    async fn connect(&self, timeout: Duration) -> Result<Channel, tonic::transport::Error> {
        let endpoint = self.endpoint.clone().connect_timeout(timeout);
        match &self.tls {
            Some(connector) => endpoint.connect_with_connector(connector.clone()).await,
            None => endpoint.connect().await,
        }
    }
}

/// Why a server can't be called.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address is not a URL that can be called.
    #[error("`{address}` is not an address such as http://127.0.0.1:7220")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong.
        #[source]
        source: tonic::transport::Error,
    },
    /// A file for TLS can't be used.
    #[error("cannot speak TLS with {address}")]
    Tls {
        /// The address.
        address: String,
        /// What is wrong.
        #[source]
        source: TlsError,
    },
    /// The token has characters that can't go into a header.
    #[error("the token has characters that cannot be sent; it must be visible ASCII")]
    Token,
    /// The worker's id has characters that can't go into a header.
    #[error("`{worker_id}` is not the id of a worker")]
    WorkerId {
        /// What was given.
        worker_id: String,
    },
    /// Nothing answers.
    #[error("nothing answers at {address}")]
    Unreachable {
        /// The address.
        address: String,
        /// What happened.
        #[source]
        source: tonic::transport::Error,
    },
}

impl Target {
    /// A channel that connects with its first call, and again whenever the connection is lost.
    ///
    /// # Errors
    /// If address, token or files can't be used. That nothing answers shows with the first call.
    pub fn connect_lazy(&self) -> Result<ClientChannel, TargetError> {
        let way = self.way()?;
        ClientChannel::new(way.connect_lazy(), Some(way), self.token.as_ref())
    }

    /// A channel that is connected.
    ///
    /// # Errors
    /// If address, token or files can't be used, or nothing answers within `timeout`.
    pub async fn connect(&self, timeout: Duration) -> Result<ClientChannel, TargetError> {
        let way = self.way()?;
        let channel = way
            .connect(timeout)
            .await
            .map_err(|source| TargetError::Unreachable {
                address: self.address.clone(),
                source,
            })?;
        ClientChannel::new(channel, Some(way), self.token.as_ref())
    }

    fn way(&self) -> Result<Way, TargetError> {
        let endpoint = Endpoint::from_shared(self.address.clone())
            .map(|endpoint| configure(endpoint, Keepalive::NETWORK))
            .map_err(|source| TargetError::Address {
                address: self.address.clone(),
                source,
            })?;
        let tls = if endpoint.uri().scheme_str() == Some("https") {
            // Read again for each connection; here so that what can't be used is told at once and by its name.
            self.tls.config().map_err(|source| TargetError::Tls {
                address: self.address.clone(),
                source,
            })?;
            Some(Connector(self.tls.clone()))
        } else {
            None
        };
        Ok(Way { endpoint, tls })
    }
}

/// A channel to a Unix socket, connected with its first call.
///
/// # Errors
/// If the token can't be used.
pub fn unix_channel(socket: &Path, token: Option<&SecretString>) -> Result<ClientChannel, TargetError> {
    ClientChannel::new(raw_unix_channel(socket.to_path_buf()), None, token)
}

/// A bare channel to a Unix socket, for a proxy that writes headers itself.
///
/// # Panics
/// Never: the address is a constant.
#[must_use]
pub fn raw_unix_channel(socket: PathBuf) -> Channel {
    // The authority of a Unix socket is of no use to anybody; HTTP/2 wants one.
    let endpoint = configure(
        Endpoint::from_static("http://worker.invalid"),
        Keepalive::SAME_HOST,
    )
    .initial_stream_window_size(WORKER_STREAM_WINDOW_BYTES);
    endpoint.connect_with_connector_lazy(tower::service_fn(move |_| {
        let socket = socket.clone();
        async move { tokio::net::UnixStream::connect(socket).await.map(TokioIo::new) }
    }))
}

/// What may be under way to us on one stream: what it takes for 20 MB/s at a round trip of 50 ms, and what a stream
/// that nobody reads may cost.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// The same of a stream from a worker, whose socket has no round trip to speak of. A client of the hive that does not
/// read costs the hive this much, and then its worker waits.
const WORKER_STREAM_WINDOW_BYTES: u32 = 256 << 10;

/// What may be under way to us on all streams of a connection: no limit (RFC 9113, 6.9.1, knows none higher), because
/// a few streams that nobody reads would use any other up, and then all streams of the connection would stand still.
/// The second reason is h2's guard against many small frames, which has half of this as its measure: 10,000 unread
/// tokens ended a connection whose window was 4 MiB, and with it the answers of everybody else.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

fn configure(endpoint: Endpoint, keepalive: Keepalive) -> Endpoint {
    endpoint
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(keepalive.interval)
        .keep_alive_timeout(keepalive.patience)
        // A watch is idle for most of its life.
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
}

/// The value of the `authorization` header for a token.
///
/// # Errors
/// If the token can't go into a header.
pub fn bearer(token: &SecretString) -> Result<HeaderValue, TargetError> {
    let mut value =
        HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| TargetError::Token)?;
    // Keeps it out of debug output and of HPACK's table.
    value.set_sensitive(true);
    Ok(value)
}
