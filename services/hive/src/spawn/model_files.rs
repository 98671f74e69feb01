//! A model's files on this host.

use std::path::PathBuf;

use rbee_artifacts::{ModelEntry, ModelFile};
use rbee_store::{Store, StoreError};

use super::error::SpawnError;
use crate::domain::plan;

/// Finds the blob of each of a model's files.
///
/// # Errors
/// If some are not in the store, or not whole.
pub(super) async fn locate(store: &Store, model: &ModelEntry) -> Result<Vec<(String, PathBuf)>, SpawnError> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for file in &model.files {
        match locate_file(store, file).await? {
            Some(path) => found.push((file.name.to_string(), path)),
            None => missing.push(file),
        }
    }
    plan::check_files(model, &missing)?;
    Ok(found)
}

async fn locate_file(store: &Store, file: &ModelFile) -> Result<Option<PathBuf>, StoreError> {
    let size = store.blob_size_bytes(&file.sha256).await?;
    if size != Some(file.size_bytes) {
        return Ok(None);
    }
    Ok(store.local_path(&file.sha256))
}
