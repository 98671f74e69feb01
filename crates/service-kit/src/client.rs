//! Channels that carry credentials and trace context.

use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tonic::body::Body;
use tonic::transport::channel::ResponseFuture;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use crate::telemetry::propagation;

/// The metadata that names the worker a call is for.
pub const WORKER_ID: &str = "rbee-worker-id";

/// A channel whose calls carry a token, the current trace and, if it is for one, a worker's id.
///
/// Cheap to clone; clones share one connection.
#[derive(Debug, Clone)]
pub struct ClientChannel {
    channel: Channel,
    authorization: Option<HeaderValue>,
    worker_id: Option<HeaderValue>,
}

impl ClientChannel {
    fn new(channel: Channel, token: Option<&SecretString>) -> Result<Self, TargetError> {
        Ok(Self {
            channel,
            authorization: token.map(bearer).transpose()?,
            worker_id: None,
        })
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
    type Error = tonic::transport::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, context)
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
        self.channel.call(request)
    }
}

/// A server to call.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its address as a URL, such as `http://127.0.0.1:7220`.
    pub address: String,
    /// The token to show.
    pub token: Option<SecretString>,
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
    /// The address asks for TLS, which this build does not speak.
    #[error("`{address}` asks for TLS, which is not built yet: use http:// on a trusted network")]
    Tls {
        /// What was given.
        address: String,
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
    /// If address or token can't be used. That nothing answers shows with the first call.
    pub fn connect_lazy(&self) -> Result<ClientChannel, TargetError> {
        ClientChannel::new(self.endpoint()?.connect_lazy(), self.token.as_ref())
    }

    /// A channel that is connected.
    ///
    /// # Errors
    /// If address or token can't be used, or nothing answers within `timeout`.
    pub async fn connect(&self, timeout: Duration) -> Result<ClientChannel, TargetError> {
        let channel = self
            .endpoint()?
            .connect_timeout(timeout)
            .connect()
            .await
            .map_err(|source| TargetError::Unreachable {
                address: self.address.clone(),
                source,
            })?;
        ClientChannel::new(channel, self.token.as_ref())
    }

    fn endpoint(&self) -> Result<Endpoint, TargetError> {
        if self.address.starts_with("https:") {
            return Err(TargetError::Tls {
                address: self.address.clone(),
            });
        }
        Endpoint::from_shared(self.address.clone())
            .map(configure)
            .map_err(|source| TargetError::Address {
                address: self.address.clone(),
                source,
            })
    }
}

/// A channel to a Unix socket, connected with its first call.
///
/// # Errors
/// If the token can't be used.
pub fn unix_channel(socket: &Path, token: Option<&SecretString>) -> Result<ClientChannel, TargetError> {
    ClientChannel::new(raw_unix_channel(socket.to_path_buf()), token)
}

/// A bare channel to a Unix socket, for a proxy that writes headers itself.
///
/// # Panics
/// Never: the address is a constant.
#[must_use]
pub fn raw_unix_channel(socket: PathBuf) -> Channel {
    // The authority of a Unix socket is of no use to anybody; HTTP/2 wants one.
    configure(Endpoint::from_static("http://worker.invalid")).connect_with_connector_lazy(tower::service_fn(
        move |_| {
            let socket = socket.clone();
            async move { tokio::net::UnixStream::connect(socket).await.map(TokioIo::new) }
        },
    ))
}

fn configure(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        // A peer that vanished without a word is noticed within half a minute.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
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
