//! Stores in a bucket of an S3-compatible server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::error::StoreError;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long nothing may come back: an answer that stalls, or a part of an upload that is not taken.
const READ_TIMEOUT: Duration = Duration::from_secs(90);

/// How long an operation is tried again that failed in a way that may pass.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// What one must know to use an S3-compatible server. The keys are never printed.
#[derive(Clone, Default)]
pub struct S3Options {
    /// The server's address, such as `https://s3.example.com` or `http://127.0.0.1:9000`; Amazon's own
    /// where it is absent. Only here is unencrypted HTTP possible, and only if it is written so.
    pub endpoint: Option<String>,
    /// The region; `us-east-1` where it is absent, which is what most other servers expect.
    pub region: Option<String>,
    /// The access key's id.
    pub access_key_id: Option<String>,
    /// The access key's secret.
    pub secret_access_key: Option<SecretString>,
    /// The token that belongs to temporary keys.
    pub session_token: Option<SecretString>,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("S3Options")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl S3Options {
    /// What the environment says, by the names that Amazon's own tools use: `AWS_ENDPOINT_URL_S3` or
    /// `AWS_ENDPOINT_URL`, `AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`. What is empty counts as absent.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        };
        Self {
            endpoint: first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]),
            region: first(&["AWS_REGION", "AWS_DEFAULT_REGION"]),
            access_key_id: first(&["AWS_ACCESS_KEY_ID"]),
            secret_access_key: first(&["AWS_SECRET_ACCESS_KEY"]).map(SecretString::from),
            session_token: first(&["AWS_SESSION_TOKEN"]).map(SecretString::from),
        }
    }
}

/// Opens the bucket. Unless it is for a reader, the server is asked once, so that what is wrong shows now and not at
/// night, and failures that may pass are sat out.
pub(crate) async fn open(
    bucket: &str,
    prefix: &str,
    options: &S3Options,
    for_reader: bool,
) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let location = format!("s3://{bucket}");
    let wrong = |problem: &str| StoreError::Location {
        location: location.clone(),
        problem: problem.to_owned(),
    };
    let (Some(key_id), Some(secret)) = (&options.access_key_id, &options.secret_access_key) else {
        return Err(wrong(
            "its access key is unknown: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ));
    };
    // The one provider of cryptography in rbee. Whoever was first has installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        // A model takes as long as it takes.
        .with_timeout_disabled();
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(options.region.as_deref().unwrap_or("us-east-1"))
        .with_access_key_id(key_id)
        .with_secret_access_key(secret.expose_secret())
        // What every S3-compatible server has: buckets in the path, and objects removed one by one.
        .with_virtual_hosted_style_request(false)
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: if for_reader { 2 } else { 8 },
            retry_timeout: RETRY_TIMEOUT,
        });
    if let Some(token) = &options.session_token {
        builder = builder.with_token(token.expose_secret());
    }
    let is_http = match &options.endpoint {
        Some(endpoint) => {
            let is_http = is_http(endpoint).map_err(wrong)?;
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
            is_http
        }
        None => false,
    };
    let objects = builder
        .with_client_options(client.with_allow_http(is_http))
        .build()
        .map_err(StoreError::object("opening", &location))?;
    let objects: Arc<dyn ObjectStore> = if prefix.is_empty() {
        Arc::new(objects)
    } else {
        Arc::new(PrefixStore::new(objects, prefix))
    };
    if !for_reader {
        let probe = objects.list(Some(&"models".into())).try_next().await;
        probe.map_err(StoreError::object("opening", &location))?;
    }
    Ok(objects)
}

/// Whether an endpoint is unencrypted.
fn is_http(endpoint: &str) -> Result<bool, &'static str> {
    const WRITE: &str =
        "the endpoint (AWS_ENDPOINT_URL) is no address: write https://host:port or http://host:port";
    let url = Url::parse(endpoint).map_err(|_| WRITE)?;
    // What is too much in it may be a secret, so it is not repeated.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("keys do not belong into the endpoint (AWS_ENDPOINT_URL)");
    }
    if url.query().is_some() || url.fragment().is_some() || url.host_str().is_none() {
        return Err(WRITE);
    }
    match url.scheme() {
        "https" => Ok(false),
        "http" => Ok(true),
        _ => Err(WRITE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> S3Options {
        S3Options::from_variables(|name| match name {
            "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:9".into()),
            "AWS_ENDPOINT_URL_S3" | "AWS_REGION" => Some(String::new()),
            "AWS_DEFAULT_REGION" => Some("eu-central-1".into()),
            "AWS_ACCESS_KEY_ID" => Some("AKIAKEY".into()),
            "AWS_SECRET_ACCESS_KEY" => Some("hunter2".into()),
            "AWS_SESSION_TOKEN" => Some("hunter3".into()),
            _ => None,
        })
    }

    #[test]
    fn the_environment_is_read_and_its_secrets_are_not_printed() {
        let options = options();
        assert_eq!(options.endpoint.as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(options.region.as_deref(), Some("eu-central-1"));
        assert_eq!(options.access_key_id.as_deref(), Some("AKIAKEY"));
        let said = format!("{options:?}");
        assert!(!said.contains("hunter") && !said.contains("AKIAKEY"), "{said}");
    }

    #[tokio::test]
    async fn without_keys_it_says_what_to_set() {
        let mut without = options();
        without.secret_access_key = None;
        let error = open("models", "", &without, false).await.unwrap_err();
        assert!(error.to_string().contains("AWS_SECRET_ACCESS_KEY"), "{error}");
    }

    #[test]
    fn only_addresses_are_endpoints() {
        assert_eq!(is_http("http://127.0.0.1:9000"), Ok(true));
        assert_eq!(is_http("https://s3.example.com/"), Ok(false));
        for wrong in ["s3.example.com", "ftp://x", "http://", "https://x/?a=b"] {
            assert!(is_http(wrong).is_err(), "{wrong}");
        }
        let error = is_http("https://key:hunter2@x").unwrap_err();
        assert!(!error.contains("hunter2"));
    }
}
