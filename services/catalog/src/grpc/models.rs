//! `rbee.catalog.v1.ModelService`.

use jiff::Timestamp;
use prost::Message as _;
use rbee_artifacts::{ModelEntry, ModelId};
use rbee_proto::catalog::v1::model_service_server::ModelService;
use rbee_proto::catalog::v1::watch_models_response::Event;
use rbee_proto::catalog::v1::{
    CreateModelRequest, CreateModelResponse, DeleteModelRequest, DeleteModelResponse, GetModelRequest,
    GetModelResponse, ListModelsRequest, ListModelsResponse, UpdateModelRequest, UpdateModelResponse,
    WatchModelsRequest, WatchModelsResponse, WatchReset, WatchSynced,
};
use rbee_proto::types::v1::Model;
use rbee_service_kit::{Fault, narrate};
use rbee_wire::model_to_wire;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::convert::{filter_from_wire, model_from_wire};
use super::{status, stream};
use crate::domain::limits::{self, InvalidField};
use crate::domain::page;
use crate::store::{Change, Created, FilesystemCatalog, Page, Recorded};

/// The name of the list in page tokens, before the filter: another filter is another list.
const LIST: &str = "models";
/// gRPC clients take 4 MiB at most unless told otherwise; a page stays well below.
const MAX_PAGE_BYTES: usize = 2 << 20;

pub(crate) struct Models {
    catalog: FilesystemCatalog<ModelEntry>,
    shutdown: CancellationToken,
}

impl Models {
    pub(crate) fn new(catalog: FilesystemCatalog<ModelEntry>, shutdown: CancellationToken) -> Self {
        Self { catalog, shutdown }
    }
}

fn to_wire(recorded: &Recorded<ModelEntry>) -> Model {
    model_to_wire(&recorded.entry, recorded.revision)
}

fn parse_id(id: &str) -> Result<ModelId, Fault> {
    id.parse().map_err(|error| status::invalid_model_id(&error))
}

fn required(model: Option<Model>) -> Result<Model, Fault> {
    model.ok_or_else(|| Fault::invalid("model", "must be given"))
}

fn read(model: Model) -> Result<ModelEntry, InvalidField> {
    // The catalog sets the time when it creates the entry, and keeps it afterwards.
    model_from_wire(model, Timestamp::UNIX_EPOCH)
}

#[tonic::async_trait]
impl ModelService for Models {
    async fn create_model(
        &self,
        request: Request<CreateModelRequest>,
    ) -> Result<Response<CreateModelResponse>, Status> {
        let CreateModelRequest { model, request_id } = request.into_inner();
        let request_id = limits::text("request_id", request_id, limits::MAX_REQUEST_ID_BYTES)
            .map_err(status::invalid_field)?;
        let entry = read(required(model)?).map_err(status::invalid_field)?;
        let Created { entry, new } = self
            .catalog
            .create(entry, request_id)
            .await
            .map_err(status::create)?;
        if new {
            narrate!(model_id = %entry.entry.id, "model {} is in the catalog", entry.entry.id);
        }
        Ok(Response::new(CreateModelResponse {
            model: Some(to_wire(&entry)),
        }))
    }

    async fn get_model(
        &self,
        request: Request<GetModelRequest>,
    ) -> Result<Response<GetModelResponse>, Status> {
        let id = parse_id(&request.into_inner().id)?;
        let entry = self
            .catalog
            .get(&id)
            .ok_or_else(|| status::model_not_found(&id))?;
        Ok(Response::new(GetModelResponse {
            model: Some(to_wire(&entry)),
        }))
    }

    async fn list_models(
        &self,
        request: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        let ListModelsRequest {
            page_size,
            page_token,
            filter,
        } = request.into_inner();
        let filter = filter_from_wire(filter.unwrap_or_default()).map_err(status::invalid_field)?;
        let list = format!("{LIST} {filter}");
        let after: Option<ModelId> = page::cursor(&list, &page_token)
            .and_then(|cursor| {
                cursor
                    .map(|id| id.parse().map_err(|_| page::InvalidPageToken))
                    .transpose()
            })
            .map_err(status::invalid_page_token)?;
        let size = page::page_size(page_size);
        let wanted = |model: &ModelEntry| filter.matches(model);
        let wanted: Option<&dyn Fn(&ModelEntry) -> bool> = match filter.is_everything() {
            true => None,
            false => Some(&wanted),
        };
        let Page {
            entries,
            mut more,
            total_count,
        } = self.catalog.page(after.as_ref(), size, wanted);

        let mut models: Vec<Model> = Vec::with_capacity(entries.len());
        let mut page_bytes = 0;
        for entry in entries {
            let model = to_wire(&entry);
            page_bytes += model.encoded_len();
            if page_bytes > MAX_PAGE_BYTES && !models.is_empty() {
                more = true;
                break;
            }
            models.push(model);
        }
        let next_page_token = match models.last() {
            Some(last) if more => page::token_after(&list, &last.id),
            _ => String::new(),
        };
        Ok(Response::new(ListModelsResponse {
            models,
            next_page_token,
            total_count: total_count as u64,
        }))
    }

    async fn update_model(
        &self,
        request: Request<UpdateModelRequest>,
    ) -> Result<Response<UpdateModelResponse>, Status> {
        let UpdateModelRequest {
            model,
            expected_revision,
        } = request.into_inner();
        let entry = read(required(model)?).map_err(status::invalid_field)?;
        let id = entry.id.clone();
        let entry = self
            .catalog
            .update(entry, expected_revision)
            .await
            .map_err(|error| status::update(&id, error))?;
        Ok(Response::new(UpdateModelResponse {
            model: Some(to_wire(&entry)),
        }))
    }

    async fn delete_model(
        &self,
        request: Request<DeleteModelRequest>,
    ) -> Result<Response<DeleteModelResponse>, Status> {
        let id = parse_id(&request.into_inner().id)?;
        let deleted = self
            .catalog
            .delete(id.clone())
            .await
            .map_err(|error| status::write(&error))?;
        if deleted {
            narrate!(model_id = %id, "model {id} was removed from the catalog");
        }
        Ok(Response::new(DeleteModelResponse { deleted }))
    }

    type WatchModelsStream = stream::Answers<WatchModelsResponse>;

    async fn watch_models(
        &self,
        request: Request<WatchModelsRequest>,
    ) -> Result<Response<Self::WatchModelsStream>, Status> {
        let watch = self.catalog.watch(request.into_inner().resume_revision);
        let step = |revision, event| WatchModelsResponse {
            revision,
            event: Some(event),
        };
        let reset = watch.reset.then(|| step(0, Event::Reset(WatchReset {})));
        let synced = step(watch.revision, Event::Synced(WatchSynced {}));
        let is_snapshot = watch.reset;
        let first = watch.first.into_iter().map(move |(revision, change)| {
            // From within a snapshot nothing can be resumed: 0 is a revision that no catalog knows.
            step(if is_snapshot { 0 } else { revision }, event(change))
        });
        let first = reset.into_iter().chain(first).chain([synced]);
        let changes = move |(revision, change)| step(revision, event(change));
        Ok(Response::new(stream::watch(
            first,
            watch.changes,
            changes,
            self.shutdown.clone(),
        )))
    }
}

fn event(change: Change<ModelEntry>) -> Event {
    match change {
        Change::Upserted(entry) => Event::Upserted(to_wire(&entry)),
        Change::Deleted(id) => Event::DeletedId(id.to_string()),
    }
}
