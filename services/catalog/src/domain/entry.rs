//! What must hold for an entry before the catalog takes it.

use std::collections::HashSet;

use rbee_artifacts::{ModelEntry, ModelStatus};

use super::limits::{self, InvalidField};

/// Checks that a model's fields agree with each other. Field paths begin with `model.`.
///
/// # Errors
/// If they don't, or one is out of bounds.
pub fn check_model(entry: &ModelEntry) -> Result<(), InvalidField> {
    if entry.metadata.len() > limits::MAX_METADATA_ENTRIES {
        let problem = format!(
            "has {} entries; at most {} are allowed",
            entry.metadata.len(),
            limits::MAX_METADATA_ENTRIES
        );
        return Err(InvalidField::new("model.metadata", problem));
    }
    let metadata_bytes: usize = entry
        .metadata
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if metadata_bytes > limits::MAX_METADATA_BYTES {
        let problem = format!(
            "has {metadata_bytes} bytes; at most {} are allowed",
            limits::MAX_METADATA_BYTES
        );
        return Err(InvalidField::new("model.metadata", problem));
    }
    check_files(entry)?;
    match &entry.status {
        ModelStatus::Available if entry.files.is_empty() => Err(InvalidField::new(
            "model.files",
            "must not be empty for a model that is available",
        )),
        ModelStatus::Failed { error } if error.is_empty() => Err(InvalidField::new(
            "model.failure",
            "must say why the model can't be used",
        )),
        _ => Ok(()),
    }
}

fn check_files(entry: &ModelEntry) -> Result<(), InvalidField> {
    let mut names = HashSet::new();
    let mut size_bytes: u64 = 0;
    for (index, file) in entry.files.iter().enumerate() {
        // Names that differ in case alone would be one file on half of the operating systems.
        if !names.insert(file.name.as_str().to_lowercase()) {
            let problem = format!("\"{}\" is there twice", file.name);
            return Err(InvalidField::new(format!("model.files[{index}].name"), problem));
        }
        size_bytes = size_bytes.checked_add(file.size_bytes).ok_or_else(|| {
            InvalidField::new(
                format!("model.files[{index}].size_bytes"),
                "is larger than any file",
            )
        })?;
    }
    if !entry.files.is_empty() && entry.size_bytes != size_bytes {
        let problem = format!(
            "is {}, but the files have {size_bytes} bytes together",
            entry.size_bytes
        );
        return Err(InvalidField::new("model.size_bytes", problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rbee_artifacts::{ModelFile, ModelType, Sha256};

    use super::*;

    fn file(name: &str, size_bytes: u64) -> ModelFile {
        ModelFile {
            name: name.parse().unwrap(),
            size_bytes,
            sha256: Sha256::digest(name.as_bytes()),
        }
    }

    fn entry(files: Vec<ModelFile>, size_bytes: u64) -> ModelEntry {
        ModelEntry {
            id: "local:qwen".parse().unwrap(),
            name: "qwen".into(),
            size_bytes,
            status: ModelStatus::Available,
            added_at: Timestamp::UNIX_EPOCH,
            model_type: ModelType::Llm {
                architecture: "qwen2".into(),
            },
            quantization: None,
            context_length: None,
            parameter_count: None,
            metadata: Default::default(),
            files,
        }
    }

    #[test]
    fn an_entry_must_agree_with_itself() {
        assert_eq!(check_model(&entry(vec![file("a", 1), file("b", 2)], 3)), Ok(()));
        for (entry, field) in [
            (entry(vec![], 0), "model.files"),
            (entry(vec![file("a", 1)], 2), "model.size_bytes"),
            (entry(vec![file("a", 1), file("A", 1)], 2), "model.files[1].name"),
            (
                entry(vec![file("a", u64::MAX), file("b", 1)], 0),
                "model.files[1].size_bytes",
            ),
            (
                ModelEntry {
                    status: ModelStatus::Failed { error: String::new() },
                    ..entry(vec![], 0)
                },
                "model.failure",
            ),
            (
                ModelEntry {
                    metadata: [("k".to_owned(), "x".repeat(limits::MAX_METADATA_BYTES))].into(),
                    ..entry(vec![file("a", 1)], 1)
                },
                "model.metadata",
            ),
        ] {
            assert_eq!(check_model(&entry).unwrap_err().field, field);
        }
        let downloading = ModelEntry {
            status: ModelStatus::Downloading,
            ..entry(vec![], 77)
        };
        assert_eq!(
            check_model(&downloading),
            Ok(()),
            "its size may be known before its files"
        );
    }
}
