//! What a model needs, read from its files.

use std::fs::File;
use std::path::{Path, PathBuf};

use rbee_artifacts::ModelEntry;
use rbee_artifacts::estimate::{DiffusionShape, LlmShape};
use rbee_artifacts::gguf::{GgufError, GgufHeader};

use super::error::SpawnError;
use crate::domain::{LlmSettings, Needs};

/// The end of the names of files that language models are served from.
const GGUF: &str = ".gguf";

/// What a model needs with these settings. Of a language model the header of its file is read, of a Stable
/// Diffusion model the catalog knows enough.
///
/// # Errors
/// [`SpawnError::Header`] if its file does not tell; a refusal if the settings are impossible for it.
pub(super) async fn of(
    model: &ModelEntry,
    files: &[(String, PathBuf)],
    settings: LlmSettings,
) -> Result<Needs, SpawnError> {
    if let Some(shape) = DiffusionShape::of(model) {
        return Ok(Needs::Diffusion(shape));
    }
    let mut parts: Vec<_> = files
        .iter()
        .filter(|(name, _)| name.to_ascii_lowercase().ends_with(GGUF))
        .cloned()
        .collect();
    parts.sort();
    let Some((name, path)) = parts.first().cloned() else {
        return Err(SpawnError::Header {
            file: files.first().map(|(name, _)| name.clone()).unwrap_or_default(),
            source: GgufError::Unsupported {
                field: "the model".into(),
                problem: "has no GGUF file, which is what workers serve".into(),
            },
        });
    };
    let read = tokio::task::spawn_blocking(move || shape(&path)).await;
    let mut shape = read
        // The reader ends when the runtime does, and in no other way.
        .map_err(|_| SpawnError::ShuttingDown)?
        .map_err(|source| SpawnError::Header { file: name, source })?;
    if parts.len() > 1 {
        // Of a model in parts the first header has the facts, and all files have tensors.
        shape.tensor_bytes = model.size_bytes.saturating_sub(shape.header_bytes);
    }
    Ok(Needs::llm(shape, settings)?)
}

fn shape(path: &Path) -> Result<LlmShape, GgufError> {
    let read_error = |source| GgufError::Read {
        field: "the file".to_owned(),
        source,
    };
    let file = File::open(path).map_err(read_error)?;
    let size_bytes = file.metadata().map_err(read_error)?.len();
    LlmShape::read(&GgufHeader::read(file, size_bytes)?)
}
