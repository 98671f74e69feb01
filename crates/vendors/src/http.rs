//! How a hub is asked: its own addresses, our token, bounded answers.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rbee_artifacts::Vendor;
use rbee_download::http::{Answer, Ask, HttpClient, HttpError, Origin, Token, shown};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::error::VendorError;
use crate::token::TokenSource;

/// The longest answer in JSON: a listing of a hundred thousand files has some 20 MB.
const MAX_JSON_BYTES: u64 = 32 << 20;

/// What stays as it is in an address: RFC 3986's unreserved characters.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same, and the slashes between folders.
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// `text` as a query's value, or as one segment of a path: a slash in it becomes `%2F`.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// `text` as a path with folders.
pub(crate) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// One hub at its configured address.
pub(crate) struct Hub {
    pub(crate) vendor: Vendor,
    pub(crate) client: HttpClient,
    /// Without a slash at its end.
    base: String,
    origin: Origin,
    tokens: Arc<dyn TokenSource>,
}

impl Hub {
    /// # Errors
    /// When the base address is no http or https address.
    pub(crate) fn new(
        vendor: Vendor,
        client: HttpClient,
        base: &Url,
        tokens: Arc<dyn TokenSource>,
    ) -> Result<Self, VendorError> {
        let origin = Origin::of(base).ok_or_else(|| VendorError::InvalidQuery {
            field: "endpoint",
            problem: format!("{} is not an http or https address", shown(base)),
        })?;
        let mut base = base.clone();
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self {
            vendor,
            client,
            base: base.as_str().trim_end_matches('/').to_owned(),
            origin,
            tokens,
        })
    }

    /// An address below the base; what is in `rest` is encoded already.
    pub(crate) fn url(&self, rest: &str) -> Result<Url, VendorError> {
        let url = format!("{}/{rest}", self.base);
        url.parse()
            .map_err(|_| self.invalid(format!("{url} is no address")))
    }

    /// A page for people.
    pub(crate) fn page(&self, rest: &str) -> String {
        format!("{}/{rest}", self.base)
    }

    /// The request for an address of this hub, with its token.
    pub(crate) fn ask(&self, url: &Url) -> Result<Ask, VendorError> {
        self.ask_as(url, self.tokens.token())
    }

    pub(crate) fn ask_as(&self, url: &Url, secret: Option<SecretString>) -> Result<Ask, VendorError> {
        if Origin::of(url).as_ref() != Some(&self.origin) {
            return Err(self.invalid(format!("{} is not an address of {}", shown(url), self.base)));
        }
        let token = secret.map(|secret| Token::new(self.origin.clone(), secret));
        Ok(Ask::new(url.clone()).with_token(token))
    }

    /// GETs JSON; `explain` says what a refusal means.
    pub(crate) async fn json(
        &self,
        url: &Url,
        explain: impl Fn(HttpError) -> VendorError,
    ) -> Result<Answer<Value>, VendorError> {
        let ask = self.ask(url)?;
        let answer = self.client.json(&ask, MAX_JSON_BYTES).await.map_err(explain)?;
        // A hub that sends us elsewhere is no longer the hub that was configured.
        match Origin::of(&answer.url).as_ref() == Some(&self.origin) {
            true => Ok(answer),
            false => Err(self.invalid(format!("it sends to {} for it", shown(&answer.url)))),
        }
    }

    pub(crate) fn invalid(&self, problem: impl Into<String>) -> VendorError {
        VendorError::InvalidAnswer {
            vendor: self.vendor,
            problem: problem.into(),
        }
    }

    /// What an error means that says nothing of the model.
    pub(crate) fn failure(&self, error: HttpError) -> VendorError {
        let vendor = self.vendor;
        match error.status().map(|status| status.as_u16()) {
            Some(429) => VendorError::RateLimited {
                vendor,
                wait: error.wait(),
            },
            _ if error.is_transient() => VendorError::Unavailable {
                vendor,
                source: error,
            },
            Some(500..) => VendorError::Unavailable {
                vendor,
                source: error,
            },
            // No trust, no address, no end of redirects: nobody to ask.
            None if matches!(error, HttpError::Tls { .. } | HttpError::AddressRefused { .. }) => {
                VendorError::Unavailable {
                    vendor,
                    source: error,
                }
            }
            _ => VendorError::Unusable {
                vendor,
                source: error,
            },
        }
    }
}
