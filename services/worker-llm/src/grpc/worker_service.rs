//! `rbee.worker.v1.WorkerService`.

use rbee_proto::types::v1::WorkerType;
use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::get_info_response::ModelInfo;
use rbee_proto::worker::v1::worker_service_server::WorkerService;
use tonic::{Request, Response, Status};

use super::{Loaded, convert};
use crate::generator::Generator;

/// Who the worker is, as its hive calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub worker_id: String,
    /// Id of its model in the catalog.
    pub model_id: String,
    /// The device that it computes on.
    pub device_id: String,
}

pub(super) struct WorkerHandler {
    identity: Identity,
    loaded: Loaded,
}

impl WorkerHandler {
    pub(super) fn new(identity: Identity, loaded: Loaded) -> Self {
        Self { identity, loaded }
    }
}

#[tonic::async_trait]
impl WorkerService for WorkerHandler {
    async fn get_info(
        &self,
        _request: Request<proto::GetInfoRequest>,
    ) -> Result<Response<proto::GetInfoResponse>, Status> {
        let generator = self.loaded.get()?;
        Ok(Response::new(proto::GetInfoResponse {
            worker_id: self.identity.worker_id.clone(),
            model_id: self.identity.model_id.clone(),
            worker_type: WorkerType::CpuLlm.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device_id: self.identity.device_id.clone(),
            load: Some(load(generator)),
            model_info: Some(ModelInfo::Llm(model(generator))),
        }))
    }
}

fn load(generator: &Generator) -> proto::WorkerLoad {
    let stats = generator.engine().stats();
    let config = generator.engine().config();
    proto::WorkerLoad {
        running_requests: convert::wire(stats.running),
        waiting_requests: convert::wire(stats.waiting),
        slot_count: convert::wire(config.slots),
        queue_length: convert::wire(config.queue),
        generated_tokens: stats.generated_tokens,
        prefilled_tokens: stats.prefill_tokens,
        ..proto::WorkerLoad::default()
    }
}

fn model(generator: &Generator) -> proto::LlmInfo {
    let info = generator.engine().info();
    proto::LlmInfo {
        architecture: info.architecture.clone(),
        vocabulary_size: generator.tokenizer().vocab_size(),
        context_length: convert::wire(info.context_length),
        model_context_length: convert::wire(info.trained_context_length),
        has_chat_template: generator.has_chat_template(),
        embeds: false,
    }
}
