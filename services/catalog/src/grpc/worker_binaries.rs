//! `rbee.catalog.v1.WorkerBinaryService`.

use jiff::Timestamp;
use rbee_artifacts::{Platform, WorkerBinary, WorkerBinaryId, WorkerType};
use rbee_proto::catalog::v1::worker_binary_service_server::WorkerBinaryService;
use rbee_proto::catalog::v1::{
    CreateWorkerBinaryRequest, CreateWorkerBinaryResponse, DeleteWorkerBinaryRequest,
    DeleteWorkerBinaryResponse, GetWorkerBinaryRequest, GetWorkerBinaryResponse, ListWorkerBinariesRequest,
    ListWorkerBinariesResponse,
};
use rbee_service_kit::{Fault, narrate};
use rbee_wire::{platform_from_wire, worker_binary_to_wire, worker_type_from_wire};
use tonic::{Request, Response, Status};

use super::convert::worker_binary_from_wire;
use super::status;
use crate::domain::limits;
use crate::domain::page::{self, InvalidPageToken};
use crate::store::{Created, FilesystemCatalog};

pub(crate) struct WorkerBinaries {
    catalog: FilesystemCatalog<WorkerBinary>,
}

impl WorkerBinaries {
    pub(crate) fn new(catalog: FilesystemCatalog<WorkerBinary>) -> Self {
        Self { catalog }
    }
}

/// The place of an entry in the list: newest first, then by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place(std::cmp::Reverse<Timestamp>, WorkerBinaryId);

impl Place {
    fn of(binary: &WorkerBinary) -> Self {
        Self(std::cmp::Reverse(binary.added_at), binary.id.clone())
    }

    fn to_cursor(&self) -> String {
        format!("{}/{}", self.0.0, self.1)
    }

    fn from_cursor(cursor: &str) -> Option<Self> {
        let (added_at, id) = cursor.split_once('/')?;
        Some(Self(std::cmp::Reverse(added_at.parse().ok()?), id.parse().ok()?))
    }
}

/// The name of the list in page tokens: another filter is another list.
fn list_name(worker_type: Option<WorkerType>, platform: Option<&Platform>) -> String {
    let worker_type = worker_type.map_or("", WorkerType::as_str);
    let platform = platform.map_or(String::new(), ToString::to_string);
    format!("worker-binaries {worker_type} {platform}")
}

#[tonic::async_trait]
impl WorkerBinaryService for WorkerBinaries {
    async fn create_worker_binary(
        &self,
        request: Request<CreateWorkerBinaryRequest>,
    ) -> Result<Response<CreateWorkerBinaryResponse>, Status> {
        let CreateWorkerBinaryRequest {
            worker_binary,
            request_id,
        } = request.into_inner();
        let request_id = limits::text("request_id", request_id, limits::MAX_REQUEST_ID_BYTES)
            .map_err(status::invalid_field)?;
        let binary = worker_binary.ok_or_else(|| Fault::invalid("worker_binary", "must be given"))?;
        let binary = worker_binary_from_wire(binary).map_err(status::invalid_field)?;
        let entry = binary.into_entry(Timestamp::now());
        let Created { entry, new } = self
            .catalog
            .create(entry, request_id)
            .await
            .map_err(status::create)?;
        if new {
            let WorkerBinary {
                id,
                worker_type,
                version,
                ..
            } = &entry.entry;
            narrate!(worker_binary_id = %id, "worker binary {worker_type} {version} is in the catalog");
        }
        Ok(Response::new(CreateWorkerBinaryResponse {
            worker_binary: Some(worker_binary_to_wire(&entry.entry)),
        }))
    }

    async fn get_worker_binary(
        &self,
        request: Request<GetWorkerBinaryRequest>,
    ) -> Result<Response<GetWorkerBinaryResponse>, Status> {
        let GetWorkerBinaryRequest { id } = request.into_inner();
        // What is no id is the id of nothing.
        let entry = id.parse().ok().and_then(|id| self.catalog.get(&id));
        let entry = entry.ok_or_else(|| status::worker_binary_not_found(limits::shortened(id, 256)))?;
        Ok(Response::new(GetWorkerBinaryResponse {
            worker_binary: Some(worker_binary_to_wire(&entry.entry)),
        }))
    }

    async fn list_worker_binaries(
        &self,
        request: Request<ListWorkerBinariesRequest>,
    ) -> Result<Response<ListWorkerBinariesResponse>, Status> {
        let request = request.into_inner();
        let worker_type =
            worker_type_from_wire("worker_type", request.worker_type).map_err(status::invalid_field)?;
        let platform = request
            .platform
            .map(|platform| platform_from_wire("platform", platform))
            .transpose()
            .map_err(status::invalid_field)?;
        let list = list_name(worker_type, platform.as_ref());
        let after = page::cursor(&list, &request.page_token)
            .and_then(|cursor| {
                cursor
                    .map(|cursor| Place::from_cursor(&cursor).ok_or(InvalidPageToken))
                    .transpose()
            })
            .map_err(status::invalid_page_token)?;

        let mut found: Vec<_> = self
            .catalog
            .after(None, usize::MAX)
            .into_iter()
            .filter(|entry| worker_type.is_none_or(|wanted| entry.entry.worker_type == wanted))
            .filter(|entry| {
                platform
                    .as_ref()
                    .is_none_or(|wanted| entry.entry.platform == *wanted)
            })
            .map(|entry| (Place::of(&entry.entry), entry))
            .filter(|(place, _)| after.as_ref().is_none_or(|after| place > after))
            .collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));

        let size = page::page_size(request.page_size);
        let more = found.len() > size;
        found.truncate(size);
        let next_page_token = match found.last() {
            Some((place, _)) if more => page::token_after(&list, &place.to_cursor()),
            _ => String::new(),
        };
        let worker_binaries = found
            .iter()
            .map(|(_, entry)| worker_binary_to_wire(&entry.entry))
            .collect();
        Ok(Response::new(ListWorkerBinariesResponse {
            worker_binaries,
            next_page_token,
        }))
    }

    async fn delete_worker_binary(
        &self,
        request: Request<DeleteWorkerBinaryRequest>,
    ) -> Result<Response<DeleteWorkerBinaryResponse>, Status> {
        let Ok(id) = request.into_inner().id.parse::<WorkerBinaryId>() else {
            return Ok(Response::new(DeleteWorkerBinaryResponse { deleted: false }));
        };
        let deleted = self
            .catalog
            .delete(id.clone())
            .await
            .map_err(|error| status::write(&error))?;
        if deleted {
            narrate!(worker_binary_id = %id, "worker binary {id} was removed from the catalog");
        }
        Ok(Response::new(DeleteWorkerBinaryResponse { deleted }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_cursor_to_the_nanosecond() {
        let place = Place(
            std::cmp::Reverse("2026-11-23T06:30:00.123456789Z".parse().unwrap()),
            "cpu-llm-0.1.0-linux-x86_64-0123456789abcdef".parse().unwrap(),
        );
        assert_eq!(Place::from_cursor(&place.to_cursor()), Some(place));
        assert_eq!(Place::from_cursor("yesterday/x"), None);
    }
}
