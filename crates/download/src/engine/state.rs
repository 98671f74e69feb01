//! What a part knows of itself: the file beside it that makes it resumable.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ranges::RangeSet;

/// The format's version; a part of another is begun anew.
const VERSION: u32 = 1;

/// Longest state that is read, in bytes. Ours have at most a few hundred ranges.
const LONGEST_STATE_BYTES: u64 = 1 << 20;

/// The resume state of a part, as JSON in `<name>.part.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartState {
    version: u32,
    /// Which file it is, in the caller's words.
    pub(super) key: String,
    /// Length of the whole file in bytes, as far as known.
    pub(super) size_bytes: Option<u64>,
    /// The digest that it is to have.
    pub(super) digest: Option<String>,
    /// The server's `ETag`, for `If-Range` alone.
    pub(super) validator: Option<String>,
    /// Ranges that are on the disk: begin, and end exclusive.
    done: Vec<(u64, u64)>,
}

impl PartState {
    pub(super) fn new(key: &str, digest: Option<String>) -> Self {
        Self {
            version: VERSION,
            key: key.to_owned(),
            size_bytes: None,
            digest,
            validator: None,
            done: Vec::new(),
        }
    }

    pub(super) fn with_done(mut self, done: &RangeSet) -> Self {
        self.done = done.pairs();
        self
    }

    /// The ranges, if they are consistent with a part file of this length.
    pub(super) fn done(&self, file_bytes: u64) -> Option<RangeSet> {
        let done = RangeSet::from_pairs(&self.done)?;
        let most = self.size_bytes.unwrap_or(u64::MAX).min(file_bytes);
        (done.end() <= most).then_some(done)
    }

    /// Whether what is there can be used for this file.
    pub(super) fn is_for(&self, key: &str, digest: Option<&str>, size_bytes: Option<u64>) -> bool {
        let same_size = match (self.size_bytes, size_bytes) {
            (Some(had), Some(wanted)) => had == wanted,
            _ => true,
        };
        self.version == VERSION && self.key == key && self.digest.as_deref() == digest && same_size
    }

    /// The state at `path`; `None` if there is none or it cannot be understood, and the part is void.
    pub(super) fn load(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(about) if about.len() > LONGEST_STATE_BYTES => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(serde_json::from_slice(&fs::read(path)?).ok())
    }

    /// Replaces the state at `path`: old or new is there whenever the power fails, never half of it.
    pub(super) fn save(&self, path: &Path, scratch: &Path) -> io::Result<()> {
        let written = self.write(scratch).and_then(|()| fs::rename(scratch, path));
        if written.is_err() {
            // On a full disk, half of it would only be in the way.
            let _ = fs::remove_file(scratch);
        }
        written
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was_and_only_for_its_own_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, scratch) = (folder.path().join("s"), folder.path().join("t"));
        assert_eq!(PartState::load(&path).unwrap(), None);
        let done = RangeSet::from_pairs(&[(0, 5), (7, 9)]).unwrap();
        let state = PartState {
            size_bytes: Some(9),
            validator: Some("\"v\"".to_owned()),
            ..PartState::new("key", Some("sha256:00".to_owned()))
        }
        .with_done(&done);
        state.save(&path, &scratch).unwrap();
        assert_eq!(PartState::load(&path).unwrap(), Some(state.clone()));
        assert!(!scratch.exists());
        assert_eq!(state.done(9), Some(done));
        assert_eq!(state.done(8), None, "the file is shorter than it claims");
        assert!(state.is_for("key", Some("sha256:00"), Some(9)));
        assert!(state.is_for("key", Some("sha256:00"), None));
        assert!(!state.is_for("other", Some("sha256:00"), Some(9)));
        assert!(!state.is_for("key", Some("sha256:01"), Some(9)));
        assert!(!state.is_for("key", None, Some(9)));
        assert!(!state.is_for("key", Some("sha256:00"), Some(8)));
        for damage in ["", "{", "{\"version\":2}", "[]", "\0\0"] {
            fs::write(&path, damage).unwrap();
            assert_eq!(PartState::load(&path).unwrap(), None, "{damage:?}");
        }
        let backwards = PartState {
            done: vec![(5, 3)],
            ..state
        };
        assert_eq!(backwards.done(100), None);
    }
}
