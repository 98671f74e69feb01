//! Which worker: what `rbee worker spawn` and `rbee worker check` are told alike.

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use rbee_proto::hive::v1::{
    KvFormat, LlmWorkerSettings, SdWorkerSettings, check_spawn_request, spawn_worker_request,
};

use super::worker::WorkerTypeArg;

/// How a KV cache keeps its numbers.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KvFormatArg {
    /// 16-bit floats.
    F16,
    /// 8 bits each.
    #[value(name = "q8_0")]
    Q80,
}

impl From<KvFormatArg> for KvFormat {
    fn from(format: KvFormatArg) -> Self {
        match format {
            KvFormatArg::F16 => Self::F16,
            KvFormatArg::Q80 => Self::Q80,
        }
    }
}

/// Which worker, and where.
#[derive(Debug, Args)]
pub(crate) struct WorkerWants {
    /// Model id, such as `local:qwen`
    pub(crate) model: String,
    /// Which worker program
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) worker_type: WorkerTypeArg,
    /// Device to run on: `cpu:0`, `cuda:N`, `metal:N` [default: the one that suits best]
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// Context in tokens to make room for [default: what the model was made for]
    #[arg(long, value_name = "N")]
    pub(crate) context: Option<u32>,
    /// Answers that are generated at the same time; of an image worker, requests that may be computed together
    #[arg(long, value_name = "N")]
    pub(crate) slots: Option<u32>,
    /// Requests that may wait
    #[arg(long, value_name = "N")]
    pub(crate) queue: Option<u32>,
    /// Threads that compute
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u32>,
    /// How the KV cache keeps its numbers: f16, or q8_0 for half the memory
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) kv_format: Option<KvFormatArg>,
    /// The most memory that KV caches take together, such as 4GiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) kv_limit: Option<ByteSize>,
    /// Name or id of the hive [default: the one that suits best]
    #[arg(long, value_name = "NAME")]
    pub(crate) hive: Option<String>,
}

/// Settings of either kind of worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum WorkerSettings {
    /// Of a text worker.
    Llm(LlmWorkerSettings),
    /// Of an image worker.
    Sd(SdWorkerSettings),
}

impl From<WorkerSettings> for spawn_worker_request::Settings {
    fn from(settings: WorkerSettings) -> Self {
        match settings {
            WorkerSettings::Llm(llm) => Self::Llm(llm),
            WorkerSettings::Sd(sd) => Self::Sd(sd),
        }
    }
}

impl From<WorkerSettings> for check_spawn_request::Settings {
    fn from(settings: WorkerSettings) -> Self {
        match settings {
            WorkerSettings::Llm(llm) => Self::Llm(llm),
            WorkerSettings::Sd(sd) => Self::Sd(sd),
        }
    }
}

impl WorkerWants {
    /// The settings of the worker; absent if nothing was said. What only a text worker has is said as such, so that the
    /// hive refuses them for another one.
    pub(crate) fn settings(&self) -> Option<WorkerSettings> {
        let llm = LlmWorkerSettings {
            context_length: self.context,
            slot_count: self.slots,
            queue_length: self.queue,
            thread_count: self.threads,
            kv_format: self
                .kv_format
                .map_or(KvFormat::Unspecified, KvFormat::from)
                .into(),
            kv_limit_bytes: self.kv_limit.map(|limit| limit.as_u64()),
        };
        let of_pictures = LlmWorkerSettings {
            slot_count: self.slots,
            queue_length: self.queue,
            thread_count: self.threads,
            ..LlmWorkerSettings::default()
        };
        let of_text = llm != of_pictures || !self.worker_type.makes_pictures();
        if llm == LlmWorkerSettings::default() {
            None
        } else if of_text {
            Some(WorkerSettings::Llm(llm))
        } else {
            Some(WorkerSettings::Sd(SdWorkerSettings {
                queue_length: self.queue,
                thread_count: self.threads,
                slot_count: self.slots,
            }))
        }
    }
}
