//! The port that answers `GET /metrics`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Collect, Page};
use crate::config::MetricsConfig;

/// Connections that are served at the same time; more wait.
const CONNECTIONS: usize = 32;

/// A client must have said what it wants by then.
const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// And be gone by then. Prometheus gives up after 10 s unless told otherwise.
const CONNECTION_LIMIT: Duration = Duration::from_secs(30);

/// After a failed accept, for want of descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Why metrics can't be served.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The address can be reached from other machines.
    #[error(
        "{address} can be reached from other machines, and metrics are given unencrypted and to anybody; \
         use 127.0.0.1, or set `metrics.allow_insecure` on a network that you trust"
    )]
    Insecure {
        /// The address.
        address: SocketAddr,
    },
    /// The address is in use or not this machine's.
    #[error("cannot listen on {address} for metrics")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// The port, open: who connects waits from now on.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl MetricsServer {
    /// Opens the port, if one is configured.
    ///
    /// # Errors
    /// If the address is not loopback and the configuration does not allow that, or it can't be listened on.
    pub async fn bind(config: &MetricsConfig) -> Result<Option<Self>, MetricsError> {
        let Some(address) = config.address else {
            return Ok(None);
        };
        if !address.ip().is_loopback() && !config.allow_insecure {
            return Err(MetricsError::Insecure { address });
        }
        let listen = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        let server = listen
            .await
            .map_err(|source| MetricsError::Listen { address, source })?;
        Ok(Some(server))
    }

    /// Where it listens, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with what these have, until `shutdown`. A scrape that runs then is cut off.
    pub async fn serve(self, collectors: Vec<Arc<dyn Collect>>, shutdown: CancellationToken) {
        tracing::info!("metrics are at http://{}/metrics", self.address);
        let collectors: Arc<[Arc<dyn Collect>]> = collectors.into();
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        // Dropping this loop drops no connection of which half is accepted: both awaits are cancel safe. Connections
        // are tasks of their own, and end by the same token.
        let accept = async {
            loop {
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                    return;
                };
                match self.listener.accept().await {
                    Ok((stream, _)) => {
                        let serving = connection(stream, Arc::clone(&collectors));
                        let shutdown = shutdown.clone();
                        tokio::spawn(async move {
                            let _slot = slot;
                            shutdown.run_until_cancelled(serving).await;
                        });
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a connection for metrics was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        shutdown.run_until_cancelled(accept).await;
    }
}

/// One request each: scrapes are far apart, and an idle connection would keep a slot.
async fn connection(stream: TcpStream, collectors: Arc<[Arc<dyn Collect>]>) {
    let answer = service_fn(|request| {
        let collectors = Arc::clone(&collectors);
        async move { Ok::<_, Infallible>(answer(&request, &collectors).await) }
    });
    let serving = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), answer);
    if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_LIMIT, serving).await {
        tracing::debug!(%error, "a connection for metrics broke");
    }
}

async fn answer(request: &Request<Incoming>, collectors: &[Arc<dyn Collect>]) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return say(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = say(StatusCode::METHOD_NOT_ALLOWED, "metrics can only be read\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let mut page = Page::default();
    for collector in collectors {
        collector.collect(&mut page).await;
    }
    say(StatusCode::OK, page.into_text())
}

fn say(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}
