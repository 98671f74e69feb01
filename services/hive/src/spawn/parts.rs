//! What spawning works with.

use rbee_service_kit::Lifecycle;

use super::binaries::Binaries;
use super::files::Files;
use crate::catalog::Catalog;
use crate::config::WorkerConfig;
use crate::folders::Folders;
use crate::host::Host;
use crate::log::Logs;
use crate::process::{Cgroups, Launcher};
use crate::reconciler::Orders;
use crate::registrar::Told;
use crate::telemetry::Metrics;
use crate::worker::Workers;

/// What spawning and running workers works with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Who knows models and worker programs.
    pub(crate) catalog: Catalog,
    /// Their files on this host.
    pub(crate) files: Files,
    /// Worker programs, ready to run.
    pub(crate) binaries: Binaries,
    /// The hive's folders.
    pub(crate) folders: Folders,
    /// Who starts processes.
    pub(crate) launcher: Launcher,
    /// The table of workers.
    pub(crate) workers: Workers,
    /// Who owns the ledger.
    pub(crate) orders: Orders,
    /// Workers' logs.
    pub(crate) logs: Logs,
    /// Devices and who has what of them.
    pub(crate) host: Host,
    /// What the catalog was told.
    pub(crate) told: Told,
    /// Where workers' processes are limited and counted.
    pub(crate) cgroups: Cgroups,
    /// What is counted for metrics.
    pub(crate) metrics: Metrics,
    /// How patient to be.
    pub(crate) config: WorkerConfig,
    /// The hive's life.
    pub(crate) lifecycle: Lifecycle,
}
