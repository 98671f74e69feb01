//! The provisioner's configuration.

use std::path::PathBuf;
use std::time::Duration;

use rbee_service_kit::config::duration;
use serde::{Deserialize, Serialize};

use crate::domain::board::BoardLimits;

/// Section `[provisioner]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisionerConfig {
    /// Where the store is: a `file://` URL or a path; the catalog's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
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
}

impl Default for ProvisionerConfig {
    fn default() -> Self {
        Self {
            store: None,
            import_roots: Vec::new(),
            // Hashing is bound by the disk or one core; more at once only take turns.
            concurrent_jobs: 2,
            max_active_jobs: 64,
            kept_jobs: 200,
            catalog_patience: Duration::from_secs(60),
            version_timeout: Duration::from_secs(10),
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
}
