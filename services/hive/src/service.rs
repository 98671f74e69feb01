//! Wiring: from a configuration to a hive that a server can mount.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use rbee_proto::hive::v1::hive_service_server::HiveServiceServer;
use rbee_proto::worker::v1::{text_service_server, worker_service_server};
use rbee_service_kit::client::TargetError;
use rbee_service_kit::metrics::Collect;
use rbee_service_kit::{Lifecycle, ServerBuilder, Target};
use rbee_store::{BlobCache, CacheOptions, OpenCacheError, Store, StoreError, StoreOptions};
use sysinfo::System;

use crate::catalog::Catalog;
use crate::config::HiveConfig;
use crate::devices::{DeclarationsError, Devices};
use crate::folders::{Folders, FoldersError};
use crate::grpc::HiveHandler;
use crate::grpc::convert::Identity;
use crate::host::Host;
use crate::ledger::{LedgerError, LedgerFile};
use crate::process::{CgroupError, CgroupSetting, Cgroups, Launcher};
use crate::proxy::Proxy;
use crate::reconciler::Reconciler;
use crate::registrar::{Registrar, Told};
use crate::spawn::{Binaries, Files, Parts, Spawner};
use crate::telemetry::{Metrics, Numbers, Telemetry};
use crate::worker::Workers;

/// Besides their grace, what workers may take to leave at shutdown.
const LEAVING_SLACK: Duration = Duration::from_secs(1);

/// Why the hive can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration names no folder.
    #[error("no folder is configured: set `hive.folder` (--folder)")]
    NoFolder,
    /// The configuration names no store.
    #[error(
        "no store is configured: set `hive.store` (--store) to a path, a file:// URL or s3://bucket/prefix"
    )]
    NoStore,
    /// The hive's folder can't be used.
    #[error(transparent)]
    Folders(#[from] FoldersError),
    /// The ledger of wanted workers can't be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The folder for control groups can't be used.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// What is said of devices can't be understood.
    #[error(transparent)]
    Devices(#[from] DeclarationsError),
    /// The cache of the store's files can't be used.
    #[error("cannot use the cache of the store's files")]
    Cache(#[from] OpenCacheError),
    /// The store can't be opened.
    #[error("cannot open the store")]
    Store(#[from] StoreError),
    /// The catalog's address or token can't be used.
    #[error("cannot call the catalog")]
    Catalog(#[from] TargetError),
    /// The system gives no thread.
    #[error("cannot start the thread that starts workers")]
    Launcher(#[source] io::Error),
}

/// The hive, running. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hive {
    handler: HiveHandler,
    told: Told,
    numbers: Numbers,
}

impl Hive {
    /// Takes the hive's folder, clears away what an earlier hive left, and begins to tell the
    /// catalog of this one. `own_address` is where clients reach the server that mounts it, as a URL.
    ///
    /// When `lifecycle` shuts down, workers are told to leave and killed after their grace; the
    /// tasks that `lifecycle` tracks end when all of that is done. When the process ends in any
    /// other way, its workers end with it.
    ///
    /// # Errors
    /// If a folder or the store can't be used. That the catalog is away is none.
    pub async fn start(
        config: HiveConfig,
        catalog: Target,
        own_address: String,
        lifecycle: &Lifecycle,
    ) -> Result<Self, StartError> {
        let folder = config.folder.as_deref().ok_or(StartError::NoFolder)?;
        let devices = Devices::of_this_host(config.devices.parse()?);
        let store = config.store.as_deref().ok_or(StartError::NoStore)?;
        // Workers whose files are here are of use while the store is away.
        let store = StoreOptions::default().for_reader().open(store).await?;
        let folders = Folders::open(folder)?;
        let cache_dir = config.cache_dir.unwrap_or_else(|| folders.path().join("cache"));
        let cache = open_cache(&store, cache_dir, config.cache_limit, config.store_patience).await?;
        let files = Files::new(store, cache);
        let hive_folder = Arc::from(folders.path());
        // After the folder is locked: no other hive has this id now, so that its groups are an earlier one's.
        let cgroups = cgroups(config.cgroup, folders.hive_id().to_string()).await?;
        let identity = Identity {
            id: folders.hive_id().clone(),
            name: config.name.unwrap_or_else(host_name),
            address: own_address,
        };
        let metrics = Metrics::default();
        let catalog = Catalog::new(catalog.connect_lazy()?, config.catalog_timeout);
        let workers = Workers::default();
        let host = Host::new(devices.clone(), workers.clone());
        let telemetry = Telemetry::new(host.clone(), devices, workers.clone(), cgroups.clone());
        let (file, ledger) = LedgerFile::open(folders.path())?;
        let logs = folders.open_logs(config.worker.log_bytes)?;
        logs.keep_only(&ledger.workers.iter().map(|desired| desired.id.clone()).collect());
        let (reconciler, orders) = Reconciler::new(file, ledger, config.worker.drain_grace);
        let (registrar, told) = Registrar::new(
            catalog.clone(),
            identity.clone(),
            workers.clone(),
            host.clone(),
            orders.draining(),
        );
        lifecycle.spawn(registrar.run(lifecycle.token(), config.worker.stop_grace + LEAVING_SLACK));
        let idle_ttl = config.worker.idle_ttl;
        let spawner = Spawner::new(Parts {
            catalog,
            binaries: Binaries::new(folders.binaries().to_path_buf(), files.clone()),
            files: files.clone(),
            folders,
            launcher: Launcher::start().map_err(StartError::Launcher)?,
            workers: workers.clone(),
            orders: orders.clone(),
            logs: logs.clone(),
            host: host.clone(),
            told: told.clone(),
            cgroups,
            metrics: metrics.clone(),
            config: config.worker,
            lifecycle: lifecycle.clone(),
        });
        lifecycle.spawn(reconciler.run(lifecycle.token(), Arc::new(spawner.clone())));
        let numbers = Numbers {
            telemetry: telemetry.clone(),
            metrics,
            files: files.clone(),
            folder: hive_folder,
            workers: workers.clone(),
            told: told.clone(),
        };
        let handler = HiveHandler {
            identity: Arc::new(identity),
            spawner,
            orders,
            idle_ttl,
            workers,
            told: told.clone(),
            logs,
            host,
            files,
            telemetry,
            shutdown: lifecycle.token(),
        };
        Ok(Self {
            handler,
            told,
            numbers,
        })
    }

    /// The hive's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.handler.identity.id.as_str()
    }

    /// Waits until the catalog knows this hive, which takes both their servers to run. Cancel safe.
    pub async fn registered(&self) {
        self.told.registered().await;
    }

    /// What it tells Prometheus, measured whenever somebody asks.
    #[must_use]
    pub fn metrics(&self) -> Arc<dyn Collect> {
        Arc::new(self.numbers.clone())
    }

    /// Adds the hive's service and the way to its workers to a server.
    pub fn mount(&self, server: &mut ServerBuilder) {
        server
            .add_service(HiveServiceServer::new(self.handler.clone()))
            .forwards(text_service_server::SERVICE_NAME)
            .forwards(worker_service_server::SERVICE_NAME)
            .intercept(Arc::new(Proxy::new(
                self.handler.workers.clone(),
                self.numbers.metrics.clone(),
            )));
    }
}

/// Looks for a place for control groups, which may wait for an earlier hive's to end.
async fn cgroups(setting: CgroupSetting, hive_id: String) -> Result<Cgroups, CgroupError> {
    let detect = move || Cgroups::detect(&setting, &hive_id);
    // Fails only where the runtime is ending.
    tokio::task::spawn_blocking(detect)
        .await
        .unwrap_or_else(|_| Ok(Cgroups::none()))
}

/// The cache for a store that is not on this host.
async fn open_cache(
    store: &Store,
    folder: PathBuf,
    limit: ByteSize,
    patience: Duration,
) -> Result<Option<BlobCache>, OpenCacheError> {
    if store.is_on_this_host() {
        return Ok(None);
    }
    let usual = CacheOptions::new(limit.as_u64());
    let options = CacheOptions {
        patience,
        stall: usual.stall.min(patience),
        ..usual
    };
    BlobCache::open(folder, options).await.map(Some)
}

fn host_name() -> String {
    System::host_name().unwrap_or_else(|_| "hive".to_owned())
}

/// How others may call this host: its name, and its addresses on the way to them.
#[must_use]
pub fn names_of_this_host() -> Vec<String> {
    let addresses = crate::advertise::own_addresses();
    std::iter::once(host_name())
        .chain(addresses.map(|address| address.to_string()))
        .collect()
}
