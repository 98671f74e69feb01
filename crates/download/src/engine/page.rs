//! Telling a page for people, or an error in JSON, from a model.

/// Whether a `Content-Type` (in lower case, without parameters) is that of a page or an error.
pub(super) fn is_page_type(content_type: &str) -> bool {
    matches!(
        content_type,
        "text/html" | "application/xhtml+xml" | "application/json" | "text/json" | "application/problem+json"
    ) || content_type.ends_with("/xml")
}

/// How much of a file's beginning [`looks_like_page`] needs.
pub(super) const SNIFFED_BYTES: usize = 512;

/// Whether a file that begins so is HTML, XML or JSON. Headers of safetensors hold JSON too, behind eight bytes
/// of length, of which the last are zero; text has no zeros.
pub(super) fn looks_like_page(start: &[u8]) -> bool {
    let start = &start[..start.len().min(SNIFFED_BYTES)];
    if start.contains(&0) {
        return false;
    }
    let text = String::from_utf8_lossy(start);
    // A character may be cut at the end; anywhere else, what is no UTF-8 is no page.
    if text.trim_end_matches('\u{fffd}').contains('\u{fffd}') {
        return false;
    }
    let text = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .to_ascii_lowercase();
    text.starts_with(['{', '['])
        || ["<!doctype", "<html", "<?xml", "<head", "<body", "<!--"]
            .iter()
            .any(|tag| text.starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_models() {
        for page in [
            &b"<!DOCTYPE html><html>"[..],
            b"\n  <html lang=en>",
            b"\xef\xbb\xbf<?xml version=\"1.0\"?>",
            b"{\"error\": \"no\"}",
            b"[]",
            "{\"error\": \"n\u{f6}\"}".as_bytes(),
            &b"{\"error\": \"\xc3"[..],
        ] {
            assert!(looks_like_page(page), "{page:?}");
        }
        let mut safetensors = b"{\0\0\0\0\0\0\0".to_vec();
        safetensors.extend(b"{\"a\":{\"dtype\":\"F16\"}}");
        for model in [
            &safetensors[..],
            b"GGUF\x03\0\0\0",
            b"",
            b"plain",
            b"{\xff\xfe binary",
        ] {
            assert!(!looks_like_page(model), "{model:?}");
        }
        assert!(is_page_type("text/html") && is_page_type("application/json") && is_page_type("text/xml"));
        assert!(!is_page_type("application/octet-stream") && !is_page_type("text/plain"));
    }
}
