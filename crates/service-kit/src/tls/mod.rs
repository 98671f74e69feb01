//! TLS, by rustls with ring: a server's certificate that can be renewed while it serves, and whom a client trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

mod client;
mod pinned;
mod server;

pub use client::{ClientTls, Identity};
pub use server::ServerTls;

pub(crate) use client::Connector;

/// What is spoken inside: HTTP/2, as gRPC has it.
const ALPN: &[u8] = b"h2";

/// Why TLS can't be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A file has no certificate in it, or a damaged one.
    #[error("{} holds no certificate in PEM", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// A file has no private key in it, or a damaged one.
    #[error("{} holds no private key in PEM", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// A certificate was configured without its key, a key without its certificate, or a client's CA without both.
    #[error("{what}")]
    Incomplete {
        /// What misses, as a sentence.
        what: &'static str,
    },
    /// Certificate and key don't belong together, or are of a kind that is not used.
    #[error("the certificate in {} cannot be used with its key", path.display())]
    Unsuitable {
        /// The file with the certificate.
        path: PathBuf,
        /// What rustls says.
        #[source]
        source: rustls::Error,
    },
    /// The CA can't be used.
    #[error("the CA in {} cannot be used", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system's own CAs can't be used.
    #[error("this system's certificate authorities cannot be used; name the server's CA with RBEE_CA (--ca)")]
    System(#[source] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_path_buf(),
        source,
    })
}

/// The certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::Certificate {
            path: path.to_path_buf(),
        }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| TlsError::Key {
        path: path.to_path_buf(),
    })
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| TlsError::Authority {
            path: path.to_path_buf(),
            source: source.into(),
        })?;
    }
    Ok(roots)
}

/// What tells that a file was changed or replaced, also where a link to it was turned to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(SystemTime, u64, u64)>);

impl Stamp {
    /// The file as it is now. One that can't be read has a stamp too, which no other equals.
    pub(crate) fn of(path: &Path) -> Self {
        Self(std::fs::metadata(path).ok().map(|metadata| {
            #[cfg(unix)]
            let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
            #[cfg(not(unix))]
            let inode = 0;
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            (modified, metadata.len(), inode)
        }))
    }
}
