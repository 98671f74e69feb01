//! A host that belongs to no hub. It answers everything, and its requests tell whether a token came.

use std::sync::Arc;

use parking_lot::Mutex;

use super::body::{Content, FileBody};
use super::request::Request;
use super::response::Response;
use super::server::Site;

/// Serves one body under every path.
#[derive(Debug)]
pub(crate) struct Foreign(Mutex<Arc<Content>>);

impl Foreign {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Arc::new(Content::new(FileBody::pattern(
            4096, 0xf0e1,
        )))))
    }

    pub(crate) fn serve(&self, body: FileBody) {
        *self.0.lock() = Arc::new(Content::new(body));
    }
}

impl Site for Foreign {
    fn answer(&self, request: &Request) -> Response {
        let content = Arc::clone(&self.0.lock());
        Response::file(request, &content, "\"foreign\"")
    }

    fn failure(&self, status: u16) -> Response {
        Response::text(status, "no")
    }
}
