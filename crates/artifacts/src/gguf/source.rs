//! The bytes of a header, counted: nothing is read or allocated that the file cannot hold.

use std::fmt;
use std::io::{BufReader, Read};

use super::error::GgufError;

/// The longest header that is read. The largest published ones (vocabularies of 260 000 tokens with
/// their merges) take about 20 MiB; a header that claims more is an attack on our memory.
const MAX_HEADER_BYTES: u64 = 64 << 20;

/// The longest single string. Chat templates, the longest strings in use, stay below 100 KB.
const MAX_STRING_BYTES: u64 = 16 << 20;

/// What is being read, for error messages; formatted only when something goes wrong.
#[derive(Clone, Copy)]
pub(super) enum Field<'a> {
    Magic,
    Version,
    TensorCount,
    MetadataCount,
    /// The key of the metadata entry at this place, counted from 1.
    Key(u64),
    /// The value of this key.
    Value(&'a str),
    /// The name of the tensor at this place, counted from 1.
    TensorName(u64),
    /// The info of this tensor.
    Tensor(&'a str),
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => write!(f, "magic"),
            Self::Version => write!(f, "version"),
            Self::TensorCount => write!(f, "tensor count"),
            Self::MetadataCount => write!(f, "metadata count"),
            Self::Key(place) => write!(f, "the key of metadata entry {place}"),
            Self::Value(key) => write!(f, "{key}"),
            Self::TensorName(place) => write!(f, "tensor name {place}"),
            Self::Tensor(name) => write!(f, "tensor {name}"),
        }
    }
}

impl From<Field<'_>> for String {
    fn from(field: Field<'_>) -> Self {
        field.to_string()
    }
}

/// A reader that knows its position and how much the file can still hold.
pub(super) struct Source<R> {
    inner: BufReader<R>,
    position: u64,
    file_size_bytes: u64,
    scratch: Vec<u8>,
}

impl<R: Read> Source<R> {
    pub(super) fn new(reader: R, file_size_bytes: u64) -> Self {
        Self {
            inner: BufReader::new(reader),
            position: 0,
            file_size_bytes,
            scratch: Vec::new(),
        }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that the file still has.
    pub(super) fn left_bytes(&self) -> u64 {
        self.file_size_bytes.saturating_sub(self.position)
    }

    /// Fails unless `count` items of at least `item_bytes` each fit into what is left of the file and
    /// of the header's limit. Call it before believing a count.
    pub(super) fn expect_room(&self, count: u64, item_bytes: u64, field: Field<'_>) -> Result<(), GgufError> {
        let left_bytes = self.left_bytes();
        let needed_bytes = count.checked_mul(item_bytes).ok_or_else(|| {
            GgufError::invalid(
                field,
                format!("says {count}, which is more than any file can hold"),
            )
        })?;
        if needed_bytes > left_bytes {
            return Err(GgufError::Truncated {
                field: field.to_string(),
                needed_bytes,
                left_bytes,
            });
        }
        if self.position.saturating_add(needed_bytes) > MAX_HEADER_BYTES {
            return Err(GgufError::invalid(
                field,
                format!("would make the header longer than {} MiB", MAX_HEADER_BYTES >> 20),
            ));
        }
        Ok(())
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, field: Field<'_>) -> Result<[u8; N], GgufError> {
        self.expect_room(N as u64, 1, field)?;
        let mut bytes = [0; N];
        self.inner
            .read_exact(&mut bytes)
            .map_err(|source| GgufError::Read {
                field: field.to_string(),
                source,
            })?;
        self.position += N as u64;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, field: Field<'_>) -> Result<u32, GgufError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: Field<'_>) -> Result<u64, GgufError> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// A string: its length in 8 bytes, then UTF-8. Borrowed until the next read.
    pub(super) fn str(&mut self, field: Field<'_>) -> Result<&str, GgufError> {
        self.str_of_at_most(MAX_STRING_BYTES, field)
    }

    /// A string no longer than `max_bytes`.
    pub(super) fn str_of_at_most(&mut self, max_bytes: u64, field: Field<'_>) -> Result<&str, GgufError> {
        let length_bytes = self.u64(field)?;
        self.expect_room(length_bytes, 1, field)?;
        if length_bytes > max_bytes {
            return Err(GgufError::invalid(
                field,
                format!("is a string of {length_bytes} bytes; at most {max_bytes} are allowed"),
            ));
        }
        self.scratch.clear();
        // `take` and not a buffer of the claimed size: memory then follows what the file really has.
        let read = (&mut self.inner)
            .take(length_bytes)
            .read_to_end(&mut self.scratch)
            .map_err(|source| GgufError::Read {
                field: field.to_string(),
                source,
            })?;
        self.position += read as u64;
        if read as u64 != length_bytes {
            return Err(GgufError::Truncated {
                field: field.to_string(),
                needed_bytes: length_bytes,
                left_bytes: read as u64,
            });
        }
        std::str::from_utf8(&self.scratch).map_err(|_| GgufError::invalid(field, "is not valid UTF-8"))
    }
}
