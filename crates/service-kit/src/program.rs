//! A service as a program of its own: the arguments that all of them have, and the frame around their work.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::TargetError;
use crate::config::{DEFAULT_PORT, ServerConfig, TelemetryConfig, TlsConfig};
use crate::probe::NotReady;
use crate::server::{AuthError, read_token};
use crate::telemetry::TelemetryError;
use crate::tls::{ClientTls, ServerTls, TlsError};
use crate::{Lifecycle, Target, probe, telemetry};

/// Environment and flags over section `[server]`.
#[derive(Debug, Default, clap::Args, Serialize)]
pub struct ServerArguments {
    /// Address to listen on; port 0 takes any free port.
    #[arg(long, env = "RBEE_LISTEN", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// File that holds the bearer token which clients must show.
    #[arg(long, env = "RBEE_TOKEN_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Listen beyond loopback without TLS or without tokens, on a network that you trust.
    #[arg(long, env = "RBEE_ALLOW_INSECURE", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_insecure: Option<bool>,
}

/// Environment and flags over section `[tls]`.
#[derive(Debug, Default, Clone, clap::Args, Serialize)]
pub struct TlsArguments {
    /// File with the certificate to show (PEM); with it, nothing but TLS is spoken.
    #[arg(long = "tls-cert", env = "RBEE_TLS_CERT", value_name = "FILE")]
    #[serde(rename = "cert", skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    /// File with the certificate's private key (PEM).
    #[arg(long = "tls-key", env = "RBEE_TLS_KEY", value_name = "FILE")]
    #[serde(rename = "key", skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// File with the CA (PEM) whose client certificates mark the cluster's own services.
    #[arg(long = "tls-client-ca", env = "RBEE_TLS_CLIENT_CA", value_name = "FILE")]
    #[serde(rename = "client_ca", skip_serializing_if = "Option::is_none")]
    pub tls_client_ca: Option<PathBuf>,
}

/// Environment and flags over section `[auth]`.
#[derive(Debug, Default, Clone, clap::Args, Serialize)]
pub struct AuthArguments {
    /// File with the named tokens that clients may show (`rbee token`).
    #[arg(long, env = "RBEE_TOKENS_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_file: Option<PathBuf>,
}

/// Environment and flags over section `[telemetry]`.
#[derive(Debug, Default, clap::Args, Serialize)]
pub struct TelemetryArguments {
    /// What is logged: `info`, `info,rbee_hive=debug`.
    #[arg(long, env = "RBEE_LOG", value_name = "DIRECTIVES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// OpenTelemetry collector to export traces to, such as http://127.0.0.1:4317.
    #[arg(long, env = "RBEE_OTLP_ENDPOINT", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
}

/// Environment and flags over section `[metrics]`.
#[derive(Debug, Default, clap::Args, Serialize)]
pub struct MetricsArguments {
    /// Address that answers Prometheus at /metrics, such as 127.0.0.1:9464; off unless given.
    #[arg(long = "metrics", env = "RBEE_METRICS", value_name = "ADDRESS")]
    #[serde(rename = "address", skip_serializing_if = "Option::is_none")]
    pub metrics_address: Option<SocketAddr>,
}

/// Environment and flags over section `[catalog]` of a service that calls the catalog.
#[derive(Debug, Default, clap::Args, Serialize)]
pub struct CatalogArguments {
    /// Address of the catalog, such as http://127.0.0.1:7220.
    #[arg(long = "catalog", env = "RBEE_CATALOG", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// File that holds the bearer token to show to the catalog.
    #[arg(
        long = "catalog-token-file",
        env = "RBEE_CATALOG_TOKEN_FILE",
        value_name = "FILE"
    )]
    #[serde(rename = "token_file", skip_serializing_if = "Option::is_none")]
    pub catalog_token_file: Option<PathBuf>,
    /// File with the CA (PEM) that the catalog's certificate must be of; the system's CAs unless given.
    #[arg(long, env = "RBEE_CA", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// File with a certificate of the cluster's CA (PEM) to show to the catalog.
    #[arg(long, env = "RBEE_CLIENT_CERT", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// File with that certificate's private key (PEM).
    #[arg(long, env = "RBEE_CLIENT_KEY", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
}

/// Section `[catalog]` of a service that calls the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogAddress {
    /// Its address as a URL.
    pub address: String,
    /// File that holds the bearer token to show to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// File with the CA (PEM) that its certificate must be of; the system's CAs unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// File with a certificate of the cluster's CA (PEM) to show to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// File with that certificate's private key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
}

impl Default for CatalogAddress {
    fn default() -> Self {
        Self {
            address: format!("http://127.0.0.1:{DEFAULT_PORT}"),
            token_file: None,
            ca: None,
            client_cert: None,
            client_key: None,
        }
    }
}

impl CatalogAddress {
    /// The catalog as a server to call.
    ///
    /// # Errors
    /// If the token file can't be used, or one of certificate and key is not given.
    pub fn target(&self) -> Result<Target, AuthError> {
        let token = self.token_file.as_deref().map(read_token).transpose()?;
        let tls = ClientTls::of_files(self.ca.clone(), self.client_cert.clone(), self.client_key.clone())?;
        Ok(Target {
            address: self.address.clone(),
            token,
            tls,
        })
    }
}

/// Environment and flags over section `[provisioner]` of the catalog.
#[derive(Debug, Default, clap::Args, Serialize)]
pub struct ProvisionerArguments {
    /// Address of the provisioner, such as http://127.0.0.1:7221: calls for it that come here are passed on to it.
    #[arg(long = "provisioner", env = "RBEE_PROVISIONER", value_name = "URL")]
    #[serde(rename = "address", skip_serializing_if = "Option::is_none")]
    pub provisioner_address: Option<String>,
    /// File with the CA (PEM) that the provisioner's certificate must be of; the system's CAs unless given.
    #[arg(long, env = "RBEE_CA", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// File with a certificate of the cluster's CA (PEM) to show to the provisioner, for callers that showed one here.
    #[arg(long, env = "RBEE_CLIENT_CERT", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// File with that certificate's private key (PEM).
    #[arg(long, env = "RBEE_CLIENT_KEY", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
}

/// Section `[provisioner]` of the catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisionerAddress {
    /// Its address as a URL. Without one, the catalog answers for itself only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// File with the CA (PEM) that its certificate must be of; the system's CAs unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// File with a certificate of the cluster's CA (PEM) to show to it. What a caller's own token allows stays all that
    /// the caller may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// File with that certificate's private key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
}

impl ProvisionerAddress {
    /// The provisioner as a server to call, with each caller's own token.
    ///
    /// # Errors
    /// If one of certificate and key is not given.
    pub fn target(&self) -> Result<Option<Target>, TlsError> {
        let tls = ClientTls::of_files(self.ca.clone(), self.client_cert.clone(), self.client_key.clone())?;
        Ok(self.address.clone().map(|address| Target {
            address,
            token: None,
            tls,
        }))
    }
}

/// How long a program that is asked for its health may take to answer.
const HEALTH_PATIENCE: Duration = Duration::from_secs(3);

/// Asks the server that runs with this configuration on this host whether it is ready (`--health`).
///
/// # Errors
/// If it is not, or says nothing.
pub async fn health(server: &ServerConfig, tls: &TlsConfig) -> Result<(), NotReady> {
    // A token that can't be read is the server's own trouble, which its answer shows.
    let token = server.token_file.as_deref().map(read_token);
    let at = probe::own_address(server.listen);
    let tls = ServerTls::from_config(tls).map_err(|source| TargetError::Tls {
        address: at.to_string(),
        source,
    })?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let target = Target {
        address: format!("{scheme}://{at}"),
        token: token.transpose().unwrap_or_default(),
        // Whatever names are in its certificate: it is the one in this configuration.
        tls: tls.map(ClientTls::of_own_server).unwrap_or_default(),
    };
    probe::ready(&target, "", HEALTH_PATIENCE).await
}

/// Runs a program's work within its telemetry and a life that signals end.
///
/// # Errors
/// If telemetry or signals can't be set up, and those of the work.
pub async fn run<E>(
    service: &'static str,
    config: &TelemetryConfig,
    work: impl AsyncFnOnce(&Lifecycle) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<TelemetryError> + From<std::io::Error>,
{
    let telemetry = telemetry::init(service, config)?;
    let lifecycle = Lifecycle::new();
    lifecycle.shut_down_on_signals()?;
    let outcome = work(&lifecycle).await;
    // Flushing blocks. That it panicked would be no reason to forget the outcome.
    let _ = tokio::task::spawn_blocking(|| telemetry.flush()).await;
    outcome
}
