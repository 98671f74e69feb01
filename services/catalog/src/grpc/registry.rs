//! `rbee.catalog.v1.RegistryService`.

use rbee_artifacts::{ModelId, WorkerId};
use rbee_proto::catalog::v1::registry_service_server::RegistryService;
use rbee_proto::catalog::v1::{
    DeregisterHiveRequest, DeregisterHiveResponse, DeregisterWorkerRequest, DeregisterWorkerResponse,
    HiveHeartbeatRequest, HiveHeartbeatResponse, ListHivesRequest, ListHivesResponse, ListWorkersRequest,
    ListWorkersResponse, RegisterHiveRequest, RegisterHiveResponse, RegisterWorkerRequest,
    RegisterWorkerResponse, UpdateWorkerRequest, UpdateWorkerResponse, WatchClusterRequest,
    WatchClusterResponse,
};
use rbee_proto::types::v1 as wire;
use rbee_service_kit::Fault;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::convert::{
    cluster_change, devices_from_wire, hive_facts_from_wire, hive_id_from_wire, hive_to_wire,
    instance_from_wire, synced, worker_from_wire, worker_to_wire,
};
use super::{status, stream};
use crate::domain::cluster::Worker;
use crate::domain::limits::{self, InvalidField};
use crate::domain::registry::{ClusterChange, ClusterStep};
use crate::live::LiveRegistry;

pub(crate) struct Registry {
    registry: LiveRegistry,
    shutdown: CancellationToken,
}

impl Registry {
    pub(crate) fn new(registry: LiveRegistry, shutdown: CancellationToken) -> Self {
        Self { registry, shutdown }
    }

    fn lease(&self) -> Option<prost_types::Duration> {
        // One that is longer than what a message holds is as good as endless.
        self.registry.terms().lease.try_into().ok()
    }
}

fn read_worker(worker: Option<wire::Worker>) -> Result<Worker, Fault> {
    let worker = worker.ok_or_else(|| Fault::invalid("worker", "must be given"))?;
    worker_from_wire("worker", worker).map_err(status::invalid_field)
}

/// The workers in a registration; each may leave out the hive that it stands in.
fn read_workers(hive_id: &str, workers: Vec<wire::Worker>) -> Result<Vec<Worker>, InvalidField> {
    limits::count("workers", workers, limits::MAX_WORKERS)?
        .into_iter()
        .enumerate()
        .map(|(index, mut worker)| {
            let field = format!("workers[{index}]");
            if worker.hive_id.is_empty() {
                hive_id.clone_into(&mut worker.hive_id);
            }
            if worker.hive_id != hive_id {
                return Err(InvalidField::new(
                    format!("{field}.hive_id"),
                    "must be that of the hive",
                ));
            }
            worker_from_wire(&field, worker)
        })
        .collect()
}

#[tonic::async_trait]
impl RegistryService for Registry {
    async fn register_hive(
        &self,
        request: Request<RegisterHiveRequest>,
    ) -> Result<Response<RegisterHiveResponse>, Status> {
        let RegisterHiveRequest {
            hive,
            workers,
            instance_id,
        } = request.into_inner();
        let instance = instance_from_wire(instance_id).map_err(status::invalid_field)?;
        let hive = hive.ok_or_else(|| Fault::invalid("hive", "must be given"))?;
        let workers = read_workers(&hive.id, workers).map_err(status::invalid_field)?;
        let facts = hive_facts_from_wire(hive).map_err(status::invalid_field)?;
        self.registry
            .register_hive(facts, workers, instance)
            .map_err(|error| status::registry_full(&error))?;
        Ok(Response::new(RegisterHiveResponse { lease: self.lease() }))
    }

    async fn hive_heartbeat(
        &self,
        request: Request<HiveHeartbeatRequest>,
    ) -> Result<Response<HiveHeartbeatResponse>, Status> {
        let HiveHeartbeatRequest {
            hive_id,
            devices,
            draining,
            instance_id,
        } = request.into_inner();
        let instance = instance_from_wire(instance_id).map_err(status::invalid_field)?;
        let hive_id = hive_id_from_wire("hive_id", &hive_id).map_err(status::invalid_field)?;
        let devices = devices_from_wire("devices", devices).map_err(status::invalid_field)?;
        self.registry
            .heartbeat(&hive_id, instance.as_ref(), devices, draining)
            .map_err(|error| status::not_heard(&error))?;
        Ok(Response::new(HiveHeartbeatResponse { lease: self.lease() }))
    }

    async fn deregister_hive(
        &self,
        request: Request<DeregisterHiveRequest>,
    ) -> Result<Response<DeregisterHiveResponse>, Status> {
        let DeregisterHiveRequest { hive_id, instance_id } = request.into_inner();
        let instance = instance_from_wire(instance_id).map_err(status::invalid_field)?;
        // What is no id is the id of no hive.
        let hive_id = hive_id_from_wire("hive_id", &hive_id);
        let removed = hive_id.is_ok_and(|hive_id| self.registry.deregister_hive(&hive_id, instance.as_ref()));
        Ok(Response::new(DeregisterHiveResponse { removed }))
    }

    async fn list_hives(
        &self,
        _request: Request<ListHivesRequest>,
    ) -> Result<Response<ListHivesResponse>, Status> {
        let hives = self
            .registry
            .hives()
            .iter()
            .map(|hive| hive_to_wire(hive))
            .collect();
        let settling = self.registry.is_settling();
        Ok(Response::new(ListHivesResponse { hives, settling }))
    }

    async fn register_worker(
        &self,
        request: Request<RegisterWorkerRequest>,
    ) -> Result<Response<RegisterWorkerResponse>, Status> {
        let RegisterWorkerRequest { worker, instance_id } = request.into_inner();
        let worker = read_worker(worker)?;
        let instance = instance_from_wire(instance_id).map_err(status::invalid_field)?;
        self.registry
            .register_worker(worker, instance.as_ref())
            .map_err(|error| status::register_worker(&error))?;
        Ok(Response::new(RegisterWorkerResponse {}))
    }

    async fn update_worker(
        &self,
        request: Request<UpdateWorkerRequest>,
    ) -> Result<Response<UpdateWorkerResponse>, Status> {
        let UpdateWorkerRequest { worker, instance_id } = request.into_inner();
        let worker = read_worker(worker)?;
        let instance = instance_from_wire(instance_id).map_err(status::invalid_field)?;
        self.registry
            .update_worker(worker, instance.as_ref())
            .map_err(|error| status::update_worker(&error))?;
        Ok(Response::new(UpdateWorkerResponse {}))
    }

    async fn deregister_worker(
        &self,
        request: Request<DeregisterWorkerRequest>,
    ) -> Result<Response<DeregisterWorkerResponse>, Status> {
        let DeregisterWorkerRequest {
            hive_id,
            worker_id,
            instance_id,
        } = request.into_inner();
        let instance = instance_from_wire(instance_id).map_err(status::invalid_field)?;
        let removed = match (hive_id.parse(), worker_id.parse::<WorkerId>()) {
            (Ok(hive_id), Ok(worker_id)) => {
                self.registry
                    .deregister_worker(&hive_id, instance.as_ref(), &worker_id)
            }
            // What is no id is the id of no worker.
            _ => false,
        };
        Ok(Response::new(DeregisterWorkerResponse { removed }))
    }

    async fn list_workers(
        &self,
        request: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        let ListWorkersRequest { model_id } = request.into_inner();
        let workers = match model_id.as_str() {
            "" => self.registry.workers(None),
            // What is no id is served by no worker.
            text => match text.parse::<ModelId>() {
                Ok(model_id) => self.registry.workers(Some(&model_id)),
                Err(_) => Vec::new(),
            },
        };
        Ok(Response::new(ListWorkersResponse {
            workers: workers.iter().map(|worker| worker_to_wire(worker)).collect(),
        }))
    }

    type WatchClusterStream = stream::Answers<WatchClusterResponse>;

    async fn watch_cluster(
        &self,
        _request: Request<WatchClusterRequest>,
    ) -> Result<Response<Self::WatchClusterStream>, Status> {
        let watch = self.registry.watch();
        let revision = watch.revision;
        let hives = watch.hives.into_iter().map(ClusterChange::HiveUpserted);
        let workers = watch.workers.into_iter().map(ClusterChange::WorkerUpserted);
        // What is sent is made as it is read: a watcher costs two pointers for each worker, and no copies.
        let first = hives
            .chain(workers)
            .map(move |change| cluster_change(ClusterStep { revision, change }))
            .chain([synced(revision)]);
        Ok(Response::new(stream::watch(
            first,
            watch.steps,
            cluster_change,
            self.shutdown.clone(),
        )))
    }
}
