//! What the catalog asks of the things it keeps, and how it records them.

use std::fmt;

use jiff::Timestamp;
use rbee_artifacts::{Artifact, ModelEntry, ModelFile, ModelStatus, Sha256, WorkerBinary};
use serde::{Deserialize, Serialize};

/// An artifact's description that the catalog can keep.
pub trait CatalogEntry: Artifact + fmt::Debug {
    /// What to call one: `model`.
    const NOUN: &'static str;

    /// When it was created.
    fn added_at(&self) -> Timestamp;

    /// The same, created at another time.
    #[must_use]
    fn with_added_at(self, added_at: Timestamp) -> Self;

    /// Whether creating `other` would change nothing. Both have the same id.
    fn says_the_same(&self, other: &Self) -> bool;

    /// The blobs that must be in the store, each with its size in bytes and the field that names it.
    fn claimed_blobs(&self) -> Vec<(Sha256, u64, String)>;
}

impl CatalogEntry for ModelEntry {
    const NOUN: &'static str = "model";

    fn added_at(&self) -> Timestamp {
        self.added_at
    }

    fn with_added_at(self, added_at: Timestamp) -> Self {
        Self { added_at, ..self }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        *self == other.clone().with_added_at(self.added_at)
    }

    fn claimed_blobs(&self) -> Vec<(Sha256, u64, String)> {
        // A model that can't be used claims nothing: that a file of it is lost may be the very reason.
        if self.status != ModelStatus::Available {
            return Vec::new();
        }
        let claim = |(index, file): (usize, &ModelFile)| {
            (
                file.sha256,
                file.size_bytes,
                format!("model.files[{index}].sha256"),
            )
        };
        self.files.iter().enumerate().map(claim).collect()
    }
}

impl CatalogEntry for WorkerBinary {
    const NOUN: &'static str = "worker binary";

    fn added_at(&self) -> Timestamp {
        self.added_at
    }

    fn with_added_at(self, added_at: Timestamp) -> Self {
        Self { added_at, ..self }
    }

    fn says_the_same(&self, _other: &Self) -> bool {
        // The id is derived from everything but the time and the words about its origin.
        true
    }

    fn claimed_blobs(&self) -> Vec<(Sha256, u64, String)> {
        vec![(self.sha256, self.size_bytes, "worker_binary.sha256".to_owned())]
    }
}

/// An entry as it is recorded: with the revision at which it last changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recorded<T> {
    /// Revision of the catalog at which the entry last changed.
    #[serde(default, rename = "revision")]
    pub revision: u64,
    /// The entry.
    #[serde(flatten)]
    pub entry: T,
}

impl<T: Artifact> Artifact for Recorded<T> {
    type Id = T::Id;
    const COLLECTION: &'static str = T::COLLECTION;
    const SCHEMA_VERSION: u32 = T::SCHEMA_VERSION;

    fn id(&self) -> &T::Id {
        self.entry.id()
    }

    fn blobs(&self) -> impl Iterator<Item = &Sha256> {
        self.entry.blobs()
    }
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::{ModelStatus, ModelType, document};

    use super::*;

    #[test]
    fn a_recorded_entry_is_a_document_that_anybody_can_read() {
        let entry = ModelEntry {
            id: "local:qwen".parse().unwrap(),
            name: "qwen".into(),
            size_bytes: u64::MAX,
            status: ModelStatus::Downloading,
            added_at: "2026-11-23T06:30:00.000000001Z".parse().unwrap(),
            model_type: ModelType::Llm {
                architecture: "qwen2".into(),
            },
            quantization: None,
            context_length: Some(4096),
            parameter_count: None,
            metadata: Default::default(),
            files: vec![],
        };
        let json = document::encode(&Recorded {
            revision: u64::MAX,
            entry: entry.clone(),
        });
        let recorded: Recorded<ModelEntry> = document::decode(&json).unwrap();
        assert_eq!((recorded.revision, &recorded.entry), (u64::MAX, &entry));
        assert_eq!(document::decode::<ModelEntry>(&json).unwrap(), entry);
        // One that was written without a revision is as old as can be.
        let recorded: Recorded<ModelEntry> = document::decode(&document::encode(&entry)).unwrap();
        assert_eq!(recorded.revision, 0);
    }
}
