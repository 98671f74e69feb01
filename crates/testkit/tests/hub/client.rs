//! A plain HTTP/1.1 client, one connection a request, that keeps what came before an error.

use std::time::Duration;

use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to the end that was announced.
    pub(crate) whole: bool,
    /// Whether it fell silent.
    pub(crate) stalled: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("a header of text"))
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location").expect("a redirect")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// Sends a request and gives the head of the answer, with its body still to come.
pub(crate) async fn open(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
) -> Result<Response<Incoming>, String> {
    let uri: Uri = url.parse().expect("an address");
    let authority = uri.authority().expect("a host").as_str();
    let stream = TcpStream::connect(authority)
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(uri.path_and_query().expect("a path").as_str())
        .header("host", authority);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())
}

/// One request, no redirects followed. An error if no answer began.
pub(crate) async fn ask(method: &str, url: &str, headers: &[(&str, &str)]) -> Result<Reply, String> {
    let response = open(method, url, headers).await?;
    let (head, mut incoming) = response.into_parts();
    let (mut body, mut whole, mut stalled) = (Vec::new(), true, false);
    loop {
        match tokio::time::timeout(Duration::from_secs(2), incoming.frame()).await {
            Ok(Some(Ok(frame))) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Ok(Some(Err(_))) => whole = false,
            Ok(None) => break,
            Err(_) => {
                (whole, stalled) = (false, true);
                break;
            }
        }
        if !whole {
            break;
        }
    }
    Ok(Reply {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
        whole,
        stalled,
    })
}

pub(crate) async fn get(url: &str, headers: &[(&str, &str)]) -> Reply {
    ask("GET", url, headers).await.expect("an answer")
}

pub(crate) async fn head(url: &str, headers: &[(&str, &str)]) -> Reply {
    ask("HEAD", url, headers).await.expect("an answer")
}

/// GET that follows redirects with all its headers, as a careless client does.
pub(crate) async fn follow(url: &str, headers: &[(&str, &str)]) -> Reply {
    let mut url = url.to_owned();
    for _ in 0..10 {
        let reply = get(&url, headers).await;
        if !(300..400).contains(&reply.status) {
            return reply;
        }
        url = join(&url, reply.location());
    }
    panic!("ten redirects lead nowhere: {url}");
}

/// `location` as seen from `url`.
pub(crate) fn join(url: &str, location: &str) -> String {
    match location.strip_prefix('/') {
        Some(path) => {
            let uri: Uri = url.parse().expect("an address");
            format!("http://{}/{path}", uri.authority().expect("a host"))
        }
        None => location.to_owned(),
    }
}

/// The header of a token.
pub(crate) fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}
