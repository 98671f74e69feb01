//! What faults make of a request, of its answer, and of the wire.

use std::time::Duration;

use super::fault::{Fault, Wait};
use super::request::Request;
use super::response::{Framing, Response};
use super::server::Site;

/// Where a redirect loop goes round.
pub(crate) const LOOP_PATH: &str = "/-/round-and-round";

/// How a body ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Close,
    Reset,
    Stall,
}

/// The faults that concern bytes, not meaning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct WireFaults {
    /// After so many bytes of the body; the earliest of several.
    pub(crate) cut: Option<(u64, Cut)>,
    pub(crate) drip: Option<(u64, Duration)>,
    /// Offset in the whole content whose lowest bit flips.
    pub(crate) flip: Option<u64>,
}

impl WireFaults {
    pub(crate) fn of(faults: &[Fault]) -> Self {
        let mut wire = Self::default();
        let mut cut = |bytes, how| {
            if wire.cut.is_none_or(|(earlier, _)| bytes < earlier) {
                wire.cut = Some((bytes, how));
            }
        };
        for fault in faults {
            match *fault {
                Fault::DropAfter { bytes } => cut(bytes, Cut::Close),
                Fault::ResetAfter { bytes } => cut(bytes, Cut::Reset),
                Fault::StallAfter { bytes } => cut(bytes, Cut::Stall),
                _ => {}
            }
        }
        for fault in faults {
            match *fault {
                Fault::Drip { bytes, pause } => wire.drip = Some((bytes.max(1), pause)),
                Fault::FlipBit { at } => wire.flip = Some(at),
                _ => {}
            }
        }
        wire
    }
}

/// Changes the request so that the hub's own code makes the mistake.
pub(crate) fn to_request(request: &mut Request, faults: &[Fault]) {
    if faults.contains(&Fault::IgnoreRange) || faults.contains(&Fault::Gzip) {
        request.drop_header("range");
    }
}

/// Changes the answer, one fault after the other.
pub(crate) fn to_response(
    response: Response,
    faults: &[Fault],
    request: &Request,
    site: &dyn Site,
    foreign: &str,
) -> Response {
    faults.iter().fold(response, |response, fault| {
        one(response, fault, request, site, foreign)
    })
}

fn one(mut response: Response, fault: &Fault, request: &Request, site: &dyn Site, foreign: &str) -> Response {
    match fault {
        Fault::Status { status, wait } => {
            let response = site.failure(*status);
            match wait {
                Wait::Unsaid => response,
                Wait::RetryAfter(value) => response.header("Retry-After", value),
                Wait::RateLimit { seconds } => response
                    .header("RateLimit", format!("\"resolvers\";r=0;t={seconds}"))
                    .header("RateLimit-Policy", "\"fixed window\";\"resolvers\";q=3000;w=300"),
            }
        }
        Fault::RedirectToForeignHost => Response::redirect(302, &format!("{foreign}{}", request.target())),
        Fault::RedirectTo { location } => Response::redirect(302, location),
        Fault::RedirectLoop => Response::redirect(302, LOOP_PATH),
        Fault::ExpiredSignature => expired_signature(),
        Fault::HtmlPage => Response::html(200, "Sign in to continue"),
        Fault::JsonPage => Response::json(200, &serde_json::json!({"error": "Something went wrong"})),
        Fault::Gzip => response.gzipped(),
        Fault::ShiftRange { bytes } if response.status == 206 => {
            let size = response.content.len();
            response.start = (response.start + bytes).min(size - 1);
            response.len = response.len.min(size - response.start);
            let last = response.start + response.len - 1;
            let range = format!("bytes {}-{last}/{size}", response.start);
            response.header("Content-Range", range)
        }
        Fault::EndAfter { bytes } => {
            response.framing = Framing::Chunked;
            response.len = response.len.min(*bytes);
            response
        }
        Fault::LengthShort { bytes } => {
            response.framing = Framing::Claim(response.len.saturating_sub(*bytes));
            response
        }
        Fault::LengthLong { bytes } => {
            response.framing = Framing::Claim(response.len.saturating_add(*bytes));
            response
        }
        Fault::LengthAbsurd => {
            response.framing = Framing::Claim(i64::MAX as u64);
            response
        }
        // These are the wire's, or the request's, or need a part to shift.
        Fault::Reset
        | Fault::Close
        | Fault::DropAfter { .. }
        | Fault::ResetAfter { .. }
        | Fault::StallAfter { .. }
        | Fault::Drip { .. }
        | Fault::FlipBit { .. }
        | Fault::IgnoreRange
        | Fault::ShiftRange { .. } => response,
    }
}

/// What object stores say when the time of a signed address is over.
pub(crate) fn expired_signature() -> Response {
    refused_by_store(403, "AccessDenied", "Request has expired")
}

/// An error in the manner of an S3-compatible store.
pub(crate) fn refused_by_store(status: u16, code: &str, message: &str) -> Response {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    Response::new(status).body("application/xml", xml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_cut_wins_and_the_rest_adds_up() {
        let wire = WireFaults::of(&[
            Fault::DropAfter { bytes: 9 },
            Fault::StallAfter { bytes: 3 },
            Fault::FlipBit { at: 1 },
            Fault::ResetAfter { bytes: 5 },
        ]);
        assert_eq!((wire.cut, wire.flip), (Some((3, Cut::Stall)), Some(1)));
    }
}
