//! The catalog's configuration.

use std::time::Duration;

use rbee_service_kit::config::duration;
use serde::{Deserialize, Serialize};

use crate::domain::limits;
use crate::domain::registry::{LeaseTerms, Room};
use crate::store::CatalogLimits;

/// Section `[catalog]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogConfig {
    /// Where the store is: a `file://` URL or a path. `<data folder>/store` unless configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Without a heartbeat for this long, a hive counts as unreachable.
    #[serde(with = "duration")]
    pub lease: Duration,
    /// After being unreachable for this long, a hive is forgotten.
    #[serde(with = "duration")]
    pub forget_hives_after: Duration,
    /// Hives that are held at once, unreachable ones too. To make room for another, the unreachable hive that was
    /// silent for the longest is forgotten early.
    pub max_hives: usize,
    /// Workers of all hives that are held at once.
    pub max_workers: usize,
    /// Changes that a watching client may fall behind before it is cut off.
    pub watch_queue: usize,
    /// Past changes that a watching client can resume over.
    pub watch_history: usize,
    /// Recent creating requests that are recognised when they are repeated.
    pub remembered_requests: usize,
}

impl Default for CatalogConfig {
    fn default() -> Self {
        Self {
            store: None,
            // Three heartbeats of a hive may be lost.
            lease: Duration::from_secs(15),
            forget_hives_after: Duration::from_secs(24 * 60 * 60),
            // Far beyond what one person's machines run, and some 100 MiB at the most.
            max_hives: 1024,
            max_workers: 8192,
            watch_queue: 1024,
            watch_history: 4096,
            remembered_requests: 1024,
        }
    }
}

impl CatalogConfig {
    pub(crate) fn lease_terms(&self) -> LeaseTerms {
        LeaseTerms {
            lease: self.lease,
            forget_after: self.forget_hives_after,
        }
    }

    pub(crate) fn room(&self) -> Room {
        Room {
            hives: self.max_hives,
            workers: self.max_workers,
            workers_of_hive: limits::MAX_WORKERS,
        }
    }

    pub(crate) fn limits(&self) -> CatalogLimits {
        CatalogLimits {
            history: self.watch_history,
            watch_queue: self.watch_queue,
            requests: self.remembered_requests,
        }
    }
}
