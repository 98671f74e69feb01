//! Page tokens: where the next page of a list begins, opaque to clients.
//!
//! A token is the hexadecimal form of a checksum and a cursor. The checksum covers the list's name
//! (with its filters) too, so that a token of another list, of another filter, or none of ours at
//! all is refused instead of giving a page nobody asked for. It is no secret: a client that forges
//! one gets a page that it may read anyway. Tokens outlive a restart of the catalog.

use sha2::{Digest, Sha256};

const CHECKSUM_BYTES: usize = 8;
/// Twice the longest cursor and then some; anything longer isn't worth decoding.
const MAX_TOKEN_BYTES: usize = 4096;

/// The token is none that this list gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a token that this list gave; ask for the first page with an empty token")]
pub struct InvalidPageToken;

/// How many entries go on a page for the wanted number: 0 means 100, and 1000 is the most.
#[must_use]
pub fn page_size(wanted: u32) -> usize {
    match wanted {
        0 => 100,
        wanted => wanted.min(1000) as usize,
    }
}

/// The token for the page of `list` that begins after `cursor`.
#[must_use]
pub fn token_after(list: &str, cursor: &str) -> String {
    let mut bytes = checksum(list, cursor).to_vec();
    bytes.extend_from_slice(cursor.as_bytes());
    hex::encode(bytes)
}

/// The cursor in a token of `list`; `None` for the empty token of the first page.
///
/// # Errors
/// If the token is none that [`token_after`] gave for this list.
pub fn cursor(list: &str, token: &str) -> Result<Option<String>, InvalidPageToken> {
    if token.is_empty() {
        return Ok(None);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(InvalidPageToken);
    }
    let bytes = hex::decode(token).map_err(|_| InvalidPageToken)?;
    let (sum, cursor) = bytes.split_at_checked(CHECKSUM_BYTES).ok_or(InvalidPageToken)?;
    let cursor = std::str::from_utf8(cursor).map_err(|_| InvalidPageToken)?;
    if sum != checksum(list, cursor) {
        return Err(InvalidPageToken);
    }
    Ok(Some(cursor.to_owned()))
}

fn checksum(list: &str, cursor: &str) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    hash.update(b"rbee page token v1");
    // The length keeps ("ab", "c") apart from ("a", "bc").
    hash.update((list.len() as u64).to_le_bytes());
    hash.update(list);
    hash.update(cursor);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&hash.finalize()[..CHECKSUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_gives_its_cursor_back(list in ".{0,20}", id in ".{0,60}") {
            let token = token_after(&list, &id);
            prop_assert_eq!(cursor(&list, &token), Ok(Some(id)));
            prop_assert_eq!(cursor(&format!("{list}!"), &token), Err(InvalidPageToken));
        }

        #[test]
        fn what_we_did_not_give_is_refused(token in ".{1,80}") {
            prop_assert_eq!(cursor("models", &token), Err(InvalidPageToken));
        }
    }

    #[test]
    fn the_empty_token_is_the_first_page() {
        assert_eq!(cursor("models", ""), Ok(None));
        assert_eq!(cursor("models", &"0".repeat(5000)), Err(InvalidPageToken));
    }

    #[test]
    fn page_sizes_are_bounded() {
        assert_eq!(
            [page_size(0), page_size(1), page_size(1000), page_size(u32::MAX)],
            [100, 1, 1000, 1000]
        );
    }
}
