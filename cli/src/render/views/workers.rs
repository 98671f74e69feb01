//! Workers, and what they tell of themselves.

use rbee_proto::types::v1 as types;
use rbee_proto::worker::v1 as worker;
use serde::Serialize;

use super::super::{human, words};
use super::{some, time};

/// A worker.
#[derive(Debug, Serialize)]
pub(crate) struct Worker<'a> {
    id: &'a str,
    model_id: &'a str,
    worker_type: String,
    device_id: &'a str,
    state: String,
    hive_id: &'a str,
    hive_address: Option<&'a str>,
    created_at: Option<String>,
    load_fraction: Option<f32>,
    context_length: Option<u32>,
    process_id: Option<u32>,
    memory: Option<WorkerMemory>,
    failure: Option<WorkerFailure<'a>>,
    state_since: Option<String>,
    restart_count: u32,
    next_attempt_at: Option<String>,
    pinned: bool,
    idle_ttl_seconds: Option<f64>,
    unreachable: bool,
}

/// What was estimated for it, and what it had when it had just become ready.
#[derive(Debug, Serialize)]
struct WorkerMemory {
    estimated_bytes: u64,
    estimated_loaded_bytes: u64,
    resident_bytes: Option<u64>,
    limit_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct WorkerFailure<'a> {
    reason: &'a str,
    message: &'a str,
    exit_code: Option<i32>,
    signal: Option<i32>,
    log_tail: &'a [String],
    cause: Option<String>,
    occurred_at: Option<String>,
}

impl<'a> From<&'a types::Worker> for Worker<'a> {
    fn from(worker: &'a types::Worker) -> Self {
        Self {
            id: &worker.id,
            model_id: &worker.model_id,
            worker_type: words::worker_type(worker.worker_type),
            device_id: &worker.device_id,
            state: words::worker_state(worker.state),
            hive_id: &worker.hive_id,
            hive_address: some(&worker.hive_address),
            created_at: time(worker.created_at.as_ref()),
            load_fraction: worker.load_fraction,
            context_length: worker.context_length,
            process_id: worker.process_id,
            memory: worker.memory.map(|memory| WorkerMemory {
                estimated_bytes: memory.estimated_bytes,
                estimated_loaded_bytes: memory.estimated_loaded_bytes,
                resident_bytes: memory.resident_bytes,
                limit_bytes: memory.limit_bytes,
            }),
            failure: worker.failure.as_ref().map(|failure| WorkerFailure {
                reason: &failure.reason,
                message: &failure.message,
                exit_code: failure.exit_code,
                signal: failure.signal,
                log_tail: &failure.log_tail,
                cause: words::cause(failure.cause),
                occurred_at: time(failure.occurred_at.as_ref()),
            }),
            state_since: time(worker.state_since.as_ref()),
            restart_count: worker.restart_count,
            next_attempt_at: time(worker.next_attempt_at.as_ref()),
            pinned: worker.pinned,
            idle_ttl_seconds: worker
                .idle_ttl
                .as_ref()
                .and_then(human::from_proto)
                .map(|ttl| ttl.as_secs_f64()),
            unreachable: worker.unreachable,
        }
    }
}

/// A worker with what it tells of itself, where it answers.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerDetails<'a> {
    #[serde(flatten)]
    worker: Worker<'a>,
    info: Option<WorkerInfo<'a>>,
}

impl<'a> WorkerDetails<'a> {
    /// Of a worker and its own answer.
    pub(crate) fn new(worker: &'a types::Worker, info: Option<&'a worker::GetInfoResponse>) -> Self {
        Self {
            worker: worker.into(),
            info: info.map(WorkerInfo::from),
        }
    }
}

#[derive(Debug, Serialize)]
struct WorkerInfo<'a> {
    version: &'a str,
    load: Option<WorkerLoad>,
    llm: Option<LlmInfo<'a>>,
    sd: Option<SdInfo<'a>>,
}

#[derive(Debug, Serialize)]
struct WorkerLoad {
    running_requests: u32,
    waiting_requests: u32,
    slot_count: u32,
    queue_length: u32,
    generated_tokens: u64,
    prefilled_tokens: u64,
    generated_images: u64,
    denoised_steps: u64,
}

#[derive(Debug, Serialize)]
struct SdInfo<'a> {
    version: &'a str,
    prediction: &'a str,
    native_edge: u32,
    inpainting: bool,
    add_ons: &'a [String],
}

#[derive(Debug, Serialize)]
struct LlmInfo<'a> {
    architecture: &'a str,
    vocabulary_size: u32,
    context_length: u32,
    model_context_length: u32,
    has_chat_template: bool,
}

impl<'a> From<&'a worker::GetInfoResponse> for WorkerInfo<'a> {
    fn from(info: &'a worker::GetInfoResponse) -> Self {
        use worker::get_info_response::ModelInfo;
        Self {
            version: &info.version,
            load: info.load.as_ref().map(|load| WorkerLoad {
                running_requests: load.running_requests,
                waiting_requests: load.waiting_requests,
                slot_count: load.slot_count,
                queue_length: load.queue_length,
                generated_tokens: load.generated_tokens,
                prefilled_tokens: load.prefilled_tokens,
                generated_images: load.generated_images,
                denoised_steps: load.denoised_steps,
            }),
            llm: match &info.model_info {
                Some(ModelInfo::Llm(llm)) => Some(LlmInfo {
                    architecture: &llm.architecture,
                    vocabulary_size: llm.vocabulary_size,
                    context_length: llm.context_length,
                    model_context_length: llm.model_context_length,
                    has_chat_template: llm.has_chat_template,
                }),
                _ => None,
            },
            sd: match &info.model_info {
                Some(ModelInfo::Sd(sd)) => Some(SdInfo {
                    version: &sd.version,
                    prediction: &sd.prediction,
                    native_edge: sd.native_edge,
                    inpainting: sd.inpainting,
                    add_ons: &sd.add_on_model_ids,
                }),
                _ => None,
            },
        }
    }
}
