//! Importing a model file: inspect, store, register; the blob first, the entry last.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use rbee_artifacts::gguf::ModelFacts;
use rbee_artifacts::{ModelEntry, ModelFile, ModelId, ModelStatus, ModelType, RelativePath};
use rbee_store::{Ingest, PutFileError, StoredBlob};
use tokio_util::sync::CancellationToken;

use super::inspect::{self, InspectedModel};
use super::{ImportError, Importer, blocking};
use crate::domain::imported::{CatalogModel, Imported};
use crate::domain::job::JobPhase;
use crate::domain::progress::ProgressMeter;
use crate::domain::request::ImportMode;
use crate::grpc::{CatalogError, Retry};
use crate::jobs::Reporter;

/// What a model's file is called in the catalog if its own name can't be used everywhere.
const PLAIN_FILE_NAME: &str = "model.gguf";

pub(super) struct ModelImport {
    pub(super) source: PathBuf,
    pub(super) file_name: String,
    pub(super) model_id: ModelId,
    pub(super) mode: ImportMode,
}

impl ModelImport {
    pub(super) async fn run(
        self,
        importer: &Importer,
        request_id: &str,
        reporter: &Reporter,
        cancel: &CancellationToken,
    ) -> Result<Imported, ImportError> {
        reporter.enter(JobPhase::Inspecting);
        let (source, file_name) = (self.source.clone(), self.file_name.clone());
        let inspected = blocking(move || inspect::model(&source, &file_name)).await??;
        let existing = importer
            .catalog
            .model(&self.model_id, Retry::Patiently(cancel))
            .await?;
        if let Some(existing) = &existing {
            if existing.entry.size_bytes != inspected.size_bytes {
                return Err(self.exists());
            }
            if self.is_linked(importer, existing).await? {
                return Ok(Imported::Model(Box::new(existing.clone())));
            }
        }

        reporter.enter(JobPhase::Storing);
        let blob = self
            .store(importer, &inspected, existing.as_ref(), reporter, cancel)
            .await?;
        if let Some(existing) = existing {
            // The content was compared while it was read. Had the blob been lost, it is back now.
            return Ok(Imported::Model(Box::new(existing)));
        }

        reporter.enter(JobPhase::Registering);
        let entry = self.entry(inspected.facts, &blob);
        match importer
            .catalog
            .create_model(&entry, request_id, Retry::Patiently(cancel))
            .await
        {
            Ok(model) => Ok(Imported::Model(Box::new(model))),
            // Somebody else was quicker, or another version read other facts from the same file.
            Err(CatalogError::Exists) => {
                match importer
                    .catalog
                    .model(&self.model_id, Retry::Patiently(cancel))
                    .await?
                {
                    Some(model) if model.is_file(&blob.sha256) => Ok(Imported::Model(Box::new(model))),
                    _ => Err(self.exists()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn exists(&self) -> ImportError {
        ImportError::Exists {
            model_id: self.model_id.clone(),
        }
    }

    /// Whether the source is the very file that the model's blob is, and was not written to since: then
    /// nothing needs to be read again.
    async fn is_linked(&self, importer: &Importer, existing: &CatalogModel) -> Result<bool, ImportError> {
        let [file] = &existing.entry.files[..] else {
            return Ok(false);
        };
        let Some(blob) = importer.store.local_path(&file.sha256) else {
            return Ok(false);
        };
        let (source, added_at) = (self.source.clone(), existing.entry.added_at);
        blocking(move || is_same_file_since(&source, &blob, added_at)).await
    }

    /// Makes the file a blob. Where the model exists already, it must have the same content.
    async fn store(
        &self,
        importer: &Importer,
        inspected: &InspectedModel,
        existing: Option<&CatalogModel>,
        reporter: &Reporter,
        cancel: &CancellationToken,
    ) -> Result<StoredBlob, ImportError> {
        let ingest = match self.mode {
            ImportMode::LinkOrCopy => Ingest::HardLinkOrCopy,
            ImportMode::Copy => Ingest::Copy,
            ImportMode::HardLink => Ingest::HardLink,
        };
        let expected = match existing.map(|existing| &existing.entry.files[..]) {
            None => None,
            Some([file]) => Some(file.sha256),
            Some(_) => return Err(self.exists()),
        };
        let mut meter = ProgressMeter::new(Some(inspected.size_bytes), Instant::now());
        let (reporter, cancel) = (reporter.clone(), cancel.clone());
        let progress = move |done_bytes| {
            if cancel.is_cancelled() {
                return ControlFlow::Break(());
            }
            if let Some(progress) = meter.advance(done_bytes, Instant::now()) {
                reporter.advance(progress);
            }
            ControlFlow::Continue(())
        };
        let stored = importer
            .store
            .put_file(&self.source, ingest, expected, progress)
            .await;
        let blob = match stored {
            Err(PutFileError::DigestMismatch { .. }) => return Err(self.exists()),
            stored => stored?,
        };
        if blob.size_bytes != inspected.size_bytes {
            // It was another file when its header was read.
            return Err(ImportError::Put(PutFileError::SourceChanged {
                path: self.source.clone(),
            }));
        }
        Ok(blob)
    }

    fn entry(&self, facts: ModelFacts, blob: &StoredBlob) -> ModelEntry {
        let name = match self.model_id.source() {
            rbee_artifacts::ModelSource::Local { name } => name.clone(),
            _ => self.model_id.to_string(),
        };
        let mut metadata = std::collections::BTreeMap::from([
            ("format".to_owned(), "gguf".to_owned()),
            ("chat_template".to_owned(), facts.has_chat_template.to_string()),
        ]);
        metadata.extend(
            facts
                .name
                .map(|name| ("general.name".to_owned(), shortened(name))),
        );
        metadata.extend(
            facts
                .tokenizer
                .map(|kind| ("tokenizer".to_owned(), shortened(kind))),
        );
        let file_name: RelativePath = self.file_name.parse().unwrap_or_else(|_| {
            PLAIN_FILE_NAME
                .parse()
                .expect("the plain name is one that can be used everywhere")
        });
        ModelEntry {
            id: self.model_id.clone(),
            name,
            size_bytes: blob.size_bytes,
            status: ModelStatus::Available,
            // The catalog sets it.
            added_at: Timestamp::UNIX_EPOCH,
            model_type: ModelType::Llm {
                architecture: shortened(facts.architecture),
            },
            quantization: facts.quantization,
            context_length: facts.context_length,
            parameter_count: Some(facts.parameter_count).filter(|count| *count > 0),
            metadata,
            files: vec![ModelFile {
                name: file_name,
                size_bytes: blob.size_bytes,
                sha256: blob.sha256,
            }],
        }
    }
}

/// A file's own words, which nobody bounded.
fn shortened(mut text: String) -> String {
    const MAX_BYTES: usize = 256;
    text.truncate(text.floor_char_boundary(MAX_BYTES));
    text
}

#[cfg(unix)]
fn is_same_file_since(source: &Path, blob: &Path, since: Timestamp) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(source), Ok(blob)) = (std::fs::metadata(source), std::fs::metadata(blob)) else {
        return false;
    };
    let unchanged = source
        .modified()
        .ok()
        .and_then(|modified| Timestamp::try_from(modified).ok())
        .is_some_and(|modified| modified < since);
    unchanged && (source.dev(), source.ino()) == (blob.dev(), blob.ino())
}

#[cfg(not(unix))]
fn is_same_file_since(_source: &Path, _blob: &Path, _since: Timestamp) -> bool {
    false
}
