//! `rbee-hive`: the agent of one host as a process of its own.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use rbee_hive::{Hive, HiveConfig};
use rbee_service_kit::config::{
    self, AuthConfig, LimitsConfig, MetricsConfig, ServerConfig, TelemetryConfig, TlsConfig,
};
use rbee_service_kit::metrics::{MetricsServer, Process};
use rbee_service_kit::program::{
    AuthArguments, CatalogAddress, CatalogArguments, MetricsArguments, ServerArguments, TelemetryArguments,
    TlsArguments,
};
use rbee_service_kit::{Lifecycle, Listener, ServerBuilder, program};
use serde::{Deserialize, Serialize};

/// Owns this host's devices: starts workers, supervises them, and passes calls on to them.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file (TOML).
    #[arg(long, env = "RBEE_HIVE_CONFIG", value_name = "FILE")]
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
    metrics: MetricsArguments,
    #[command(flatten)]
    hive: HiveOverrides,
    #[command(flatten)]
    catalog: CatalogArguments,
    /// Address where clients reach this hive, such as http://bees.example:7221; the one it listens on unless
    /// given, or where it listens on all, that of the network interface towards the catalog.
    #[arg(long, env = "RBEE_ADVERTISE", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    advertise: Option<String>,
}

#[derive(Debug, clap::Args, Serialize)]
struct HiveOverrides {
    /// A name to show; the host's name unless given.
    #[arg(long, env = "RBEE_HIVE_NAME", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Folder for the hive's own things.
    #[arg(long, env = "RBEE_HIVE_FOLDER", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
    /// Devices to hide or to declare, for tests: `-cuda:1; +cuda:0,memory=24GiB,name=RTX 4090`.
    #[arg(long, env = "RBEE_DEVICES", value_name = "RULES", allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<String>,
    /// Where the store is: a path, a file:// URL, or s3://bucket/prefix with keys from the environment.
    #[arg(long, env = "RBEE_STORE", value_name = "STORE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// Folder for what is fetched from a store that is not on this host; `cache` below --folder unless given.
    #[arg(long, env = "RBEE_CACHE_DIR", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_dir: Option<PathBuf>,
    /// The most that this folder may take, such as 200GiB.
    #[arg(long, env = "RBEE_CACHE_LIMIT", value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_limit: Option<String>,
    /// A store that gives nothing for this long while something is fetched from it counts as unavailable.
    #[arg(long, env = "RBEE_STORE_PATIENCE", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    store_patience: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Address where clients reach this hive, as a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    advertise: Option<String>,
    server: ServerConfig,
    tls: TlsConfig,
    auth: AuthConfig,
    limits: LimitsConfig,
    telemetry: TelemetryConfig,
    metrics: MetricsConfig,
    catalog: CatalogAddress,
    hive: HiveConfig,
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
    program::run("rbee-hive", &config.telemetry.clone(), async |lifecycle| {
        run(config, lifecycle).await
    })
    .await
}

async fn run(config: Config, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let mut server = ServerBuilder::from_config(&config.server, &config.tls, &config.auth, &config.limits)?;
    let catalog = config.catalog.target()?;
    let listen = config.server.listen;
    let listener = Listener::tcp(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    let metrics = MetricsServer::bind(&config.metrics).await?;
    let own = listener.local_addr().unwrap_or(listen);
    let advertised = rbee_hive::advertised(config.advertise, server.scheme(), own, &catalog.address)?;
    let mut hive = config.hive;
    hive.worker.pass_on(&config.telemetry);
    let hive = Hive::start(hive, catalog, advertised.clone(), lifecycle).await?;
    if let Some(metrics) = metrics {
        let process = Arc::new(Process::new("rbee-hive", env!("CARGO_PKG_VERSION")));
        lifecycle.spawn(metrics.serve(vec![process, hive.metrics()], lifecycle.token()));
    }
    hive.mount(&mut server);
    tracing::info!(address = %own, advertised, hive = hive.id(), "the hive is ready");
    let served = server
        .serve(listener, lifecycle, config.server.shutdown_grace)
        .await;
    if !lifecycle.finish(config.server.shutdown_grace).await {
        tracing::warn!("some workers did not leave within the grace period and are killed");
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
            "rbee-hive",
            "--catalog",
            "http://127.0.0.1:7220",
            "--folder",
            "/srv/hive",
            "--store",
            "/srv/store",
        ];
        let arguments = Arguments::parse_from(flags);
        let config: Config = config::load(None, &arguments.overrides).unwrap();
        assert_eq!(config.catalog.address, "http://127.0.0.1:7220");
        assert_eq!(config.hive.store.as_deref(), Some("/srv/store"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), config::print(&config)).unwrap();
        let none = Arguments::parse_from(["rbee-hive"]);
        let loaded: Config = config::load(Some(file.path()), &none.overrides).unwrap();
        assert_eq!(config::print(&loaded), config::print(&config));
    }
}
