//! `rbee-provisioner`: the provisioner as a process of its own.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use rbee_provisioner::{CivitAiArguments, HuggingFaceArguments, Provisioner, ProvisionerConfig};
use rbee_service_kit::config::{self, AuthConfig, LimitsConfig, ServerConfig, TelemetryConfig, TlsConfig};
use rbee_service_kit::program::{
    AuthArguments, CatalogAddress, CatalogArguments, ServerArguments, TelemetryArguments, TlsArguments,
};
use rbee_service_kit::{Lifecycle, Listener, ServerBuilder, program};
use serde::{Deserialize, Serialize};

/// Brings models and worker programs in.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file (TOML).
    #[arg(long, env = "RBEE_PROVISIONER_CONFIG", value_name = "FILE")]
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
    catalog: CatalogArguments,
    #[command(flatten)]
    provisioner: ProvisionerOverrides,
    /// Folder with worker programs to install at each start, such as /usr/lib/rbee.
    #[arg(long, env = "RBEE_WORKER_DIR", value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args, Serialize)]
struct ProvisionerOverrides {
    /// Where the catalog's store is: a path, a file:// or an s3:// URL.
    #[arg(long, env = "RBEE_STORE", value_name = "STORE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// Folder for jobs, parts of downloads, tokens and builds.
    #[arg(long, env = "RBEE_WORK_DIR", value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    work_dir: Option<PathBuf>,
    #[command(flatten)]
    huggingface: HuggingFaceArguments,
    #[command(flatten)]
    civitai: CivitAiArguments,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Folder with worker programs to install at each start.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_dir: Option<PathBuf>,
    server: ServerConfig,
    tls: TlsConfig,
    auth: AuthConfig,
    limits: LimitsConfig,
    telemetry: TelemetryConfig,
    catalog: CatalogAddress,
    provisioner: ProvisionerConfig,
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
    program::run("rbee-provisioner", &config.telemetry.clone(), async |lifecycle| {
        run(config, lifecycle).await
    })
    .await
}

async fn run(config: Config, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let mut server = ServerBuilder::from_config(&config.server, &config.tls, &config.auth, &config.limits)?;
    let catalog = config.catalog.target()?;
    let provisioner = Provisioner::start(config.provisioner, catalog, lifecycle).await?;
    provisioner.mount(&mut server);
    let listen = config.server.listen;
    let listener = Listener::tcp(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    tracing::info!(address = %listener.local_addr().unwrap_or(listen), "the provisioner is ready");
    if let Some(folder) = config.worker_dir {
        let token = lifecycle.token();
        // Beside serving: it waits for a catalog that is starting too. An import that is cut off leaves nothing.
        lifecycle.spawn(async move {
            tokio::select! {
                () = provisioner.import_bundled_workers(&folder) => {}
                () = token.cancelled() => {}
            }
        });
    }
    let served = server
        .serve(listener, lifecycle, config.server.shutdown_grace)
        .await;
    // Jobs stop at the shutdown, and the next start goes on with them.
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
            "rbee-provisioner",
            "--store",
            "/srv/rbee",
            "--work-dir",
            "/srv/work",
            "--catalog",
            "http://catalog:7220",
            "--hf-endpoint",
            "http://mirror:8080",
        ];
        let arguments = Arguments::parse_from(flags);
        let config: Config = config::load(None, &arguments.overrides).unwrap();
        assert_eq!(config.provisioner.store.as_deref(), Some("/srv/rbee"));
        assert_eq!(config.provisioner.work_dir.as_deref(), Some("/srv/work".as_ref()));
        assert_eq!(config.provisioner.huggingface.endpoint, "http://mirror:8080");
        assert_eq!(config.catalog.address, "http://catalog:7220");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), config::print(&config)).unwrap();
        let none = Arguments::parse_from(["rbee-provisioner"]);
        let loaded: Config = config::load(Some(file.path()), &none.overrides).unwrap();
        assert_eq!(config::print(&loaded), config::print(&config));
    }
}
