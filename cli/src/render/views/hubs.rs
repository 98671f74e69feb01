//! What the hubs have, and the tokens for them.

use std::collections::BTreeMap;

use rbee_proto::provisioner::v1 as provisioner;
use serde::Serialize;

use super::super::words;
use super::{some, time};

/// What a download would be.
#[derive(Debug, Serialize)]
pub(crate) struct Resolution<'a> {
    id: &'a str,
    name: &'a str,
    vendor: String,
    revision: Option<&'a str>,
    license: Option<&'a str>,
    gate: String,
    accessible: bool,
    files: Vec<RemoteFile<'a>>,
    size_bytes: Option<u64>,
    download_bytes: Option<u64>,
    choice: Option<&'a str>,
    alternatives: Vec<Alternative<'a>>,
    kind: Option<String>,
    quantization: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    page_url: Option<&'a str>,
    already_here: bool,
    disk_available_bytes: Option<u64>,
    fits_disk: Option<bool>,
}

#[derive(Debug, Serialize)]
struct RemoteFile<'a> {
    name: &'a str,
    size_bytes: Option<u64>,
    sha256: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Alternative<'a> {
    id: &'a str,
    quantization: Option<&'a str>,
    size_bytes: Option<u64>,
}

impl<'a> From<&'a provisioner::Resolution> for Resolution<'a> {
    fn from(resolution: &'a provisioner::Resolution) -> Self {
        Self {
            id: &resolution.model_id,
            name: &resolution.name,
            vendor: words::vendor(resolution.vendor),
            revision: some(&resolution.revision),
            license: some(&resolution.license),
            gate: words::gate(resolution.gate),
            accessible: resolution.accessible,
            files: resolution
                .files
                .iter()
                .map(|file| RemoteFile {
                    name: &file.name,
                    size_bytes: file.size_bytes,
                    sha256: some(&file.sha256),
                })
                .collect(),
            size_bytes: resolution.size_bytes,
            download_bytes: resolution.download_bytes,
            choice: some(&resolution.choice),
            alternatives: resolution
                .alternatives
                .iter()
                .map(|other| Alternative {
                    id: &other.model_id,
                    quantization: other.quantization.as_deref(),
                    size_bytes: other.size_bytes,
                })
                .collect(),
            kind: words::model_kind(resolution.model_type.as_ref().and_then(|kind| kind.kind.as_ref())),
            quantization: resolution.quantization.as_deref(),
            metadata: &resolution.metadata,
            page_url: some(&resolution.page_url),
            already_here: resolution.already_here,
            disk_available_bytes: resolution.disk_available_bytes,
            fits_disk: resolution.fits_disk,
        }
    }
}

/// What a search found.
#[derive(Debug, Serialize)]
pub(crate) struct Search<'a> {
    /// The hits.
    pub(crate) hits: Vec<Hit<'a>>,
    /// Where to go on; absent if there is no more.
    pub(crate) next_page_token: Option<&'a str>,
}

impl<'a> Search<'a> {
    /// Of hits, and the token of the page behind them.
    pub(crate) fn new(hits: &'a [provisioner::SearchHit], next_page_token: &'a str) -> Self {
        Self {
            hits: hits.iter().map(Hit::from).collect(),
            next_page_token: some(next_page_token),
        }
    }
}

/// One hit of a search.
#[derive(Debug, Serialize)]
pub(crate) struct Hit<'a> {
    id: &'a str,
    name: &'a str,
    author: Option<&'a str>,
    kind: String,
    base_model: Option<&'a str>,
    download_count: Option<u64>,
    like_count: Option<u64>,
    license: Option<&'a str>,
    gate: String,
    nsfw: bool,
    updated_at: Option<String>,
    size_bytes: Option<u64>,
    thumbnail_url: Option<&'a str>,
    page_url: Option<&'a str>,
    tags: &'a [String],
    already_here: bool,
    local_model_id: Option<&'a str>,
    version_name: Option<&'a str>,
    versions: Vec<Version<'a>>,
}

#[derive(Debug, Serialize)]
struct Version<'a> {
    id: &'a str,
    name: &'a str,
    base_model: Option<&'a str>,
    size_bytes: Option<u64>,
}

impl<'a> From<&'a provisioner::SearchHit> for Hit<'a> {
    fn from(hit: &'a provisioner::SearchHit) -> Self {
        Self {
            id: &hit.model_id,
            name: &hit.name,
            author: some(&hit.author),
            kind: words::search_kind(hit.kind),
            base_model: some(&hit.base_model),
            download_count: hit.download_count,
            like_count: hit.like_count,
            license: some(&hit.license),
            gate: words::gate(hit.gate),
            nsfw: hit.nsfw,
            updated_at: time(hit.updated_at.as_ref()),
            size_bytes: hit.size_bytes,
            thumbnail_url: some(&hit.thumbnail_url),
            page_url: some(&hit.page_url),
            tags: &hit.tags,
            already_here: hit.already_here,
            local_model_id: some(&hit.local_model_id),
            version_name: some(&hit.version_name),
            versions: hit
                .versions
                .iter()
                .map(|version| Version {
                    id: &version.model_id,
                    name: &version.name,
                    base_model: some(&version.base_model),
                    size_bytes: version.size_bytes,
                })
                .collect(),
        }
    }
}

/// That there is a token for a hub. Never the token.
#[derive(Debug, Serialize)]
pub(crate) struct Credential<'a> {
    vendor: String,
    origin: &'a str,
    source: String,
    set_at: Option<String>,
}

impl<'a> From<&'a provisioner::Credential> for Credential<'a> {
    fn from(credential: &'a provisioner::Credential) -> Self {
        Self {
            vendor: words::vendor(credential.vendor),
            origin: &credential.origin,
            source: words::credential_source(credential.source),
            set_at: time(credential.set_at.as_ref()),
        }
    }
}

/// What became of a token.
#[derive(Debug, Serialize)]
pub(crate) struct Login<'a> {
    credential: Option<Credential<'a>>,
    checked: bool,
    account: Option<&'a str>,
}

impl<'a> From<&'a provisioner::SetCredentialResponse> for Login<'a> {
    fn from(answer: &'a provisioner::SetCredentialResponse) -> Self {
        Self {
            credential: answer.credential.as_ref().map(Credential::from),
            checked: answer.checked,
            account: some(&answer.account),
        }
    }
}
