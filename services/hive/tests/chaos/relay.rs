//! The way from clients to the hive, which can be cut.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Passes connections on. Dropping it cuts them and closes the port.
pub(crate) struct Relay {
    pub(crate) address: String,
    cut: Arc<Mutex<CancellationToken>>,
    closed: CancellationToken,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let closed = CancellationToken::new();
        let cut = Arc::new(Mutex::new(closed.child_token()));
        let (current, end) = (cut.clone(), closed.clone());
        tokio::spawn(end.run_until_cancelled_owned(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    continue;
                };
                let cut = current.lock().clone();
                tokio::spawn(cut.run_until_cancelled_owned(pass(client, target)));
            }
        }));
        Self { address, cut, closed }
    }

    /// Cuts all connections that there are. New ones are passed on.
    pub(crate) fn cut(&self) {
        let fresh = self.closed.child_token();
        std::mem::replace(&mut *self.cut.lock(), fresh).cancel();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

async fn pass(mut client: TcpStream, target: SocketAddr) {
    // A hive that is away is a connection that closes.
    if let Ok(mut hive) = TcpStream::connect(target).await {
        let _ = client.set_nodelay(true);
        let _ = hive.set_nodelay(true);
        let _ = tokio::io::copy_bidirectional(&mut client, &mut hive).await;
    }
}
