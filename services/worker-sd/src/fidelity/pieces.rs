//! Folders in diffusers' form, which the repository keeps as pieces of the single file with the same weights.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::TempDir;

use super::FidelityError;
use super::golden::json;

/// A model as it lies in the folder of golden data.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The folder in diffusers' form that was put together.
    rebuilt: Option<TempDir>,
}

/// `pieces.json`.
#[derive(Deserialize)]
struct Pieces {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    path: PathBuf,
    /// From which file (0 the model, 1 `pieces.bin`), from which byte on, how many bytes.
    pieces: Vec<(usize, usize, usize)>,
}

impl Folder {
    /// Looks, and puts the folder in diffusers' form together if it is there in pieces.
    ///
    /// # Errors
    /// If its files can't be read or written, or pieces are missing.
    pub fn open(path: &Path) -> Result<Self, FidelityError> {
        let pieces = path.join("diffusers-pieces");
        let rebuilt = match pieces.is_dir() && !path.join("diffusers").is_dir() {
            true => Some(rebuild(&pieces, &path.join("model.safetensors"))?),
            false => None,
        };
        Ok(Self {
            path: path.to_owned(),
            rebuilt,
        })
    }

    /// The single file.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        Some(self.path.join("model.safetensors")).filter(|path| path.is_file())
    }

    /// The folder in diffusers' form.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        match &self.rebuilt {
            Some(folder) => Some(folder.path().to_owned()),
            None => Some(self.path.join("diffusers")).filter(|path| path.is_dir()),
        }
    }
}

fn rebuild(pieces: &Path, model: &Path) -> Result<TempDir, FidelityError> {
    let failed = |path: &Path, source| FidelityError {
        source: Some(source),
        ..FidelityError::new(path, "it cannot be put together")
    };
    let read = |path: &Path| fs::read(path).map_err(|error| failed(path, error));
    let sources = [read(model)?, read(&pieces.join("pieces.bin"))?];
    let list: Pieces = json(&pieces.join("pieces.json"))?;
    let out = tempfile::tempdir().map_err(|error| failed(pieces, error))?;
    copy_configurations(pieces, out.path()).map_err(|error| failed(pieces, error))?;
    for file in list.files {
        let mut bytes = Vec::new();
        for (source, offset, length) in file.pieces {
            let piece = sources
                .get(source)
                .and_then(|source| source.get(offset..offset.checked_add(length)?));
            bytes.extend_from_slice(piece.ok_or_else(|| FidelityError::new(pieces, "a piece is missing"))?);
        }
        let path = out.path().join(&file.path);
        fs::write(&path, bytes).map_err(|error| failed(&path, error))?;
    }
    Ok(out)
}

/// Copies the small files, and makes the folders.
fn copy_configurations(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy_configurations(&entry.path(), &target)?;
        } else if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
