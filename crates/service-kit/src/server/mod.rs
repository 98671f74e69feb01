//! A gRPC server with what every service of rbee has: health, reflection, events, authentication,
//! and a span for each call.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rbee_proto::events::v1::event_service_server::EventServiceServer;
use tokio::sync::Mutex;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::Service;

use crate::Lifecycle;
use crate::Target;
use crate::config::{AuthConfig, LimitsConfig, ServerConfig, TlsConfig};
use crate::telemetry::Narrator;
use crate::tls::{ClientTls, ServerTls};

mod auth;
mod events;
mod gate;
mod incoming;
mod limits;
mod listener;
mod message_size;
pub mod scopes;
pub mod tokens;

use events::EventNarration;

pub use auth::{Auth, AuthError, Listed, read_token};
pub use gate::{Intercept, Intercepted};
pub use listener::Listener;

const EVENT_SERVICE: &str = <EventServiceServer<EventNarration> as NamedService>::NAME;

/// Why a server ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptors of the contract can't be served; a fault of the build.
    #[error("the contract's descriptors cannot be served by reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The listener failed.
    #[error("the server failed")]
    Transport(#[source] tonic::transport::Error),
}

/// Puts a server together.
pub struct ServerBuilder {
    routes: RoutesBuilder,
    auth: Auth,
    tls: Option<ServerTls>,
    limits: LimitsConfig,
    intercept: Option<Arc<dyn Intercept>>,
    names: Vec<&'static str>,
    forwarded: Vec<&'static str>,
    health: HealthReporter,
    starts_ready: bool,
    /// Whether anybody has said if it is ready.
    readiness_said: Arc<Mutex<bool>>,
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ServerBuilder")
            .field("services", &self.names)
            .finish_non_exhaustive()
    }
}

/// Says through the health service that a server is ready. See [`ServerBuilder::readiness`].
#[derive(Clone)]
pub struct Readiness {
    health: HealthReporter,
    names: Arc<[&'static str]>,
    said: Arc<Mutex<bool>>,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Readiness")
            .field("services", &self.names)
            .finish_non_exhaustive()
    }
}

impl Readiness {
    /// From now on health answers SERVING.
    pub async fn set_ready(&self) {
        self.report(ServingStatus::Serving).await;
    }

    /// From now on health answers NOT_SERVING.
    pub async fn set_not_ready(&self) {
        self.report(ServingStatus::NotServing).await;
    }

    /// NOT_SERVING, unless somebody has said how it is before the server began to serve: a small model
    /// can be loaded by then.
    async fn begin_not_ready(&self) {
        let mut said = self.said.lock().await;
        if !*said {
            *said = true;
            self.write(ServingStatus::NotServing).await;
        }
    }

    async fn report(&self, status: ServingStatus) {
        let mut said = self.said.lock().await;
        *said = true;
        self.write(status).await;
    }

    async fn write(&self, status: ServingStatus) {
        for name in std::iter::once(&"").chain(self.names.iter()) {
            self.health.set_service_status(*name, status).await;
        }
    }
}

impl ServerBuilder {
    /// A server that answers whom `auth` lets in.
    #[must_use]
    pub fn new(auth: Auth) -> Self {
        Self {
            routes: RoutesBuilder::default(),
            auth,
            tls: None,
            limits: LimitsConfig::default(),
            intercept: None,
            // Served by every process; its service is made in `serve`.
            names: vec![EVENT_SERVICE],
            forwarded: Vec::new(),
            health: HealthReporter::new(),
            starts_ready: true,
            readiness_said: Arc::default(),
        }
    }

    /// A server as a configuration has it: whom it answers, with which certificate, and how much each may ask.
    ///
    /// # Errors
    /// If a file can't be used, or the address is not loopback while TLS or tokens are missing and the
    /// configuration does not allow that.
    pub fn from_config(
        server: &ServerConfig,
        tls: &TlsConfig,
        auth: &AuthConfig,
        limits: &LimitsConfig,
    ) -> Result<Self, AuthError> {
        let (auth, tls) = Auth::from_config(server, tls, auth)?;
        let mut server = Self::new(auth);
        server.tls(tls).limits(limits.clone());
        Ok(server)
    }

    /// Speaks TLS on a TCP port.
    pub fn tls(&mut self, tls: Option<ServerTls>) -> &mut Self {
        self.tls = tls;
        self
    }

    /// What one client may ask on a TCP port.
    pub fn limits(&mut self, limits: LimitsConfig) -> &mut Self {
        self.limits = limits;
        self
    }

    /// `https` or `http`: how addresses of this server begin.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// This server as the other parts of its own process call it, at one of its addresses such as `127.0.0.1:7220`.
    #[must_use]
    pub fn own_target(&self, at: SocketAddr) -> Target {
        Target {
            address: format!("{}://{at}", self.scheme()),
            token: self.auth.token().cloned(),
            tls: self.tls.clone().map(ClientTls::of_own_server).unwrap_or_default(),
        }
    }

    /// Adds a service. Health and reflection list it.
    pub fn add_service<S>(&mut self, service: S) -> &mut Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes.add_service(service);
        self
    }

    /// Has reflection list a service of the contract that an [`Intercept`] passes on.
    pub fn forwards(&mut self, name: &'static str) -> &mut Self {
        self.forwarded.push(name);
        self
    }

    /// Lets `intercept` see every call before the services do.
    pub fn intercept(&mut self, intercept: Arc<dyn Intercept>) -> &mut Self {
        self.intercept = Some(intercept);
        self
    }

    /// Makes health answer NOT_SERVING until the returned handle says otherwise. To be called
    /// after the last [`add_service`](Self::add_service).
    pub fn readiness(&mut self) -> Readiness {
        self.starts_ready = false;
        self.readiness_handle()
    }

    fn readiness_handle(&self) -> Readiness {
        Readiness {
            health: self.health.clone(),
            names: self.names.clone().into(),
            said: self.readiness_said.clone(),
        }
    }

    /// Serves until `lifecycle` shuts down: then health answers NOT_SERVING, nothing new is
    /// accepted, and running calls have `grace` to end.
    ///
    /// # Errors
    /// If the server can't be put together or the listener fails.
    pub async fn serve(
        mut self,
        listener: Listener,
        lifecycle: &Lifecycle,
        grace: Duration,
    ) -> Result<(), ServeError> {
        let readiness = self.readiness_handle();
        if self.starts_ready {
            readiness.set_ready().await;
        } else {
            readiness.begin_not_ready().await;
        }
        let events = EventNarration::new(Narrator::of_this_process(), lifecycle.token());
        self.routes.add_service(EventServiceServer::new(events));
        let health = tonic_health::server::HealthService::from_health_reporter(self.health.clone());
        self.add_service(tonic_health::pb::health_server::HealthServer::new(health));
        self.add_reflection()?;

        let limits = self.limits;
        let gate = gate::GateLayer::new(self.auth, self.intercept, limits.clone());
        let keepalive = listener.keepalive();
        // Who asks for more calls at the same time than it may is told so; what is far beyond that waits in HTTP/2.
        // On a Unix socket one connection is everybody's.
        let streams = match &listener {
            Listener::Tcp(_) if limits.concurrent_calls > 0 => {
                Some(limits.concurrent_calls.saturating_mul(2))
            }
            _ => None,
        };
        let headers = u32::try_from(limits.max_header_size.as_u64()).unwrap_or(u32::MAX);
        let server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(keepalive.interval))
            .http2_keepalive_timeout(Some(keepalive.patience))
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .max_concurrent_streams(streams)
            // What is over the limit is answered with a reason; what is far over it is not even read.
            .http2_max_header_list_size(headers.saturating_mul(2))
            .layer(gate)
            .add_routes(self.routes.routes());

        let token = lifecycle.token();
        let stopping = async move {
            token.cancelled().await;
            readiness.set_not_ready().await;
        };
        let serving = async {
            match listener {
                Listener::Tcp(listener) => {
                    let incoming = incoming::connections(listener, self.tls, &limits);
                    server.serve_with_incoming_shutdown(incoming, stopping).await
                }
                #[cfg(unix)]
                Listener::Unix(listener, _path) => {
                    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
                    server.serve_with_incoming_shutdown(incoming, stopping).await
                }
            }
            .map_err(ServeError::Transport)
        };
        let out_of_grace = async {
            lifecycle.token().cancelled().await;
            tokio::time::sleep(grace).await;
        };
        // Both are dropped as soon as one ends: dropping the server closes what is still open,
        // which is what running out of grace means.
        tokio::select! {
            ended = serving => ended,
            () = out_of_grace => Ok(()),
        }
    }

    fn add_reflection(&mut self) -> Result<(), ServeError> {
        let configure = || {
            let mut builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(rbee_proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            for name in self.names.iter().chain(&self.forwarded) {
                builder = builder.with_service_name(*name);
            }
            builder
        };
        let v1 = configure().build_v1().map_err(ServeError::Reflection)?;
        // What grpcurl asked until 2024.
        let v1alpha = configure().build_v1alpha().map_err(ServeError::Reflection)?;
        self.routes.add_service(v1);
        self.routes.add_service(v1alpha);
        Ok(())
    }
}
