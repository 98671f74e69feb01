//! Reading a part of a blob: from an offset on, or a little at a time.

use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use object_store::{GetOptions, GetRange, ObjectStoreExt as _};
use rbee_artifacts::Sha256;
use tokio::runtime::Handle;

use crate::error::StoreError;
use crate::keys::blob_key;
use crate::store::{Store, absent_is_none, object_path};

/// What is asked for first, in bytes; a header mostly fits.
const FIRST_BYTES: u64 = 256 << 10;

/// The most that is asked for at once, in bytes.
const MOST_BYTES: u64 = 4 << 20;

impl Store {
    /// The bytes of a blob from an offset on, piece by piece; `None` if it is not there.
    pub(crate) async fn read_blob_from(
        &self,
        sha256: &Sha256,
        offset: u64,
    ) -> Result<Option<impl Stream<Item = Result<Bytes, StoreError>> + Send + use<>>, StoreError> {
        let key = blob_key(sha256);
        let options = GetOptions {
            range: (offset > 0).then_some(GetRange::Offset(offset)),
            ..GetOptions::default()
        };
        let found = absent_is_none(self.objects().get_opts(&object_path(&key), options).await);
        let found = found.map_err(StoreError::object("reading", &key))?;
        Ok(found.map(|object| {
            object
                .into_stream()
                .map(move |piece| piece.map_err(StoreError::object("reading", &key)))
        }))
    }

    /// A blob's bytes for one who reads a little from its beginning, such as its header: no more is asked of the store
    /// than is read, but for one piece. Each piece may take as long as `patience`.
    ///
    /// To be made within a runtime, and to be read on a thread that may block.
    #[must_use]
    pub fn blob_reader(&self, sha256: Sha256, size_bytes: u64, patience: Duration) -> BlobReader {
        BlobReader {
            store: self.clone(),
            sha256,
            size_bytes,
            patience,
            offset: 0,
            next_bytes: FIRST_BYTES,
            piece: Bytes::new(),
            runtime: Handle::current(),
        }
    }
}

/// See [`Store::blob_reader`].
#[derive(Debug)]
pub struct BlobReader {
    store: Store,
    sha256: Sha256,
    size_bytes: u64,
    patience: Duration,
    offset: u64,
    next_bytes: u64,
    piece: Bytes,
    runtime: Handle,
}

impl BlobReader {
    fn fetch(&mut self) -> io::Result<()> {
        let end = self.size_bytes.min(self.offset.saturating_add(self.next_bytes));
        if end <= self.offset {
            return Ok(());
        }
        let key = object_path(&blob_key(&self.sha256));
        let asked = self.store.objects().get_range(&key, self.offset..end);
        let piece = self
            .runtime
            .block_on(async { tokio::time::timeout(self.patience, asked).await });
        self.piece = piece
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the store does not answer"))?
            .map_err(io::Error::other)?;
        if self.piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += self.piece.len() as u64;
        self.next_bytes = (self.next_bytes * 2).min(MOST_BYTES);
        Ok(())
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && !buffer.is_empty() {
            self.fetch()?;
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
