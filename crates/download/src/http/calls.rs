//! What callers ask of the client: JSON, the head of an answer, the beginning of a file. All with retries.

use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::ask::Ask;
use super::body::content_type;
use super::client::{HttpClient, host, location};
use super::error::{HttpError, Refusal};
use super::origin::shown;
use super::redirect::Follow;

/// An answer that was read whole.
#[derive(Debug)]
pub struct Answer<T> {
    /// What it held.
    pub value: T,
    /// Its headers: `Link`, …
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
}

/// The head of an answer.
#[derive(Debug)]
pub struct Probe {
    /// 2xx, or 3xx if it leads to another host.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Who answered, after redirects that were followed.
    pub url: Url,
    /// Where the answer leads, if it is a redirect that was not followed.
    pub location: Option<Url>,
}

/// The beginning of a file.
#[derive(Debug)]
pub struct Prefix {
    /// At most as many bytes as asked for; fewer if the file is shorter.
    pub bytes: Vec<u8>,
    /// Length of the whole file in bytes, if the server said.
    pub total: Option<u64>,
    /// Headers of the answer.
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
}

impl HttpClient {
    /// GETs JSON of at most `limit_bytes`, with retries.
    ///
    /// # Errors
    /// [`HttpError`]; a page of HTML with status 200 is [`HttpError::Page`].
    pub async fn json<T: DeserializeOwned>(
        &self,
        ask: &Ask,
        limit_bytes: u64,
    ) -> Result<Answer<T>, HttpError> {
        self.retried(ask, || self.json_once(ask, limit_bytes)).await
    }

    async fn json_once<T: DeserializeOwned>(
        &self,
        ask: &Ask,
        limit_bytes: u64,
    ) -> Result<Answer<T>, HttpError> {
        let mut opened = self.open(Method::GET, ask, &[], Follow::All).await?;
        let kind = content_type(opened.response.headers());
        let is_json = kind
            .as_deref()
            .is_none_or(|kind| kind == "application/json" || kind == "text/json" || kind.ends_with("+json"));
        if !is_json {
            let (body, _) = opened.start(1024).await.unwrap_or_default();
            return Err(opened.page("JSON", &body));
        }
        let body = opened.bytes(limit_bytes).await?;
        let value = serde_json::from_slice(&body).map_err(|source| HttpError::Json {
            url: shown(opened.ask.url()),
            source,
        })?;
        Ok(Answer {
            value,
            headers: opened.response.headers().clone(),
            url: opened.ask.url,
        })
    }

    /// HEAD, following only redirects that name no host, with retries: what an answer *would* be, and where a
    /// redirect to another host leads.
    ///
    /// # Errors
    /// [`HttpError`], with the headers of a refusal in it.
    pub async fn probe(&self, ask: &Ask) -> Result<Probe, HttpError> {
        self.retried(ask, || self.probe_once(ask)).await
    }

    async fn probe_once(&self, ask: &Ask) -> Result<Probe, HttpError> {
        let opened = self.open(Method::HEAD, ask, &[], Follow::Relative).await?;
        let location = location(&opened.response).and_then(|to| opened.ask.url.join(to).ok());
        Ok(Probe {
            status: opened.response.status(),
            location: location.filter(|_| opened.response.status().is_redirection()),
            headers: opened.response.headers().clone(),
            url: opened.ask.url,
        })
    }

    /// GETs the first `first_bytes` of a file, following redirects, with retries: for headers of files, and to
    /// probe what refuses HEAD. A server that ignores ranges is cut off after as many bytes.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn prefix(&self, ask: &Ask, first_bytes: u64) -> Result<Prefix, HttpError> {
        self.retried(ask, || self.prefix_once(ask, first_bytes)).await
    }

    async fn prefix_once(&self, ask: &Ask, first_bytes: u64) -> Result<Prefix, HttpError> {
        let range = format!("bytes=0-{}", first_bytes.max(1) - 1);
        let range = HeaderValue::from_str(&range).expect("digits are a header's value");
        let headers = [(RANGE, range)];
        let mut opened = match self.open(Method::GET, ask, &headers, Follow::All).await {
            // Of an empty file no range can be had.
            Err(HttpError::Status(refusal)) if is_empty_file(&refusal) => {
                return Ok(Prefix {
                    bytes: Vec::new(),
                    total: Some(0),
                    url: ask.url.clone(),
                    headers: refusal.headers,
                });
            }
            opened => opened?,
        };
        let headers = opened.response.headers().clone();
        let total = match opened.response.status() {
            StatusCode::PARTIAL_CONTENT => headers
                .get(CONTENT_RANGE)
                .and_then(|value| value.to_str().ok()?.rsplit_once('/')?.1.parse().ok()),
            // Of what is still to come, so before any of it came.
            _ => opened.response.content_length(),
        };
        let (bytes, _) = opened.start(first_bytes).await?;
        Ok(Prefix {
            bytes,
            total,
            headers,
            url: opened.ask.url,
        })
    }

    /// Does it until it is done, cannot be done, or was tried often enough.
    async fn retried<T, F: Future<Output = Result<T, HttpError>>>(
        &self,
        ask: &Ask,
        attempt: impl Fn() -> F,
    ) -> Result<T, HttpError> {
        let mut failures = 0;
        loop {
            let result = tokio::time::timeout(self.answer_timeout(), attempt()).await;
            let error = match result {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error,
                Err(_) => HttpError::Timeout { host: host(&ask.url) },
            };
            failures += 1;
            let pause = match error.is_transient() {
                true => self.retry().draw_pause(failures, error.wait()),
                false => None,
            };
            let Some(pause) = pause else { return Err(error) };
            tracing::debug!(%error, failures, pause_ms = pause.as_millis() as u64, "trying again");
            tokio::time::sleep(pause).await;
        }
    }
}

/// 416 with `Content-Range: bytes */0`.
fn is_empty_file(refusal: &Refusal) -> bool {
    let range = refusal.headers.get(CONTENT_RANGE);
    refusal.status == StatusCode::RANGE_NOT_SATISFIABLE && range.is_some_and(|range| range == "bytes */0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpConfig;

    /// Services spawn these.
    #[test]
    fn futures_can_move_between_threads() {
        fn is_send<T: Send>(_: T) {}
        let client = HttpClient::new(HttpConfig::default()).unwrap();
        let ask = Ask::new("http://127.0.0.1:1/".parse().unwrap());
        is_send(client.json::<serde_json::Value>(&ask, 1));
        is_send(client.probe(&ask));
        is_send(client.prefix(&ask, 1));
        is_send(client.get(&ask, &[]));
    }
}
