//! Entries on disk: [`FilesystemCatalog`] keeps one collection of documents and an index of it in memory.

mod entry;
mod filesystem;
mod index;
mod opening;

pub use entry::{CatalogEntry, Recorded};
pub use filesystem::{
    CatalogLimits, CreateError, Created, DeleteError, FilesystemCatalog, OpenError, UpdateError, WriteError,
};
pub use index::{Change, Page, Watch};
