//! Where a server listens.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use crate::keepalive::Keepalive;

/// A bound listener: connections wait from now on, also before the server runs.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(tokio::net::TcpListener),
    /// A Unix socket, whose file is removed when the listener is dropped.
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, SocketFile),
}

/// The file of a Unix socket, removed when this is dropped.
#[cfg(unix)]
#[derive(Debug)]
pub struct SocketFile(PathBuf);

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone with its folder.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Listens on a TCP address. Port 0 takes any free port.
    ///
    /// # Errors
    /// If the address is in use or not this machine's.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::Tcp(tokio::net::TcpListener::bind(address).await?))
    }

    /// Listens on a Unix socket that only this user can reach. A socket that an earlier process
    /// left is replaced.
    ///
    /// # Errors
    /// If the path is in use, too long for a socket, or not writable.
    #[cfg(unix)]
    pub async fn unix(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
        if std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
            if tokio::net::UnixStream::connect(path).await.is_ok() {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    format!("another process listens on {}", path.display()),
                ));
            }
            std::fs::remove_file(path)?;
        }
        let listener = tokio::net::UnixListener::bind(path)?;
        let file = SocketFile(path.to_path_buf());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self::Unix(listener, file))
    }

    /// How soon a client that vanished is noticed.
    pub(super) fn keepalive(&self) -> Keepalive {
        match self {
            Self::Tcp(_) => Keepalive::NETWORK,
            #[cfg(unix)]
            Self::Unix(..) => Keepalive::SAME_HOST,
        }
    }

    /// The TCP address, with the port that was taken; `None` for a Unix socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix(..) => None,
        }
    }
}
