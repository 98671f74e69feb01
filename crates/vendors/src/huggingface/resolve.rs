//! From an id to the files of a commit.

use std::collections::BTreeMap;

use rbee_artifacts::{ModelId, ModelSource, RelativePath, Vendor};
use serde_json::Value;

use super::facts;
use super::refusal::explain;
use crate::error::VendorError;
use crate::http::{Hub, encode, encode_path};
use crate::json;
use crate::machine::Machine;
use crate::resolution::{Alternative, FileDigest, Gate, RemoteFile, Resolution};
use crate::selection::{self, ListedFile, Listing, Selection};
use crate::text::excerpt;

/// The longest small file that is looked into: an index of weights, as the detection of models has it.
const MAX_TEXT_BYTES: u64 = 16 << 20;
/// Most small files that are looked into.
const MAX_TEXTS: usize = 16;
/// The most files a listing may have; the largest published models have some thousands.
const MAX_LISTED: usize = 100_000;

/// A repository at a commit.
struct Commit<'a> {
    hub: &'a Hub,
    repository: String,
    /// What the user named, if it is not the main branch.
    revision: Option<&'a str>,
    sha: String,
    page: Value,
}

pub(super) async fn resolve(hub: &Hub, id: &ModelId, machine: &Machine) -> Result<Resolution, VendorError> {
    let ModelSource::HuggingFace {
        repository,
        revision,
        file,
    } = id.source()
    else {
        return Err(VendorError::OtherVendor {
            id: id.to_string(),
            vendor: Vendor::HuggingFace,
        });
    };
    let commit = Commit::ask(hub, repository, revision.as_deref()).await?;
    let mut files = facts::files(&commit.page);
    if files.len() > MAX_LISTED {
        return Err(hub.invalid(format!("{repository} is said to have {} files", files.len())));
    }
    let gate = facts::gate(&commit.page);
    let (texts, mut refusal) = commit.texts(&files, file.as_ref()).await?;
    let whole = commit.id(None)?;
    let listing = Listing {
        id: whole.as_str(),
        files: &files,
        texts: &texts,
    };
    let names: Vec<String> = {
        let selection = selection::select(&listing, file.as_ref(), machine)?;
        selection
            .files
            .iter()
            .map(|chosen| chosen.file.name.clone())
            .collect()
    };
    // Mirrors may list names alone; and only a file itself says whether we may have it.
    let mut asked = false;
    for name in &names {
        let Some(listed) = files.iter_mut().find(|file| file.name == *name) else {
            continue;
        };
        let known = listed.size_bytes.is_some() && listed.digest != FileDigest::Unknown;
        if refusal.is_some() || (known && (asked || gate == Gate::Open)) {
            continue;
        }
        asked = true;
        match commit.complete(listed).await {
            Ok(()) => {}
            Err(error) if error.is_about_access() => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    let listing = Listing {
        id: whole.as_str(),
        files: &files,
        texts: &texts,
    };
    let selection = selection::select(&listing, file.as_ref(), machine)?;
    let refusal = refusal.map(|refusal| match refusal {
        VendorError::Gated {
            model,
            terms_url,
            token_sent,
            ..
        } => VendorError::Gated {
            model,
            terms_url,
            token_sent,
            manual: gate == Gate::Manual,
        },
        other => other,
    });
    commit.resolution(&selection, gate, refusal)
}

impl<'a> Commit<'a> {
    async fn ask(hub: &'a Hub, asked: &str, revision: Option<&'a str>) -> Result<Self, VendorError> {
        let revision = revision.filter(|revision| *revision != "main");
        let at = revision
            .map(|revision| format!("/revision/{}", encode(revision)))
            .unwrap_or_default();
        let url = hub.url(&format!("api/models/{}{at}?blobs=true", encode_path(asked)))?;
        let what = revision.map_or_else(|| asked.to_owned(), |revision| format!("{revision} of {asked}"));
        let page = hub
            .json(&url, |error| explain(hub, &what, asked, error))
            .await?
            .value;
        if !page.is_object() {
            return Err(hub.invalid(format!("the page of {asked} is no object")));
        }
        // A renamed repository answers under its new name, which is the one to keep.
        let repository = json::raw(&page, "id").unwrap_or(asked);
        if !is_repository(repository) {
            return Err(hub.invalid(format!("it calls {asked} \"{}\"", excerpt(repository))));
        }
        if json::is_true(&page, "disabled") {
            return Err(VendorError::Archived {
                vendor: Vendor::HuggingFace,
                model: repository.to_owned(),
                said: "the repository is disabled".to_owned(),
            });
        }
        let sha = json::raw(&page, "sha").unwrap_or_default().to_owned();
        if !matches!(sha.len(), 40 | 64) || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(hub.invalid(format!("it names no commit of {asked}")));
        }
        Ok(Self {
            hub,
            repository: repository.to_owned(),
            revision,
            sha,
            page,
        })
    }

    /// The id of the repository, or of one file of it.
    fn id(&self, file: Option<&RelativePath>) -> Result<ModelId, VendorError> {
        let revision = self
            .revision
            .map(|revision| format!("@{revision}"))
            .unwrap_or_default();
        let file = file.map(|file| format!(":{file}")).unwrap_or_default();
        let id = format!("{}{revision}{file}", self.repository).parse();
        id.map_err(|error: rbee_artifacts::ModelIdError| self.hub.invalid(error.to_string()))
    }

    fn url(&self, file: &str) -> Result<url::Url, VendorError> {
        let (repository, file) = (encode_path(&self.repository), encode_path(file));
        self.hub.url(&format!("{repository}/resolve/{}/{file}", self.sha))
    }

    /// The small files that the choice depends on, or why they can't be had.
    async fn texts(
        &self,
        files: &[ListedFile],
        wish: Option<&RelativePath>,
    ) -> Result<(BTreeMap<String, Vec<u8>>, Option<VendorError>), VendorError> {
        let mut texts = BTreeMap::new();
        for name in selection::wanted_texts(files, wish).into_iter().take(MAX_TEXTS) {
            let error = match self.text(&name).await {
                Ok(text) => {
                    texts.insert(name, text);
                    continue;
                }
                Err(error) => error,
            };
            return match error.is_about_access() {
                true => Ok((texts, Some(error))),
                false => Err(error),
            };
        }
        Ok((texts, None))
    }

    async fn text(&self, name: &str) -> Result<Vec<u8>, VendorError> {
        let ask = self.hub.ask(&self.url(name)?)?;
        let prefix = self.hub.client.prefix(&ask, MAX_TEXT_BYTES + 1).await;
        let text = prefix
            .map_err(|error| explain(self.hub, name, &self.repository, error))?
            .bytes;
        match text.len() as u64 > MAX_TEXT_BYTES {
            true => Err(self
                .hub
                .invalid(format!("{} has more than {MAX_TEXT_BYTES} bytes", excerpt(name)))),
            false => Ok(text),
        }
    }

    /// Asks for a file's head: whether we may have it, and what the listing does not say of it.
    async fn complete(&self, file: &mut ListedFile) -> Result<(), VendorError> {
        let ask = self.hub.ask(&self.url(&file.name)?)?;
        let probe = self.hub.client.probe(&ask).await;
        let probe = probe.map_err(|error| explain(self.hub, &file.name, &self.repository, error))?;
        let header = |name: &str| probe.headers.get(name).and_then(|value| value.to_str().ok());
        // A redirect's own length is that of its text.
        let own_length = header("content-length").filter(|_| probe.status.is_success());
        let size = header("x-linked-size")
            .or(own_length)
            .and_then(|size| size.parse().ok());
        file.size_bytes = file.size_bytes.or(size);
        if file.digest == FileDigest::Unknown {
            let etag =
                header("x-linked-etag").or_else(|| header("etag").filter(|_| probe.status.is_success()));
            file.digest = etag.map_or(FileDigest::Unknown, facts::digest);
        }
        Ok(())
    }

    fn resolution(
        &self,
        selection: &Selection<'_>,
        gate: Gate,
        refusal: Option<VendorError>,
    ) -> Result<Resolution, VendorError> {
        let files = selection.files.iter().map(|chosen| {
            Ok(RemoteFile {
                url: self.url(&chosen.file.name)?,
                is_text: selection::is_text(&chosen.file.name),
                name: chosen.name.clone(),
                size_bytes: chosen.file.size_bytes,
                digest: chosen.file.digest.clone(),
            })
        });
        let alternatives = selection.others.iter().map(|other| {
            Ok(Alternative {
                id: self.id(Some(&other.file))?,
                quantization: other.quantization.clone(),
                size_bytes: other.size_bytes,
            })
        });
        let name = self.repository.rsplit('/').next().unwrap_or_default();
        let name = match &selection.file {
            Some(file) => {
                let stem = file.file_name();
                stem.rsplit_once('.').map_or(stem, |(stem, _)| stem)
            }
            None => name,
        };
        let mut metadata = facts::metadata(&self.page, &self.repository);
        if let Some(revision) = self.revision {
            metadata.insert("vendor.revision".to_owned(), revision.to_owned());
        }
        let page_url = self.hub.page(&encode_path(&self.repository));
        metadata.insert("vendor.url".to_owned(), page_url.clone());
        Ok(Resolution {
            id: self.id(selection.file.as_ref())?,
            name: name.to_owned(),
            commit: Some(self.sha.clone()),
            licence: facts::licence(&self.page),
            gate,
            refusal,
            files: files.collect::<Result<_, VendorError>>()?,
            choice: selection.choice.clone(),
            alternatives: alternatives.collect::<Result<_, VendorError>>()?,
            claim: facts::claim(&self.page, selection.arrangement),
            model_type: facts::model_type(&self.page, selection.arrangement),
            quantization: selection.quantization.clone(),
            metadata,
            thumbnails: self
                .page
                .get("cardData")
                .and_then(|card| json::https(card, "thumbnail"))
                .into_iter()
                .collect(),
            page_url,
            notes: selection.notes.clone(),
        })
    }
}

/// `org/name` and nothing else.
fn is_repository(text: &str) -> bool {
    let id: Result<ModelId, _> = text.parse();
    id.is_ok_and(|id| {
        matches!(id.source(), ModelSource::HuggingFace { repository, revision: None, file: None } if repository == text)
    })
}
