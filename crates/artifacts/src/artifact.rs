//! What models and worker binaries have in common.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ids::WorkerBinaryId;
use crate::model::ModelEntry;
use crate::model_id::ModelId;
use crate::sha256::Sha256;
use crate::worker::WorkerBinary;

/// The id of an artifact: text that can be read back, and a name in the store.
pub trait ArtifactId:
    fmt::Display + fmt::Debug + FromStr + Clone + Eq + Ord + Hash + Send + Sync + 'static
{
    /// The name of the artifact's folder in its collection: one safe part of a path, distinct for
    /// distinct ids also where the file system ignores case.
    fn storage_key(&self) -> String;
}

/// Something that the catalog describes and whose bytes the store holds.
///
/// The description is a document (see [`crate::document`]) at `<COLLECTION>/<storage key>`; the bytes
/// are blobs, named by their digests.
pub trait Artifact: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// How it is named.
    type Id: ArtifactId;
    /// The collection of documents that describe artifacts of this kind.
    const COLLECTION: &'static str;
    /// The version of the document's layout; counts up when an older program could not read it.
    const SCHEMA_VERSION: u32;

    /// Its id.
    fn id(&self) -> &Self::Id;

    /// The blobs that must stay in the store as long as the artifact does.
    fn blobs(&self) -> impl Iterator<Item = &Sha256>;
}

impl ArtifactId for ModelId {
    fn storage_key(&self) -> String {
        Self::storage_key(self)
    }
}

impl Artifact for ModelEntry {
    type Id = ModelId;
    const COLLECTION: &'static str = "models";
    const SCHEMA_VERSION: u32 = 1;

    fn id(&self) -> &ModelId {
        &self.id
    }

    fn blobs(&self) -> impl Iterator<Item = &Sha256> {
        self.files.iter().map(|file| &file.sha256)
    }
}

impl ArtifactId for WorkerBinaryId {
    fn storage_key(&self) -> String {
        // An id is lower-case and a safe part of a path already.
        self.to_string()
    }
}

impl Artifact for WorkerBinary {
    type Id = WorkerBinaryId;
    const COLLECTION: &'static str = "worker-binaries";
    const SCHEMA_VERSION: u32 = 1;

    fn id(&self) -> &WorkerBinaryId {
        &self.id
    }

    fn blobs(&self) -> impl Iterator<Item = &Sha256> {
        std::iter::once(&self.sha256)
    }
}
