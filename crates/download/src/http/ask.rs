//! What is asked for.

use url::Url;

use super::address::Reach;
use super::origin::{Origin, Token};

/// A request: where to, and on whose behalf.
///
/// The token goes only to the origin that it is bound to; a redirect to another drops it for good.
#[derive(Debug, Clone)]
pub struct Ask {
    pub(super) url: Url,
    pub(super) token: Option<Token>,
    /// What earlier redirects left within reach; `None` at the beginning of a chain.
    pub(super) reach: Option<Reach>,
    /// Whether the chain began at an origin that the operator configured.
    pub(super) trusted: bool,
    /// Whether a redirect led here from another origin.
    pub(super) redirected: bool,
}

impl Ask {
    /// A request for a URL that the caller made up or configured.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            token: None,
            reach: None,
            trusted: false,
            redirected: false,
        }
    }

    /// With a token, sent if it is bound to the URL's origin.
    #[must_use]
    pub fn with_token(mut self, token: Option<Token>) -> Self {
        self.token = token;
        self
    }

    /// Where to.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the host was found on loopback or a private network.
    pub(crate) fn is_on_own_network(&self) -> bool {
        matches!(self.reach, Some(Reach::Class(_)))
    }

    /// The token, if this URL may have it.
    pub(super) fn token_here(&self) -> Option<&Token> {
        let token = self.token.as_ref()?;
        (Origin::of(&self.url)? == token.origin).then_some(token)
    }
}
