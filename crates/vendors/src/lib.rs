//! Hugging Face and CivitAI: what a model consists of there, turned into a plan of what to download, and what
//! else there is.
//!
//! A [`VendorSource`] is asked three things: what an id means ([`Resolution`]: the files, where they are, why
//! these), what there is for a search ([`SearchPage`]), and, at every attempt of a download, with which token
//! a file's address is to be asked. Nothing here downloads a model.
//!
//! - [`selection`](mod@selection) decides which files make up a model: plain functions over a listing.
//! - [`HuggingFace`] and [`CivitAi`] know the protocols; HTTP is `rbee_download`'s.
//! - Whatever comes from a hub is bounded and checked: file names become [`RelativePath`]s or errors, sizes are
//!   sane, texts are short, and addresses are built here, never taken over.
//! - [`VendorError`] has a variant for each thing that a person can do something about, and
//!   [`VendorError::reason`] the word that clients match.
//!
//! [`RelativePath`]: rbee_artifacts::RelativePath

mod civitai;
mod error;
mod http;
mod huggingface;
mod json;
mod machine;
mod resolution;
mod search;
pub mod selection;
mod source;
mod text;
mod token;

pub use civitai::{CIVITAI_BASE_URL, CivitAi};
pub use error::VendorError;
pub use huggingface::{HF_ENDPOINT, HuggingFace};
pub use machine::Machine;
pub use resolution::{Alternative, FileDigest, Gate, RemoteFile, Resolution};
pub use search::{HubVersion, SearchHit, SearchKind, SearchPage, SearchQuery, SearchSort};
pub use source::{Answering, VendorSource};
pub use token::{FoundToken, TokenSource, hugging_face_token};
