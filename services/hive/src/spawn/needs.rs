//! What a model needs, read from its files.

use std::io::Read as _;

use rbee_artifacts::ModelEntry;
use rbee_artifacts::detect::{DetectError, JsonObject};
use rbee_artifacts::estimate::{DiffusionShape, LlmShape};
use rbee_artifacts::gguf::{GgufError, GgufHeader};

use super::error::SpawnError;
use super::files::Located;
use crate::domain::{LlmSettings, Needs, SdSettings};

/// The ends of the names of files that hold weights.
const GGUF: &str = ".gguf";
const SAFETENSORS: &str = ".safetensors";
/// What a folder of safetensors is described by, and where its vocabulary is.
const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
/// The longest description that is read. Published ones have a few KiB.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// What a model needs with these settings. Of a language model the header of its file is read, or the description in
/// its folder; of a Stable Diffusion model the catalog knows enough.
///
/// # Errors
/// [`SpawnError::Header`] if its files do not tell; a refusal if the settings are impossible for it.
pub(super) async fn of(
    model: &ModelEntry,
    files: &[Located],
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

fn llm_shape(files: &[Located], model_bytes: u64) -> Result<LlmShape, DetectError> {
    let mut parts: Vec<_> = files.iter().filter(|file| ends_with(&file.name, GGUF)).collect();
    parts.sort_by_key(|file| &file.name);
    let Some(first) = parts.first() else {
        return folder_shape(files);
    };
    let gguf = |source| DetectError::Gguf {
        file: first.name.clone(),
        source,
    };
    let mut shape = gguf_shape(first).map_err(gguf)?;
    if parts.len() > 1 {
        // Of a model in parts the first header has the facts, and all files have tensors.
        shape.tensor_bytes = model_bytes.saturating_sub(shape.vocabulary_bytes);
    }
    Ok(shape)
}

fn gguf_shape(file: &Located) -> Result<LlmShape, GgufError> {
    let read_error = |source| GgufError::Read {
        field: "the file".to_owned(),
        source,
    };
    let opened = file.open().map_err(read_error)?;
    LlmShape::read(&GgufHeader::read(opened, file.size_bytes)?)
}

fn folder_shape(files: &[Located]) -> Result<LlmShape, DetectError> {
    let named = |wanted: &str| files.iter().find(|file| file.name == wanted);
    let Some(config) = named(CONFIG) else {
        return Err(DetectError::Missing {
            file: CONFIG.to_owned(),
            why: "a language model is a GGUF file, or a folder of safetensors with it".to_owned(),
        });
    };
    let mut text = Vec::new();
    let read = config
        .open()
        .and_then(|file| file.take(MAX_CONFIG_BYTES).read_to_end(&mut text));
    read.map_err(|source| DetectError::Read {
        file: config.name.clone(),
        source,
    })?;
    let weights = files.iter().filter(|file| ends_with(&file.name, SAFETENSORS));
    // Their headers are thousandths of them.
    let tensor_bytes = weights.fold(0, |sum: u64, file| sum.saturating_add(file.size_bytes));
    let vocabulary_bytes = named(TOKENIZER).map_or(0, |file| file.size_bytes);
    LlmShape::of_folder(
        &JsonObject::parse(&config.name, &text)?,
        tensor_bytes,
        vocabulary_bytes,
    )
}

fn ends_with(name: &str, end: &str) -> bool {
    name.to_ascii_lowercase().ends_with(end)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rbee_testkit::models::fixture;

    use super::*;

    /// A folder's files as the store has them.
    fn files(folder: &Path) -> Vec<Located> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        entries
            .map(|entry| Located::here(entry.file_name().to_str().unwrap(), entry.path()))
            .collect()
    }

    #[test]
    fn a_folder_of_safetensors_needs_what_the_same_model_in_one_file_needs() {
        let folder = files(&fixture("llm/tiny/gemma3/hf"));
        let of_folder = llm_shape(&folder, 0).unwrap();
        let file = Located::here("m.GGUF", fixture("llm/tiny/gemma3/gemma3-q8_0.gguf"));
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
            .filter(|file| file.name.ends_with(SAFETENSORS))
            .map(|file| file.size_bytes)
            .sum();
        assert_eq!(of_folder.tensor_bytes, weights);
        assert!(of_folder.vocabulary_bytes > 0 && of_folder.tokenizer_bytes > 0);
    }

    #[test]
    fn a_folder_without_a_description_says_what_is_missing() {
        let error = llm_shape(&[Located::here("a.safetensors", "/nowhere".into())], 0).unwrap_err();
        assert!(error.to_string().contains("config.json is missing"), "{error}");
    }
}
