//! The host behind signed addresses, with the manners that differ between the hubs.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::apply::{expired_signature, refused_by_store};
use super::body::Content;
use super::request::Request;
use super::response::Response;
use super::server::Site;
use super::signing::{Signer, Verdict};

/// Files by path.
#[derive(Debug)]
pub(crate) struct Cdn {
    pub(crate) objects: HashMap<String, Object>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) manners: Manners,
}

/// One file.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) content: Arc<Content>,
    pub(crate) etag: String,
    pub(crate) disposition: String,
}

/// How strictly it takes a signature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// 400 if `Authorization` comes beside the signature: two ways to say who one is.
    pub(crate) refuses_authorization: bool,
    /// 403 to HEAD: the signature covers the method, and it was made for GET.
    pub(crate) refuses_head: bool,
}

/// The CDN's own name for the state of a file: not the file's SHA-256, though it may look like one.
pub(crate) fn etag_seed(content: &Content) -> String {
    hex::encode(Sha256::digest(format!("cdn object of {}", content.sha256())))
}

impl Site for Cdn {
    fn answer(&self, request: &Request) -> Response {
        if self.manners.refuses_authorization && request.header("authorization").is_some() {
            return refused_by_store(400, "InvalidArgument", "Only one auth mechanism allowed");
        }
        match self.signer.verify(request) {
            Verdict::Expired => return expired_signature(),
            Verdict::Forged => {
                return refused_by_store(403, "SignatureDoesNotMatch", "The signature does not match");
            }
            Verdict::Valid => {}
        }
        if request.is_head() && self.manners.refuses_head {
            return refused_by_store(403, "SignatureDoesNotMatch", "The signature does not match");
        }
        match self.objects.get(&request.path) {
            None => self.failure(404),
            Some(object) => Response::file(request, &object.content, &object.etag)
                .header("Content-Disposition", &object.disposition),
        }
    }

    fn failure(&self, status: u16) -> Response {
        let code = match status {
            404 => "NoSuchKey",
            429 | 503 => "SlowDown",
            400..500 => "AccessDenied",
            _ => "InternalError",
        };
        refused_by_store(status, code, "This request was not served")
    }
}
