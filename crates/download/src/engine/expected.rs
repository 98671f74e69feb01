//! What is known of a file before its first byte comes.

use std::fmt;

/// What the file is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Length in bytes. An answer that says another is refused.
    pub size_bytes: Option<u64>,
    /// Without one, nothing but the length tells a right file from a wrong one.
    pub digest: Option<Digest>,
    /// Whether the file itself is text (JSON, HTML, …). If not, an answer that is one is an error's page.
    pub text: bool,
}

/// A digest that a hub tells of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// Of the content.
    Sha256([u8; 32]),
    /// Git's name of the file: SHA-1 over `blob N\0` and the content.
    GitBlobSha1([u8; 20]),
}

impl Digest {
    /// A SHA-256 from 64 hexadecimal digits in either case.
    #[must_use]
    pub fn sha256(digits: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self::Sha256(bytes))
    }

    /// A git blob's SHA-1 from 40 hexadecimal digits in either case.
    #[must_use]
    pub fn git_blob_sha1(digits: &str) -> Option<Self> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self::GitBlobSha1(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(bytes) => write!(f, "sha256:{}", hex::encode(bytes)),
            Self::GitBlobSha1(bytes) => write!(f, "git-blob-sha1:{}", hex::encode(bytes)),
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
