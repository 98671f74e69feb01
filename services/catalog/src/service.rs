//! Wiring: from a configuration to services that a server can mount.

use rbee_artifacts::{ModelEntry, WorkerBinary};
use rbee_proto::catalog::v1::model_service_server::ModelServiceServer;
use rbee_proto::catalog::v1::registry_service_server::RegistryServiceServer;
use rbee_proto::catalog::v1::worker_binary_service_server::WorkerBinaryServiceServer;
use rbee_service_kit::{Lifecycle, ServerBuilder};
use rbee_store::{Store, StoreError};

use crate::config::CatalogConfig;
use crate::grpc;
use crate::live::LiveRegistry;
use crate::store::{FilesystemCatalog, OpenError};

/// Why the catalog can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration names no store.
    #[error("no store is configured: set `catalog.store` (--store) to a path or a file:// URL")]
    NoStore,
    /// A duration or size makes no sense.
    #[error("`catalog.{setting}` must not be {value}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: &'static str,
    },
    /// The store can't be opened.
    #[error("cannot open the store")]
    Store(#[from] StoreError),
    /// The entries can't be listed.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// The catalog, running. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog {
    models: FilesystemCatalog<ModelEntry>,
    worker_binaries: FilesystemCatalog<WorkerBinary>,
    registry: LiveRegistry,
    lifecycle: Lifecycle,
}

impl Catalog {
    /// Opens the store, reads all entries and begins to watch over leases.
    ///
    /// # Errors
    /// If the store can't be opened or read.
    pub async fn start(config: CatalogConfig, lifecycle: &Lifecycle) -> Result<Self, StartError> {
        let senseless = [
            ("lease", "0s", config.lease.is_zero()),
            ("max_hives", "0", config.max_hives == 0),
            ("max_workers", "0", config.max_workers == 0),
        ];
        if let Some((setting, value, _)) = senseless.into_iter().find(|(_, _, is_set)| *is_set) {
            return Err(StartError::Setting { setting, value });
        }
        let (limits, lease_terms, room) = (config.limits(), config.lease_terms(), config.room());
        let watch_queue = config.watch_queue;
        let store = Store::open(&config.store.ok_or(StartError::NoStore)?).await?;
        let models = FilesystemCatalog::open(store.clone(), limits, lifecycle).await?;
        let worker_binaries = FilesystemCatalog::open(store, limits, lifecycle).await?;
        let registry = LiveRegistry::start(lease_terms, room, watch_queue, lifecycle);
        // A catalog that has models has had an earlier life, and hives that know it from then.
        if !models.after(None, 1).is_empty() {
            registry.settle();
        }
        Ok(Self {
            models,
            worker_binaries,
            registry,
            lifecycle: lifecycle.clone(),
        })
    }

    /// Adds the catalog's services to a server.
    pub fn mount(&self, server: &mut ServerBuilder) {
        let shutdown = self.lifecycle.token();
        let models = grpc::Models::new(self.models.clone(), shutdown.clone());
        let worker_binaries = grpc::WorkerBinaries::new(self.worker_binaries.clone());
        let registry = grpc::Registry::new(self.registry.clone(), shutdown);
        server
            .add_service(ModelServiceServer::new(models))
            .add_service(WorkerBinaryServiceServer::new(worker_binaries))
            .add_service(RegistryServiceServer::new(registry));
    }
}
