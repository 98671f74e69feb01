//! What the person chose for this window.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Light or dark.
pub use crate::theme::Theme;

/// The settings, as they are written down. Tokens are not among them: they have a file of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Addresses of servers that were connected to, the last one first.
    pub servers: Vec<String>,
    /// Whether the window starts `rbee up` by itself when none runs here.
    pub starts_cluster: bool,
    /// Light or dark.
    pub theme: Theme,
    /// The `rbee` program; `None` for the one beside this program or in the search path.
    pub program: Option<PathBuf>,
    /// The folder that a cluster started here keeps its data in; `None` for rbee's own default.
    pub data_dir: Option<PathBuf>,
    /// Where pictures are saved; `None` to ask each time.
    pub pictures_dir: Option<PathBuf>,
}

/// Servers that are remembered.
const REMEMBERED_SERVERS: usize = 10;

impl Default for Settings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            starts_cluster: false,
            theme: Theme::System,
            program: None,
            data_dir: None,
            pictures_dir: None,
        }
    }
}

impl Settings {
    /// The server to connect to first.
    #[must_use]
    pub fn last_server(&self) -> Option<&str> {
        self.servers.first().map(String::as_str)
    }

    /// A server was connected to.
    pub fn used_server(&mut self, address: &str) {
        self.forget_server(address);
        self.servers.insert(0, address.to_owned());
        self.servers.truncate(REMEMBERED_SERVERS);
    }

    /// Forgets a server.
    pub fn forget_server(&mut self, address: &str) {
        self.servers.retain(|known| known != address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_server_comes_first_and_once() {
        let mut settings = Settings::default();
        for address in ["http://a", "http://b", "http://a"] {
            settings.used_server(address);
        }
        assert_eq!(settings.servers, ["http://a", "http://b"]);
        settings.forget_server("http://a");
        assert_eq!(settings.last_server(), Some("http://b"));
    }

    #[test]
    fn a_file_of_another_version_keeps_what_it_can() {
        let settings: Settings = serde_json::from_str(r#"{"theme":"dark","something":1}"#).unwrap();
        assert_eq!(settings.theme, Theme::Dark);
    }
}
