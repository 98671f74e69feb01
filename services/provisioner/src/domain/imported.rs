//! What a job ends with.

use rbee_artifacts::{ModelEntry, ModelFile, ModelId, RelativePath, WorkerBinary};
use serde::{Deserialize, Serialize};

use super::job::Job;

/// A job of this provisioner.
pub type ImportJob = Job<Imported>;

/// An artifact as it stands in the catalog, or what reading models anew found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Imported {
    /// A model.
    Model(Box<CatalogModel>),
    /// A worker program.
    WorkerBinary(Box<WorkerBinary>),
    /// What reading models anew found.
    Verification(Verification),
}

/// What reading models anew found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Models that were read.
    pub model_count: u64,
    /// Files that were read.
    pub file_count: u64,
    /// Their size in bytes.
    pub size_bytes: u64,
    /// What is wrong.
    pub problems: Vec<FileProblem>,
}

/// What is wrong with a file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileProblem {
    /// The model.
    pub model_id: ModelId,
    /// The file's name within it.
    pub file_name: RelativePath,
    /// What is wrong.
    pub kind: FileProblemKind,
    /// The same for a person.
    pub message: String,
}

/// What can be wrong with a stored file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileProblemKind {
    /// It is not there.
    Missing,
    /// Its content is not what its SHA-256 says.
    Damaged,
    /// It can't be read.
    Unreadable,
}

/// A model as it stands in the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogModel {
    /// The entry.
    pub entry: ModelEntry,
    /// Revision of the catalog at which it last changed.
    pub revision: u64,
}

impl CatalogModel {
    /// Whether the model can be used and has these files, by content; what the only file is called does not
    /// matter.
    #[must_use]
    pub fn has_files(&self, files: &[ModelFile]) -> bool {
        let own = &self.entry.files[..];
        if let ([own], [other]) = (own, files) {
            return own.sha256 == other.sha256;
        }
        own == files
    }
}
