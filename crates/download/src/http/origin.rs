//! Who a URL belongs to, and how a URL is shown.

use std::fmt;

use secrecy::SecretString;
use url::Url;

/// Scheme, host and port: what a token belongs to (RFC 6454).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of a URL; `None` if it is not `http` or `https` with a host.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        matches!(url.scheme(), "http" | "https").then_some(())?;
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }

    /// The host, in brackets if it is an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// A bearer token and the origin that it is for. It is sent nowhere else.
#[derive(Debug, Clone)]
pub struct Token {
    pub(super) origin: Origin,
    pub(super) secret: SecretString,
}

impl Token {
    /// A token for one origin.
    #[must_use]
    pub fn new(origin: Origin, secret: SecretString) -> Self {
        Self { origin, secret }
    }
}

/// Longest path shown of a URL, in bytes.
const SHOWN_PATH_BYTES: usize = 200;

/// A URL for people: without user, password, query and fragment, which hold tokens and signatures.
#[must_use]
pub fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = url.path(); // percent-encoded, so ASCII: any cut is between characters
    let (path, more) = match path.get(..SHOWN_PATH_BYTES) {
        Some(start) => (start, "…"),
        None => (path, ""),
    };
    format!(
        "{}://{}{port}{path}{more}",
        url.scheme(),
        url.host_str().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Option<Origin> {
        Origin::of(&text.parse().unwrap())
    }

    #[test]
    fn scheme_host_and_port_make_an_origin() {
        assert_eq!(origin("https://Hub.co/a?b"), origin("https://hub.co:443/c"));
        assert_ne!(origin("https://hub.co"), origin("http://hub.co"));
        assert_ne!(origin("https://hub.co"), origin("https://hub.co:8443"));
        assert_ne!(origin("https://hub.co"), origin("https://cdn.hub.co"));
        assert_eq!(origin("file:///etc/passwd"), None);
        assert_eq!(origin("data:text/plain,x"), None);
        assert_eq!(origin("http://[::1]:80/").unwrap().to_string(), "http://[::1]:80");
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let url = "https://user:pass@hub.co:8443/a/b?X-Signature=secret#secret"
            .parse()
            .unwrap();
        assert_eq!(shown(&url), "https://hub.co:8443/a/b");
        let long = format!("https://hub.co/{}", "é".repeat(300)).parse().unwrap();
        assert!(shown(&long).len() < 230);
        let token = Token::new(origin("https://hub.co").unwrap(), "hf_secret".into());
        assert!(!format!("{token:?}").contains("hf_secret"));
    }
}
