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
//! A store is a folder (`file://`), which hives on that host use in place, or a bucket of an S3-compatible
//! server (`s3://`, the feature `s3`), which a cluster shares. Reading is `object_store`'s either way; only
//! writing differs. In a bucket nothing has to be staged: an object is there as a whole or not at all, and
//! a blob is completed only when its digest was found to be right. A host that needs such blobs as files fetches
//! them into a [`BlobCache`] of its own.

mod blob;
mod blocking;
mod cache;
mod disk;
mod error;
mod files;
mod in_place;
mod ingest;
mod inspect;
mod keys;
mod location;
mod read;
#[cfg(feature = "s3")]
mod s3;
mod source;
mod staging;
mod store;
mod upload;

pub use blob::{BlobCheck, BlobInfo, BlobState, StoredBlob};
pub use cache::{BlobCache, CacheOptions, CacheUse, CachedBlob, FetchError, Found, OpenCacheError};
pub use disk::{Faults, Step};
pub use error::{PutFileError, StoreError};
pub use in_place::InPlaceChange;
pub use ingest::Ingest;
pub use read::BlobReader;
#[cfg(feature = "s3")]
pub use s3::S3Options;
pub use store::{Store, StoreOptions};
