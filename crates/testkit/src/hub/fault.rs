//! The ways in which a hub can misbehave.

use std::time::Duration;

use super::random::Random;

/// What goes wrong with one answer. Several can meet in one: a body that drips, flips and then drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset before a byte of an answer.
    Reset,
    /// The connection is closed before a byte of an answer.
    Close,
    /// The body stops after this many bytes and the connection closes, short of its declared length.
    DropAfter {
        /// Bytes of the body that are still sent.
        bytes: u64,
    },
    /// The same, with a reset instead of an orderly close.
    ResetAfter {
        /// Bytes of the body that are still sent.
        bytes: u64,
    },
    /// The body ends after this many bytes without a length declared, in good order: for HTTP it is
    /// whole, and still it is short.
    EndAfter {
        /// Bytes of the body that are still sent.
        bytes: u64,
    },
    /// Nothing more comes after this many bytes, and the connection stays open.
    StallAfter {
        /// Bytes of the body that are still sent.
        bytes: u64,
    },
    /// The body comes a few bytes at a time.
    Drip {
        /// Bytes sent at once.
        bytes: u64,
        /// Time between them.
        pause: Duration,
    },
    /// `Range` is not honoured: the whole file with status 200.
    IgnoreRange,
    /// The part sent, and its `Content-Range`, begin this many bytes behind what was asked for.
    ShiftRange {
        /// How far behind.
        bytes: u64,
    },
    /// `Content-Length` says less than is there; the rest follows all the same.
    LengthShort {
        /// How much less.
        bytes: u64,
    },
    /// `Content-Length` says more than is there; then the connection closes.
    LengthLong {
        /// How much more.
        bytes: u64,
    },
    /// `Content-Length` says 2^63 - 1.
    LengthAbsurd,
    /// One bit of the byte at this offset of the file is wrong (modulo the file's length), if it is sent.
    FlipBit {
        /// Offset in the file, not in the part that is sent.
        at: u64,
    },
    /// This status with an error body in the hub's manner, instead of the answer.
    Status {
        /// 401, 403, 404, 410, 429, 500, 503, …
        status: u16,
        /// How long to wait, and where it says so.
        wait: Wait,
    },
    /// 302 to the foreign host, on another port, with path and query kept.
    RedirectToForeignHost,
    /// 302 to here.
    RedirectTo {
        /// The whole `Location`.
        location: String,
    },
    /// 302 to an address that redirects to itself for ever.
    RedirectLoop,
    /// 403, as for a signed address whose time is over.
    ExpiredSignature,
    /// The body is compressed though nobody asked, whole, with `Content-Encoding: gzip` and no length.
    Gzip,
    /// 200 with a page of HTML.
    HtmlPage,
    /// 200 with an error in JSON.
    JsonPage,
}

/// Where an answer says how long to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Nowhere.
    Unsaid,
    /// `Retry-After` with this value: seconds, or a date.
    RetryAfter(String),
    /// Only in `RateLimit: "resolvers";r=0;t=…`, as Hugging Face does.
    RateLimit {
        /// Seconds until the window ends.
        seconds: u64,
    },
}

/// A [`Fault`] without its numbers, for drawing at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the fault of the same name")]
pub enum FaultKind {
    Reset,
    Close,
    DropAfter,
    ResetAfter,
    EndAfter,
    StallAfter,
    Drip,
    IgnoreRange,
    ShiftRange,
    LengthShort,
    LengthLong,
    LengthAbsurd,
    FlipBit,
    TooManyRequests,
    ServerError,
    Unauthorized,
    Forbidden,
    NotFound,
    Gone,
    RedirectToForeignHost,
    RedirectLoop,
    ExpiredSignature,
    Gzip,
    HtmlPage,
    JsonPage,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 25] = [
        Self::Reset,
        Self::Close,
        Self::DropAfter,
        Self::ResetAfter,
        Self::EndAfter,
        Self::StallAfter,
        Self::Drip,
        Self::IgnoreRange,
        Self::ShiftRange,
        Self::LengthShort,
        Self::LengthLong,
        Self::LengthAbsurd,
        Self::FlipBit,
        Self::TooManyRequests,
        Self::ServerError,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Gone,
        Self::RedirectToForeignHost,
        Self::RedirectLoop,
        Self::ExpiredSignature,
        Self::Gzip,
        Self::HtmlPage,
        Self::JsonPage,
    ];

    /// Whether it is a refusal that a client should report, not try again: 401, 403, 404, 410.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Unauthorized | Self::Forbidden | Self::NotFound | Self::Gone
        )
    }

    /// A fault of this kind against a file of `size` bytes.
    pub(crate) fn draw(self, random: &mut Random, size: u64) -> Fault {
        let bytes = random.below(size.max(1));
        let status = |status, wait| Fault::Status { status, wait };
        match self {
            Self::Reset => Fault::Reset,
            Self::Close => Fault::Close,
            Self::DropAfter => Fault::DropAfter { bytes },
            Self::ResetAfter => Fault::ResetAfter { bytes },
            Self::EndAfter => Fault::EndAfter { bytes },
            Self::StallAfter => Fault::StallAfter { bytes },
            Self::Drip => Fault::Drip {
                // At most sixteen pauses, so that a thousand downloads stay quick.
                bytes: size.div_ceil(16).max(1),
                pause: Duration::from_millis(1),
            },
            Self::IgnoreRange => Fault::IgnoreRange,
            Self::ShiftRange => Fault::ShiftRange {
                bytes: 1 + bytes % 16,
            },
            Self::LengthShort => Fault::LengthShort { bytes: 1 + bytes },
            Self::LengthLong => Fault::LengthLong { bytes: 1 + bytes },
            Self::LengthAbsurd => Fault::LengthAbsurd,
            Self::FlipBit => Fault::FlipBit { at: bytes },
            Self::TooManyRequests => status(
                429,
                match random.below(3) {
                    0 => Wait::Unsaid,
                    1 => Wait::RetryAfter("0".to_owned()),
                    _ => Wait::RateLimit { seconds: 0 },
                },
            ),
            Self::ServerError => status([500, 502, 503, 504][random.below(4) as usize], Wait::Unsaid),
            Self::Unauthorized => status(401, Wait::Unsaid),
            Self::Forbidden => status(403, Wait::Unsaid),
            Self::NotFound => status(404, Wait::Unsaid),
            Self::Gone => status(410, Wait::Unsaid),
            Self::RedirectToForeignHost => Fault::RedirectToForeignHost,
            Self::RedirectLoop => Fault::RedirectLoop,
            Self::ExpiredSignature => Fault::ExpiredSignature,
            Self::Gzip => Fault::Gzip,
            Self::HtmlPage => Fault::HtmlPage,
            Self::JsonPage => Fault::JsonPage,
        }
    }
}
