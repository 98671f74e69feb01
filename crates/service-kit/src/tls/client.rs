//! Whom a client trusts, and what it shows of itself.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::pinned::Pinned;
use super::{ALPN, ServerTls, TlsError, certificates, private_key, provider, roots};

/// A client's side of TLS. Its files are read for each connection, so that one that was renewed is used from the next
/// connection on.
#[derive(Debug, Clone, Default)]
pub struct ClientTls {
    ca: Option<PathBuf>,
    identity: Option<Identity>,
    own_server: Option<ServerTls>,
}

/// A certificate that a service shows to others of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// File with the certificate (PEM).
    pub cert: PathBuf,
    /// File with its private key (PEM).
    pub key: PathBuf,
}

impl ClientTls {
    /// Trusts the CA in a file (PEM), or without one those that the system trusts; shows a certificate, if there is
    /// one.
    #[must_use]
    pub fn new(ca: Option<PathBuf>, identity: Option<Identity>) -> Self {
        Self {
            ca,
            identity,
            own_server: None,
        }
    }

    /// The same of three settings.
    ///
    /// # Errors
    /// If one of certificate and key is given without the other.
    pub fn of_files(
        ca: Option<PathBuf>,
        cert: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<Self, TlsError> {
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some(Identity { cert, key }),
            (None, None) => None,
            _ => {
                return Err(TlsError::Incomplete {
                    what: "a client's certificate and its key go together",
                });
            }
        };
        Ok(Self::new(ca, identity))
    }

    /// Trusts nobody but this server, which is of the same process.
    #[must_use]
    pub fn of_own_server(server: ServerTls) -> Self {
        Self {
            own_server: Some(server),
            ..Self::default()
        }
    }

    /// What a connection is made with.
    ///
    /// # Errors
    /// If a file can't be read or used.
    pub(crate) fn config(&self) -> Result<rustls::ClientConfig, TlsError> {
        let builder = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::System)?;
        let builder = match (&self.own_server, &self.ca) {
            (Some(server), _) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned(server.clone()))),
            (None, Some(path)) => builder.with_root_certificates(roots(path)?),
            (None, None) => builder.with_platform_verifier().map_err(TlsError::System)?,
        };
        let mut config = match &self.identity {
            Some(Identity { cert, key }) => builder
                .with_client_auth_cert(certificates(cert)?, private_key(key)?)
                .map_err(|source| TlsError::Unsuitable {
                    path: cert.clone(),
                    source,
                })?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }
}

/// Makes a channel's connections over TLS.
#[derive(Debug, Clone)]
pub(crate) struct Connector(pub(crate) ClientTls);

impl Service<Uri> for Connector {
    type Response = TokioIo<tokio_rustls::client::TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let tls = self.0.clone();
        async move {
            let config = tls.config().map_err(io::Error::other)?;
            let host = address.host().unwrap_or_default().trim_matches(['[', ']']);
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            let stream = TcpStream::connect((host, address.port_u16().unwrap_or(443))).await?;
            stream.set_nodelay(true)?;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
            // gRPC is HTTP/2: a server that speaks something else would only confuse.
            if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
                return Err(io::Error::other("the server does not speak HTTP/2 over TLS"));
            }
            Ok(TokioIo::new(stream))
        }
        .boxed()
    }
}
