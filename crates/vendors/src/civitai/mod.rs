//! CivitAI.
//!
//! - `GET {base}/api/v1/model-versions/{id}` describes a version and its files.
//! - `GET {base}/api/download/models/{version}?fileId={id}` redirects to a signed address on another host. Only
//!   `fileId` is exact: other parameters are scored, and another file may come back. The addresses that the API
//!   lists are not used.
//! - `GET {base}/api/v1/models?…` searches, paged by `metadata.nextCursor`.
//! - `GET {base}/api/v1/me` says whose key it is.

mod choice;
mod facts;
mod refusal;
mod resolve;
mod search;

use std::sync::Arc;

use rbee_artifacts::{ModelId, Vendor};
use rbee_download::http::{Ask, HttpClient};
use secrecy::SecretString;
use url::Url;

use crate::error::VendorError;
use crate::http::Hub;
use crate::json;
use crate::machine::Machine;
use crate::resolution::Resolution;
use crate::search::{SearchPage, SearchQuery};
use crate::source::{Answering, VendorSource};
use crate::token::TokenSource;

/// The address of the hub itself; `CIVITAI_BASE_URL` names another.
pub const CIVITAI_BASE_URL: &str = "https://civitai.com";

/// CivitAI, or a hub that speaks like it.
pub struct CivitAi {
    hub: Hub,
}

impl CivitAi {
    /// The hub at `base`. If it is on a private network, the client must be configured to trust it.
    ///
    /// # Errors
    /// When `base` is no http or https address.
    pub fn new(client: HttpClient, base: &Url, tokens: Arc<dyn TokenSource>) -> Result<Self, VendorError> {
        let hub = Hub::new(Vendor::CivitAi, client, base, tokens)?;
        Ok(Self { hub })
    }
}

impl VendorSource for CivitAi {
    fn vendor(&self) -> Vendor {
        Vendor::CivitAi
    }

    fn resolve<'a>(&'a self, id: &'a ModelId, _machine: &'a Machine) -> Answering<'a, Resolution> {
        // A version has its primary file; there is no row of quantizations to choose from.
        Box::pin(resolve::resolve(&self.hub, id))
    }

    fn search<'a>(&'a self, query: &'a SearchQuery) -> Answering<'a, SearchPage> {
        Box::pin(search::search(&self.hub, query))
    }

    fn location(&self, url: &Url) -> Result<Ask, VendorError> {
        self.hub.ask(url)
    }

    fn account<'a>(&'a self, token: &'a SecretString) -> Answering<'a, Option<String>> {
        Box::pin(async move {
            let hub = &self.hub;
            let ask = hub.ask_as(&hub.url("api/v1/me")?, Some(token.clone()))?;
            match hub.client.json::<serde_json::Value>(&ask, 1 << 20).await {
                Ok(answer) => Ok(json::text(&answer.value, "username")),
                Err(error)
                    if error
                        .status()
                        .is_some_and(|status| matches!(status.as_u16(), 401 | 403)) =>
                {
                    Err(VendorError::TokenRejected {
                        vendor: Vendor::CivitAi,
                    })
                }
                Err(error) => Err(hub.failure(error)),
            }
        })
    }
}
