//! One TLS: rustls with ring, and the system's own trust.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// A configuration, and why it trusts nobody if the system's certificates cannot be had. That is told when
/// somebody asks for `https`: a cluster with mirrors of its own may never do.
pub(super) fn configuration() -> (ClientConfig, Option<String>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring has the suites of the default versions")
    };
    match builder().with_platform_verifier() {
        Ok(config) => (config.with_no_client_auth(), None),
        Err(error) => {
            let config = builder().with_root_certificates(RootCertStore::empty());
            (config.with_no_client_auth(), Some(error.to_string()))
        }
    }
}
