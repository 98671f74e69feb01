//! Wiring: from a configuration to a service that a server can mount.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rbee_artifacts::WorkerType;
use rbee_proto::provisioner::v1::provisioner_service_server::ProvisionerServiceServer;
use rbee_service_kit::client::TargetError;
use rbee_service_kit::{Lifecycle, ServerBuilder, Target, narrate_warn};
use rbee_store::{Store, StoreError};

use crate::config::ProvisionerConfig;
use crate::credentials::Credentials;
use crate::domain::request::JobRequest;
use crate::grpc::{CatalogClient, ProvisionerRpc};
use crate::hub::{HubSetupError, Hubs};
use crate::import::Importer;
use crate::install::{Install, InstallSetupError};
use crate::jobs::Jobs;
use crate::provision::Provisioning;
use crate::source::ImportRoots;
use crate::work::Work;
use crate::work_dir::{WorkDir, WorkDirError};

/// Where programs come from that lie beside `rbee`.
const BUNDLED: &str = "bundled";

/// Why the provisioner can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration names no store.
    #[error("no store is configured: set `provisioner.store` (--store) to the catalog's store")]
    NoStore,
    /// The configuration names no folder for the provisioner's own things.
    #[error("no folder is configured: set `provisioner.work_dir` (--work-dir), best on the store's disk")]
    NoWorkDir,
    /// The provisioner's own folder can't be used.
    #[error(transparent)]
    WorkDir(#[from] WorkDirError),
    /// What lies in the provisioner's own folder can't be read.
    #[error("cannot read {what} below `provisioner.work_dir`")]
    State {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An import root is not absolute.
    #[error("`provisioner.import_roots` must be absolute paths; \"{root}\" is not")]
    ImportRoot {
        /// The root.
        root: String,
    },
    /// The store can't be opened.
    #[error("cannot open the store")]
    Store(#[from] StoreError),
    /// The catalog's address or token can't be used.
    #[error("cannot use the catalog's address")]
    Catalog(#[from] TargetError),
    /// The hubs can't be asked.
    #[error("cannot use a hub's address")]
    Hubs(#[from] HubSetupError),
    /// Packages can't be built.
    #[error("cannot build packages")]
    Packages(#[from] InstallSetupError),
}

/// The provisioner, running. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Provisioner {
    jobs: Jobs,
    work: Work,
    credentials: Credentials,
    import_roots: ImportRoots,
    lifecycle: Lifecycle,
    /// Kept as long as somebody may write there.
    _work_dir: WorkDir,
}

impl Provisioner {
    /// Opens the store and the provisioner's own folder, and goes on with the jobs that an earlier life left. The
    /// catalog need not answer yet.
    ///
    /// # Errors
    /// If the configuration can't be used, or the store or the folder can't be opened.
    pub async fn start(
        config: ProvisionerConfig,
        catalog: Target,
        lifecycle: &Lifecycle,
    ) -> Result<Self, StartError> {
        if let Some(root) = config.import_roots.iter().find(|root| !root.is_absolute()) {
            return Err(StartError::ImportRoot {
                root: root.display().to_string(),
            });
        }
        let path = config.work_dir.clone().ok_or(StartError::NoWorkDir)?;
        let work_dir = blocking(move || WorkDir::lock(&path)).await??;
        let folder = work_dir.credentials();
        let credentials = blocking(move || Credentials::open(folder))
            .await?
            .map_err(|source| StartError::State {
                what: "tokens",
                source,
            })?;
        let importer = Importer {
            store: Store::open(config.store.as_deref().ok_or(StartError::NoStore)?).await?,
            catalog: CatalogClient::new(catalog.connect_lazy()?, config.catalog_patience),
            collection: Arc::default(),
            version_timeout: config.version_timeout,
        };
        let hubs = Hubs::new(&config, &credentials, work_dir.parts())?;
        let downloader = config.downloader(hubs.client());
        let install = Install::new(&config.packages, work_dir.builds())?;
        install.sweep().await;
        let work = Work {
            provisioning: Provisioning::new(
                importer.clone(),
                hubs,
                downloader,
                work_dir.parts(),
                config.keep_free.0,
            ),
            importer,
            install,
        };
        let reading = |source| StartError::State { what: "jobs", source };
        let jobs = Jobs::open(
            work_dir.jobs(),
            config.board_limits(),
            config.concurrent_jobs,
            work.clone(),
            lifecycle,
        )
        .map_err(reading)?;
        jobs.resume().await.map_err(reading)?;
        Ok(Self {
            jobs,
            work,
            credentials,
            import_roots: ImportRoots::new(config.import_roots),
            lifecycle: lifecycle.clone(),
            _work_dir: work_dir,
        })
    }

    /// Adds the provisioner's service to a server.
    pub fn mount(&self, server: &mut ServerBuilder) {
        server.add_service(ProvisionerServiceServer::new(self.rpc()));
    }

    pub(crate) fn rpc(&self) -> ProvisionerRpc {
        ProvisionerRpc {
            jobs: self.jobs.clone(),
            work: self.work.clone(),
            credentials: self.credentials.clone(),
            import_roots: self.import_roots.clone(),
            shutdown: self.lifecycle.token(),
        }
    }

    /// Installs the worker programs that lie in `folder` under their own names, such as
    /// `llm-worker-rbee-cpu`. Returns when all are installed or refused; refusals are narrated, and none
    /// keeps another from being installed.
    pub async fn import_bundled_workers(&self, folder: &Path) {
        let mut jobs = Vec::new();
        for &worker_type in WorkerType::ALL {
            let program = format!("{}{}", worker_type.binary_name(), std::env::consts::EXE_SUFFIX);
            let source = folder.join(program);
            if !tokio::fs::metadata(&source)
                .await
                .is_ok_and(|metadata| metadata.is_file())
            {
                continue;
            }
            let source = tokio::fs::canonicalize(&source).await.unwrap_or(source);
            let request = JobRequest::ImportWorkerBinary {
                source,
                worker_type,
                origin: BUNDLED.to_owned(),
            };
            match self.jobs.submit(request).await {
                Ok(job) => jobs.push(job),
                Err(error) => narrate_warn!("the worker {worker_type} beside rbee is not installed: {error}"),
            }
        }
        for job in jobs {
            job.ended().await;
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|failed| StartError::State {
            what: "its state",
            source: io::Error::other(failed),
        })
}
