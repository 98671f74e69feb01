//! A request as it stood on the wire.

use std::io;

use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest head that is read: a client that sends more is broken.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A parsed request. Nothing in it is decoded but by the methods that say so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query, percent-encoded as it came.
    pub(crate) path: String,
    /// Without the question mark, percent-encoded as it came.
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    /// Reads one request; `None` at the end of the connection. `buffer` keeps what came behind it.
    pub(crate) async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Self>> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if buffer.len() > MAX_HEAD_BYTES {
                return Err(invalid("the head of the request has no end"));
            }
            if stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        };
        let head = std::str::from_utf8(&buffer[..head_end]).map_err(|_| invalid("the head is not text"))?;
        let request = Self::parse(head).ok_or_else(|| invalid("the head is not HTTP/1.1"))?;
        let body_len = request
            .header("content-length")
            .and_then(|text| text.parse::<usize>().ok())
            .unwrap_or(0);
        buffer.drain(..head_end + 4);
        while buffer.len() < body_len {
            if stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
        buffer.drain(..body_len);
        Ok(Some(request))
    }

    fn parse(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut start = lines.next()?.split(' ');
        let (method, target, version) = (start.next()?, start.next()?, start.next()?);
        if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
            return None;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect::<Option<_>>()?;
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find_map(|(have, value)| (have == name).then_some(value.as_str()))
    }

    pub(crate) fn drop_header(&mut self, name: &str) {
        self.headers.retain(|(have, _)| have != name);
    }

    /// The token of `Authorization: Bearer …`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?
            .strip_prefix("Bearer ")
            .map(str::trim)
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Whether the client reads gzip.
    pub(crate) fn accepts_gzip(&self) -> bool {
        self.header("accept-encoding").is_some_and(|accepted| {
            accepted
                .split(',')
                .any(|coding| coding.trim().starts_with("gzip"))
        })
    }

    /// Path and query as they came.
    pub(crate) fn target(&self) -> String {
        match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }

    /// The values of a query's key, decoded (`+` is a space here, and only here).
    pub(crate) fn query_values(&self, key: &str) -> Vec<String> {
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        self.query
            .split('&')
            .filter_map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name) == key).then(|| decode(value))
            })
            .collect()
    }

    /// The first value of a query's key that is not empty.
    pub(crate) fn query_value(&self, key: &str) -> Option<String> {
        self.query_values(key).into_iter().find(|value| !value.is_empty())
    }
}

/// The segments of a path below `prefix`, each decoded; `None` if the path lies elsewhere. A `%2F` stays
/// within its segment and a `+` is a plus.
pub(crate) fn segments(path: &str, prefix: &str) -> Option<Vec<String>> {
    let rest = path.strip_prefix(prefix)?.strip_prefix('/')?;
    Some(
        rest.split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_follow_each_other_on_one_connection() {
        let wire = b"GET /a%2Fb/c+d?x=1+2&y=%7C&x= HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n\r\n\
                     POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcHEAD / HTTP/1.1\r\n\r\n";
        let (mut stream, mut buffer) = (&wire[..], Vec::new());
        let first = Request::read(&mut stream, &mut buffer).await.unwrap().unwrap();
        assert_eq!(segments(&first.path, "").unwrap(), ["a/b", "c+d"]);
        assert_eq!(first.query_values("x"), ["1 2", ""]);
        assert_eq!(first.query_value("y").as_deref(), Some("|"));
        assert_eq!(first.bearer(), Some("t"));
        let second = Request::read(&mut stream, &mut buffer).await.unwrap().unwrap();
        assert_eq!((second.method.as_str(), second.path.as_str()), ("POST", "/p"));
        assert!(
            Request::read(&mut stream, &mut buffer)
                .await
                .unwrap()
                .unwrap()
                .is_head()
        );
        assert!(Request::read(&mut stream, &mut buffer).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused() {
        for wire in [
            "nonsense\r\n\r\n",
            "GET http://proxy/ HTTP/1.1\r\n\r\n",
            "GET / HTTP/2\r\n\r\n",
        ] {
            assert!(
                Request::read(&mut wire.as_bytes(), &mut Vec::new())
                    .await
                    .is_err(),
                "{wire}"
            );
        }
    }
}
