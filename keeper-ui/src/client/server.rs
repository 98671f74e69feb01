//! A server as the person named it.

use std::path::PathBuf;

use rbee_service_kit::Target;
use rbee_service_kit::tls::ClientTls;
use secrecy::SecretString;

use super::authorities;
use super::folder::Folder;

/// Where `rbee up` answers unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "http://127.0.0.1:7220";

/// A server and the token to show it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its address as a URL without a slash at the end.
    pub address: String,
    /// The token; `None` for a server that asks for none.
    pub token: Option<SecretString>,
    /// The file with the CA that an `https` server's certificate must be of; the system's own where there is none.
    pub ca: Option<PathBuf>,
}

impl Server {
    /// A server at an address as people type it: spaces around it, no scheme, a slash at the end.
    #[must_use]
    pub fn at(address: &str, token: Option<SecretString>) -> Self {
        Self {
            address: normalized(address),
            token,
            ca: None,
        }
    }

    /// The same server with the CA that is kept for it, or that the environment names.
    #[must_use]
    pub fn with_known_ca(self, folder: Option<&Folder>) -> Self {
        let ca = authorities::of(folder, &self.address);
        Self { ca, ..self }
    }

    /// What the connection takes.
    #[must_use]
    pub fn target(&self) -> Target {
        Target {
            address: self.address.clone(),
            token: self.token.clone(),
            tls: ClientTls::new(self.ca.clone(), None),
        }
    }
}

/// An address as it is kept: with a scheme, without a slash at the end.
#[must_use]
pub fn normalized(address: &str) -> String {
    let address = address.trim().trim_end_matches('/');
    if address.is_empty() || address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_people_type_it() {
        assert_eq!(normalized(" desk:7220/ "), "http://desk:7220");
        assert_eq!(normalized("http://desk:7220"), "http://desk:7220");
        assert_eq!(normalized("https://desk"), "https://desk");
        assert_eq!(normalized("  "), "");
    }
}
