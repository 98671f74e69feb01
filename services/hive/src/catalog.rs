//! The catalog, as the hive asks it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rbee_artifacts::{HiveId, ModelEntry, ModelId, WorkerBinary, WorkerId, WorkerType};
use rbee_proto::catalog::v1 as wire;
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::registry_service_client::RegistryServiceClient;
use rbee_proto::catalog::v1::worker_binary_service_client::WorkerBinaryServiceClient;
use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::{RemoteFault, reason};
use rbee_wire::InvalidField;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::domain::Worker;
use crate::grpc::convert::{self, Identity};
use crate::host::View;

/// Most worker binaries that are looked at; the catalog gives no more in one page.
const BINARIES: u32 = 1000;

/// Why the catalog did not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// It can't be reached, or takes too long.
    #[error("the catalog does not answer ({message})")]
    Unavailable {
        /// What happened.
        message: String,
    },
    /// It refused.
    #[error("{message}")]
    Refused {
        /// The gRPC code.
        code: Code,
        /// The reason, if it is one that this hive knows.
        reason: Option<&'static str>,
        /// Its words.
        message: String,
    },
    /// It said something that can't be.
    #[error("the catalog's answer makes no sense: {problem}")]
    Nonsense {
        /// What is wrong with it.
        problem: String,
    },
}

impl CatalogError {
    /// Whether the catalog gave this reason.
    #[must_use]
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { reason: Some(reason), .. } if *reason == wanted)
    }
}

impl From<Status> for CatalogError {
    fn from(status: Status) -> Self {
        let fault = RemoteFault::from(&status);
        let reason = fault.reason.as_deref().and_then(reason::known);
        match fault.code {
            // Not what it said of a request, but that none came through.
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {
                Self::Unavailable {
                    message: fault.message,
                }
            }
            code => Self::Refused {
                code,
                reason,
                message: fault.message,
            },
        }
    }
}

/// The catalog. Cheap to clone; clones share one connection.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    channel: Arc<Mutex<ClientChannel>>,
    timeout: Duration,
    /// Which start of the hive speaks. It tells this hive from one that runs under the same id elsewhere.
    instance_id: Arc<str>,
}

impl Catalog {
    /// The catalog behind a channel; no call takes longer than `timeout`.
    #[must_use]
    pub(crate) fn new(channel: ClientChannel, timeout: Duration) -> Self {
        Self {
            channel: Arc::new(Mutex::new(channel)),
            timeout,
            instance_id: Uuid::now_v7().to_string().into(),
        }
    }

    /// A model; `None` if there is none with this id.
    ///
    /// # Errors
    /// If the catalog does not answer, or not sensibly.
    pub(crate) async fn model(&self, id: &ModelId) -> Result<Option<ModelEntry>, CatalogError> {
        let mut client = ModelServiceClient::new(self.channel());
        let request = self.request(wire::GetModelRequest { id: id.to_string() });
        match self.answer(client.get_model(request)).await {
            Ok(response) => {
                let model = response.model.ok_or_else(|| nonsense("no model in it"))?;
                Ok(Some(rbee_wire::model_from_wire(model)?))
            }
            Err(error) if error.is(reason::MODEL_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The installed programs of a worker type for all platforms, newest first.
    ///
    /// # Errors
    /// If the catalog does not answer, or not sensibly.
    pub(crate) async fn worker_binaries(
        &self,
        worker_type: WorkerType,
    ) -> Result<Vec<WorkerBinary>, CatalogError> {
        let mut client = WorkerBinaryServiceClient::new(self.channel());
        let request = self.request(wire::ListWorkerBinariesRequest {
            worker_type: rbee_wire::worker_type_to_wire(worker_type).into(),
            platform: None,
            page_size: BINARIES,
            page_token: String::new(),
        });
        let response = self.answer(client.list_worker_binaries(request)).await?;
        let binaries = response
            .worker_binaries
            .into_iter()
            .map(rbee_wire::worker_binary_from_wire);
        Ok(binaries.collect::<Result<_, _>>()?)
    }

    /// Registers the hive with its workers, and answers how long its lease is.
    ///
    /// # Errors
    /// If the catalog does not answer, or not sensibly.
    pub(crate) async fn register_hive(
        &self,
        hive: &Identity,
        view: &View,
        draining: bool,
        workers: impl IntoIterator<Item = &Worker>,
    ) -> Result<Duration, CatalogError> {
        let request = self.request(wire::RegisterHiveRequest {
            hive: Some(convert::hive_to_wire(hive, view, draining)),
            workers: workers
                .into_iter()
                .map(|worker| convert::worker_to_wire(worker, hive))
                .collect(),
            instance_id: self.instance_id(),
        });
        lease(self.answer(self.registry().register_hive(request)).await?.lease)
    }

    /// Renews the hive's lease, and answers how long it is.
    ///
    /// # Errors
    /// `HIVE_NOT_REGISTERED` if the catalog doesn't know the hive; else if it does not answer.
    pub(crate) async fn heartbeat(
        &self,
        hive_id: &HiveId,
        view: &View,
        draining: bool,
    ) -> Result<Duration, CatalogError> {
        let request = self.request(wire::HiveHeartbeatRequest {
            hive_id: hive_id.to_string(),
            draining,
            devices: convert::devices_to_wire(view),
            instance_id: self.instance_id(),
        });
        lease(self.answer(self.registry().hive_heartbeat(request)).await?.lease)
    }

    /// Says farewell.
    ///
    /// # Errors
    /// If the catalog does not answer.
    pub(crate) async fn deregister_hive(&self, hive_id: &HiveId) -> Result<(), CatalogError> {
        let request = self.request(wire::DeregisterHiveRequest {
            hive_id: hive_id.to_string(),
            instance_id: self.instance_id(),
        });
        self.answer(self.registry().deregister_hive(request))
            .await
            .map(drop)
    }

    /// Adds a worker.
    ///
    /// # Errors
    /// `HIVE_NOT_REGISTERED` if the catalog doesn't know the hive; else if it does not answer.
    pub(crate) async fn register_worker(&self, worker: &Worker, hive: &Identity) -> Result<(), CatalogError> {
        let worker = Some(convert::worker_to_wire(worker, hive));
        let request = self.request(wire::RegisterWorkerRequest {
            worker,
            instance_id: self.instance_id(),
        });
        self.answer(self.registry().register_worker(request))
            .await
            .map(drop)
    }

    /// Removes a worker.
    ///
    /// # Errors
    /// If the catalog does not answer.
    pub(crate) async fn deregister_worker(
        &self,
        id: &WorkerId,
        hive_id: &HiveId,
    ) -> Result<(), CatalogError> {
        let request = self.request(wire::DeregisterWorkerRequest {
            hive_id: hive_id.to_string(),
            worker_id: id.to_string(),
            instance_id: self.instance_id(),
        });
        self.answer(self.registry().deregister_worker(request))
            .await
            .map(drop)
    }

    fn registry(&self) -> RegistryServiceClient<ClientChannel> {
        RegistryServiceClient::new(self.channel())
    }

    fn instance_id(&self) -> String {
        self.instance_id.as_ref().to_owned()
    }

    fn channel(&self) -> ClientChannel {
        self.channel.lock().clone()
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    /// Waits for an answer, but no longer than the timeout also where nothing answers at all.
    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CatalogError> {
        let late = || Status::deadline_exceeded(format!("no answer within {:?}", self.timeout));
        let answer = tokio::time::timeout(self.timeout, call).await;
        let status = match answer.unwrap_or_else(|_| Err(late())) {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        if status.code() == Code::DeadlineExceeded {
            // Nothing comes through any more, it seems. After a while TCP tries again only every minute; a connection
            // of its own reaches a catalog that is back at once.
            let mut channel = self.channel.lock();
            *channel = channel.reconnecting();
        }
        Err(status.into())
    }
}

fn lease(lease: Option<prost_types::Duration>) -> Result<Duration, CatalogError> {
    let lease = lease
        .and_then(|lease| Duration::try_from(lease).ok())
        .filter(|lease| !lease.is_zero());
    lease.ok_or_else(|| nonsense("no lease in it"))
}

fn nonsense(problem: impl Into<String>) -> CatalogError {
    CatalogError::Nonsense {
        problem: problem.into(),
    }
}

impl From<InvalidField> for CatalogError {
    fn from(error: InvalidField) -> Self {
        nonsense(format!("its field {error}"))
    }
}
