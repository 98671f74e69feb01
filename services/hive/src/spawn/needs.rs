//! What a model needs, read from its files.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rbee_artifacts::ModelEntry;
use rbee_artifacts::detect::{DetectError, JsonObject};
use rbee_artifacts::estimate::{DiffusionShape, LlmShape};
use rbee_artifacts::gguf::{GgufError, GgufHeader};

use super::error::SpawnError;
use crate::domain::{LlmSettings, Needs, SdSettings};

/// The ends of the names of files that hold weights.
const GGUF: &str = ".gguf";
const SAFETENSORS: &str = ".safetensors";
/// What a folder of safetensors is described by, and where its vocabulary is.
const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
/// The longest description that is read. Published ones have a few KiB.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// A model's files: their names within the model, and where they lie.
type Files = [(String, PathBuf)];

/// What a model needs with these settings. Of a language model the header of its file is read, or the description in
/// its folder; of a Stable Diffusion model the catalog knows enough.
///
/// # Errors
/// [`SpawnError::Header`] if its files do not tell; a refusal if the settings are impossible for it.
pub(super) async fn of(
    model: &ModelEntry,
    files: &Files,
    settings: LlmSettings,
    of_pictures: SdSettings,
) -> Result<Needs, SpawnError> {
    if let Some(shape) = DiffusionShape::of(model) {
        return Ok(Needs::Diffusion(shape, of_pictures.slot_count.unwrap_or(1)));
    }
    let (files, model_bytes) = (files.to_owned(), model.size_bytes);
    let shape = tokio::task::spawn_blocking(move || llm_shape(&files, model_bytes))
        .await
        // The reader ends when the runtime does, and in no other way.
        .map_err(|_| SpawnError::ShuttingDown)?
        .map_err(SpawnError::Header)?;
    Ok(Needs::llm(shape, settings)?)
}

fn llm_shape(files: &Files, model_bytes: u64) -> Result<LlmShape, DetectError> {
    let mut parts: Vec<_> = files.iter().filter(|(name, _)| ends_with(name, GGUF)).collect();
    parts.sort();
    let Some((name, path)) = parts.first() else {
        return folder_shape(files);
    };
    let gguf = |source| DetectError::Gguf {
        file: name.clone(),
        source,
    };
    let mut shape = gguf_shape(path).map_err(gguf)?;
    if parts.len() > 1 {
        // Of a model in parts the first header has the facts, and all files have tensors.
        shape.tensor_bytes = model_bytes.saturating_sub(shape.vocabulary_bytes);
    }
    Ok(shape)
}

fn gguf_shape(path: &Path) -> Result<LlmShape, GgufError> {
    let read_error = |source| GgufError::Read {
        field: "the file".to_owned(),
        source,
    };
    let file = File::open(path).map_err(read_error)?;
    let size_bytes = file.metadata().map_err(read_error)?.len();
    LlmShape::read(&GgufHeader::read(file, size_bytes)?)
}

fn folder_shape(files: &Files) -> Result<LlmShape, DetectError> {
    let named = |wanted: &str| files.iter().find(|(name, _)| name == wanted);
    let Some((name, path)) = named(CONFIG) else {
        return Err(DetectError::Missing {
            file: CONFIG.to_owned(),
            why: "a language model is a GGUF file, or a folder of safetensors with it".to_owned(),
        });
    };
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_CONFIG_BYTES).read_to_end(&mut text));
    read.map_err(|source| read_error(name, source))?;
    let mut tensor_bytes: u64 = 0;
    for (name, path) in files.iter().filter(|(name, _)| ends_with(name, SAFETENSORS)) {
        // Their headers are thousandths of them.
        tensor_bytes = tensor_bytes.saturating_add(size(name, path)?);
    }
    let vocabulary_bytes = named(TOKENIZER).map_or(Ok(0), |(name, path)| size(name, path))?;
    LlmShape::of_folder(&JsonObject::parse(name, &text)?, tensor_bytes, vocabulary_bytes)
}

fn ends_with(name: &str, end: &str) -> bool {
    name.to_ascii_lowercase().ends_with(end)
}

fn size(name: &str, path: &Path) -> Result<u64, DetectError> {
    let metadata = std::fs::metadata(path).map_err(|source| read_error(name, source))?;
    Ok(metadata.len())
}

fn read_error(name: &str, source: std::io::Error) -> DetectError {
    DetectError::Read {
        file: name.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use rbee_testkit::models::fixture;

    use super::*;

    /// A folder's files as the store has them.
    fn files(folder: &Path) -> Vec<(String, PathBuf)> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        entries
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
            .collect()
    }

    #[test]
    fn a_folder_of_safetensors_needs_what_the_same_model_in_one_file_needs() {
        let folder = files(&fixture("llm/tiny/gemma3/hf"));
        let of_folder = llm_shape(&folder, 0).unwrap();
        let file = ("m.GGUF".to_owned(), fixture("llm/tiny/gemma3/gemma3-q8_0.gguf"));
        let of_file = llm_shape(&[file], 0).unwrap();
        assert_eq!(
            LlmShape {
                tensor_bytes: of_file.tensor_bytes,
                vocabulary_bytes: of_file.vocabulary_bytes,
                tokenizer_bytes: 0,
                ..of_folder
            },
            of_file
        );
        let weights: u64 = folder
            .iter()
            .filter(|(name, _)| name.ends_with(SAFETENSORS))
            .map(|(_, path)| std::fs::metadata(path).unwrap().len())
            .sum();
        assert_eq!(of_folder.tensor_bytes, weights);
        assert!(of_folder.vocabulary_bytes > 0 && of_folder.tokenizer_bytes > 0);
    }

    #[test]
    fn a_folder_without_a_description_says_what_is_missing() {
        let error = llm_shape(&[("a.safetensors".to_owned(), "/nowhere".into())], 0).unwrap_err();
        assert!(error.to_string().contains("config.json is missing"), "{error}");
    }
}
