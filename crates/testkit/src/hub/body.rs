//! What a file holds: bytes of the test's own, or a pattern of any length that costs a mebibyte.

use std::sync::OnceLock;

use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::random::Random;

/// Length of the block that a pattern repeats: a prime just above 2^20, so that no chunk size that is a
/// power of two lines up with it. A part written at a wrong offset is then a wrong file, not a lucky one.
const PATTERN_PERIOD: usize = 1_048_583;

/// Largest slice handed out at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// The content of a file on a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileBody {
    /// These bytes.
    Bytes(Bytes),
    /// Bytes made from a seed: the same for the same seed, different for another, without period below
    /// a mebibyte. Costs one mebibyte of memory, however long.
    Pattern {
        /// Length in bytes.
        len: u64,
        /// What tells this pattern from another.
        seed: u64,
    },
}

impl FileBody {
    /// These bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// A pattern of `len` bytes.
    #[must_use]
    pub fn pattern(len: u64, seed: u64) -> Self {
        Self::Pattern { len, seed }
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pattern { len, .. } => *len,
        }
    }

    /// Whether there is no byte in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// SHA-256 in lower-case hexadecimal, computed as a stream.
    #[must_use]
    pub fn sha256(&self) -> String {
        Content::new(self.clone()).sha256().to_owned()
    }

    /// All of it, for tests to compare small files with.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        Content::new(self.clone()).to_vec()
    }
}

/// Git's name for a file: the SHA-1 over `blob N\0` and the content, in lower-case hexadecimal.
#[must_use]
pub fn git_blob_sha1(content: &[u8]) -> String {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", content.len()));
    hasher.update(content);
    hex::encode(hasher.finalize())
}

/// A [`FileBody`] ready to be served: slices without copying, and hashes computed once.
#[derive(Debug)]
pub(crate) struct Content {
    len: u64,
    /// All bytes, or the one period that repeats.
    block: Bytes,
    sha256: OnceLock<String>,
    git_sha1: OnceLock<String>,
}

impl Content {
    pub(crate) fn new(body: FileBody) -> Self {
        let (len, block) = match body {
            FileBody::Bytes(bytes) => (bytes.len() as u64, bytes),
            FileBody::Pattern { len, seed } => {
                let mut random = Random::new(seed);
                let period = PATTERN_PERIOD.min(usize::try_from(len).unwrap_or(usize::MAX));
                let mut block: Vec<u8> = (0..period.div_ceil(8))
                    .flat_map(|_| random.next().to_le_bytes())
                    .collect();
                block.truncate(period);
                (len, block.into())
            }
        };
        Self {
            len,
            block,
            sha256: OnceLock::new(),
            git_sha1: OnceLock::new(),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes from `offset`, at most `max` and at most a mebibyte; empty only at the end.
    pub(crate) fn chunk(&self, offset: u64, max: u64) -> Bytes {
        let left = self.len.saturating_sub(offset).min(max).min(CHUNK_BYTES);
        if left == 0 {
            return Bytes::new();
        }
        let at = (offset % self.block.len() as u64) as usize;
        self.block.slice(at..self.block.len().min(at + left as usize))
    }

    fn chunks(&self) -> impl Iterator<Item = Bytes> {
        let mut offset = 0;
        std::iter::from_fn(move || {
            let chunk = self.chunk(offset, u64::MAX);
            offset += chunk.len() as u64;
            (!chunk.is_empty()).then_some(chunk)
        })
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.chunks().flatten().collect()
    }

    pub(crate) fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| {
            let mut hasher = Sha256::new();
            self.chunks().for_each(|chunk| hasher.update(&chunk));
            hex::encode(hasher.finalize())
        })
    }

    pub(crate) fn git_sha1(&self) -> &str {
        self.git_sha1.get_or_init(|| {
            let mut hasher = Sha1::new();
            hasher.update(format!("blob {}\0", self.len));
            self.chunks().for_each(|chunk| hasher.update(&chunk));
            hex::encode(hasher.finalize())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_tools() {
        // `printf hello | sha256sum`, `printf hello | git hash-object --stdin`.
        let body = FileBody::bytes("hello");
        assert_eq!(
            body.sha256(),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert_eq!(
            git_blob_sha1(b"hello"),
            "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"
        );
        assert_eq!(Content::new(body).git_sha1(), git_blob_sha1(b"hello"));
        assert_eq!(git_blob_sha1(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    }

    #[test]
    fn a_pattern_is_one_sequence_however_it_is_cut() {
        let len = 3 * PATTERN_PERIOD as u64 + 17;
        let content = Content::new(FileBody::pattern(len, 3));
        let whole = content.to_vec();
        assert_eq!(whole.len() as u64, len);
        assert_eq!(hex::encode(Sha256::digest(&whole)), content.sha256());
        for offset in [0, 1, 1_048_582, 1_048_583, 1_048_584, 2 << 20, len - 1] {
            let chunk = content.chunk(offset, 5000);
            assert!(!chunk.is_empty());
            assert_eq!(chunk, whole[offset as usize..offset as usize + chunk.len()]);
        }
        assert!(content.chunk(len, 1).is_empty());
        assert_ne!(
            FileBody::pattern(64, 1).to_vec(),
            FileBody::pattern(64, 2).to_vec()
        );
        assert!(FileBody::pattern(0, 1).to_vec().is_empty());
    }

    #[test]
    fn a_piece_at_a_wrong_power_of_two_is_a_wrong_piece() {
        let content = Content::new(FileBody::pattern(1 << 34, 9));
        for shift in 12..34 {
            assert_ne!(
                content.chunk(0, 64),
                content.chunk(1 << shift, 64),
                "shifted by 2^{shift}"
            );
        }
    }
}
