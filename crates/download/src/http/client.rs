//! The client.

use std::collections::HashSet;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, LOCATION, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use url::{Host, Url};

use super::address::{AddressClass, Reach};
use super::ask::Ask;
use super::body::content_type;
use super::config::{HttpConfig, HttpSetupError, proxy_hosts};
use super::error::{HttpError, Refusal};
use super::origin::{Origin, shown};
use super::redirect::{self, Follow, MOST_HOPS};
use super::resolver::{OutOfReach, ReachResolver};
use super::retry::RetryPolicy;
use super::wait::asked_wait;

/// Classes that an operator's own endpoints can be in.
const OWN_CLASSES: [AddressClass; 4] = [
    AddressClass::Loopback,
    AddressClass::Private,
    AddressClass::SharedNat,
    AddressClass::LinkLocal,
];

/// A client over HTTP/1.1, cheap to clone; its connections are shared.
///
/// Futures of its methods can be dropped at any time; that closes the connection.
#[derive(Debug, Clone)]
pub struct HttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: HttpConfig,
    trusted: HashSet<Origin>,
    proxies: Arc<HashSet<String>>,
    /// Why no certificate can be checked, if so.
    no_tls: Option<String>,
    /// Straight to this machine.
    direct: Vec<(Reach, reqwest::Client)>,
    /// Over a proxy where there is one.
    outward: Vec<(Reach, reqwest::Client)>,
}

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

/// An answer whose body is still to come.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) response: reqwest::Response,
    /// The request that was answered in the end: on resume within the chain it can be asked again.
    pub(crate) ask: Ask,
}

impl HttpClient {
    /// A client with this configuration.
    ///
    /// # Errors
    /// [`HttpSetupError`] if a trusted URL is none, or the HTTP library refuses the configuration.
    pub fn new(config: HttpConfig) -> Result<Self, HttpSetupError> {
        let origin =
            |url: &Url| Origin::of(url).ok_or_else(|| HttpSetupError::BadEndpoint { url: shown(url) });
        let trusted = config.trusted.iter().map(origin).collect::<Result<_, _>>()?;
        let (tls, no_tls) = super::tls::configuration();
        let proxies = match config.proxy_from_environment {
            true => proxy_hosts(|name| std::env::var(name).ok()),
            false => HashSet::new(),
        };
        let proxies = Arc::new(proxies);
        let build = |reach, proxied: bool| {
            let builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .http1_only()
                .user_agent(&config.user_agent)
                .connect_timeout(config.connect_timeout)
                .read_timeout(config.read_timeout)
                .dns_resolver(ReachResolver {
                    reach,
                    proxies: Arc::clone(&proxies),
                });
            let builder = if proxied { builder } else { builder.no_proxy() };
            let client = builder.build().map_err(HttpSetupError::Client)?;
            Ok((reach, client))
        };
        let reaches = || {
            [Reach::Public, Reach::Configured]
                .into_iter()
                .chain(OWN_CLASSES.map(Reach::Class))
        };
        let proxied = config.proxy_from_environment;
        Ok(Self(Arc::new(Inner {
            direct: reaches()
                .map(|reach| build(reach, false))
                .collect::<Result<_, _>>()?,
            outward: reaches()
                .map(|reach| build(reach, proxied))
                .collect::<Result<_, _>>()?,
            trusted,
            proxies,
            no_tls,
            config,
        })))
    }

    /// The policy that its own retries follow.
    #[must_use]
    pub fn retry(&self) -> &RetryPolicy {
        &self.0.config.retry
    }

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
        let (bytes, _) = opened.start(first_bytes).await?;
        let headers = opened.response.headers();
        let total = match opened.response.status() {
            StatusCode::PARTIAL_CONTENT => headers
                .get(CONTENT_RANGE)
                .and_then(|value| value.to_str().ok()?.rsplit_once('/')?.1.parse().ok()),
            _ => opened.response.content_length(),
        };
        Ok(Prefix {
            bytes,
            total,
            headers: headers.clone(),
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
            let result = tokio::time::timeout(self.0.config.answer_timeout, attempt()).await;
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

    /// One try: an answer of 2xx, or a redirect that is not to be followed; anything else is an error.
    pub(crate) async fn get(
        &self,
        ask: &Ask,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Opened, HttpError> {
        self.open(Method::GET, ask, headers, Follow::All).await
    }

    async fn open(
        &self,
        method: Method,
        ask: &Ask,
        headers: &[(HeaderName, HeaderValue)],
        follow: Follow,
    ) -> Result<Opened, HttpError> {
        let origin = Origin::of(&ask.url).ok_or_else(|| HttpError::BadUrl { url: shown(&ask.url) })?;
        let mut ask = ask.clone();
        if ask.reach.is_none() {
            ask.trusted = self.0.trusted.contains(&origin);
        }
        for _ in 0..=MOST_HOPS {
            let opened = self.hop(&method, ask, headers).await?;
            let status = opened.response.status();
            // 304 and other answers of the 300s that lead nowhere were not to come.
            let leads = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
            let to = location(&opened.response).filter(|_| leads);
            match to {
                Some(to) if follow == Follow::All || redirect::is_relative(to) => {
                    ask = redirect::next(&opened.ask, to)?;
                }
                Some(_) => return Ok(opened),
                None if leads => {
                    let from = shown(&opened.ask.url);
                    return Err(HttpError::BadRedirect { from });
                }
                None if status.is_success() => return Ok(opened),
                None => return Err(refusal(opened).await),
            }
        }
        Err(HttpError::TooManyRedirects {
            host: host(&ask.url),
            hops: MOST_HOPS,
        })
    }

    /// One request to one host. The request that comes back knows what is within reach from there.
    async fn hop(
        &self,
        method: &Method,
        mut ask: Ask,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Opened, HttpError> {
        let reach = match (ask.reach, ask.trusted) {
            (Some(reach), _) => reach,
            (None, true) => Reach::Configured,
            (None, false) => Reach::Public,
        };
        let literal = literal(&ask.url);
        let class = literal.map(AddressClass::of);
        if let Some(class) = class.filter(|class| !reach.allows(*class)) {
            let host = host(&ask.url);
            return Err(HttpError::AddressRefused { host, class });
        }
        if let (Some(cause), "https") = (&self.0.no_tls, ask.url.scheme()) {
            let (host, cause) = (host(&ask.url), cause.clone());
            return Err(HttpError::Tls { host, cause });
        }
        let here = class == Some(AddressClass::Loopback) || ask.url.domain() == Some("localhost");
        if !here && reach != Reach::Configured && self.0.proxies.contains(&host(&ask.url)) {
            // The resolver lets this name pass, wherever it is, as it is a proxy's.
            let (host, class) = (host(&ask.url), AddressClass::Private);
            return Err(HttpError::AddressRefused { host, class });
        }
        let clients = if here { &self.0.direct } else { &self.0.outward };
        let client = clients
            .iter()
            .find(|(of, _)| *of == reach)
            .map(|(_, client)| client);
        let client = client.expect("there is a client for every reach");
        let mut request = client
            .request(method.clone(), ask.url.clone())
            .header(ACCEPT_ENCODING, "identity");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let token = ask.token_here();
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.secret.expose_secret()))
                .map_err(|_| HttpError::BadUrl { url: shown(&ask.url) })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(|error| broken(&ask.url, error))?;
        let class = match (class, reach) {
            (Some(class), _) => class,
            (None, Reach::Public) => AddressClass::Public,
            (None, _) => self.reached(&response, &ask.url).await,
        };
        ask.reach = Some(reach.after(class));
        Ok(Opened { response, ask })
    }

    /// The class of the address that answered. Behind a proxy that is the proxy's, so the name is looked up.
    async fn reached(&self, response: &reqwest::Response, url: &Url) -> AddressClass {
        let peer = match self.0.proxies.is_empty() {
            true => response.remote_addr(),
            false => match tokio::net::lookup_host((host(url).as_str(), 0)).await {
                Ok(mut found) => found.next(),
                Err(_) => None,
            },
        };
        peer.map_or(AddressClass::Public, |peer| AddressClass::of(peer.ip()))
    }
}

fn location(response: &reqwest::Response) -> Option<&str> {
    response.headers().get(LOCATION)?.to_str().ok()
}

/// 416 with `Content-Range: bytes */0`.
fn is_empty_file(refusal: &Refusal) -> bool {
    let range = refusal.headers.get(CONTENT_RANGE);
    refusal.status == StatusCode::RANGE_NOT_SATISFIABLE && range.is_some_and(|range| range == "bytes */0")
}

async fn refusal(mut opened: Opened) -> HttpError {
    // Its body is a help, not a reason to wait.
    let body = tokio::time::timeout(Duration::from_secs(5), opened.error_body()).await;
    let (excerpt, json) = body.unwrap_or_default();
    let headers = opened.response.headers().clone();
    HttpError::Status(Box::new(Refusal {
        url: shown(&opened.ask.url),
        status: opened.response.status(),
        wait: asked_wait(&headers, SystemTime::now()),
        token_sent: opened.ask.token_here().is_some(),
        redirected: opened.ask.redirected,
        headers,
        excerpt,
        json,
    }))
}

/// The host for people and for the resolver.
fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// The address that a URL names itself. (`url` has read `0x7f.1` and the like as addresses already.)
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(v4) => Some(v4.into()),
        Host::Ipv6(v6) => Some(v6.into()),
    }
}

/// A failure of the HTTP library in our words. Its own hold the URL with the signature.
pub(super) fn broken(url: &Url, error: reqwest::Error) -> HttpError {
    let host = host(url);
    let error = error.without_url();
    let mut innermost = error.to_string();
    let mut source = error.source();
    let mut tls = false;
    while let Some(cause) = source {
        if let Some(OutOfReach { host, class }) = cause.downcast_ref() {
            let (host, class) = (host.clone(), *class);
            return HttpError::AddressRefused { host, class };
        }
        tls |= cause.is::<rustls::Error>();
        // An I/O error that wraps another has it within, not as its source.
        if let Some(within) = cause.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()) {
            tls |= within.is::<rustls::Error>();
        }
        innermost = cause.to_string();
        source = cause.source();
    }
    let cause = innermost;
    match () {
        () if error.is_timeout() => HttpError::Timeout { host },
        () if tls && error.is_connect() => HttpError::Tls { host, cause },
        () if error.is_connect() => HttpError::Connect { host, cause },
        () => HttpError::Broken { host, cause },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
