//! What a test puts on the hub: plain data.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::hub::FileBody;

/// A model: a name over versions.
#[derive(Debug, Clone)]
pub struct CivitaiModel {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `Checkpoint`, `LORA`, `VAE`, `TextualInversion`, …
    pub kind: String,
    /// Whether it is not safe for work.
    pub nsfw: bool,
    /// Times downloaded; searches sort by it.
    pub downloads: u64,
    /// Its versions, newest first.
    pub versions: Vec<CivitaiVersion>,
    /// What it says beside, by key: `creator`, `tags`, …
    pub facts: Map<String, Value>,
}

/// A version: what is downloaded by number.
#[derive(Debug, Clone)]
pub struct CivitaiVersion {
    /// Its number, which ids of models in rbee hold.
    pub id: u64,
    /// Its name: `v1.0`.
    pub name: String,
    /// `SD 1.5`, `SDXL 1.0`, …
    pub base_model: String,
    /// Words that call up what a LoRA has learnt.
    pub trained_words: Vec<String>,
    /// Who may download it.
    pub availability: Availability,
    /// Its files.
    pub files: Vec<CivitaiFile>,
    /// What it says beside, by key: `images`, `publishedAt`, `usageControl`, …
    pub facts: Map<String, Value>,
}

/// Who may download a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// Anyone.
    Public,
    /// Whoever has a key: 401 otherwise.
    LoginRequired,
    /// Nobody, by the creator's will: 401 with another message.
    DownloadsDisabled,
    /// Keys that paid for it, until this time (RFC 3339): 403 with the deadline.
    EarlyAccess {
        /// When it becomes public.
        deadline: String,
    },
    /// Keys that were granted it: 403 without a deadline.
    Granted,
    /// Nobody: 410, and the listing shows no files.
    Archived,
}

/// In which case a hub writes hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashCase {
    /// `2CF24D…`, as most.
    #[default]
    Upper,
    /// `2cf24d…`.
    Lower,
}

/// A file of a version.
#[derive(Debug, Clone)]
pub struct CivitaiFile {
    /// Its number: what `fileId` selects exactly.
    pub id: u64,
    /// As stored, percent-encoded where need be; it goes out decoded.
    pub stored_name: String,
    /// `Model`, `Pruned Model`, `VAE`, `Config`, …
    pub kind: String,
    /// Its content.
    pub body: FileBody,
    /// `SafeTensor`, `PickleTensor`, `GGUF`, …
    pub format: Option<String>,
    /// `full` or `pruned`.
    pub size: Option<String>,
    /// `fp16`, `fp32`, `bf16`, …
    pub fp: Option<String>,
    /// `Success`, `Danger`, `Pending`, `Error`.
    pub pickle_scan: String,
    /// The same of the virus scan.
    pub virus_scan: String,
    /// How its hashes are written.
    pub hash_case: HashCase,
    /// Hashes that replace or join the computed `SHA256` and `AutoV2`, by name; an empty one takes its name away.
    pub hashes: BTreeMap<String, String>,
    /// `sizeKB` in its listing, if it is not the true one.
    pub claimed_size_kb: Option<f64>,
}

impl CivitaiModel {
    /// A checkpoint without versions.
    #[must_use]
    pub fn new(id: u64, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            kind: "Checkpoint".to_owned(),
            nsfw: false,
            downloads: 0,
            versions: Vec::new(),
            facts: Map::new(),
        }
    }

    /// Of this kind.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.kind);
        self
    }

    /// Saying this of itself beside.
    #[must_use]
    pub fn fact(mut self, key: &str, value: Value) -> Self {
        self.facts.insert(key.to_owned(), value);
        self
    }

    /// With another version.
    #[must_use]
    pub fn version(mut self, version: CivitaiVersion) -> Self {
        self.versions.push(version);
        self
    }
}

impl CivitaiVersion {
    /// A public version for SD 1.5 without files.
    #[must_use]
    pub fn new(id: u64) -> Self {
        Self {
            id,
            name: "v1.0".to_owned(),
            base_model: "SD 1.5".to_owned(),
            trained_words: Vec::new(),
            availability: Availability::Public,
            files: Vec::new(),
            facts: Map::new(),
        }
    }

    /// Saying this of itself beside.
    #[must_use]
    pub fn fact(mut self, key: &str, value: Value) -> Self {
        self.facts.insert(key.to_owned(), value);
        self
    }

    /// With another file.
    #[must_use]
    pub fn file(mut self, file: CivitaiFile) -> Self {
        self.files.push(file);
        self
    }

    /// For these people.
    #[must_use]
    pub fn availability(mut self, availability: Availability) -> Self {
        self.availability = availability;
        self
    }
}

impl CivitaiFile {
    /// A model in safetensors, pruned, fp16, found clean.
    #[must_use]
    pub fn new(id: u64, stored_name: &str, body: FileBody) -> Self {
        Self {
            id,
            stored_name: stored_name.to_owned(),
            kind: "Model".to_owned(),
            body,
            format: Some("SafeTensor".to_owned()),
            size: Some("pruned".to_owned()),
            fp: Some("fp16".to_owned()),
            pickle_scan: "Success".to_owned(),
            virus_scan: "Success".to_owned(),
            hash_case: HashCase::Upper,
            hashes: BTreeMap::new(),
            claimed_size_kb: None,
        }
    }

    /// Of this kind.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.kind);
        self
    }

    /// With these metadata; an empty one is absent.
    #[must_use]
    pub fn metadata(mut self, format: &str, size: &str, fp: &str) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (self.format, self.size, self.fp) = (some(format), some(size), some(fp));
        self
    }

    /// With this hash in place of the computed one, or none if it is empty.
    #[must_use]
    pub fn hash(mut self, name: &str, digits: &str) -> Self {
        self.hashes.insert(name.to_owned(), digits.to_owned());
        self
    }
}

/// A key that the hub issued.
#[derive(Debug, Clone)]
pub struct CivitaiToken {
    /// What stands behind `Bearer`.
    pub secret: String,
    /// Versions that it may download although they are in early access or granted to few.
    pub opens: Vec<u64>,
}

impl CivitaiToken {
    /// A key that opens these versions.
    #[must_use]
    pub fn new(secret: &str, opens: &[u64]) -> Self {
        Self {
            secret: secret.to_owned(),
            opens: opens.to_vec(),
        }
    }
}
