//! What can go wrong between us and a server, in words that name the server and hold no secret.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::address::AddressClass;

/// A request that did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL is not one that is fetched.
    #[error("{url} is not an http or https address")]
    BadUrl {
        /// Without its query.
        url: String,
    },
    /// The host is on a network that only the operator may point us to.
    #[error(
        "{host} is at a {class} address, which is refused; configure it as an endpoint if you mean to use it"
    )]
    AddressRefused {
        /// Name or address.
        host: String,
        /// What it is at.
        class: AddressClass,
    },
    /// A redirect without a usable `Location`.
    #[error("{from} redirects to something that is no http address; the server is faulty")]
    BadRedirect {
        /// Without its query.
        from: String,
    },
    /// A redirect from `https` to `http`.
    #[error("{from} redirects to the unencrypted {to}, which is refused")]
    Downgrade {
        /// Without its query.
        from: String,
        /// Without its query.
        to: String,
    },
    /// Redirects without an end.
    #[error("{host} redirects again and again ({hops} times); the server is faulty")]
    TooManyRedirects {
        /// Where the last one came from.
        host: String,
        /// How many were followed.
        hops: usize,
    },
    /// No connection.
    #[error("cannot connect to {host}: {cause}; check the network, the proxy and the address")]
    Connect {
        /// Whom.
        host: String,
        /// The innermost reason.
        cause: String,
    },
    /// No trusted connection.
    #[error("cannot trust {host}: {cause}; check the system's certificates and clock")]
    Tls {
        /// Whom.
        host: String,
        /// The innermost reason.
        cause: String,
    },
    /// Silence.
    #[error("{host} stayed silent for too long")]
    Timeout {
        /// Who.
        host: String,
    },
    /// So little in so long a time that another connection can only be better.
    #[error("{host} sent only {bytes} bytes in {seconds} s")]
    TooSlow {
        /// Who.
        host: String,
        /// What came, in bytes.
        bytes: u64,
        /// While it was waited for, in seconds.
        seconds: u64,
    },
    /// The token cannot be sent.
    #[error("the token for {host} holds characters that no token has: set it again, without line breaks")]
    BadToken {
        /// Whose token.
        host: String,
    },
    /// The connection or the protocol broke.
    #[error("the connection to {host} broke: {cause}")]
    Broken {
        /// Whose.
        host: String,
        /// The innermost reason.
        cause: String,
    },
    /// An answer that is a refusal.
    #[error("{0}")]
    Status(Box<Refusal>),
    /// A page for people where data was asked for, as login pages, proxies and captive portals send.
    #[error(
        "{url} answered with {content_type} instead of {wanted}: {excerpt:?}; something other than the hub may be answering"
    )]
    Page {
        /// Without its query.
        url: String,
        /// What came.
        content_type: String,
        /// What was to come.
        wanted: &'static str,
        /// Its beginning.
        excerpt: String,
    },
    /// JSON that is not what was expected.
    #[error("{url} answered with JSON that cannot be understood")]
    Json {
        /// Without its query.
        url: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// More than the limit.
    #[error("{url} answered with more than {limit_bytes} bytes, which is refused")]
    TooLarge {
        /// Without its query.
        url: String,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// Compressed though nobody asked.
    #[error("{url} answered with {encoding}-encoded bytes, which were not asked for")]
    Encoded {
        /// Without its query.
        url: String,
        /// The encoding.
        encoding: String,
    },
}

/// An answer with a status of 400 or more, or another that was not to come.
#[derive(Debug)]
pub struct Refusal {
    /// Without its query.
    pub url: String,
    /// The status.
    pub status: StatusCode,
    /// The headers: `X-Error-Code`, `WWW-Authenticate`, …
    pub headers: HeaderMap,
    /// The beginning of the body as text, at most 2 KiB.
    pub excerpt: String,
    /// The body, if it was JSON of at most 64 KiB.
    pub json: Option<Value>,
    /// How long the server asks to be left alone.
    pub wait: Option<Duration>,
    /// Whether a token went along.
    pub token_sent: bool,
    /// Whether another origin redirected here: then it may be a signed address that is no longer good.
    pub redirected: bool,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} answered {}", self.url, self.status)?;
        if let Some(text) = self.message() {
            write!(f, ": {text}")?;
        }
        match self.wait {
            Some(wait) => write!(f, " (asks to wait {} s)", wait.as_secs()),
            None => Ok(()),
        }
    }
}

impl Refusal {
    /// What the server says for people: `X-Error-Message`, or `message` or `error` of the JSON. At most 300 characters
    /// and without control characters.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let header = self.headers.get("x-error-message");
        let said = header
            .and_then(|value| value.to_str().ok().map(str::to_owned))
            .or_else(|| {
                let json = self.json.as_ref()?;
                ["message", "error"]
                    .iter()
                    .find_map(|key| json.get(key)?.as_str().map(str::to_owned))
                    .or_else(|| json.get("error")?.get("message")?.as_str().map(str::to_owned))
            })?;
        let said: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
        (!said.trim().is_empty()).then(|| said.trim().to_owned())
    }
}

impl HttpError {
    /// Whether the same request may well succeed later: the network and what servers do under load.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::TooSlow { .. }
            | Self::Broken { .. }
            | Self::Encoded { .. } => true,
            Self::Status(refusal) => is_transient_status(refusal.status),
            _ => false,
        }
    }

    /// How long the server asks to be left alone.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Status(refusal) => refusal.wait,
            _ => None,
        }
    }

    /// The refusal, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Status(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The status, if there was an answer with one that was not to come.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.refusal().map(|refusal| refusal.status)
    }
}

/// 408, 425 and 429, and the server errors but 501 and 505, which time does not mend.
fn is_transient_status(status: StatusCode) -> bool {
    match status.as_u16() {
        408 | 425 | 429 => true,
        501 | 505 => false,
        status => status >= 500,
    }
}
