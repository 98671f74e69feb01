//! Hugging Face.
//!
//! - `GET {endpoint}/api/models/{repo}[/revision/{revision}]?blobs=true` lists the files at a commit: sizes, the
//!   SHA-256 of large files, git's SHA-1 of the others. A gated repository is listed to everybody.
//! - `{endpoint}/{repo}/resolve/{commit}/{file}` is a file. HEAD says whether we may have it.
//! - `GET {endpoint}/api/models?…` searches, paged by `Link: <…>; rel="next"`.
//! - `GET {endpoint}/api/whoami-v2` says whose token it is.

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

/// The address of the hub itself; `HF_ENDPOINT` names another.
pub const HF_ENDPOINT: &str = "https://huggingface.co";

/// Hugging Face, or a mirror of it.
pub struct HuggingFace {
    hub: Hub,
}

impl HuggingFace {
    /// The hub at `endpoint`, which may have a path. If it is on a private network, the client must be configured
    /// to trust it.
    ///
    /// # Errors
    /// When `endpoint` is no http or https address.
    pub fn new(
        client: HttpClient,
        endpoint: &Url,
        tokens: Arc<dyn TokenSource>,
    ) -> Result<Self, VendorError> {
        let hub = Hub::new(Vendor::HuggingFace, client, endpoint, tokens)?;
        Ok(Self { hub })
    }
}

impl VendorSource for HuggingFace {
    fn vendor(&self) -> Vendor {
        Vendor::HuggingFace
    }

    fn resolve<'a>(&'a self, id: &'a ModelId, machine: &'a Machine) -> Answering<'a, Resolution> {
        Box::pin(resolve::resolve(&self.hub, id, machine))
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
            let ask = hub.ask_as(&hub.url("api/whoami-v2")?, Some(token.clone()))?;
            let answer = hub.client.json(&ask, 1 << 20).await;
            let answer = answer.map_err(|error| refusal::explain(hub, "the account", "", error))?;
            Ok(json::text(&answer.value, "name"))
        })
    }
}
