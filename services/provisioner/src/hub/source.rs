//! The address of one file.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rbee_download::http::Ask;
use rbee_download::{Source, SourceError};
use rbee_vendors::VendorSource;
use url::Url;

/// A file at its hub: the hub is asked at every attempt, since the address that it redirects to expires.
pub(super) struct HubSource {
    pub(super) hub: Arc<dyn VendorSource>,
    pub(super) url: Url,
}

impl Source for HubSource {
    fn ask(&self) -> Pin<Box<dyn Future<Output = Result<Ask, SourceError>> + Send + '_>> {
        let ask = self.hub.location(&self.url).map_err(SourceError::from);
        Box::pin(std::future::ready(ask))
    }
}
