//! How a download can end other than well.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::expected::Digest;
use crate::http::HttpError;

/// Why there is no file. Unless [`Corrupt`](Self::Corrupt) or [`TooLarge`](Self::TooLarge), what came so far stays
/// as a part and the next try goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// A server refused, cannot be reached, or sent a page for people.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Where to download from could not be found out.
    #[error("cannot find out where to download {name} from")]
    Source {
        /// The file.
        name: String,
        /// What its source says.
        source: SourceError,
    },
    /// The server answers, but not with what HTTP or the file's description promise, again and again.
    #[error("{host} gives contradictory answers for {name}: {problem}; try again later, or another mirror")]
    Answer {
        /// Who.
        host: String,
        /// The file.
        name: String,
        /// What the last answer was like.
        problem: AnswerProblem,
    },
    /// The file is larger than allowed. Nothing was written for it.
    #[error("{name} is said to have {size_bytes} bytes, more than the {limit_bytes} that are allowed")]
    TooLarge {
        /// The file.
        name: String,
        /// What is declared, in bytes.
        size_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// Every byte came, twice, and they are not the right ones. Nothing is kept.
    #[error(
        "{name} is corrupt: expected {expected}, downloaded {found} twice; the file at its source differs from its description"
    )]
    Corrupt {
        /// The file.
        name: String,
        /// What the hub said.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// The disk is too full.
    #[error(
        "not enough space in {folder}: {needed_bytes} bytes are needed, {available_bytes} are available; free some and try again, the download goes on where it stopped"
    )]
    DiskFull {
        /// Where the part lies.
        folder: PathBuf,
        /// What is still to be written, and kept free, in bytes.
        needed_bytes: u64,
        /// What there is, in bytes.
        available_bytes: u64,
    },
    /// The disk fails.
    #[error("cannot {action} {path}")]
    Disk {
        /// `write`, `read`, …
        action: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else is at it.
    #[error("{path} is being downloaded by another process; wait for it, or stop it")]
    Locked {
        /// The part.
        path: PathBuf,
    },
    /// The name is no name for a file in a folder.
    #[error("{name:?} cannot be the name of a file: give one without separators, of at most 200 bytes")]
    BadName {
        /// As it came.
        name: String,
    },
    /// It was cancelled; the part stays.
    #[error("the download of {name} was cancelled; what came so far is kept")]
    Cancelled {
        /// The file.
        name: String,
    },
}

/// What a [`Source`](super::Source) gives when it has no URL.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerProblem {
    /// `Content-Range` is missing, or not what was asked for.
    #[error("asked for bytes from {asked}, got {got:?}")]
    WrongRange {
        /// The first byte asked for.
        asked: u64,
        /// `Content-Range`, if there was one.
        got: Option<String>,
    },
    /// A success that is no file: `204 No Content` and the like.
    #[error("the answer has status {status}, which no file comes with")]
    Status {
        /// The status.
        status: u16,
    },
    /// Another length than the file has.
    #[error("the file has {expected_bytes} bytes, the answer says {declared_bytes}")]
    WrongSize {
        /// By the file's description.
        expected_bytes: u64,
        /// By the answer.
        declared_bytes: u64,
    },
    /// `Content-Length` and `Content-Range` differ.
    #[error("a part of {part_bytes} bytes comes with a length of {declared_bytes}")]
    WrongLength {
        /// By `Content-Range`.
        part_bytes: u64,
        /// By `Content-Length`.
        declared_bytes: u64,
    },
    /// It ended in good order, too early.
    #[error("it ended after {got_bytes} of {expected_bytes} bytes")]
    Short {
        /// What came.
        got_bytes: u64,
        /// What was to come.
        expected_bytes: u64,
    },
    /// More came than was announced.
    #[error("it goes on behind its end at byte {end}")]
    Excess {
        /// Where it was to end.
        end: u64,
    },
    /// The file changed at its source while it was downloaded.
    #[error("the file changed while it was downloaded")]
    Changed,
}

/// How one attempt ended, before it is decided whether another follows.
#[derive(Debug)]
pub(super) enum Failure {
    Http(HttpError),
    Answer {
        host: String,
        problem: AnswerProblem,
    },
    /// Not to be tried again.
    Final(DownloadError),
    /// The threads that write and hash are gone; they know why.
    Pipeline,
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        Self::Final(error)
    }
}

impl Failure {
    /// Whether another attempt may end better. A refusal from where a redirect led is a signed address that is no
    /// longer good: the next attempt gets a new one.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Http(error) => {
                error.is_transient()
                    || error
                        .refusal()
                        .is_some_and(|refusal| refusal.redirected && refusal.status.is_client_error())
            }
            Self::Answer { .. } => true,
            Self::Final(_) | Self::Pipeline => false,
        }
    }

    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Http(error) => error.wait(),
            _ => None,
        }
    }
}
