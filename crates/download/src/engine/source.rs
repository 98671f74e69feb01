//! Where a file comes from.

use std::future::Future;
use std::pin::Pin;

use super::error::SourceError;
use crate::http::Ask;

/// Gives the URL to ask. It is called at every attempt: addresses that a hub signs expire.
pub trait Source: Send + Sync {
    /// The request for the whole file; redirects are followed.
    ///
    /// # Errors
    /// Whatever keeps it from telling; the download ends with it. What is worth another try, it tries itself.
    fn ask(&self) -> Pin<Box<dyn Future<Output = Result<Ask, SourceError>> + Send + '_>>;
}

/// The same URL every time, as hubs' own addresses are, which redirect to signed ones.
impl Source for Ask {
    fn ask(&self) -> Pin<Box<dyn Future<Output = Result<Ask, SourceError>> + Send + '_>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}
