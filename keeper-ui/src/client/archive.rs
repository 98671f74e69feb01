//! The folder of conversations, one file each. A file is replaced whole, so that what is there is whole whatever happens.

use std::io;
use std::path::PathBuf;

use fs_err as fs;

use crate::model::chat::{Conversation, ConversationId, MAXIMUM_CONVERSATIONS, to_json};

/// A file larger than this is not read: no conversation that this window wrote is.
const LARGEST_FILE_BYTES: u64 = 256 << 20;

/// The folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive(PathBuf);

impl Archive {
    /// The archive in a folder, which need not be there yet.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// All conversations that can be read. What can't is left where it is, and told in the log without its words.
    #[must_use]
    pub fn read(&self) -> Vec<Conversation> {
        let Ok(entries) = std::fs::read_dir(&self.0) else {
            return Vec::new();
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        files
            .take(MAXIMUM_CONVERSATIONS)
            .filter_map(|path| {
                let size = std::fs::metadata(&path)
                    .map(|file| file.len())
                    .unwrap_or(u64::MAX);
                let bytes = (size <= LARGEST_FILE_BYTES)
                    .then(|| fs::read(&path).ok())
                    .flatten();
                let conversation =
                    bytes.and_then(|bytes| serde_json::from_slice::<Conversation>(&bytes).ok());
                // The name is where it is written next; a file under another name would come twice.
                let right =
                    conversation.filter(|it| path.file_stem().is_some_and(|stem| stem == it.id.as_str()));
                if right.is_none() {
                    tracing::warn!(path = %path.display(), "left a file alone that is no conversation");
                }
                right
            })
            .collect()
    }

    /// Writes a conversation.
    ///
    /// # Errors
    /// If it can't be written; what was there before is then still there.
    pub fn keep(&self, conversation: &Conversation) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let new = self.0.join(format!("{}.new", conversation.id.as_str()));
        fs::write(&new, to_json(conversation))?;
        fs::rename(new, self.path(&conversation.id))
    }

    /// Removes a conversation; one that is not there is none to remove.
    ///
    /// # Errors
    /// If it can't be removed.
    pub fn remove(&self, id: &ConversationId) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, id: &ConversationId) -> PathBuf {
        self.0.join(format!("{}.json", id.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn conversation(id: &str) -> Conversation {
        let id = ConversationId::new(id).unwrap();
        let mut conversation = Conversation::new(id, "local:tiny", Timestamp::UNIX_EPOCH);
        conversation
            .transcript
            .ask("Why?", Timestamp::UNIX_EPOCH)
            .unwrap();
        conversation
    }

    #[test]
    fn what_is_kept_is_read_and_what_is_removed_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::at(folder.path().join("conversations"));
        assert!(archive.read().is_empty());
        archive.keep(&conversation("a")).unwrap();
        archive.keep(&conversation("b")).unwrap();
        archive.keep(&conversation("b")).unwrap();
        let mut read = archive.read();
        read.sort_by(|one, other| one.id.cmp(&other.id));
        assert_eq!(read, [conversation("a"), conversation("b")]);
        archive.remove(&conversation("a").id).unwrap();
        archive.remove(&conversation("a").id).unwrap();
        assert_eq!(archive.read(), [conversation("b")]);
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::at(folder.path().to_owned());
        archive.keep(&conversation("a")).unwrap();
        std::fs::write(folder.path().join("broken.json"), "{").unwrap();
        std::fs::copy(folder.path().join("a.json"), folder.path().join("copy.json")).unwrap();
        std::fs::write(folder.path().join("a.new"), "half").unwrap();
        assert_eq!(archive.read(), [conversation("a")]);
        assert!(folder.path().join("broken.json").exists());
    }
}
