//! The names of objects in a store: paths from its root, with `/` between the parts.

use rbee_artifacts::Sha256;

use crate::error::StoreError;

/// What all blobs' keys begin with.
pub(crate) const BLOBS: &str = "blobs/sha256";

/// The name of a document's file in its folder.
pub(crate) const DOCUMENT_NAME: &str = "metadata.json";

const NOTE_SUFFIX: &str = ".in-place";

/// Where a blob lies.
pub(crate) fn blob_key(sha256: &Sha256) -> String {
    let digest = sha256.to_string();
    format!("{BLOBS}/{}/{digest}", &digest[..2])
}

/// Where it is noted how a blob's file looked that is used in place.
pub(crate) fn in_place_note_key(sha256: &Sha256) -> String {
    blob_key(sha256) + NOTE_SUFFIX
}

/// The blob of a file of this name below [`BLOBS`]; `None` for any other file.
pub(crate) fn blob_of_name(name: &str) -> Option<Sha256> {
    let sha256: Sha256 = name.parse().ok()?;
    (sha256.to_string() == name).then_some(sha256)
}

/// Where a document lies.
pub(crate) fn document_key(collection: &str, key: &str) -> Result<String, StoreError> {
    expect_key(collection)?;
    expect_key(key)?;
    Ok(format!("{collection}/{key}/{DOCUMENT_NAME}"))
}

pub(crate) fn expect_key(key: &str) -> Result<(), StoreError> {
    if is_key(key) {
        Ok(())
    } else {
        Err(StoreError::Key { key: key.to_owned() })
    }
}

/// One safe part of a path, the same on file systems that ignore case: at most 200 bytes out of a-z, 0-9,
/// "-", "_" and ".", beginning with a letter or a digit.
pub(crate) fn is_key(key: &str) -> bool {
    let bytes = key.as_bytes();
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.len() <= 200
        && bytes.first().is_some_and(|&first| is_plain(first))
        && bytes
            .iter()
            .all(|&byte| is_plain(byte) || matches!(byte, b'-' | b'_' | b'.'))
}
