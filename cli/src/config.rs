//! The configuration of `rbee up`: defaults, then a TOML file, then environment and flags.

use std::path::{Path, PathBuf};

use rbee_catalog::CatalogConfig;
use rbee_hive::HiveConfig;
use rbee_provisioner::{CivitAiArguments, HuggingFaceArguments, ProvisionerConfig};
use rbee_service_kit::config::{
    AuthConfig, ConfigError, LimitsConfig, MetricsConfig, ServerConfig, TelemetryConfig, TlsConfig, load,
};
use rbee_service_kit::program::{
    AuthArguments, MetricsArguments, ServerArguments, TelemetryArguments, TlsArguments,
};
use serde::{Deserialize, Serialize};

use crate::args::{Options, UpArgs};

/// All settings. `docs/rbee.example.toml` explains them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UpConfig {
    /// Folder for models and state; `$XDG_DATA_HOME/rbee` or `~/.local/share/rbee` unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address that others reach this cluster at, if not the one it listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advertise: Option<String>,
    /// Folder with worker programs to install; the one that holds `rbee` unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) worker_dir: Option<PathBuf>,
    /// Where it listens and whom it answers.
    pub(crate) server: ServerConfig,
    /// The certificate that it shows.
    pub(crate) tls: TlsConfig,
    /// Whom it knows.
    pub(crate) auth: AuthConfig,
    /// What one client may ask.
    pub(crate) limits: LimitsConfig,
    /// Logs and traces.
    pub(crate) telemetry: TelemetryConfig,
    /// Numbers for Prometheus.
    pub(crate) metrics: MetricsConfig,
    /// The catalog.
    pub(crate) catalog: CatalogConfig,
    /// The provisioner.
    pub(crate) provisioner: ProvisionerConfig,
    /// The hive.
    pub(crate) hive: HiveConfig,
}

/// What environment and flags say, nested like [`UpConfig`].
#[derive(Debug, Default, Serialize)]
struct Overrides<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advertise: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_dir: Option<&'a Path>,
    server: ServerArguments,
    tls: TlsArguments,
    auth: AuthArguments,
    telemetry: TelemetryArguments,
    metrics: MetricsArguments,
    provisioner: ProvisionerOverrides<'a>,
    hive: HiveOverrides<'a>,
}

#[derive(Debug, Default, Serialize)]
struct ProvisionerOverrides<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    huggingface: Option<&'a HuggingFaceArguments>,
    #[serde(skip_serializing_if = "Option::is_none")]
    civitai: Option<&'a CivitAiArguments>,
}

#[derive(Debug, Default, Serialize)]
struct HiveOverrides<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<&'a str>,
}

impl UpConfig {
    /// The configuration in effect.
    pub(crate) fn load(options: &Options, arguments: &UpArgs) -> Result<Self, ConfigError> {
        let overrides = Overrides {
            data_dir: arguments.data_dir.as_deref(),
            advertise: arguments.advertise.as_deref(),
            worker_dir: arguments.worker_dir.as_deref(),
            server: ServerArguments {
                listen: arguments.listen,
                token_file: options.token_file.clone(),
                allow_insecure: arguments.allow_insecure.then_some(true),
            },
            tls: arguments.tls.clone(),
            auth: arguments.auth.clone(),
            telemetry: TelemetryArguments {
                log: options.log.clone(),
                otlp_endpoint: options.otlp_endpoint.clone(),
            },
            metrics: MetricsArguments {
                metrics_address: arguments.metrics,
            },
            provisioner: ProvisionerOverrides {
                huggingface: Some(&arguments.huggingface),
                civitai: Some(&arguments.civitai),
            },
            hive: HiveOverrides {
                devices: arguments.devices.as_deref(),
            },
        };
        load(arguments.config.as_deref(), &overrides)
    }

    /// Gives the parts their places below the data folder, where nothing else is said.
    pub(crate) fn place_below(&mut self, data_dir: &Path) {
        // Who moves the catalog's store moves it for those who read and fill it, too.
        let store = self
            .catalog
            .store
            .get_or_insert_with(|| data_dir.join("store").display().to_string())
            .clone();
        self.provisioner.store.get_or_insert_with(|| store.clone());
        self.provisioner
            .work_dir
            .get_or_insert_with(|| data_dir.join("provisioner"));
        self.hive.store.get_or_insert(store);
        self.hive.folder.get_or_insert_with(|| data_dir.join("hive"));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use rbee_service_kit::config::print;
    use toml::{Table, Value};

    use super::*;
    use crate::args::{Cli, Command};

    const EXAMPLE: &str = include_str!("../../docs/rbee.example.toml");

    fn load_from(line: &[&str]) -> UpConfig {
        let cli = Cli::parse_from(line);
        let Command::Up(arguments) = &cli.command else {
            panic!("not `up`: {line:?}")
        };
        UpConfig::load(&cli.options, arguments).unwrap()
    }

    /// The example with its settings in effect: a setting is a line that begins with `#` and no
    /// blank, prose has a blank.
    fn uncommented() -> String {
        EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn flags_go_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rbee.toml");
        std::fs::write(
            &file,
            "data_dir = \"/from/file\"\n[server]\nlisten = \"127.0.0.1:1\"\n",
        )
        .unwrap();
        let config = load_from(&[
            "rbee",
            "up",
            "--config",
            file.to_str().unwrap(),
            "--listen",
            "127.0.0.1:2",
            "--devices",
            "-cuda",
            "--metrics",
            "127.0.0.1:3",
        ]);
        assert_eq!(config.metrics.address.unwrap().port(), 3);
        assert_eq!(config.hive.devices, "-cuda");
        assert_eq!(config.data_dir.unwrap(), Path::new("/from/file"));
        assert_eq!(config.server.listen.port(), 2);
    }

    #[test]
    fn the_example_as_it_is_changes_nothing() {
        assert_eq!(toml::from_str::<UpConfig>(EXAMPLE).unwrap(), UpConfig::default());
    }

    #[test]
    fn the_example_shows_every_setting_with_its_default() {
        let shown: Table = uncommented().parse().unwrap();
        toml::from_str::<UpConfig>(&uncommented()).expect("every setting of the example exists");
        let defaults: Table = print(&UpConfig::default()).parse().unwrap();
        assert_shows(&shown, &defaults, "");
    }

    fn assert_shows(shown: &Table, defaults: &Table, path: &str) {
        for (key, default) in defaults {
            let path = format!("{path}{key}");
            let value = shown
                .get(key)
                .unwrap_or_else(|| panic!("the example does not show `{path}`"));
            match (value, default) {
                (Value::Table(shown), Value::Table(defaults)) => {
                    assert_shows(shown, defaults, &format!("{path}."));
                }
                _ => assert_eq!(value, default, "`{path}` has another default"),
            }
        }
    }

    #[test]
    fn the_parts_find_their_places() {
        let mut config = UpConfig::default();
        config.place_below(Path::new("/data"));
        assert_eq!(config.catalog.store.as_deref(), Some("/data/store"));
        assert_eq!(config.hive.store, config.catalog.store);
        assert_eq!(config.provisioner.store, config.catalog.store);
        assert_eq!(config.hive.folder.unwrap(), Path::new("/data/hive"));
    }

    #[test]
    fn a_moved_store_is_moved_for_all() {
        let mut config: UpConfig = toml::from_str("[catalog]\nstore = \"/big/disk\"").unwrap();
        config.place_below(Path::new("/data"));
        assert_eq!(config.hive.store.as_deref(), Some("/big/disk"));
        assert_eq!(config.provisioner.store.as_deref(), Some("/big/disk"));
    }
}
