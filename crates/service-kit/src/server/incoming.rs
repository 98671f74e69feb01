//! Connections on a TCP port, over TLS where the server has a certificate.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::config::LimitsConfig;
use crate::tls::ServerTls;

/// After a failed accept, for want of descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Both addresses.
    pub(super) tcp: TcpConnectInfo,
    /// Whether it showed a certificate of the cluster's CA.
    pub(super) is_service: bool,
}

/// A connection, plain or over TLS.
#[derive(Debug)]
pub(super) enum Connection {
    /// As it comes.
    Plain(TcpStream),
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        match self {
            Self::Plain(stream) => Peer {
                tcp: stream.connect_info(),
                is_service: false,
            },
            Self::Tls(stream) => {
                let (stream, session) = stream.get_ref();
                Peer {
                    tcp: stream.connect_info(),
                    // The handshake has verified it; without a CA for clients none is asked for.
                    is_service: session.peer_certificates().is_some_and(|shown| !shown.is_empty()),
                }
            }
        }
    }
}

/// The connections that come in.
///
/// A handshake takes a client's time, not ours: those that go on are polled beside each other, are bounded in number
/// and time, and one that fails is nobody else's concern. Dropping this closes the port and ends them.
pub(super) fn connections(
    listener: TcpListener,
    tls: Option<ServerTls>,
    limits: &LimitsConfig,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    Incoming {
        listener,
        tls,
        handshakes: FuturesUnordered::new(),
        most: limits.handshakes.max(1) as usize,
        patience: limits.handshake_timeout,
        pause: None,
    }
}

struct Incoming {
    listener: TcpListener,
    tls: Option<ServerTls>,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Connection>>>,
    most: usize,
    patience: Duration,
    pause: Option<BoxFuture<'static, ()>>,
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match this.handshakes.poll_next_unpin(context) {
                Poll::Ready(Some(Some(connection))) => return Poll::Ready(Some(Ok(connection))),
                Poll::Ready(Some(None)) => continue,
                Poll::Ready(None) | Poll::Pending => {}
            }
            if this.handshakes.len() >= this.most {
                return Poll::Pending;
            }
            if let Some(pause) = &mut this.pause {
                std::task::ready!(pause.poll_unpin(context));
                this.pause = None;
            }
            match std::task::ready!(this.listener.poll_accept(context)) {
                Ok((stream, _)) => {
                    // Without it an answer's trailers wait some 40 ms for the peer's delayed acknowledgement.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection ended before it was served");
                        continue;
                    }
                    let Some(tls) = &this.tls else {
                        return Poll::Ready(Some(Ok(Connection::Plain(stream))));
                    };
                    let handshake = handshake(stream, TlsAcceptor::from(tls.config()), this.patience);
                    this.handshakes.push(handshake.boxed());
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    this.pause = Some(tokio::time::sleep(ACCEPT_PAUSE).boxed());
                }
            }
        }
    }
}

async fn handshake(stream: TcpStream, acceptor: TlsAcceptor, patience: Duration) -> Option<Connection> {
    let peer = stream.peer_addr().ok();
    match tokio::time::timeout(patience, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(Connection::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::debug!(%error, ?peer, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(?peer, "a TLS handshake took too long");
            None
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
