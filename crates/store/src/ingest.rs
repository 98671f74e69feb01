//! How a file becomes a blob of a store on a file system. Blocking.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use rbee_artifacts::Sha256;

use crate::blob::{BlobState, StoredBlob};
use crate::error::{PutFileError, StoreError};
use crate::files::Files;
use crate::in_place::{self, Note};
use crate::keys::{BLOBS, blob_key};
use crate::source::{Content, Source, unreadable};
use crate::staging::StagedFile;

/// How a file gets into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingest {
    /// The bytes are copied; the source stays and may change later.
    Copy,
    /// The file gets a second name in the store: no copy, no space. Whoever changes the source later in
    /// place damages the blob, so the source must be left as it is (replacing or deleting it is fine).
    HardLink,
    /// A hard link where that is possible, else a copy.
    HardLinkOrCopy,
    /// The source is gone afterwards; not before the blob is safe.
    Move,
    /// The file is used where it is: no copy, no space, and on any file system. It stays the user's own,
    /// and the store never removes it; when it is changed or removed, the blob is lost, which
    /// [`BlobState::Changed`] tells. Not possible in a store that is not on this host.
    InPlace,
}

/// One file on its way into the store.
pub(crate) struct Ingestion<'a, P> {
    pub(crate) files: &'a Files,
    pub(crate) source: Source<'a, P>,
    pub(crate) ingest: Ingest,
    pub(crate) expected: Option<Sha256>,
}

impl<P: FnMut(u64) -> ControlFlow<()>> Ingestion<'_, P> {
    pub(crate) fn run(mut self) -> Result<StoredBlob, PutFileError> {
        refuse_own_file(self.files, self.source.path)?;
        if self.ingest == Ingest::InPlace {
            return self.use_in_place();
        }
        let staged = self.files.stage()?;
        let linked = self.link(&staged)?;
        let content = if linked {
            self.hash(&staged)?
        } else {
            self.copy(&staged)?
        };
        self.expect_digest(&content)?;
        let existed = publish(self.files, staged.path(), &content.sha256, content.size_bytes)?;
        if self.ingest == Ingest::Move {
            self.remove_source(linked, &content.sha256)?;
        }
        Ok(stored(&content, existed))
    }

    /// Hashes the file and links to it.
    fn use_in_place(&mut self) -> Result<StoredBlob, PutFileError> {
        let (file, _) = self.source.open()?;
        // The link must go on to work wherever the process runs, and whatever other links become.
        let path = fs::canonicalize(self.source.path).map_err(unreadable(self.source.path))?;
        let content = self.source.read(&file, |_| Ok(()))?;
        self.expect_digest(&content)?;
        let usable = in_place::state(self.files, &content.sha256)?.size_bytes();
        let existed = usable == Some(content.size_bytes);
        if !existed {
            let note = Note::of(&content.metadata);
            in_place::publish(self.files, &path, &note, &content.sha256)?;
        }
        Ok(stored(&content, existed))
    }

    fn expect_digest(&self, content: &Content) -> Result<(), PutFileError> {
        match self.expected {
            Some(expected) if expected != content.sha256 => Err(PutFileError::DigestMismatch {
                path: self.source.path.to_owned(),
                expected,
                found: content.sha256,
            }),
            _ => Ok(()),
        }
    }

    /// Whether the source could be linked; then the staged path is the source's second name.
    fn link(&self, staged: &StagedFile) -> Result<bool, PutFileError> {
        if self.ingest == Ingest::Copy {
            return Ok(false);
        }
        // Links to links would name the link: only the file itself will do.
        let path = fs::canonicalize(self.source.path).map_err(unreadable(self.source.path))?;
        if !path.is_file() {
            return Err(PutFileError::NotAFile {
                path: self.source.path.to_owned(),
            });
        }
        match (self.files.disk().hard_link(&path, staged.path()), self.ingest) {
            (Ok(()), _) => Ok(true),
            (Err(source), Ingest::HardLink) => Err(PutFileError::HardLink {
                path: self.source.path.to_owned(),
                source,
            }),
            (Err(_), _) => Ok(false),
        }
    }

    /// Hashes a linked file, which stays where it is.
    fn hash(&mut self, staged: &StagedFile) -> Result<Content, PutFileError> {
        let file = File::open(staged.path()).map_err(unreadable(self.source.path))?;
        let content = self.source.read(&file, |_| Ok(()))?;
        // Its writer may have left it to the system when it reaches the disk.
        self.files
            .disk()
            .sync_file(&file, staged.path())
            .map_err(StoreError::file("syncing", self.source.path))?;
        Ok(content)
    }

    /// Hashes the bytes that are written, so that whatever the source does, the blob is what its name
    /// says.
    fn copy(&mut self, staged: &StagedFile) -> Result<Content, PutFileError> {
        let (source, metadata) = self.source.open()?;
        if let Some(available) = self
            .files
            .available_bytes()?
            .filter(|&available| available < metadata.len())
        {
            let needed_and_available = Some((metadata.len(), available));
            return Err(StoreError::NoSpace {
                path: self.source.path.to_owned(),
                needed_and_available,
            }
            .into());
        }
        let (disk, path) = (self.files.disk(), staged.path());
        let mut copy = disk
            .create_file(path)
            .map_err(StoreError::file("creating", path))?;
        let content = self.source.read(&source, |bytes| {
            disk.append(&mut copy, path, bytes)
                .map_err(|error| StoreError::file("writing", path)(error).into())
        })?;
        make_read_only(&copy).map_err(StoreError::file("protecting", path))?;
        disk.sync_file(&copy, path)
            .map_err(StoreError::file("writing", path))?;
        Ok(content)
    }

    /// The end of a move: the blob is safe, and the source's own name can go.
    fn remove_source(&self, linked: bool, sha256: &Sha256) -> Result<(), PutFileError> {
        remove_source(self.files, self.source.path)?;
        if linked {
            let blob = self.files.path(&blob_key(sha256));
            // Not possible where the file belongs to somebody else, and nothing depends on it.
            if let Err(error) = File::open(&blob).and_then(|file| make_read_only(&file)) {
                tracing::debug!(%error, blob = %blob.display(), "a moved blob stays writable");
            }
        }
        Ok(())
    }
}

/// Makes a file a blob whose digest the caller has just computed. `None` if it is on another file
/// system, and would have to be copied.
pub(crate) fn rename_into_store(
    files: &Files,
    path: &Path,
    sha256: &Sha256,
    size_bytes: u64,
) -> Result<Option<StoredBlob>, PutFileError> {
    refuse_own_file(files, path)?;
    // Its own name is to become the blob's: a link would put the link there.
    let metadata = fs::symlink_metadata(path).map_err(unreadable(path))?;
    expect_file_of_size(path, &metadata, size_bytes)?;
    let file = File::open(path).map_err(unreadable(path))?;
    make_read_only(&file).map_err(StoreError::file("protecting", path))?;
    files
        .disk()
        .sync_file(&file, path)
        .map_err(StoreError::file("syncing", path))?;
    let existed = match publish(files, path, sha256, size_bytes) {
        Err(PutFileError::Store(StoreError::File { source, .. }))
            if source.kind() == io::ErrorKind::CrossesDevices =>
        {
            return Ok(None);
        }
        published => published?,
    };
    if existed {
        remove_source(files, path)?;
    }
    Ok(Some(StoredBlob {
        sha256: *sha256,
        size_bytes,
        existed,
    }))
}

pub(crate) fn expect_file_of_size(
    path: &Path,
    metadata: &fs::Metadata,
    expected_bytes: u64,
) -> Result<(), PutFileError> {
    if !metadata.is_file() {
        return Err(PutFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    if metadata.len() != expected_bytes {
        return Err(PutFileError::SizeMismatch {
            path: path.to_owned(),
            expected_bytes,
            found_bytes: metadata.len(),
        });
    }
    Ok(())
}

/// Gives a finished file its name, unless the blob is there already; tells whether it is.
fn publish(files: &Files, finished: &Path, sha256: &Sha256, size_bytes: u64) -> Result<bool, PutFileError> {
    let state = in_place::state(files, sha256)?;
    // Another size is a blob that the disk damaged: the good one takes its place. So it takes that of a
    // user's file, which is only as good as its owner's care.
    if state == (BlobState::Stored { size_bytes }) {
        return Ok(true);
    }
    files.publish(finished, &blob_key(sha256))?;
    if matches!(state, BlobState::InPlace { .. } | BlobState::Changed { .. }) {
        in_place::remove_note(files, sha256)?;
    }
    Ok(false)
}

/// A blob moved or linked into its own place would be lost.
fn refuse_own_file(files: &Files, path: &Path) -> Result<(), PutFileError> {
    let path = fs::canonicalize(path).map_err(unreadable(path))?;
    if path.starts_with(files.path(BLOBS)) {
        return Err(PutFileError::IsBlob { path });
    }
    Ok(())
}

fn remove_source(files: &Files, path: &Path) -> Result<(), PutFileError> {
    Ok(files
        .disk()
        .remove_file(path)
        .map_err(StoreError::file("removing", path))?)
}

fn stored(content: &Content, existed: bool) -> StoredBlob {
    StoredBlob {
        sha256: content.sha256,
        size_bytes: content.size_bytes,
        existed,
    }
}

/// Nobody writes a blob again; this keeps hands and programs from doing so by mistake.
fn make_read_only(file: &File) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions)
}
