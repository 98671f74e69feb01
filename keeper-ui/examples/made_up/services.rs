//! What the window watches: one host with a processor and a GPU, two models and their workers.

use std::time::SystemTime;

use futures_util::{StreamExt as _, stream};
use rbee_proto::catalog::v1::model_service_server::ModelService;
use rbee_proto::catalog::v1::registry_service_server::RegistryService;
use rbee_proto::catalog::v1::*;
use rbee_proto::events::v1::event_service_server::EventService;
use rbee_proto::events::v1::{Event, EventLevel, WatchEventsRequest, WatchEventsResponse};
use rbee_proto::types::v1::model_type::Kind;
use rbee_proto::types::v1::{
    Hive, HiveState, LlmModel, Model, ModelState, ModelType, Platform, StableDiffusionModel,
    StableDiffusionVersion, Vendor, Worker, WorkerMemory, WorkerState, WorkerType,
};
use rbee_proto::worker::v1::get_info_response::ModelInfo;
use rbee_proto::worker::v1::worker_service_server::WorkerService;
use rbee_proto::worker::v1::{GetInfoRequest, GetInfoResponse, LlmInfo, SdInfo};
use tonic::{Request, Response, Status};

use super::hive::{GIB, GPU, devices};
use super::{IMAGE_MODEL, IMAGE_WORKER, Pace, Streamed, TEXT_MODEL, TEXT_WORKER, absent};

const HIVE: &str = "0199a000-0000-7000-8000-0000000000aa";

/// The services of a whole cluster but those of its workers.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) address: String,
    pub(super) pace: Pace,
}

pub(super) fn now() -> Option<prost_types::Timestamp> {
    Some(SystemTime::now().into())
}

/// Messages now, and then none for as long as somebody listens.
fn and_then_nothing<T: Send + 'static>(told: Vec<T>) -> Response<Streamed<T>> {
    let told = stream::iter(told.into_iter().map(Ok));
    Response::new(Box::pin(told.chain(stream::pending())))
}

impl Cluster {
    fn hive(&self) -> Hive {
        Hive {
            id: HIVE.into(),
            name: "desk".into(),
            address: self.address.clone(),
            state: HiveState::Ready.into(),
            devices: devices(0),
            version: env!("CARGO_PKG_VERSION").into(),
            platform: Some(Platform {
                os: "linux".into(),
                arch: "x86_64".into(),
            }),
            last_seen_at: now(),
            draining: false,
            cache: None,
        }
    }

    fn worker(&self, id: &str, model: &str, worker_type: WorkerType, memory: u64) -> Worker {
        Worker {
            id: id.into(),
            model_id: model.into(),
            worker_type: worker_type.into(),
            device_id: GPU.into(),
            state: WorkerState::Ready.into(),
            hive_id: HIVE.into(),
            hive_address: self.address.clone(),
            created_at: now(),
            context_length: (worker_type == WorkerType::CudaLlm).then_some(32_768),
            memory: Some(WorkerMemory {
                estimated_bytes: memory,
                estimated_loaded_bytes: memory,
                resident_bytes: Some(memory),
                limit_bytes: None,
            }),
            state_since: now(),
            ..Worker::default()
        }
    }
}

fn models() -> [Model; 2] {
    let model =
        |id: &str, name: &str, size: u64, vendor: Vendor, kind: Kind, worker_type: WorkerType| Model {
            id: id.into(),
            name: name.into(),
            size_bytes: size,
            state: ModelState::Available.into(),
            added_at: now(),
            model_type: Some(ModelType { kind: Some(kind) }),
            vendor: vendor.into(),
            compatible_worker_types: vec![worker_type.into()],
            ..Model::default()
        };
    [
        Model {
            quantization: Some("Q4_K_M".into()),
            context_length: Some(32_768),
            ..model(
                TEXT_MODEL,
                "Qwen3 8B",
                5_027_783_488,
                Vendor::Huggingface,
                Kind::Llm(LlmModel {
                    architecture: "qwen3".into(),
                }),
                WorkerType::CudaLlm,
            )
        },
        model(
            IMAGE_MODEL,
            "DreamShaper 8",
            2_132_625_894,
            Vendor::Civitai,
            Kind::StableDiffusion(StableDiffusionModel {
                version: StableDiffusionVersion::V15.into(),
            }),
            WorkerType::CudaSd,
        ),
    ]
}

#[tonic::async_trait]
impl RegistryService for Cluster {
    type WatchClusterStream = Streamed<WatchClusterResponse>;

    async fn watch_cluster(
        &self,
        _: Request<WatchClusterRequest>,
    ) -> Result<Response<Self::WatchClusterStream>, Status> {
        use watch_cluster_response::Event;
        let text = self.worker(TEXT_WORKER, TEXT_MODEL, WorkerType::CudaLlm, 6 * GIB);
        let image = self.worker(IMAGE_WORKER, IMAGE_MODEL, WorkerType::CudaSd, 4 * GIB);
        let events = [
            Event::HiveUpserted(self.hive()),
            Event::WorkerUpserted(text),
            Event::WorkerUpserted(image),
            Event::Synced(ClusterSynced::default()),
        ];
        let told = events.map(|event| WatchClusterResponse {
            revision: 1,
            event: Some(event),
        });
        Ok(and_then_nothing(told.to_vec()))
    }

    async fn list_hives(&self, _: Request<ListHivesRequest>) -> Result<Response<ListHivesResponse>, Status> {
        Ok(Response::new(ListHivesResponse {
            hives: vec![self.hive()],
            settling: false,
        }))
    }

    async fn register_hive(
        &self,
        _: Request<RegisterHiveRequest>,
    ) -> Result<Response<RegisterHiveResponse>, Status> {
        absent()
    }

    async fn hive_heartbeat(
        &self,
        _: Request<HiveHeartbeatRequest>,
    ) -> Result<Response<HiveHeartbeatResponse>, Status> {
        absent()
    }

    async fn deregister_hive(
        &self,
        _: Request<DeregisterHiveRequest>,
    ) -> Result<Response<DeregisterHiveResponse>, Status> {
        absent()
    }

    async fn register_worker(
        &self,
        _: Request<RegisterWorkerRequest>,
    ) -> Result<Response<RegisterWorkerResponse>, Status> {
        absent()
    }

    async fn update_worker(
        &self,
        _: Request<UpdateWorkerRequest>,
    ) -> Result<Response<UpdateWorkerResponse>, Status> {
        absent()
    }

    async fn deregister_worker(
        &self,
        _: Request<DeregisterWorkerRequest>,
    ) -> Result<Response<DeregisterWorkerResponse>, Status> {
        absent()
    }

    async fn list_workers(
        &self,
        _: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        absent()
    }
}

#[tonic::async_trait]
impl ModelService for Cluster {
    type WatchModelsStream = Streamed<WatchModelsResponse>;

    async fn watch_models(
        &self,
        _: Request<WatchModelsRequest>,
    ) -> Result<Response<Self::WatchModelsStream>, Status> {
        use watch_models_response::Event;
        let mut events = vec![Event::Reset(WatchReset::default())];
        events.extend(models().map(Event::Upserted));
        events.push(Event::Synced(WatchSynced::default()));
        let told = events.into_iter().map(|event| WatchModelsResponse {
            revision: 1,
            event: Some(event),
        });
        Ok(and_then_nothing(told.collect()))
    }

    async fn create_model(
        &self,
        _: Request<CreateModelRequest>,
    ) -> Result<Response<CreateModelResponse>, Status> {
        absent()
    }

    async fn get_model(&self, _: Request<GetModelRequest>) -> Result<Response<GetModelResponse>, Status> {
        absent()
    }

    async fn list_models(
        &self,
        _: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        absent()
    }

    async fn update_model(
        &self,
        _: Request<UpdateModelRequest>,
    ) -> Result<Response<UpdateModelResponse>, Status> {
        absent()
    }

    async fn delete_model(
        &self,
        _: Request<DeleteModelRequest>,
    ) -> Result<Response<DeleteModelResponse>, Status> {
        absent()
    }
}

#[tonic::async_trait]
impl EventService for Cluster {
    type WatchEventsStream = Streamed<WatchEventsResponse>;

    async fn watch_events(
        &self,
        _: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let told = [(TEXT_WORKER, TEXT_MODEL), (IMAGE_WORKER, IMAGE_MODEL)].map(|(worker, model)| {
            let event = Event {
                at: now(),
                level: EventLevel::Info.into(),
                service: "rbee-hive".into(),
                message: format!("worker of {model} is ready on {GPU}"),
                worker_id: worker.into(),
                ..Event::default()
            };
            WatchEventsResponse {
                event: Some(event),
                missed: 0,
            }
        });
        Ok(and_then_nothing(told.to_vec()))
    }
}

#[tonic::async_trait]
impl WorkerService for Cluster {
    async fn get_info(&self, request: Request<GetInfoRequest>) -> Result<Response<GetInfoResponse>, Status> {
        let asked = request.metadata().get("rbee-worker-id");
        let is_text = asked.is_some_and(|id| id.as_bytes() == TEXT_WORKER.as_bytes());
        let (worker, model, worker_type, info) = if is_text {
            let llm = LlmInfo {
                architecture: "qwen3".into(),
                vocabulary_size: 151_936,
                context_length: 32_768,
                model_context_length: 32_768,
                has_chat_template: true,
                embeds: false,
            };
            (TEXT_WORKER, TEXT_MODEL, WorkerType::CudaLlm, ModelInfo::Llm(llm))
        } else {
            let sd = SdInfo {
                version: "v1-5".into(),
                prediction: "epsilon".into(),
                native_edge: 512,
                inpainting: false,
                add_on_model_ids: Vec::new(),
            };
            (IMAGE_WORKER, IMAGE_MODEL, WorkerType::CudaSd, ModelInfo::Sd(sd))
        };
        Ok(Response::new(GetInfoResponse {
            worker_id: worker.into(),
            model_id: model.into(),
            worker_type: worker_type.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            device_id: GPU.into(),
            load: None,
            model_info: Some(info),
        }))
    }
}
