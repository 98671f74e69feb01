//! A client that gives up quickly, and short ways to ask.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use rbee_download::http::{HttpClient, HttpConfig, RetryPolicy};
use rbee_service_kit::reason;
use rbee_testkit::hub::civitai::CivitaiHub;
use rbee_testkit::hub::huggingface::HuggingFaceHub;
use rbee_vendors::{CivitAi, HuggingFace, Machine, Resolution, VendorError, VendorSource};
use secrecy::SecretString;

fn client(base: &str) -> HttpClient {
    HttpClient::new(HttpConfig {
        trusted: vec![base.parse().unwrap()],
        retry: RetryPolicy {
            attempts: 3,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(2),
            longest_wait: Duration::from_millis(50),
        },
        ..HttpConfig::default()
    })
    .unwrap()
}

fn secret(token: Option<&str>) -> Arc<Option<SecretString>> {
    Arc::new(token.map(|token| SecretString::from(token.to_owned())))
}

/// A source for the scripted Hugging Face, with this token.
pub(crate) fn hugging_face(hub: &HuggingFaceHub, token: Option<&str>) -> HuggingFace {
    let base = hub.endpoint();
    HuggingFace::new(client(&base), &base.parse().unwrap(), secret(token)).unwrap()
}

/// A source for the scripted CivitAI, with this key.
pub(crate) fn civitai(hub: &CivitaiHub, token: Option<&str>) -> CivitAi {
    let base = hub.base_url();
    CivitAi::new(client(&base), &base.parse().unwrap(), secret(token)).unwrap()
}

/// What an id means.
pub(crate) async fn resolve(source: &dyn VendorSource, id: &str) -> Result<Resolution, VendorError> {
    source.resolve(&id.parse().unwrap(), &Machine::default()).await
}

/// The reason why an id can't be had, and all words about it.
pub(crate) async fn refused(source: &dyn VendorSource, id: &str) -> (&'static str, String) {
    match resolve(source, id).await.and_then(Resolution::accessible) {
        Ok(resolution) => panic!("{id} was resolved to {resolution:?}"),
        Err(error) => told(&error),
    }
}

/// An error's reason, which must be a known one, and its words with those of its causes.
pub(crate) fn told(error: &VendorError) -> (&'static str, String) {
    assert!(reason::known(error.reason()).is_some(), "{}", error.reason());
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    (error.reason(), words)
}
