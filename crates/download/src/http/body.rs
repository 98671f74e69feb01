//! Bodies in memory: bounded, whatever was declared.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;

use super::client::{Opened, broken};
use super::error::HttpError;
use super::origin::shown;

/// Bytes of an error's body that are read, and of them shown.
const ERROR_BODY_BYTES: u64 = 64 * 1024;
const EXCERPT_BYTES: usize = 2048;
const PAGE_EXCERPT_BYTES: usize = 200;

impl Opened {
    /// The body, if it is no longer than the limit.
    pub(super) async fn bytes(&mut self, limit_bytes: u64) -> Result<Vec<u8>, HttpError> {
        let too_large = |url| HttpError::TooLarge {
            url: shown(url),
            limit_bytes,
        };
        if self
            .response
            .content_length()
            .is_some_and(|len| len > limit_bytes)
        {
            return Err(too_large(&self.ask.url));
        }
        let (body, whole) = self.start(limit_bytes).await?;
        match whole {
            true => Ok(body),
            false => Err(too_large(&self.ask.url)),
        }
    }

    /// The body's beginning, and whether that is all.
    pub(crate) async fn start(&mut self, limit_bytes: u64) -> Result<(Vec<u8>, bool), HttpError> {
        self.refuse_encoding()?;
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let room = limit_bytes.saturating_sub(body.len() as u64);
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                return Ok((body, false));
            }
        }
        Ok((body, true))
    }

    /// The next bytes as they come from the network; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, HttpError> {
        let next = self.response.chunk().await;
        next.map_err(|error| broken(&self.ask.url, error))
    }

    /// An error if the body is compressed: it was not asked to be, and offsets would mean nothing.
    pub(crate) fn refuse_encoding(&self) -> Result<(), HttpError> {
        match self.response.headers().get(CONTENT_ENCODING) {
            Some(encoding) if encoding != "identity" => Err(HttpError::Encoded {
                url: shown(&self.ask.url),
                encoding: printable(encoding.as_bytes(), 40),
            }),
            _ => Ok(()),
        }
    }

    /// The page in place of data, as an error.
    pub(crate) fn page(&self, wanted: &'static str, body: &[u8]) -> HttpError {
        HttpError::Page {
            url: shown(&self.ask.url),
            content_type: content_type(self.response.headers())
                .unwrap_or_else(|| "an unknown type".to_owned()),
            wanted,
            excerpt: printable(body, PAGE_EXCERPT_BYTES),
        }
    }

    /// The beginning of an error's body as text, and all of it if it is JSON. What cannot be read is empty:
    /// the status says enough.
    pub(super) async fn error_body(&mut self) -> (String, Option<Value>) {
        let (body, _) = self.start(ERROR_BODY_BYTES).await.unwrap_or_default();
        let json = serde_json::from_slice(&body).ok();
        (printable(&body, EXCERPT_BYTES), json)
    }
}

/// `Content-Type` without parameters, in lower case.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    (!essence.is_empty()).then(|| printable(essence.to_ascii_lowercase().as_bytes(), 80))
}

/// At most so many bytes as text without control characters.
pub(super) fn printable(bytes: &[u8], most: usize) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(most)])
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
