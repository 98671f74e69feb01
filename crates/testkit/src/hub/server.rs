//! One server of a hub: accepts, reads, asks its site, spoils the answer as planned, writes.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::apply::{LOOP_PATH, WireFaults, to_request, to_response};
use super::fault::Fault;
use super::log::{Host, RequestLog};
use super::plan::FaultPlan;
use super::request::Request;
use super::response::Response;
use super::wire::{Next, send};

/// What a server knows: its answers, and its way of refusing.
pub(crate) trait Site: Send + Sync {
    /// The answer to a request, with nothing gone wrong.
    fn answer(&self, request: &Request) -> Response;
    /// An error of this status, in this site's manner.
    fn failure(&self, status: u16) -> Response;
}

/// What every connection needs.
pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) site: Arc<dyn Site>,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) faults: Arc<FaultPlan>,
    /// Base address of the foreign host.
    pub(crate) foreign: String,
}

/// A listener that can go away and come back on the same port.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

struct Running {
    _stop: DropGuard,
    task: JoinHandle<()>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({:?} on {})", self.shared.host, self.address)
    }
}

/// A listener at this address; port 0 is a free one.
///
/// # Panics
/// If it can't be had.
pub(crate) async fn bind(address: SocketAddr) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address)
        .await
        .unwrap_or_else(|error| panic!("no listener at {address}: {error}"));
    let address = listener.local_addr().expect("a bound listener has an address");
    (listener, address)
}

impl Server {
    pub(crate) fn start(listener: TcpListener, shared: Shared) -> Self {
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(shared);
        let running = Mutex::new(Some(accept(listener, Arc::clone(&shared))));
        Self {
            address,
            shared,
            running,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drops the listener and every connection; when this returns, connecting is refused.
    pub(crate) async fn go_down(&self) {
        let running = self.running.lock().take();
        if let Some(Running { _stop: stop, task }) = running {
            drop(stop);
            task.await.expect("the accept loop doesn't panic");
        }
    }

    /// Listens again on the port it had.
    pub(crate) async fn come_back(&self) {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("nobody took the port in the meantime");
        *self.running.lock() = Some(accept(listener, Arc::clone(&self.shared)));
    }
}

fn accept(listener: TcpListener, shared: Arc<Shared>) -> Running {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        let connections = TaskTracker::new();
        loop {
            // Both are cancel safe: an accept that is dropped has taken no connection.
            let accepted = tokio::select! {
                () = stopped.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            if let Ok((stream, _)) = accepted {
                let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
                connections.spawn(async move {
                    // A connection that is dropped half-way is closed, which is what stopping means.
                    tokio::select! {
                        () = stopped.cancelled() => {}
                        // A client that went away is its own business.
                        _ = converse(stream, &shared) => {}
                    }
                });
            }
        }
        drop(listener);
        connections.close();
        connections.wait().await;
    });
    Running {
        _stop: stop.drop_guard(),
        task,
    }
}

/// All requests of one connection.
async fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(mut request) = Request::read(&mut stream, &mut buffer).await? {
        let faults = shared.faults.draw(shared.host, &request);
        let number = shared.log.open(shared.host, &request, &faults);
        let next = match faults
            .iter()
            .find(|fault| matches!(fault, Fault::Reset | Fault::Close))
        {
            Some(Fault::Reset) => Next::Reset,
            Some(_) => Next::Close,
            None => {
                to_request(&mut request, &faults);
                let response = match request.path.as_str() {
                    LOOP_PATH => Response::redirect(302, LOOP_PATH),
                    _ => shared.site.answer(&request),
                };
                let response = to_response(response, &faults, &request, &*shared.site, &shared.foreign);
                shared.log.answered(number, response.status);
                let wire = WireFaults::of(&faults);
                send(&mut stream, &response, &wire, request.is_head(), |bytes| {
                    shared.log.sent(number, bytes);
                })
                .await?
            }
        };
        let closing = request
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        match next {
            Next::KeepAlive if !closing => continue,
            Next::KeepAlive | Next::Close => stream.shutdown().await?,
            // With no time to linger, the kernel resets instead of closing.
            Next::Reset => stream.set_zero_linger()?,
            Next::Stall => while stream.read(&mut [0; 1024]).await? > 0 {},
        }
        return Ok(());
    }
    Ok(())
}
