//! The catalog, as its client sees it: calls that are repeated while it is away.

use std::future::Future;
use std::time::Duration;

use rbee_artifacts::{ModelEntry, ModelId, WorkerBinary};
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::worker_binary_service_client::WorkerBinaryServiceClient;
use rbee_proto::catalog::v1::{
    CreateModelRequest, CreateWorkerBinaryRequest, DeleteModelRequest, GetModelRequest, ListModelsRequest,
    ListWorkerBinariesRequest, UpdateModelRequest,
};
use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::{RemoteFault, reason};
use rbee_wire::InvalidField;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Response, Status};

use super::convert;
use crate::domain::here::Here;
use crate::domain::imported::CatalogModel;

/// How long one call may take. The catalog answers from memory, or after one small write.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that the catalog gives on a page.
const PAGE_SIZE: u32 = 1000;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Why the catalog did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// It did not answer in time.
    #[error("the catalog does not answer: {last}")]
    Unavailable { last: String },
    /// It has another entry of that id.
    #[error("the catalog has another entry of that id")]
    Exists,
    /// It said no.
    #[error("{}", fault.message)]
    Refused { fault: RemoteFault },
    /// Its answer makes no sense.
    #[error("the catalog's answer makes no sense: {problem}")]
    Malformed { problem: String },
    /// The job was cancelled while it waited.
    #[error("it was cancelled")]
    Cancelled,
}

/// What to do while the catalog is away.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Retry<'a> {
    /// Give up.
    Never,
    /// Try again until the configured patience is at an end, or the job is cancelled. An attempt that
    /// was begun is waited for: it may succeed.
    Patiently(&'a CancellationToken),
}

/// A client of the catalog. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct CatalogClient {
    models: ModelServiceClient<ClientChannel>,
    worker_binaries: WorkerBinaryServiceClient<ClientChannel>,
    patience: Duration,
}

impl CatalogClient {
    pub(crate) fn new(channel: ClientChannel, patience: Duration) -> Self {
        Self {
            models: ModelServiceClient::new(channel.clone()),
            worker_binaries: WorkerBinaryServiceClient::new(channel),
            patience,
        }
    }

    /// The model of this id, if there is one.
    pub(crate) async fn model(
        &self,
        id: &ModelId,
        retry: Retry<'_>,
    ) -> Result<Option<CatalogModel>, CatalogError> {
        let call = || {
            let (mut client, id) = (self.models.clone(), id.to_string());
            async move { client.get_model(GetModelRequest { id }).await }
        };
        match self.call(call, retry).await {
            Ok(response) => convert::model_from_wire(response.model)
                .map(Some)
                .map_err(|error| malformed(&error)),
            Err(CatalogError::Refused { fault }) if fault.is(reason::MODEL_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a model; answers with it as stored.
    pub(crate) async fn create_model(
        &self,
        entry: &ModelEntry,
        request_id: &str,
        retry: Retry<'_>,
    ) -> Result<CatalogModel, CatalogError> {
        let call = || {
            let model = Some(rbee_wire::model_to_wire(entry, 0));
            let request = CreateModelRequest {
                model,
                request_id: request_id.to_owned(),
            };
            let mut client = self.models.clone();
            async move { client.create_model(request).await }
        };
        let response = self.call(call, retry).await?;
        convert::model_from_wire(response.model).map_err(|error| malformed(&error))
    }

    /// All models, by id.
    pub(crate) async fn models(&self, retry: Retry<'_>) -> Result<Vec<CatalogModel>, CatalogError> {
        let mut models = Vec::new();
        let mut page_token = String::new();
        loop {
            let call = || {
                let request = ListModelsRequest {
                    page_size: PAGE_SIZE,
                    page_token: page_token.clone(),
                    filter: None,
                };
                let mut client = self.models.clone();
                async move { client.list_models(request).await }
            };
            let page = self.call(call, retry).await?;
            for model in page.models {
                models.push(convert::model_from_wire(Some(model)).map_err(|error| malformed(&error))?);
            }
            if page.next_page_token.is_empty() {
                return Ok(models);
            }
            page_token = page.next_page_token;
        }
    }

    /// The ids of all models, by the repository or version that they are of; none while the catalog is away.
    pub(crate) async fn here(&self) -> Here {
        let models = self.models(Retry::Never).await;
        if let Err(error) = &models {
            tracing::warn!(%error, "what is here already is not known");
        }
        Here::new(models.unwrap_or_default().into_iter().map(|model| model.entry.id))
    }

    /// Replaces what can change of a model; answers with it as stored, or with nothing if it is gone or was
    /// changed since `revision`.
    pub(crate) async fn update_model(
        &self,
        entry: &ModelEntry,
        revision: u64,
        retry: Retry<'_>,
    ) -> Result<Option<CatalogModel>, CatalogError> {
        let call = || {
            let request = UpdateModelRequest {
                model: Some(rbee_wire::model_to_wire(entry, 0)),
                expected_revision: Some(revision),
            };
            let mut client = self.models.clone();
            async move { client.update_model(request).await }
        };
        match self.call(call, retry).await {
            Ok(response) => convert::model_from_wire(response.model)
                .map(Some)
                .map_err(|error| malformed(&error)),
            Err(CatalogError::Refused { fault })
                if fault.is(reason::MODEL_NOT_FOUND) || fault.is(reason::REVISION_CONFLICT) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a model's entry, if it is there.
    pub(crate) async fn delete_model(&self, id: &ModelId, retry: Retry<'_>) -> Result<(), CatalogError> {
        let call = || {
            let (mut client, id) = (self.models.clone(), id.to_string());
            async move { client.delete_model(DeleteModelRequest { id }).await }
        };
        self.call(call, retry).await.map(drop)
    }

    /// All worker programs.
    pub(crate) async fn worker_binaries(&self, retry: Retry<'_>) -> Result<Vec<WorkerBinary>, CatalogError> {
        let mut binaries = Vec::new();
        let mut page_token = String::new();
        loop {
            let call = || {
                let request = ListWorkerBinariesRequest {
                    worker_type: 0,
                    platform: None,
                    page_size: PAGE_SIZE,
                    page_token: page_token.clone(),
                };
                let mut client = self.worker_binaries.clone();
                async move { client.list_worker_binaries(request).await }
            };
            let page = self.call(call, retry).await?;
            for binary in page.worker_binaries {
                binaries
                    .push(convert::worker_binary_from_wire(Some(binary)).map_err(|error| malformed(&error))?);
            }
            if page.next_page_token.is_empty() {
                return Ok(binaries);
            }
            page_token = page.next_page_token;
        }
    }

    /// Creates a worker binary; answers with it as stored.
    pub(crate) async fn create_worker_binary(
        &self,
        binary: &WorkerBinary,
        request_id: &str,
        retry: Retry<'_>,
    ) -> Result<WorkerBinary, CatalogError> {
        let call = || {
            let worker_binary = Some(rbee_wire::worker_binary_to_wire(binary));
            let request = CreateWorkerBinaryRequest {
                worker_binary,
                request_id: request_id.to_owned(),
            };
            let mut client = self.worker_binaries.clone();
            async move { client.create_worker_binary(request).await }
        };
        let response = self.call(call, retry).await?;
        convert::worker_binary_from_wire(response.worker_binary).map_err(|error| malformed(&error))
    }

    async fn call<T, F>(&self, mut call: impl FnMut() -> F, retry: Retry<'_>) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let gives_up_at = Instant::now() + self.patience;
        let mut wait = FIRST_WAIT;
        loop {
            let status = match tokio::time::timeout(CALL_TIMEOUT, call()).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded("no answer within 10 s"),
            };
            let fault = RemoteFault::from(&status);
            if !is_away(&status, &fault) {
                return Err(refused(fault));
            }
            let Retry::Patiently(cancel) = retry else {
                return Err(CatalogError::Unavailable { last: fault.message });
            };
            let pause = wait.max(fault.retry_after.unwrap_or_default()).min(LONGEST_WAIT);
            if Instant::now() + pause > gives_up_at {
                return Err(CatalogError::Unavailable { last: fault.message });
            }
            tracing::debug!(error = fault.message, "the catalog is away; trying again");
            // Cancel safe: both only wait.
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = cancel.cancelled() => return Err(CatalogError::Cancelled),
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// Whether another attempt may find the catalog. All calls are idempotent, so that one whose answer
/// was lost can be repeated too.
fn is_away(status: &Status, fault: &RemoteFault) -> bool {
    let lost_connection = fault.reason.is_none() && std::error::Error::source(status).is_some();
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) || lost_connection
}

fn refused(fault: RemoteFault) -> CatalogError {
    if fault.is(reason::MODEL_EXISTS) {
        CatalogError::Exists
    } else {
        CatalogError::Refused { fault }
    }
}

fn malformed(error: &InvalidField) -> CatalogError {
    CatalogError::Malformed {
        problem: format!("its `{}` cannot be used", error.field),
    }
}
