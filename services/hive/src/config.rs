//! The hive's configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use rbee_service_kit::config::{TelemetryConfig, duration, optional_duration};
use serde::{Deserialize, Serialize};

use crate::domain::RestartPolicy;
use crate::process::CgroupSetting;
use crate::worker::{Patience, Supervision};

/// Section `[hive]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HiveConfig {
    /// A name to show; the host's name unless configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Folder for the hive's own things: its id, workers' folders, worker programs.
    /// `<data folder>/hive` unless configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Where the store is: a path, a `file://` URL, or `s3://bucket/prefix`. `<data folder>/store` unless configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Folder for what is fetched from a store that is not on this host; `<folder>/cache` unless configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<PathBuf>,
    /// The most that this folder may take.
    pub cache_limit: ByteSize,
    /// A store that gives nothing for this long while something is fetched from it counts as unavailable.
    #[serde(with = "duration")]
    pub store_patience: Duration,
    /// Devices to hide or to declare: `-cuda:1; +cuda:0,memory=24GiB,name=RTX 4090`. See
    /// [`Declarations`](crate::devices::Declarations).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub devices: String,
    /// Where workers get their control groups (Linux, version 2): `auto` below the hive's own, if that was given to the
    /// hive and to nobody else; `off`; or below a folder such as `/sys/fs/cgroup/rbee.slice`.
    pub cgroup: CgroupSetting,
    /// How long a call to the catalog may take.
    #[serde(with = "duration")]
    pub catalog_timeout: Duration,
    /// Section `[hive.worker]`.
    pub worker: WorkerConfig,
}

impl Default for HiveConfig {
    fn default() -> Self {
        Self {
            name: None,
            folder: None,
            store: None,
            cache_dir: None,
            cache_limit: ByteSize::gib(100),
            store_patience: Duration::from_secs(120),
            devices: String::new(),
            cgroup: CgroupSetting::Auto,
            catalog_timeout: Duration::from_secs(5),
            worker: WorkerConfig::default(),
        }
    }
}

/// Section `[hive.worker]`: how patient the hive is with its workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// How long a worker may take to become ready, besides what its model's size allows for.
    #[serde(with = "duration")]
    pub ready_timeout: Duration,
    /// The slowest disk to wait for: a model of this many bytes may take one second longer.
    pub load_bytes_per_second: u64,
    /// A worker that was told to leave is killed after this long.
    #[serde(with = "duration")]
    pub stop_grace: Duration,
    /// Between two checks of a worker's health.
    #[serde(with = "duration")]
    pub health_interval: Duration,
    /// A worker whose health doesn't answer for this long is taken for hung and killed.
    #[serde(with = "duration")]
    pub health_timeout: Duration,
    /// Whether a worker's memory on the host is limited, to twice its estimate and 1 GiB, where there are control groups.
    pub limit_memory: bool,
    /// How long requests that run may go on when a worker is stopped, unless it is said otherwise.
    #[serde(with = "duration")]
    pub drain_grace: Duration,
    /// A worker that has answered nothing for this long is stopped, unless its spawn says otherwise; absent for never.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub idle_ttl: Option<Duration>,
    /// How much of its log each worker may have on disk, in bytes; 512 KiB at least.
    pub log_bytes: u64,
    /// Section `[hive.worker.restart]`.
    pub restart: RestartConfig,
    /// Environment variables that workers get besides the few that are passed on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            ready_timeout: Duration::from_secs(60),
            // A model on a slow disk or a network folder.
            load_bytes_per_second: 50 << 20,
            stop_grace: Duration::from_secs(5),
            health_interval: Duration::from_secs(2),
            // Inference takes all processors; a busy machine is not a hung worker.
            health_timeout: Duration::from_secs(20),
            limit_memory: true,
            drain_grace: Duration::from_secs(30),
            idle_ttl: None,
            // Some 80,000 lines.
            log_bytes: 8 << 20,
            restart: RestartConfig::default(),
            environment: BTreeMap::new(),
        }
    }
}

/// Section `[hive.worker.restart]`: when a worker that crashed is started anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestartConfig {
    /// The wait after the first crash in a row; it doubles with each.
    #[serde(with = "duration")]
    pub first_wait: Duration,
    /// The longest wait.
    #[serde(with = "duration")]
    pub longest_wait: Duration,
    /// With this many crashes in a row a worker is left alone.
    pub limit: u32,
    /// A crash after serving for this long begins a new row.
    #[serde(with = "duration")]
    pub healthy_after: Duration,
}

impl Default for RestartConfig {
    fn default() -> Self {
        let RestartPolicy {
            first_wait,
            longest_wait,
            limit,
            healthy_after,
        } = RestartPolicy::default();
        Self {
            first_wait,
            longest_wait,
            limit,
            healthy_after,
        }
    }
}

impl RestartConfig {
    pub(crate) fn policy(&self) -> RestartPolicy {
        RestartPolicy {
            first_wait: self.first_wait,
            longest_wait: self.longest_wait,
            limit: self.limit,
            healthy_after: self.healthy_after,
        }
    }
}

impl WorkerConfig {
    /// Has workers log and trace like this process, also where that was said by file or flag and
    /// not in the environment. What is configured for workers themselves stays.
    pub fn pass_on(&mut self, telemetry: &TelemetryConfig) {
        let mut set = |name: &str, value: &str| {
            self.environment
                .entry(name.to_owned())
                .or_insert_with(|| value.to_owned());
        };
        set("RBEE_LOG", &telemetry.log);
        if let Some(endpoint) = telemetry.endpoint() {
            set("RBEE_OTLP_ENDPOINT", &endpoint);
        }
    }

    pub(crate) fn supervision(&self, ready_timeout: Duration) -> Supervision {
        Supervision {
            ready_timeout,
            stop_grace: self.stop_grace,
            health: Patience {
                interval: self.health_interval,
                limit: self.health_timeout,
            },
        }
    }
}
