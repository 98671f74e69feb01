//! The client.

use std::collections::HashSet;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, LOCATION};
use http::{HeaderName, HeaderValue, Method};
use secrecy::ExposeSecret as _;
use url::{Host, Url};

use super::address::{AddressClass, Reach};
use super::ask::Ask;
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

    pub(super) fn answer_timeout(&self) -> Duration {
        self.0.config.answer_timeout
    }

    /// One try, without retries: an answer of 2xx; anything else is an error.
    pub(crate) async fn get(
        &self,
        ask: &Ask,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Opened, HttpError> {
        self.open(Method::GET, ask, headers, Follow::All).await
    }

    /// One try: an answer of 2xx, or a redirect that is not to be followed; anything else is an error.
    pub(super) async fn open(
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
                .map_err(|_| HttpError::BadToken { host: host(&ask.url) })?;
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

pub(super) fn location(response: &reqwest::Response) -> Option<&str> {
    response.headers().get(LOCATION)?.to_str().ok()
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
pub(super) fn host(url: &Url) -> String {
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
    let mut next = error.source();
    let mut tls = false;
    while let Some(cause) = next {
        if let Some(OutOfReach { host, class }) = cause.downcast_ref() {
            let (host, class) = (host.clone(), *class);
            return HttpError::AddressRefused { host, class };
        }
        tls |= cause.is::<rustls::Error>();
        innermost = cause.to_string();
        // An I/O error that wraps another has it within, not as its source.
        let within = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match within {
            Some(within) => Some(within),
            None => cause.source(),
        };
    }
    let cause = innermost;
    match () {
        () if error.is_timeout() => HttpError::Timeout { host },
        () if tls && error.is_connect() => HttpError::Tls { host, cause },
        () if error.is_connect() => HttpError::Connect { host, cause },
        () => HttpError::Broken { host, cause },
    }
}
