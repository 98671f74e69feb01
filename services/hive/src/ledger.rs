//! The ledger's file.
//!
//! One JSON document, replaced whole: written beside, synced, renamed, and its folder synced. A hive that is killed
//! at any moment leaves the old ledger or the new one.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rbee_service_kit::narrate_error;
use serde::{Deserialize, Serialize};

use crate::domain::Ledger;

/// The format that is written.
const FORMAT: u32 = 1;

/// Why the ledger can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It can't be read or written.
    #[error("cannot use the ledger {}", path.display())]
    Use {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A newer hive wrote it.
    #[error(
        "the ledger {} was written by a newer rbee (format {format}); use that version, or move the file away to begin anew",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    #[serde(flatten)]
    ledger: &'a Ledger,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// The file that holds the ledger.
#[derive(Debug, Clone)]
pub(crate) struct LedgerFile {
    path: PathBuf,
}

impl LedgerFile {
    /// Opens the ledger in a folder; an empty one if there is none. A damaged one is moved aside and told of.
    ///
    /// # Errors
    /// If it can't be read, or a newer hive wrote it.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Ledger), LedgerError> {
        let file = Self {
            path: folder.join("ledger.json"),
        };
        let text = match std::fs::read(&file.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((file, Ledger::default())),
            Err(source) => return Err(file.unusable(source)),
        };
        if let Ok(Format { format }) = serde_json::from_slice(&text)
            && format > FORMAT
        {
            return Err(LedgerError::Newer {
                path: file.path,
                format,
            });
        }
        match serde_json::from_slice(&text) {
            Ok(ledger) => Ok((file, ledger)),
            Err(error) => {
                let aside = file.path.with_extension("damaged.json");
                std::fs::rename(&file.path, &aside).map_err(|source| file.unusable(source))?;
                narrate_error!(
                    "the ledger is damaged ({error}) and was moved to {}; workers that ran before are not started again",
                    aside.display()
                );
                Ok((file, Ledger::default()))
            }
        }
    }

    /// Replaces the ledger. Blocks until it is on the disk.
    ///
    /// # Errors
    /// If it can't be written; then the old one is there.
    pub(crate) fn write(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        self.replace(ledger).map_err(|source| self.unusable(source))
    }

    fn replace(&self, ledger: &Ledger) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let text = serde_json::to_vec_pretty(&Written {
            format: FORMAT,
            ledger,
        })?;
        // Gone again unless it is kept at the end. Its mode is 0600.
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(&text)?;
        new.as_file().sync_all()?;
        new.persist(&self.path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }

    fn unusable(&self, source: io::Error) -> LedgerError {
        LedgerError::Use {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (file, empty) = LedgerFile::open(folder.path()).unwrap();
        assert_eq!(empty, Ledger::default());
        let ledger = Ledger {
            generation: 7,
            draining: true,
            workers: Vec::new(),
        };
        file.write(&ledger).unwrap();
        assert_eq!(LedgerFile::open(folder.path()).unwrap().1, ledger);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing else is left"
        );
    }

    #[test]
    fn a_damaged_one_is_moved_aside_and_a_newer_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        std::fs::write(&path, r#"{"format": 1, "generation": "#).unwrap();
        assert_eq!(LedgerFile::open(folder.path()).unwrap().1, Ledger::default());
        assert!(folder.path().join("ledger.damaged.json").exists() && !path.exists());

        std::fs::write(&path, r#"{"format": 2, "anything": true}"#).unwrap();
        let error = LedgerFile::open(folder.path()).unwrap_err();
        assert!(matches!(error, LedgerError::Newer { format: 2, .. }), "{error:?}");
        assert!(path.exists());
    }
}
