//! Configuration: defaults, then a TOML file, then environment and flags.
//!
//! A program's configuration is one serde struct with a default for every field and
//! `deny_unknown_fields`. Environment variables and flags are one clap struct of `Option` fields
//! nested like the configuration; clap itself puts flags before environment variables. Both are
//! merged in [`load`], the only such place.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub mod duration;
pub mod optional_duration;
mod sections;
mod security;

pub use sections::{DEFAULT_PORT, LogFormat, MetricsConfig, ServerConfig, TelemetryConfig};
pub use security::{AuthConfig, LimitsConfig, TlsConfig};

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not valid TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        #[source]
        source: toml::de::Error,
    },
    /// A setting is unknown or has a wrong value.
    #[error("the configuration is not valid{}", origin(path.as_deref()))]
    Invalid {
        /// The file, if there is one.
        path: Option<PathBuf>,
        /// Which setting and what.
        #[source]
        source: toml::de::Error,
    },
    /// The overrides can't be expressed in TOML; a fault of the program.
    #[error("the command line cannot be expressed as configuration")]
    Overrides(#[source] toml::ser::Error),
}

fn origin(path: Option<&Path>) -> String {
    path.map(|path| format!(" (file {}, environment and flags together)", path.display()))
        .unwrap_or_default()
}

/// Merges defaults, the file (if given) and the overrides, in this order.
///
/// # Errors
/// If the file can't be read or parsed, or a setting is unknown or has a wrong value.
pub fn load<C: DeserializeOwned>(file: Option<&Path>, overrides: &impl Serialize) -> Result<C, ConfigError> {
    let mut merged = match file {
        Some(path) => read(path)?,
        None => Table::new(),
    };
    let mut overrides = Table::try_from(overrides).map_err(ConfigError::Overrides)?;
    drop_empty(&mut overrides);
    merge(&mut merged, overrides);
    C::deserialize(merged).map_err(|source| ConfigError::Invalid {
        path: file.map(Path::to_path_buf),
        source,
    })
}

/// The whole configuration as TOML, as `--print-config` shows it.
///
/// # Panics
/// If the configuration can't be expressed in TOML, which a unit test of each program rules out.
#[must_use]
pub fn print<C: Serialize>(config: &C) -> String {
    toml::to_string_pretty(config).expect("a configuration is made of tables, strings, numbers and lists")
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    text.parse().map_err(|source| ConfigError::Syntax {
        path: path.to_path_buf(),
        source,
    })
}

/// A variable that is there and empty says nothing: Compose files and unit files have lines for settings that are unset.
fn drop_empty(overrides: &mut Table) {
    overrides.retain(|_, value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Table(table) => {
            drop_empty(table);
            true
        }
        _ => true,
    });
}

/// Puts `over` onto `base`: tables are merged key by key, everything else is replaced.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        name: String,
        part: Part,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Part {
        #[serde(with = "duration")]
        grace: Duration,
        slots: u32,
    }

    impl Default for Config {
        fn default() -> Self {
            Self {
                name: "default".into(),
                part: Part::default(),
            }
        }
    }

    impl Default for Part {
        fn default() -> Self {
            Self {
                grace: Duration::from_secs(5),
                slots: 4,
            }
        }
    }

    #[derive(Default, Serialize)]
    struct Overrides {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        part: PartOverrides,
    }

    #[derive(Default, Serialize)]
    struct PartOverrides {
        #[serde(skip_serializing_if = "Option::is_none")]
        slots: Option<u32>,
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn what_is_empty_covers_nothing() {
        let file = file("name = \"file\"");
        let overrides = Overrides {
            name: Some(String::new()),
            ..Overrides::default()
        };
        let config: Config = load(Some(file.path()), &overrides).unwrap();
        assert_eq!(config.name, "file");
        let config: Config = load(None, &overrides).unwrap();
        assert_eq!(config.name, "default");
    }

    #[test]
    fn each_layer_covers_the_one_below() {
        let file = file("name = \"file\"\n[part]\ngrace = \"1m 30s\"\nslots = 2\n");
        let overrides = Overrides {
            part: PartOverrides { slots: Some(9) },
            ..Overrides::default()
        };
        let config: Config = load(Some(file.path()), &overrides).unwrap();
        assert_eq!(
            config,
            Config {
                name: "file".into(),
                part: Part {
                    grace: Duration::from_secs(90),
                    slots: 9
                }
            }
        );
        assert_eq!(
            load::<Config>(None, &Overrides::default()).unwrap(),
            Config::default()
        );
    }

    #[test]
    fn what_is_printed_is_what_is_loaded() {
        let file = file(&print(&Config::default()));
        assert_eq!(
            load::<Config>(Some(file.path()), &Overrides::default()).unwrap(),
            Config::default()
        );
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_errors_that_name_them() {
        for (text, word) in [
            ("nmae = \"x\"", "nmae"),
            ("[part]\ngrace = \"soon\"", "grace"),
            ("[part]\nslots = -1", "slots"),
        ] {
            let file = file(text);
            let error = load::<Config>(Some(file.path()), &Overrides::default()).unwrap_err();
            let chain = crate::fault::Chain(&error).to_string();
            assert!(chain.contains(word), "{chain}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load::<Config>(Some(Path::new("/no/such.toml")), &Overrides::default()).unwrap_err();
        assert!(error.to_string().contains("/no/such.toml"));
    }
}
