//! What a job brings in.

use rbee_artifacts::{ModelEntry, WorkerBinary};

use super::job::Job;

/// A job of this provisioner.
pub type ImportJob = Job<Imported>;

/// An artifact as it stands in the catalog.
#[derive(Debug, Clone, PartialEq)]
pub enum Imported {
    /// A model.
    Model(Box<CatalogModel>),
    /// A worker program.
    WorkerBinary(Box<WorkerBinary>),
}

/// A model as it stands in the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogModel {
    /// The entry.
    pub entry: ModelEntry,
    /// Revision of the catalog at which it last changed.
    pub revision: u64,
}

impl CatalogModel {
    /// Whether the model is this one file, by content; what the file is called does not matter.
    #[must_use]
    pub fn is_file(&self, sha256: &rbee_artifacts::Sha256) -> bool {
        matches!(&self.entry.files[..], [file] if file.sha256 == *sha256)
    }
}
