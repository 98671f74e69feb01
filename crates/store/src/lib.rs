//! The artifact store: content-addressed blobs and atomically committed documents.
//!
//! ```text
//! <store>/
//!   blobs/sha256/ab/abcdef…            bytes, named by their SHA-256, never changed
//!   models/<key>/metadata.json         documents: one per artifact, replaced as a whole
//!   worker-binaries/<key>/metadata.json
//!   staging/<session>/                 what is not finished; nobody reads it
//! ```
//!
//! **Invariants.** A blob that is there is whole and has the digest it is named by; a document that is
//! there is one that was written as a whole. Both hold when the process is killed at any instant and,
//! as far as the disk keeps its word, when the power fails: everything is written under `staging/`,
//! synced, renamed into place, and the folder synced, before a call returns. What a killed process
//! leaves under `staging/` is removed when the store is opened next; a session that is alive holds a
//! lock, so several processes can share a store.
//!
//! Writing is a matter of who: the catalog alone writes documents, the provisioner alone writes blobs,
//! hives read blobs. The store does not enforce that; it is only safe when they keep to it, because
//! two writers of one document overwrite each other.
//!
//! Stores on a file system are what there is; everything but writing already goes through
//! `object_store`, which is where other kinds of store come in.

mod error;
mod files;
mod ingest;
mod location;
mod staging;
mod store;

pub use error::{PutFileError, StoreError};
pub use ingest::{Ingest, StoredBlob};
pub use store::Store;
