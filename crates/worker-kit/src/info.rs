//! `rbee.worker.v1.WorkerService`.

use rbee_proto::types::v1::WorkerType;
use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::worker_service_server::{WorkerService, WorkerServiceServer};
use rbee_service_kit::ServerBuilder;
use tonic::{Request, Response, Status};

use crate::loaded::{Loaded, Served};

/// Who the worker is, as its hive calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub worker_id: String,
    /// Id of its model in the catalog.
    pub model_id: String,
    /// The device that it computes on.
    pub device_id: String,
    /// Which worker program it is.
    pub worker_type: WorkerType,
    /// Version of the program.
    pub version: &'static str,
}

struct WorkerHandler<M> {
    identity: Identity,
    loaded: Loaded<M>,
}

/// Adds the service to a server.
pub fn mount<M: Served>(server: &mut ServerBuilder, identity: Identity, loaded: &Loaded<M>) {
    server.add_service(WorkerServiceServer::new(WorkerHandler {
        identity,
        loaded: loaded.clone(),
    }));
}

#[tonic::async_trait]
impl<M: Served> WorkerService for WorkerHandler<M> {
    async fn get_info(
        &self,
        _request: Request<proto::GetInfoRequest>,
    ) -> Result<Response<proto::GetInfoResponse>, Status> {
        let model = self.loaded.get()?;
        Ok(Response::new(proto::GetInfoResponse {
            worker_id: self.identity.worker_id.clone(),
            model_id: self.identity.model_id.clone(),
            worker_type: self.identity.worker_type.into(),
            version: self.identity.version.to_owned(),
            device_id: self.identity.device_id.clone(),
            load: Some(model.load()),
            model_info: Some(model.facts()),
        }))
    }
}
