//! A service as a program of its own: the arguments that all of them have, and the frame around their work.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{DEFAULT_PORT, ServerConfig, TelemetryConfig};
use crate::probe::NotReady;
use crate::server::{AuthError, read_token};
use crate::telemetry::TelemetryError;
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
    /// Listen beyond loopback without TLS, on a network that you trust.
    #[arg(long, env = "RBEE_ALLOW_INSECURE", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_insecure: Option<bool>,
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
}

impl Default for CatalogAddress {
    fn default() -> Self {
        Self {
            address: format!("http://127.0.0.1:{DEFAULT_PORT}"),
            token_file: None,
        }
    }
}

impl CatalogAddress {
    /// The catalog as a server to call.
    ///
    /// # Errors
    /// If the token file can't be used.
    pub fn target(&self) -> Result<Target, AuthError> {
        let token = self.token_file.as_deref().map(read_token).transpose()?;
        Ok(Target {
            address: self.address.clone(),
            token,
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
}

/// Section `[provisioner]` of the catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisionerAddress {
    /// Its address as a URL. Without one, the catalog answers for itself only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl ProvisionerAddress {
    /// The provisioner as a server to call, with each caller's own token.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.address
            .clone()
            .map(|address| Target { address, token: None })
    }
}

/// How long a program that is asked for its health may take to answer.
const HEALTH_PATIENCE: Duration = Duration::from_secs(3);

/// Asks the server that runs with this configuration on this host whether it is ready (`--health`).
///
/// # Errors
/// If it is not, or says nothing.
pub async fn health(server: &ServerConfig) -> Result<(), NotReady> {
    // A token that can't be read is the server's own trouble, which its answer shows.
    let token = server.token_file.as_deref().map(read_token);
    let target = Target {
        address: format!("http://{}", probe::own_address(server.listen)),
        token: token.transpose().unwrap_or_default(),
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
