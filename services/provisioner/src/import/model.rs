//! Importing a model: inspect, store, register; the blobs first, the entry last.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::Mutex;
use rbee_artifacts::detect::{Links, Summary, detect_path};
use rbee_artifacts::{ModelFile, ModelId, ModelSource, RelativePath, Sha256};
use rbee_store::{Ingest, PutFileError};

use super::folder::{self, Chosen};
use super::{Importer, blocking, file};
use crate::domain::imported::{CatalogModel, Imported};
use crate::domain::job::JobPhase;
use crate::domain::progress::ProgressMeter;
use crate::domain::request::ImportMode;
use crate::entry;
use crate::error::JobError;
use crate::grpc::{CatalogError, Retry};
use crate::jobs::JobContext;

/// What a model's file is called in the catalog if its own name can't be used everywhere.
const PLAIN_FILE_NAME: &str = "model";

pub(super) struct ModelImport {
    pub(super) source: PathBuf,
    pub(super) file_name: String,
    pub(super) model_id: ModelId,
    pub(super) mode: ImportMode,
}

/// What detection told of the source.
struct Inspected {
    summary: Summary,
    files: Vec<Chosen>,
}

impl Inspected {
    fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

impl ModelImport {
    pub(super) async fn run(self, importer: &Importer, context: &JobContext) -> Result<Imported, JobError> {
        let JobContext { reporter, cancel, .. } = context;
        reporter.enter(JobPhase::Inspecting);
        let (source, file_name) = (self.source.clone(), self.file_name.clone());
        let inspected = blocking(move || inspect(&source, &file_name)).await??;
        let existing = importer
            .catalog
            .model(&self.model_id, Retry::Patiently(cancel))
            .await?;
        if let Some(existing) = &existing {
            if existing.entry.size_bytes != inspected.size_bytes() {
                return Err(self.exists());
            }
            if self.is_linked(importer, existing, &inspected).await? {
                return Ok(Imported::Model(Box::new(existing.clone())));
            }
        }

        // What is stored here is not collected before the catalog refers to it.
        let _kept = importer.collection.read().await;
        reporter.enter(JobPhase::Storing);
        let files = self
            .store(importer, &inspected, existing.as_ref(), context)
            .await?;
        if let Some(existing) = existing {
            // The content was compared while it was read. Had a blob been lost, it is back now.
            return Ok(Imported::Model(Box::new(existing)));
        }

        reporter.enter(JobPhase::Registering);
        let name = match self.model_id.source() {
            ModelSource::Local { name } => name.clone(),
            _ => self.model_id.to_string(),
        };
        let entry = entry::available(&self.model_id, &name, inspected.summary, BTreeMap::new(), files);
        let created = importer
            .catalog
            .create_model(&entry, &context.id, Retry::Patiently(cancel))
            .await;
        match created {
            Ok(model) => Ok(Imported::Model(Box::new(model))),
            // Somebody else was quicker, or another version read other facts from the same files.
            Err(CatalogError::Exists) => {
                let model = importer
                    .catalog
                    .model(&self.model_id, Retry::Patiently(cancel))
                    .await?;
                match model {
                    Some(model) if model.has_files(&entry.files) => Ok(Imported::Model(Box::new(model))),
                    _ => Err(self.exists()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn exists(&self) -> JobError {
        JobError::Exists {
            model_id: self.model_id.clone(),
        }
    }

    /// Whether the source is the very files that the model's blobs are, and was not written to since: then
    /// nothing needs to be read again.
    async fn is_linked(
        &self,
        importer: &Importer,
        existing: &CatalogModel,
        inspected: &Inspected,
    ) -> Result<bool, JobError> {
        let mut pairs = Vec::new();
        for file in &existing.entry.files {
            let source = match &inspected.files[..] {
                [only] if existing.entry.files.len() == 1 => Some(only),
                files => files.iter().find(|chosen| chosen.name == file.name),
            };
            let (Some(source), Some(blob)) = (source, importer.store.local_path(&file.sha256)) else {
                return Ok(false);
            };
            pairs.push((source.path.clone(), blob));
        }
        let added_at = existing.entry.added_at;
        let complete = pairs.len() == inspected.files.len();
        blocking(move || {
            complete
                && pairs
                    .iter()
                    .all(|(source, blob)| is_same_file_since(source, blob, added_at))
        })
        .await
    }

    /// Makes the files blobs. Where the model exists already, they must have the same content.
    async fn store(
        &self,
        importer: &Importer,
        inspected: &Inspected,
        existing: Option<&CatalogModel>,
        context: &JobContext,
    ) -> Result<Vec<ModelFile>, JobError> {
        let total_bytes = inspected.size_bytes();
        let meter = Arc::new(Mutex::new(ProgressMeter::new(Some(total_bytes), Instant::now())));
        let mut before_bytes = 0;
        let mut stored = Vec::new();
        for chosen in &inspected.files {
            let expected = match existing {
                None => None,
                Some(existing) => Some(self.expected(existing, inspected, chosen)?),
            };
            if inspected.files.len() > 1 {
                context.reporter.file(chosen.name.as_str());
            }
            let put = importer
                .store
                .put_file(
                    &chosen.path,
                    self.ingest(),
                    expected,
                    context.metered(&meter, before_bytes),
                )
                .await;
            let blob = match put {
                Err(PutFileError::DigestMismatch { .. }) => return Err(self.exists()),
                put => put?,
            };
            if blob.size_bytes != chosen.size_bytes {
                // It was another file when its header was read.
                return Err(JobError::Put(PutFileError::SourceChanged {
                    path: chosen.path.clone(),
                }));
            }
            before_bytes += blob.size_bytes;
            stored.push(ModelFile {
                name: chosen.name.clone(),
                size_bytes: blob.size_bytes,
                sha256: blob.sha256,
            });
        }
        Ok(stored)
    }

    fn ingest(&self) -> Ingest {
        match self.mode {
            ImportMode::LinkOrCopy => Ingest::HardLinkOrCopy,
            ImportMode::Copy => Ingest::Copy,
            ImportMode::HardLink => Ingest::HardLink,
            ImportMode::InPlace => Ingest::InPlace,
        }
    }

    /// What the file must be, so that the model is the one that exists.
    fn expected(
        &self,
        existing: &CatalogModel,
        inspected: &Inspected,
        chosen: &Chosen,
    ) -> Result<Sha256, JobError> {
        let files = &existing.entry.files;
        let same = match (&files[..], inspected.files.len()) {
            ([only], 1) => Some(only),
            (files, count) if files.len() == count => files.iter().find(|file| file.name == chosen.name),
            _ => None,
        };
        same.map(|file| file.sha256).ok_or_else(|| self.exists())
    }
}

/// What the file or folder is, by its headers. Blocking.
fn inspect(source: &Path, file_name: &str) -> Result<Inspected, JobError> {
    let metadata = std::fs::metadata(source).map_err(|error| JobError::reading(source, error))?;
    if metadata.is_dir() {
        let detected = detect_path(source, Links::Inside)?;
        return Ok(Inspected {
            summary: detected.summary(),
            files: folder::choose(source)?,
        });
    }
    // Before it is opened: opening a pipe waits for a writer, and some devices do things when opened.
    let (_, metadata) = file::open(source)?;
    let detected = detect_path(source, Links::Inside)?;
    let name: RelativePath = file_name.parse().unwrap_or_else(|_| {
        PLAIN_FILE_NAME
            .parse()
            .expect("the plain name is one that can be used everywhere")
    });
    Ok(Inspected {
        summary: detected.summary(),
        files: vec![Chosen {
            name,
            path: source.to_owned(),
            size_bytes: metadata.len(),
        }],
    })
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
