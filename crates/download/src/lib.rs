//! Downloads files over HTTP so that what ends on disk is the right file, or a part that can be resumed,
//! or nothing: never a wrong file.
//!
//! [`http`] is the client that everything uses which talks to a hub: it knows who may get a token, which
//! addresses may be asked, and when to try again. [`Downloader`] is the engine on top of it. This crate knows HTTP and files, and nothing of models.

mod engine;
pub mod http;

pub use engine::{
    AnswerProblem, AvailableBytes, Bandwidth, Digest, Download, DownloadConfig, DownloadError, Downloaded,
    Downloader, Expected, Progress, Source, SourceError, begun, discard,
};
