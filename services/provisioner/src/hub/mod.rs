//! The hubs that models come from, at their configured addresses, with the tokens that there are.

mod endpoint;
mod source;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rbee_artifacts::{ModelId, Vendor};
use rbee_download::Source;
use rbee_download::http::{HttpClient, HttpConfig, HttpSetupError};
use rbee_vendors::{
    CivitAi, FileDigest, HuggingFace, Machine, Resolution, SearchPage, SearchQuery, VendorError, VendorSource,
};
use secrecy::SecretString;

use crate::config::ProvisionerConfig;
use crate::credentials::Credentials;
use crate::domain::plan::{Plan, PlannedClaim, PlannedFile};
use crate::error::JobError;
pub use endpoint::EndpointError;
pub(crate) use endpoint::{Endpoint, TokenPlace};
use source::HubSource;

/// How long an id may take to be found out before it gets its job; the job then finds it out by itself.
const CANONICAL_PATIENCE: Duration = Duration::from_secs(3);

/// Both hubs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hubs(Arc<Inner>);

struct Inner {
    client: HttpClient,
    hugging_face: (Endpoint, Arc<dyn VendorSource>),
    civitai: (Endpoint, Arc<dyn VendorSource>),
    /// Where models go, to choose one that fits.
    parts: PathBuf,
}

impl fmt::Debug for Hubs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hubs")
            .field("hugging_face", &self.0.hugging_face.0)
            .field("civitai", &self.0.civitai.0)
            .finish_non_exhaustive()
    }
}

/// Why the hubs can't be asked with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum HubSetupError {
    /// An address is none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The HTTP client can't be set up.
    #[error(transparent)]
    Client(#[from] HttpSetupError),
    /// The hub can't be asked at its address.
    #[error(transparent)]
    Hub(#[from] VendorError),
}

impl Hubs {
    pub(crate) fn new(
        config: &ProvisionerConfig,
        credentials: &Credentials,
        parts: PathBuf,
    ) -> Result<Self, HubSetupError> {
        let hugging_face = Endpoint::new(Vendor::HuggingFace, &config.huggingface.endpoint, credentials)?;
        let civitai = Endpoint::new(Vendor::CivitAi, &config.civitai.base_url, credentials)?;
        let client = HttpClient::new(HttpConfig {
            // Only what the operator named may be on a private network.
            trusted: vec![hugging_face.url.clone(), civitai.url.clone()],
            ..HttpConfig::default()
        })?;
        let hf = HuggingFace::new(client.clone(), &hugging_face.url, Arc::new(hugging_face.clone()))?;
        let civit = CivitAi::new(client.clone(), &civitai.url, Arc::new(civitai.clone()))?;
        Ok(Self(Arc::new(Inner {
            client,
            hugging_face: (hugging_face, Arc::new(hf)),
            civitai: (civitai, Arc::new(civit)),
            parts,
        })))
    }

    /// The client with the hubs' rules, for their files.
    pub(crate) fn client(&self) -> HttpClient {
        self.0.client.clone()
    }

    /// The addresses of the hubs.
    pub(crate) fn endpoints(&self) -> [&Endpoint; 2] {
        [&self.0.hugging_face.0, &self.0.civitai.0]
    }

    /// A hub by its vendor; a file of the user's own has none.
    pub(crate) fn of(&self, vendor: Vendor) -> Option<(&Endpoint, &Arc<dyn VendorSource>)> {
        let (endpoint, hub) = match vendor {
            Vendor::HuggingFace => &self.0.hugging_face,
            Vendor::CivitAi => &self.0.civitai,
            Vendor::Local => return None,
        };
        Some((endpoint, hub))
    }

    /// What an id means at its hub.
    pub(crate) async fn resolve(&self, model_id: &ModelId) -> Result<Resolution, VendorError> {
        let Some((_, hub)) = self.of(model_id.vendor()) else {
            return Err(VendorError::OtherVendor {
                id: model_id.to_string(),
                vendor: Vendor::HuggingFace,
            });
        };
        let parts = self.0.parts.clone();
        let machine = tokio::task::spawn_blocking(move || machine(&parts)).await;
        hub.resolve(model_id, &machine.unwrap_or_default()).await
    }

    /// What a download of a model fetches.
    pub(crate) async fn plan(&self, model_id: &ModelId) -> Result<Plan, JobError> {
        let resolution = self.resolve(model_id).await?.accessible()?;
        Ok(plan(resolution))
    }

    /// The id that a model has when it is here, if its hub tells in time; else the one that was asked for.
    pub(crate) async fn canonical(&self, model_id: &ModelId) -> ModelId {
        match tokio::time::timeout(CANONICAL_PATIENCE, self.resolve(model_id)).await {
            Ok(Ok(resolution)) => resolution.id,
            Ok(Err(_)) | Err(_) => model_id.clone(),
        }
    }

    /// Where a planned file comes from; asked at every attempt, with the token of that time.
    pub(crate) fn source(&self, model_id: &ModelId, file: &PlannedFile) -> Result<Arc<dyn Source>, JobError> {
        let (_, hub) = self
            .of(model_id.vendor())
            .ok_or_else(|| VendorError::OtherVendor {
                id: model_id.to_string(),
                vendor: Vendor::HuggingFace,
            })?;
        let url = file.url.parse().map_err(|_| VendorError::InvalidAnswer {
            vendor: model_id.vendor(),
            problem: "the address of a file that was written down is none".to_owned(),
        })?;
        Ok(Arc::new(HubSource {
            hub: Arc::clone(hub),
            url,
        }))
    }

    /// A page of what a hub has.
    pub(crate) async fn search(
        &self,
        vendor: Vendor,
        query: &SearchQuery,
    ) -> Result<SearchPage, VendorError> {
        match self.of(vendor) {
            Some((_, hub)) => hub.search(query).await,
            None => Err(VendorError::InvalidQuery {
                field: "vendor",
                problem: "must be Hugging Face or CivitAI".to_owned(),
            }),
        }
    }

    /// Asks a hub whose token this is.
    pub(crate) async fn account(
        &self,
        vendor: Vendor,
        token: &SecretString,
    ) -> Result<Option<String>, VendorError> {
        match self.of(vendor) {
            Some((_, hub)) => hub.account(token).await,
            None => Ok(None),
        }
    }
}

/// What a model is to fit: the host's memory, since a larger one can't be loaded here, and the disk.
fn machine(parts: &std::path::Path) -> Machine {
    let memory_bytes = sysinfo::System::new().ok().map(|mut system| {
        system.refresh_memory();
        system.total_memory()
    });
    Machine {
        memory_bytes: memory_bytes.filter(|bytes| *bytes > 0),
        disk_available_bytes: crate::disk::available_bytes(parts).ok().flatten(),
    }
}

/// What is written down of a resolution.
pub(crate) fn plan(resolution: Resolution) -> Plan {
    let mut metadata = resolution.metadata;
    if let Some(licence) = resolution.licence {
        metadata.entry("license".to_owned()).or_insert(licence);
    }
    metadata
        .entry("page_url".to_owned())
        .or_insert(resolution.page_url);
    let notes: Vec<String> = std::iter::once(resolution.choice)
        .chain(resolution.notes)
        .filter(|note| !note.is_empty())
        .collect();
    Plan {
        model_id: resolution.id,
        name: resolution.name,
        revision: resolution.commit,
        files: resolution
            .files
            .into_iter()
            .map(|file| PlannedFile {
                sha256: match &file.digest {
                    FileDigest::Sha256(sha256) => Some(*sha256),
                    _ => None,
                },
                git_sha1: match file.digest {
                    FileDigest::GitSha1(sha1) => Some(sha1),
                    _ => None,
                },
                name: file.name,
                size_bytes: file.size_bytes,
                url: file.url.into(),
                is_text: file.is_text,
            })
            .collect(),
        model_type: resolution.model_type,
        quantization: resolution.quantization,
        metadata,
        choice: notes.join("; "),
        claim: PlannedClaim {
            kind: resolution.claim.kind,
            base_model: resolution.claim.base_model,
            format: resolution.claim.format,
        },
    }
}
