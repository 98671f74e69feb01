//! What a hub answers, before faults and before the wire.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::body::{Content, FileBody};
use super::range::{Asked, asked};
use super::request::Request;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `Content-Length` with the true length.
    Length,
    /// `Content-Length` with this, true or not.
    Claim(u64),
    /// `Transfer-Encoding: chunked`: no length is known beforehand.
    Chunked,
}

/// An answer: `len` bytes of `content` from `start`.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content: Arc<Content>,
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) framing: Framing,
}

impl Response {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Arc::new(Content::new(FileBody::Bytes(Bytes::new()))),
            start: 0,
            len: 0,
            framing: Framing::Length,
        }
    }

    /// Sets a header, in place of one of that name.
    pub(crate) fn header(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.headers.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn body(self, media_type: &str, body: impl Into<Bytes>) -> Self {
        let mut response = self.header("Content-Type", media_type);
        response.content = Arc::new(Content::new(FileBody::Bytes(body.into())));
        (response.start, response.len) = (0, response.content.len());
        response
    }

    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self::new(status).body("application/json; charset=utf-8", value.to_string())
    }

    pub(crate) fn text(status: u16, text: impl Into<Bytes>) -> Self {
        Self::new(status).body("text/plain; charset=utf-8", text)
    }

    pub(crate) fn html(status: u16, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        );
        Self::new(status).body("text/html; charset=utf-8", page)
    }

    /// A redirect whose `Content-Length` is that of its own text, as the hubs send it.
    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        let reason = if status == 307 {
            "Temporary Redirect"
        } else {
            "Found"
        };
        Self::text(status, format!("{reason}. Redirecting to {location}")).header("Location", location)
    }

    /// A file, or the part that `Range` asks for while `If-Range` matches: 200, 206 or 416.
    pub(crate) fn file(request: &Request, content: &Arc<Content>, etag: &str) -> Self {
        let size = content.len();
        let current = request.header("if-range").is_none_or(|known| known == etag);
        let asked = match current {
            true => asked(request.header("range"), size),
            false => Asked::Whole,
        };
        let (status, start, len) = match asked {
            Asked::Unsatisfiable => {
                return Self::text(416, "Requested Range Not Satisfiable")
                    .header("Content-Range", format!("bytes */{size}"))
                    .header("ETag", etag);
            }
            Asked::Whole => (200, 0, size),
            Asked::Part { start, len } => (206, start, len),
        };
        let response = Self {
            status,
            headers: Vec::new(),
            content: Arc::clone(content),
            start,
            len,
            framing: Framing::Length,
        }
        .header("Content-Type", "application/octet-stream")
        .header("Accept-Ranges", "bytes")
        .header("ETag", etag);
        match status {
            206 => response.header(
                "Content-Range",
                format!("bytes {start}-{}/{size}", start + len - 1),
            ),
            _ => response,
        }
    }

    /// The same body compressed: no length is known any more. Only for what fits into memory.
    pub(crate) fn gzipped(mut self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut at = self.start;
        while at < self.start + self.len {
            let chunk = self.content.chunk(at, self.start + self.len - at);
            at += chunk.len() as u64;
            encoder
                .write_all(&chunk)
                .expect("compressing into memory cannot fail");
        }
        let packed = encoder.finish().expect("compressing into memory cannot fail");
        self.content = Arc::new(Content::new(FileBody::bytes(packed)));
        (self.start, self.len, self.framing) = (0, self.content.len(), Framing::Chunked);
        self.header("Content-Encoding", "gzip")
            .header("Vary", "Accept-Encoding")
    }

    /// The head as it goes onto the wire.
    pub(crate) fn head(&self) -> String {
        let reason = http::StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Unknown");
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.framing {
            Framing::Length => head.push_str(&format!("Content-Length: {}\r\n", self.len)),
            Framing::Claim(len) => head.push_str(&format!("Content-Length: {len}\r\n")),
            Framing::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        head.push_str("\r\n");
        head
    }
}
