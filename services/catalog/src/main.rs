//! `rbee-catalog`: the catalog as a process of its own.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use rbee_catalog::{Catalog, CatalogConfig, Front};
use rbee_service_kit::config::{self, AuthConfig, LimitsConfig, ServerConfig, TelemetryConfig, TlsConfig};
use rbee_service_kit::program::{
    AuthArguments, ProvisionerAddress, ProvisionerArguments, ServerArguments, TelemetryArguments,
    TlsArguments,
};
use rbee_service_kit::{Lifecycle, Listener, ServerBuilder, program};
use serde::{Deserialize, Serialize};

/// Keeps what exists: models, worker binaries, hives and live workers.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file (TOML).
    #[arg(long, env = "RBEE_CATALOG_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the configuration as it is after file, environment and flags, and exit.
    #[arg(long)]
    print_config: bool,
    /// Ask the one that runs with this configuration on this host whether it is ready; exits with 0 if it is.
    #[arg(long)]
    health: bool,
    #[command(flatten)]
    overrides: Overrides,
}

/// Environment and flags, nested like [`Config`].
#[derive(Debug, clap::Args, Serialize)]
struct Overrides {
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    tls: TlsArguments,
    #[command(flatten)]
    auth: AuthArguments,
    #[command(flatten)]
    telemetry: TelemetryArguments,
    #[command(flatten)]
    catalog: CatalogOverrides,
    #[command(flatten)]
    provisioner: ProvisionerArguments,
}

#[derive(Debug, clap::Args, Serialize)]
struct CatalogOverrides {
    /// Where the store is: a path or a file:// URL.
    #[arg(long, env = "RBEE_STORE", value_name = "STORE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// Without a heartbeat for this long, a hive counts as unreachable.
    #[arg(long, env = "RBEE_CATALOG_LEASE", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    server: ServerConfig,
    tls: TlsConfig,
    auth: AuthConfig,
    limits: LimitsConfig,
    telemetry: TelemetryConfig,
    catalog: CatalogConfig,
    provisioner: ProvisionerAddress,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        config: file,
        print_config,
        health,
        overrides,
    } = Arguments::parse();
    let config: Config = config::load(file.as_deref(), &overrides)?;
    if print_config {
        print!("{}", config::print(&config));
        return Ok(());
    }
    if health {
        return Ok(program::health(&config.server, &config.tls).await?);
    }
    program::run("rbee-catalog", &config.telemetry.clone(), async |lifecycle| {
        run(config, lifecycle).await
    })
    .await
}

async fn run(config: Config, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let mut server = ServerBuilder::from_config(&config.server, &config.tls, &config.auth, &config.limits)?;
    let catalog = Catalog::start(config.catalog, lifecycle).await?;
    catalog.mount(&mut server);
    if let Some(provisioner) = config.provisioner.target()? {
        Front::to(&provisioner)?.mount(&mut server);
    }
    let listen = config.server.listen;
    let listener = Listener::tcp(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    tracing::info!(address = %listener.local_addr().unwrap_or(listen), "the catalog is ready");
    let served = server
        .serve(listener, lifecycle, config.server.shutdown_grace)
        .await;
    // Writes that were begun are finished.
    if !lifecycle.finish(config.server.shutdown_grace).await {
        tracing::warn!("some work did not end within the grace period");
    }
    Ok(served?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_and_the_printed_configuration_are_sound() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
        let flags = [
            "rbee-catalog",
            "--listen",
            "127.0.0.1:0",
            "--store",
            "/srv/rbee",
            "--lease",
            "1m 30s",
            "--provisioner",
            "http://127.0.0.1:7221",
        ];
        let arguments = Arguments::parse_from(flags);
        let config: Config = config::load(None, &arguments.overrides).unwrap();
        assert_eq!(config.catalog.store.as_deref(), Some("/srv/rbee"));
        assert_eq!(config.catalog.lease.as_secs(), 90);
        assert_eq!(
            config.provisioner.address.as_deref(),
            Some("http://127.0.0.1:7221")
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), config::print(&config)).unwrap();
        let none = Arguments::parse_from(["rbee-catalog"]);
        let loaded: Config = config::load(Some(file.path()), &none.overrides).unwrap();
        assert_eq!(config::print(&loaded), config::print(&config));
    }
}
