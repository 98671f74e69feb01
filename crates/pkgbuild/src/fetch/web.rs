//! Files of web servers: who fetches them is given from outside.

use std::fmt;
use std::path::Path;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Fetches files of web servers. Which addresses may be on a private network is its own to decide:
/// [`Options::named_addresses`](crate::Options::named_addresses) are those that the operator wrote.
pub trait FetchFile: fmt::Debug + Send + Sync {
    /// Writes the file at `request.url` to `request.to`, which is not there yet. Returns when it is there whole,
    /// or not at all: after an error, what is at `request.to` is of no use.
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> BoxFuture<'a, Result<(), FetchError>>;
}

/// What is to be fetched.
#[derive(Clone, Copy)]
pub struct FetchRequest<'a> {
    /// From where.
    pub url: &'a Url,
    /// Where to.
    pub to: &'a Path,
    /// A longer file is an error.
    pub max_bytes: u64,
    /// Told how far it is: bytes that are here, and bytes in all, if that is known.
    pub on_progress: &'a (dyn Fn(u64, Option<u64>) + Send + Sync),
    /// Ends it.
    pub cancel: &'a CancellationToken,
}

/// Why a file was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It can't be had, for this reason.
    #[error("{0}")]
    Unavailable(String),
    /// It was cancelled.
    #[error("it was cancelled")]
    Cancelled,
}
