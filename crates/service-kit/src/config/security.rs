//! The sections that say who gets in, how, and how much of it.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// Section `[tls]`: the certificate that a server shows. The files are read anew when they change; connections that
/// are open stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// File with the server's certificate and those between it and its CA (PEM). With it, nothing but TLS is spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// File with the certificate's private key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// File with the CA (PEM) whose client certificates mark the cluster's own services: who shows one may do
    /// everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// Section `[auth]`: whom a server knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// File with the named tokens (`rbee token create`): their digests, scopes and when they expire. It is read anew
    /// when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_file: Option<PathBuf>,
}

/// Section `[limits]`: what one client may ask of a listener. A client is a token, a service's certificate, or where
/// there is neither, an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Calls a second that a client may begin in the long run; 0 for any number.
    pub calls_per_second: u32,
    /// Calls that a client may begin at once after a while of silence.
    pub burst: u32,
    /// Calls of a client that may run at the same time, and streams of one connection; 0 for any number.
    pub concurrent_calls: u32,
    /// The largest message that a client may send.
    pub max_message_size: ByteSize,
    /// The most that a call's headers may come to.
    pub max_header_size: ByteSize,
    /// TLS handshakes that may go on at the same time; more wait.
    pub handshakes: u32,
    /// How long a TLS handshake may take.
    #[serde(with = "super::duration")]
    pub handshake_timeout: Duration,
}

impl Default for LimitsConfig {
    /// Far above what people and programs ask of an inference cluster, and below what wears a small host out.
    fn default() -> Self {
        Self {
            calls_per_second: 10_000,
            burst: 20_000,
            concurrent_calls: 2048,
            max_message_size: ByteSize::mib(128),
            max_header_size: ByteSize::kib(64),
            handshakes: 128,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}
