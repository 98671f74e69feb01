//! Hugging Face on loopback: the facts that it imitates.
//!
//! **Files.** `GET|HEAD {endpoint}/{repo}/resolve/{revision}/{file}`; without an organisation in front of
//! the repository too. A slash in a revision stands as `%2F`, slashes in a path stay slashes, and names may
//! hold `#`, `%`, `?`, `+` and spaces, percent-encoded.
//! - A *large* file (git LFS) answers **302** to a signed address on the CDN, on another port. The answer has
//!   `X-Repo-Commit`, `X-Linked-Etag` (the file's SHA-256 in quotes), `X-Linked-Size` and `Location`; its own
//!   `Content-Length` is that of the redirect's text. The CDN's `ETag` is a third value: it looks like a
//!   SHA-256 and is none, and it alone is good for `If-Range`. The address expires (403 in XML).
//! - A *small* file answers **307** with a *relative* `Location` below the endpoint's path prefix; its etag is
//!   git's SHA-1 over `blob N\0` and the content. There it comes with `X-Repo-Commit`. A client that accepts
//!   gzip gets it compressed: chunked, without a length, with a weak etag, and `Range` is ignored. With
//!   `Accept-Encoding: identity` it has its length and its ranges.
//! - A renamed repository answers **307** with a relative `Location` to its new name.
//!
//! **Listings.** `/api/models/{repo}[/revision/{revision}]` names the siblings, with `?blobs=true` their sizes,
//! git names and `lfs{sha256,size}`; `/api/models/{repo}/tree/{revision}[/{folder}]?recursive=&limit=&cursor=`
//! has `lfs{oid,size}` and pages by `Link: <…>; rel="next"`; `/api/models?search=&author=&filter=&sort=&limit=`
//! searches, paged the same way; `/api/whoami-v2` says whose token it is. `gated` is `false`, `"auto"` or `"manual"`.
//!
//! **Refusals** carry `X-Error-Code` and `X-Error-Message`: `RepoNotFound`, `RevisionNotFound`,
//! `EntryNotFound` with 404, `GatedRepo` with 401 (no token) or 403 (a token without access). A gated
//! repository's listing is public; only its files refuse. A missing repository and a private one look alike:
//! 401 *without a code* when no token came, 404 `RepoNotFound` when one did. A token that nobody issued is a
//! 401 everywhere, on public repositories too. After too many requests comes a 429, whose wait may stand in
//! `Retry-After` or only in `RateLimit: …;t=55` ([`super::Wait`]).

mod files;
mod listing;
mod repo;
mod search;
mod site;

use std::net::SocketAddr;
use std::time::Duration;

pub use repo::{Gated, Repo, RepoFile, Token};

use super::hosts::{ANY_PORT, Hosts};
use super::log::Host;
use site::HuggingFaceSite;

/// What the hub holds and how it is set up.
#[derive(Debug, Clone)]
pub struct HuggingFaceConfig {
    /// Its repositories.
    pub repos: Vec<Repo>,
    /// The tokens that it issued.
    pub tokens: Vec<Token>,
    /// A path in front of every address, as mirrors have: empty, or `/hub` and the like.
    pub path_prefix: String,
    /// Entries on a page of a search or a tree, where the request names no limit.
    pub page_size: usize,
    /// How long a signed address opens.
    pub signed_url_lifetime: Duration,
}

impl HuggingFaceConfig {
    /// A hub with these repositories, no tokens, no prefix, and addresses that open for an hour.
    pub fn of(repos: impl IntoIterator<Item = Repo>) -> Self {
        Self {
            repos: repos.into_iter().collect(),
            tokens: Vec::new(),
            path_prefix: String::new(),
            page_size: 1000,
            signed_url_lifetime: Duration::from_secs(3600),
        }
    }

    /// One more token.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.tokens.push(token);
        self
    }

    /// Every address below this path.
    #[must_use]
    pub fn path_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.path_prefix);
        self
    }

    /// Pages of this many entries.
    #[must_use]
    pub fn page_size(mut self, entries: usize) -> Self {
        self.page_size = entries;
        self
    }
}

/// A scripted Hugging Face. It listens until it is dropped.
#[derive(Debug)]
pub struct HuggingFaceHub {
    hosts: Hosts,
    path_prefix: String,
}

impl HuggingFaceHub {
    /// Starts it on free ports of loopback.
    ///
    /// # Panics
    /// If no ports can be had.
    pub async fn start(config: HuggingFaceConfig) -> Self {
        Self::start_at(config, ANY_PORT).await
    }

    /// Starts it with its API at an address of this host, and its other servers on free ports beside it.
    ///
    /// # Panics
    /// If the address or no ports can be had.
    pub async fn start_at(config: HuggingFaceConfig, api: SocketAddr) -> Self {
        let path_prefix = config.path_prefix.clone();
        let hosts = Hosts::start(api, config.signed_url_lifetime, move |bases, signer| {
            HuggingFaceSite::build(config, bases, signer)
        })
        .await;
        Self { hosts, path_prefix }
    }

    /// What `HF_ENDPOINT` is set to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}{}", self.hosts.base(Host::Api), self.path_prefix)
    }

    /// Its servers: requests, faults, expiry, outages.
    #[must_use]
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }
}
