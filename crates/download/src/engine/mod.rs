//! The engine: one file, from wherever its source says, into a part that becomes whole.
//!
//! ```text
//!            ┌── attempt: ask the source for a URL ─▶ request ─▶ judge ─▶ pump ──┐   (again, by the policy,
//!  Session ──┤                                                                   │    from what is missing)
//!            └── ticks: progress, flush of the resume state, disk space          ▼
//!                                                     Pipeline: writer thread ─▶ hasher thread
//! ```
//!
//! What holds at any instant, `kill -9` and power cuts included: `<name>.part.json` claims only bytes that
//! are on the disk and belong to the file state that its validator names; without it, or where it doesn't
//! fit, the part is begun anew. A file is called downloaded only when every byte of it was hashed from the
//! beginning and the digest is the expected one.

mod bandwidth;
mod config;
mod download;
mod error;
mod expected;
mod hasher;
mod judge;
mod meter;
mod page;
mod part;
mod patience;
mod pipeline;
mod ranges;
mod request;
mod session;
mod source;
mod state;
mod upkeep;

pub use bandwidth::Bandwidth;
pub use config::{AvailableBytes, DownloadConfig};
pub use download::{Download, Downloaded, Downloader};
pub use error::{AnswerProblem, DownloadError, SourceError};
pub use expected::{Digest, Expected};
pub use meter::Progress;
pub use part::{begun, discard};
pub use source::Source;
