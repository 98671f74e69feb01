//! The provisioner's configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use rbee_download::http::HttpClient;
use rbee_download::{AvailableBytes, Bandwidth, DownloadConfig, Downloader};
use rbee_service_kit::config::duration;
use rbee_vendors::{CIVITAI_BASE_URL, HF_ENDPOINT};
use serde::{Deserialize, Serialize};

use crate::domain::board::BoardLimits;
use crate::install::PackagesConfig;

/// Section `[provisioner]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisionerConfig {
    /// Where the store is: a `file://` or `s3://` URL, or a path; the catalog's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Folder for jobs, parts of downloads, tokens and builds. It belongs to one provisioner alone. Downloads need
    /// no second copy if it is on the store's file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<PathBuf>,
    /// Folders of this host that clients on other machines may import from. Clients on this machine
    /// may import from anywhere.
    pub import_roots: Vec<PathBuf>,
    /// Jobs that work at the same time; the others wait.
    pub concurrent_jobs: usize,
    /// Jobs that work or wait; more are refused.
    pub max_active_jobs: usize,
    /// Jobs that are still shown after they have ended.
    pub kept_jobs: usize,
    /// How long a job waits for a catalog that does not answer.
    #[serde(with = "duration")]
    pub catalog_patience: Duration,
    /// How long a worker program may take to say its version.
    #[serde(with = "duration")]
    pub version_timeout: Duration,
    /// Connections for one large file from a far host; one on a private network gets one.
    pub connections: usize,
    /// Most bytes a second that all downloads take together; as many as come, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_limit: Option<ByteSize>,
    /// Larger files are refused before anything is written.
    pub max_file_size: ByteSize,
    /// What downloads leave free on the disk.
    pub keep_free: ByteSize,
    /// How often a download writes down how far it is: what a crash can cost.
    #[serde(with = "duration")]
    pub flush_every: Duration,
    /// Hugging Face.
    pub huggingface: HuggingFaceConfig,
    /// CivitAI.
    pub civitai: CivitAiConfig,
    /// Packages that worker programs are built from.
    pub packages: PackagesConfig,
}

/// Section `[provisioner.huggingface]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HuggingFaceConfig {
    /// Its address, or that of a mirror. The environment variable `HF_ENDPOINT` goes before it.
    pub endpoint: String,
}

impl Default for HuggingFaceConfig {
    fn default() -> Self {
        Self {
            endpoint: HF_ENDPOINT.to_owned(),
        }
    }
}

/// Environment and flags over section `[provisioner.huggingface]`.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
pub struct HuggingFaceArguments {
    /// Address of Hugging Face, or of a mirror.
    #[arg(
        id = "hf_endpoint",
        long = "hf-endpoint",
        env = "HF_ENDPOINT",
        value_name = "URL"
    )]
    #[serde(skip_serializing_if = "is_unset")]
    pub endpoint: Option<String>,
}

/// Environment and flags over section `[provisioner.civitai]`.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
pub struct CivitAiArguments {
    /// Address of CivitAI.
    #[arg(
        id = "civitai_base_url",
        long = "civitai-base-url",
        env = "CIVITAI_BASE_URL",
        value_name = "URL"
    )]
    #[serde(skip_serializing_if = "is_unset")]
    pub base_url: Option<String>,
}

/// A variable that is there and empty says nothing.
fn is_unset(text: &Option<String>) -> bool {
    text.as_deref().is_none_or(|text| text.trim().is_empty())
}

/// Section `[provisioner.civitai]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CivitAiConfig {
    /// Its address. The environment variable `CIVITAI_BASE_URL` goes before it.
    pub base_url: String,
}

impl Default for CivitAiConfig {
    fn default() -> Self {
        Self {
            base_url: CIVITAI_BASE_URL.to_owned(),
        }
    }
}

impl Default for ProvisionerConfig {
    fn default() -> Self {
        let usual = DownloadConfig::default();
        Self {
            store: None,
            work_dir: None,
            import_roots: Vec::new(),
            // Hashing is bound by the disk or one core; more at once only take turns.
            concurrent_jobs: 2,
            max_active_jobs: 64,
            kept_jobs: 200,
            catalog_patience: Duration::from_secs(60),
            version_timeout: Duration::from_secs(10),
            connections: usual.connections,
            bandwidth_limit: None,
            max_file_size: ByteSize(usual.max_size_bytes),
            keep_free: ByteSize(usual.keep_free_bytes),
            flush_every: usual.flush_every,
            huggingface: HuggingFaceConfig::default(),
            civitai: CivitAiConfig::default(),
            packages: PackagesConfig::default(),
        }
    }
}

impl ProvisionerConfig {
    pub(crate) fn board_limits(&self) -> BoardLimits {
        BoardLimits {
            active: self.max_active_jobs,
            ended: self.kept_jobs,
        }
    }

    pub(crate) fn downloader(&self, client: HttpClient) -> Downloader {
        let config = DownloadConfig {
            max_size_bytes: self.max_file_size.0,
            connections: self.connections.max(1),
            keep_free_bytes: self.keep_free.0,
            flush_every: self.flush_every,
            ..DownloadConfig::default()
        };
        let bandwidth = Arc::new(Bandwidth::new(self.bandwidth_limit.map(|limit| limit.0)));
        Downloader::new(
            client,
            config,
            bandwidth,
            AvailableBytes::by(crate::disk::available_bytes),
        )
    }
}
