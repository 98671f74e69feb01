//! CivitAI on loopback: the facts that it imitates.
//!
//! **Versions.** `GET {base}/api/v1/model-versions/{id}`: `files[]` with `id`, `name`, `type`, `sizeKB` (a
//! fraction), `metadata{format,size,fp}`, `pickleScanResult`, `virusScanResult`, `hashes` whose digits stand in
//! either case, `primary` (only where true) and `downloadUrl`; beside them `baseModel`, `trainedWords`,
//! `model{name,type,nsfw}`. A key that would be empty is not there at all. A stored name is percent-decoded on
//! its way out, so it may come as `../../evil`. A `downloadUrl` promises nothing: versions whose downloads are
//! disabled have one too, while archived ones list no files.
//!
//! **Search.** `GET {base}/api/v1/models?query=&types=&baseModels=&nsfw=&sort=&limit=&cursor=`: `types` repeats
//! and is never joined with commas (400, whose `error` is an *object*). The next page hangs on
//! `metadata.nextCursor`, text such as `90|0|1001`, to be percent-encoded: a bare `|` in the address is refused
//! here, stricter than the hub may be. `GET {base}/api/v1/me` says whose key it is.
//!
//! **Downloads.** `GET {base}/api/download/models/{version}?type=&format=&size=&fp=` or `?fileId=` with
//! `Authorization: Bearer` (or `?token=`) redirects with **307** to a signed address on another port. That one
//! answers **400** if `Authorization` arrives, **403** to HEAD, and 403 when its time is over. `type` selects;
//! `format`, `size` and `fp` are only *scored* (100, 10 and 1 points; a model file has 1000 more), so another
//! file can come back, and only `fileId` is exact. A parameter without a value counts as absent. A token that
//! nobody issued counts as none.
//!
//! **Errors** are JSON: 400 bad parameters; 401 login required, or downloads disabled by the creator, told
//! apart only by `message`; 403 early access with its `deadline`, or not granted; 404 missing, or no such file;
//! 410 archived; 429 quota. A browser-like `User-Agent` that must log in is sent on to an HTML page with 200.

mod download;
mod model;
mod select;
mod site;
mod versions;

use std::time::Duration;

pub use model::{Availability, CivitaiFile, CivitaiModel, CivitaiToken, CivitaiVersion, HashCase};

use super::hosts::{ANY_PORT, Hosts};
use super::log::Host;
use site::CivitaiSite;

/// What the hub holds and how it is set up.
#[derive(Debug, Clone)]
pub struct CivitaiConfig {
    /// Its models.
    pub models: Vec<CivitaiModel>,
    /// The keys that it issued.
    pub tokens: Vec<CivitaiToken>,
    /// Models on a page of a search, where the request names no limit.
    pub page_size: usize,
    /// How long a signed address opens.
    pub signed_url_lifetime: Duration,
    /// Whether a file whose metadata contradict a selector is a 404, as some releases of the hub have it,
    /// instead of coming back as the best of what is there.
    pub strict_selectors: bool,
}

impl CivitaiConfig {
    /// A hub with these models, no tokens, and addresses that open for a day.
    pub fn of(models: impl IntoIterator<Item = CivitaiModel>) -> Self {
        Self {
            models: models.into_iter().collect(),
            tokens: Vec::new(),
            page_size: 100,
            signed_url_lifetime: Duration::from_secs(24 * 3600),
            strict_selectors: false,
        }
    }

    /// One more key.
    #[must_use]
    pub fn token(mut self, token: CivitaiToken) -> Self {
        self.tokens.push(token);
        self
    }
}

/// A scripted CivitAI. It listens until it is dropped.
#[derive(Debug)]
pub struct CivitaiHub {
    hosts: Hosts,
}

impl CivitaiHub {
    /// Starts it on free ports of loopback.
    ///
    /// # Panics
    /// If no ports can be had.
    pub async fn start(config: CivitaiConfig) -> Self {
        let hosts = Hosts::start(ANY_PORT, config.signed_url_lifetime, move |bases, signer| {
            CivitaiSite::build(config, bases, signer)
        })
        .await;
        Self { hosts }
    }

    /// What `CIVITAI_BASE_URL` is set to.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.hosts.base(Host::Api)
    }

    /// Its servers: requests, faults, expiry, outages.
    #[must_use]
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }
}
