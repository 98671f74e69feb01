//! How the client is set up.

use std::collections::HashSet;
use std::time::Duration;

use url::Url;

use super::retry::RetryPolicy;

/// What the client is told.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// `User-Agent`. A browser's would be sent to login pages.
    pub user_agent: String,
    /// Until a connection stands, TLS included.
    pub connect_timeout: Duration,
    /// Longest silence within an answer, and before it.
    pub read_timeout: Duration,
    /// Longest time for an answer that is kept in memory (JSON, headers), redirects included.
    pub answer_timeout: Duration,
    /// Addresses that the operator configured. Only these may be on networks that are not public, and only
    /// what they redirect to from there. The hubs' own public addresses don't belong here.
    pub trusted: Vec<Url>,
    /// When to try again.
    pub retry: RetryPolicy,
    /// Whether proxies named by the environment are used (never for loopback). It is the proxy then that resolves
    /// names, and of addresses only those that stand in URLs are checked here.
    pub proxy_from_environment: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            user_agent: format!("rbee/{}", env!("CARGO_PKG_VERSION")),
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
            trusted: Vec::new(),
            retry: RetryPolicy::default(),
            proxy_from_environment: true,
        }
    }
}

/// The client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// An endpoint in the configuration is not one.
    #[error("{url} is not an http or https address: correct the configured endpoint")]
    BadEndpoint {
        /// Without its query.
        url: String,
    },
    /// What the HTTP library refuses: a `User-Agent` with line breaks, a proxy that is no address.
    #[error("the HTTP client cannot be set up: check the proxies in the environment and the User-Agent")]
    Client(#[source] reqwest::Error),
}

/// Hosts of the proxies that the environment names, by curl's names of the variables.
pub(super) fn proxy_hosts(variable: impl Fn(&str) -> Option<String>) -> HashSet<String> {
    ["http_proxy", "https_proxy", "all_proxy"]
        .iter()
        .flat_map(|name| [variable(name), variable(&name.to_uppercase())])
        .flatten()
        .filter_map(|value| {
            let url = match value.contains("://") {
                true => Url::parse(&value),
                false => Url::parse(&format!("http://{value}")),
            };
            Some(url.ok()?.host_str()?.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_as_people_write_them() {
        let hosts = proxy_hosts(|name| match name {
            "http_proxy" => Some("http://user:pass@proxy.corp:3128".to_owned()),
            "HTTPS_PROXY" => Some("Other.corp:3128".to_owned()),
            "ALL_PROXY" => Some(String::new()),
            _ => None,
        });
        let mut hosts: Vec<_> = hosts.into_iter().collect();
        hosts.sort();
        assert_eq!(hosts, ["other.corp", "proxy.corp"]);
    }
}
