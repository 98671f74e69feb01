//! Wiring: from a configuration to a service that a server can mount.

use std::path::Path;

use rbee_artifacts::WorkerType;
use rbee_proto::provisioner::v1::provisioner_service_server::ProvisionerServiceServer;
use rbee_service_kit::client::TargetError;
use rbee_service_kit::{Lifecycle, ServerBuilder, Target, narrate_warn};
use rbee_store::{Store, StoreError};

use crate::config::ProvisionerConfig;
use crate::domain::request::JobRequest;
use crate::grpc::{CatalogClient, ProvisionerRpc};
use crate::import::Importer;
use crate::jobs::Jobs;
use crate::source::ImportRoots;

/// Where programs come from that lie beside `rbee`.
const BUNDLED: &str = "bundled";

/// Why the provisioner can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration names no store.
    #[error("no store is configured: set `provisioner.store` (--store) to the catalog's store")]
    NoStore,
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
}

/// The provisioner, running. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Provisioner {
    jobs: Jobs,
    catalog: CatalogClient,
    import_roots: ImportRoots,
    lifecycle: Lifecycle,
}

impl Provisioner {
    /// Opens the store. The catalog need not answer yet.
    ///
    /// # Errors
    /// If the configuration can't be used or the store can't be opened.
    pub async fn start(
        config: ProvisionerConfig,
        catalog: Target,
        lifecycle: &Lifecycle,
    ) -> Result<Self, StartError> {
        let limits = config.board_limits();
        if let Some(root) = config.import_roots.iter().find(|root| !root.is_absolute()) {
            return Err(StartError::ImportRoot {
                root: root.display().to_string(),
            });
        }
        let catalog = CatalogClient::new(catalog.connect_lazy()?, config.catalog_patience);
        let importer = Importer {
            store: Store::open(&config.store.ok_or(StartError::NoStore)?).await?,
            catalog: catalog.clone(),
            version_timeout: config.version_timeout,
        };
        Ok(Self {
            jobs: Jobs::new(limits, config.concurrent_jobs, importer, lifecycle),
            catalog,
            import_roots: ImportRoots::new(config.import_roots),
            lifecycle: lifecycle.clone(),
        })
    }

    /// Adds the provisioner's service to a server.
    pub fn mount(&self, server: &mut ServerBuilder) {
        server.add_service(ProvisionerServiceServer::new(ProvisionerRpc {
            jobs: self.jobs.clone(),
            catalog: self.catalog.clone(),
            import_roots: self.import_roots.clone(),
            shutdown: self.lifecycle.token(),
        }));
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
            match self.jobs.submit(request) {
                Ok(job) => jobs.push(job),
                Err(error) => narrate_warn!("the worker {worker_type} beside rbee is not installed: {error}"),
            }
        }
        for job in jobs {
            job.ended().await;
        }
    }
}
