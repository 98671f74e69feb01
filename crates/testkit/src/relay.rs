//! A link between two hosts that can be cut, as a TCP relay: what crosses it while it is whole arrives; what is
//! sent while it is cut waits, and nobody is told. That is what a network does that loses its packets.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A relay to one address. Dropping it closes its connections.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: watch::Sender<State>,
    _end: DropGuard,
}

#[derive(Debug, Clone, Copy)]
struct State {
    whole: bool,
    /// Connections of an earlier generation are lost.
    generation: u64,
}

impl Relay {
    /// Listens at an address and passes on to `target`, to which it connects anew for each connection.
    ///
    /// # Errors
    /// If the address can't be listened at.
    pub async fn start(listen: SocketAddr, target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let (sender, state) = watch::channel(State {
            whole: true,
            generation: 0,
        });
        let end = CancellationToken::new();
        let ended = end.clone();
        tokio::spawn(async move {
            // Cancel safe: a connection that is not accepted waits on in the listener, which ends with this task.
            while let Some(Ok((near, _))) = ended.run_until_cancelled(listener.accept()).await {
                let (ended, state) = (ended.clone(), state.clone());
                tokio::spawn(async move { ended.run_until_cancelled(relay(near, target, state)).await });
            }
        });
        Ok(Self {
            address,
            state: sender,
            _end: end.drop_guard(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the link: connections stay open, and nothing passes.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.whole = false);
    }

    /// Mends the link: what waited passes, and what comes.
    pub fn heal(&self) {
        self.state.send_modify(|state| state.whole = true);
    }

    /// Loses every connection that there is now, as a firewall does that was restarted: nothing passes on them any
    /// more, and nobody is told. New ones work.
    pub fn lose_connections(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }
}

async fn relay(near: TcpStream, target: SocketAddr, state: watch::Receiver<State>) {
    let mut passage = Passage::of(state);
    passage.open().await;
    let Ok(far) = TcpStream::connect(target).await else {
        // Nobody listens there: the end of the connection says so, if late.
        return;
    };
    // It must add no delay of its own.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::join!(
        pump(near_read, far_write, passage.clone()),
        pump(far_read, near_write, passage)
    );
}

/// What one connection waits for before anything crosses.
#[derive(Clone)]
struct Passage {
    state: watch::Receiver<State>,
    generation: u64,
}

impl Passage {
    fn of(state: watch::Receiver<State>) -> Self {
        let generation = state.borrow().generation;
        Self { state, generation }
    }

    /// Waits until the link is whole; for ever if the connection is lost, until the relay ends.
    async fn open(&mut self) {
        let generation = self.generation;
        let passes = |state: &State| state.whole && state.generation == generation;
        if self.state.wait_for(passes).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Passes bytes on until the sender's end, while the link is whole.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut passage: Passage) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        // The end, and a reset, cross the link like everything else: not while it is cut.
        let read = from.read(&mut buffer).await.unwrap_or(0);
        passage.open().await;
        if read == 0 {
            break;
        }
        let Some(bytes) = buffer.get(..read) else { break };
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
    // The other direction goes on until its own end.
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_sent_while_it_is_cut_arrives_when_it_is_whole() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = TcpListener::bind(any).await.unwrap();
        let relay = Relay::start(any, server.local_addr().unwrap()).await.unwrap();
        let mut near = TcpStream::connect(relay.address()).await.unwrap();
        let (mut far, _) = server.accept().await.unwrap();
        let mut byte = [0];
        near.write_all(b"a").await.unwrap();
        far.read_exact(&mut byte).await.unwrap();

        relay.cut();
        near.write_all(b"b").await.unwrap();
        far.write_all(b"c").await.unwrap();
        let mut late = TcpStream::connect(relay.address()).await.unwrap();
        late.write_all(b"d").await.unwrap();
        let quiet = Duration::from_millis(100);
        assert!(
            tokio::time::timeout(quiet, far.read_exact(&mut byte))
                .await
                .is_err(),
            "nothing passes"
        );
        assert!(tokio::time::timeout(quiet, server.accept()).await.is_err());

        relay.heal();
        far.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"b");
        near.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"c");
        let (mut far_too, _) = server.accept().await.unwrap();
        far_too.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"d");

        relay.lose_connections();
        late.write_all(b"e").await.unwrap();
        assert!(
            tokio::time::timeout(quiet, far_too.read(&mut byte))
                .await
                .is_err(),
            "not even its end"
        );
        let mut fresh = TcpStream::connect(relay.address()).await.unwrap();
        fresh.write_all(b"f").await.unwrap();
        let (mut far, _) = server.accept().await.unwrap();
        far.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"f");

        drop(fresh);
        assert_eq!(far.read(&mut byte).await.unwrap(), 0, "its end arrives too");
        drop(relay);
        let late_end = late.read(&mut byte).await;
        assert!(matches!(late_end, Ok(0) | Err(_)), "{late_end:?}");
    }
}
