//! What an id means at its hub.

use std::collections::BTreeMap;

use rbee_artifacts::detect::Claim;
use rbee_artifacts::{ModelId, ModelType, RelativePath, Sha256};
use url::Url;

use crate::error::VendorError;

/// What a download would fetch, and what the hub says of it.
#[derive(Debug)]
pub struct Resolution {
    /// The id that the model will have. All ways to ask for one model come out at one id: a file that was chosen
    /// is named in it, by its first part if it is split; a repository that is taken whole stays as it is.
    pub id: ModelId,
    /// A name to show.
    pub name: String,
    /// The commit that the files are of (Hugging Face).
    pub commit: Option<String>,
    /// The licence, in the hub's words.
    pub licence: Option<String>,
    /// Whether the hub asks for consent.
    pub gate: Gate,
    /// Why the files can't be had with the token that there is, or without one. Absent if they can.
    pub refusal: Option<VendorError>,
    /// What would be fetched, the model's main file first.
    pub files: Vec<RemoteFile>,
    /// What was chosen and why, in a sentence; empty if there was nothing to choose.
    pub choice: String,
    /// What else there is, best first.
    pub alternatives: Vec<Alternative>,
    /// What the hub says of the files, to be held against what they are.
    pub claim: Claim,
    /// What kind of model the hub says it is.
    pub model_type: Option<ModelType>,
    /// How the weights are stored, by the name of the file: `Q4_K_M`, …
    pub quantization: Option<String>,
    /// Facts to keep with the model, by name; bounded.
    pub metadata: BTreeMap<String, String>,
    /// Pictures of it, `https` only. They are not fetched here.
    pub thumbnails: Vec<String>,
    /// The hub's page about it.
    pub page_url: String,
    /// What a person should know beside: files that were left out, scans that are not done.
    pub notes: Vec<String>,
}

impl Resolution {
    /// Size of all files together in bytes; `None` where it is not known of each.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.files
            .iter()
            .try_fold(0_u64, |sum, file| sum.checked_add(file.size_bytes?))
    }

    /// The resolution, if its files can be had.
    ///
    /// # Errors
    /// Its [`refusal`](Self::refusal) otherwise.
    pub fn accessible(mut self) -> Result<Self, VendorError> {
        match self.refusal.take() {
            Some(refusal) => Err(refusal),
            None => Ok(self),
        }
    }
}

/// Whether a hub asks for consent before it gives a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gate {
    /// It does not.
    #[default]
    Open,
    /// Accepting the terms on the hub's page is enough.
    Automatic,
    /// The model's owner decides on each request.
    Manual,
}

/// A file that a hub has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// The hub's own address of it: without a token, and not signed. Ask
    /// [`VendorSource::location`](crate::VendorSource::location) for the request.
    pub url: Url,
    /// Its name within the model.
    pub name: RelativePath,
    /// Its size in bytes; absent where the hub does not say it exactly.
    pub size_bytes: Option<u64>,
    /// What it is verified by.
    pub digest: FileDigest,
    /// Whether the file itself is text. If not, a text in its place is an error's page.
    pub is_text: bool,
}

/// The digest that a hub tells of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileDigest {
    /// Of the content.
    Sha256(Sha256),
    /// Git's name of the file: SHA-1 over `blob N\0` and the content, in 40 lower-case hexadecimal digits.
    GitSha1(String),
    /// None is told.
    Unknown,
}

/// Another choice out of the same repository or version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// Id to ask for it by.
    pub id: ModelId,
    /// How its weights are stored.
    pub quantization: Option<String>,
    /// Size of its files together in bytes.
    pub size_bytes: Option<u64>,
}
