//! Serves the window's pictures to its webview, from memory or from the album's files.

use dioxus::desktop::use_asset_handler;
use dioxus::desktop::wry::http::Response;
use dioxus::prelude::*;

use crate::client::shelf::{Found, Shelf};

/// Answers `/pictures/…` for as long as the window lives.
pub(super) fn use_pictures(shelf: Shelf) {
    use_asset_handler("pictures", move |request, responder| {
        let found = shelf.find(request.uri().path());
        let media_type = media_type(request.uri().path());
        // A file may lie on a slow disk: the window does not wait for it.
        spawn(async move {
            let bytes = match found {
                Some(Found::Bytes(bytes)) => Some(bytes.to_vec()),
                Some(Found::File(path)) => tokio::fs::read(path).await.ok(),
                None => None,
            };
            responder.respond(answer(bytes, media_type));
        });
    });
}

fn answer(bytes: Option<Vec<u8>>, media_type: &'static str) -> Response<Vec<u8>> {
    let Some(bytes) = bytes else {
        let mut response = Response::new(Vec::new());
        *response.status_mut() = dioxus::desktop::wry::http::StatusCode::NOT_FOUND;
        return response;
    };
    let mut response = Response::new(bytes);
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        dioxus::desktop::wry::http::HeaderValue::from_static(media_type),
    );
    // An id names one picture for as long as the window lives.
    headers.insert(
        "cache-control",
        dioxus::desktop::wry::http::HeaderValue::from_static("max-age=31536000, immutable"),
    );
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        _ => "image/png",
    }
}
