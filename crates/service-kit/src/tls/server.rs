//! A server's certificate, renewed while it serves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;

use super::{ALPN, Stamp, TlsError, certificates, private_key, provider, roots};
use crate::config::TlsConfig;
use crate::fault::Chain;

/// Between two looks at the files. A look is a question to the file system, and asked only when somebody connects.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A server's side of TLS. Cheap to clone; clones share what they have read.
///
/// When a file has changed, the next connection is made with what is in it. Where that can't be used, such as a
/// certificate whose key is still to be written, the one from before stays in use and the log says so.
#[derive(Debug, Clone)]
pub struct ServerTls {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    files: Files,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

#[derive(Debug)]
struct State {
    current: Loaded,
    seen: Vec<Stamp>,
    looked: Instant,
}

#[derive(Debug, Clone)]
struct Loaded {
    config: Arc<rustls::ServerConfig>,
    own: CertificateDer<'static>,
}

impl ServerTls {
    /// What a configuration asks for; `None` where it asks for no TLS.
    ///
    /// # Errors
    /// If a file can't be read or used, or one of certificate and key is not given.
    pub fn from_config(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        let (cert, key) = match (&config.cert, &config.key, &config.client_ca) {
            (Some(cert), Some(key), _) => (cert.clone(), key.clone()),
            (None, None, None) => return Ok(None),
            (None, None, Some(_)) => {
                return Err(TlsError::Incomplete {
                    what: "`tls.client_ca` is of use only with `tls.cert` and `tls.key`",
                });
            }
            _ => {
                return Err(TlsError::Incomplete {
                    what: "`tls.cert` and `tls.key` go together",
                });
            }
        };
        let files = Files {
            cert,
            key,
            client_ca: config.client_ca.clone(),
        };
        // Before they are read: a change in between shows at the next look.
        let seen = files.stamps();
        let current = files.load()?;
        Ok(Some(Self {
            shared: Arc::new(Shared {
                files,
                state: Mutex::new(State {
                    current,
                    seen,
                    looked: Instant::now(),
                }),
            }),
        }))
    }

    /// Whether clients may show certificates.
    #[must_use]
    pub fn knows_services(&self) -> bool {
        self.shared.files.client_ca.is_some()
    }

    /// What the next connection is made with.
    pub(crate) fn config(&self) -> Arc<rustls::ServerConfig> {
        self.look().config
    }

    /// The server's own certificate as it is shown now.
    pub(super) fn own(&self) -> CertificateDer<'static> {
        self.look().own
    }

    fn look(&self) -> Loaded {
        let mut state = self.shared.state.lock();
        if state.looked.elapsed() >= LOOK_EVERY {
            state.looked = Instant::now();
            let now = self.shared.files.stamps();
            if now != state.seen {
                state.seen = now;
                match self.shared.files.load() {
                    Ok(loaded) => {
                        state.current = loaded;
                        tracing::info!(cert = %self.shared.files.cert.display(), "the certificate was read anew");
                    }
                    Err(error) => tracing::warn!(
                        error = %Chain(&error),
                        "the changed certificate cannot be used; the one from before stays"
                    ),
                }
            }
        }
        state.current.clone()
    }
}

impl Files {
    fn stamps(&self) -> Vec<Stamp> {
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()]
            .into_iter()
            .flatten()
            .map(|path| Stamp::of(path))
            .collect()
    }

    fn load(&self) -> Result<Loaded, TlsError> {
        let chain = certificates(&self.cert)?;
        let own = chain[0].clone();
        let unsuitable = |source| TlsError::Unsuitable {
            path: self.cert.clone(),
            source,
        };
        let builder = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unsuitable)?;
        let builder = match &self.client_ca {
            // Who shows none has a token to show; who shows one of another CA is not let in at all.
            Some(path) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider())
                    .allow_unauthenticated()
                    .build()
                    .map_err(|source| TlsError::Authority {
                        path: path.clone(),
                        source: source.into(),
                    })?,
            ),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, private_key(&self.key)?)
            .map_err(unsuitable)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Loaded {
            config: Arc::new(config),
            own,
        })
    }
}
