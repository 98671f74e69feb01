//! `rbee worker`.

use clap::{Args, Subcommand, ValueEnum};
use rbee_proto::hive::v1::LlmWorkerSettings;
use rbee_proto::types::v1::WorkerType;

/// About workers.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// Start a worker: one model on one device
    Spawn(SpawnArgs),
    /// List the workers
    #[command(visible_alias = "list")]
    Ls,
    /// Show one worker, with its load or why it failed
    Show {
        /// Worker id, or the beginning of it
        id: String,
    },
    /// Stop workers
    Stop {
        /// Worker ids, or the beginnings of them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// List the installed worker programs
    Binaries,
}

/// What to start, and where.
#[derive(Debug, Args)]
pub(crate) struct SpawnArgs {
    /// Model id, such as `local:qwen`
    pub(crate) model: String,
    /// Which worker program
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) worker_type: WorkerTypeArg,
    /// Device to run on: `cpu:0`, `cuda:N`, `metal:N`
    #[arg(long)]
    pub(crate) device: String,
    /// Context in tokens to make room for
    #[arg(long, value_name = "N")]
    pub(crate) context: Option<u32>,
    /// Answers that are generated at the same time
    #[arg(long, value_name = "N")]
    pub(crate) slots: Option<u32>,
    /// Requests that may wait
    #[arg(long, value_name = "N")]
    pub(crate) queue: Option<u32>,
    /// Threads that compute
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u32>,
    /// Name or id of the hive, where there are several
    #[arg(long, value_name = "NAME")]
    pub(crate) hive: Option<String>,
}

impl SpawnArgs {
    /// The settings of a text worker; absent if nothing was said.
    pub(crate) fn settings(&self) -> Option<LlmWorkerSettings> {
        let settings = LlmWorkerSettings {
            context_length: self.context,
            slot_count: self.slots,
            queue_length: self.queue,
            thread_count: self.threads,
        };
        (settings != LlmWorkerSettings::default()).then_some(settings)
    }
}

/// The worker programs, by backend and kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WorkerTypeArg {
    /// Text generation on the CPU
    CpuLlm,
    /// Text generation on an NVIDIA GPU
    CudaLlm,
    /// Text generation on an Apple GPU
    MetalLlm,
    /// Image generation on the CPU
    CpuSd,
    /// Image generation on an NVIDIA GPU
    CudaSd,
    /// Image generation on an Apple GPU
    MetalSd,
}

impl From<WorkerTypeArg> for WorkerType {
    fn from(argument: WorkerTypeArg) -> Self {
        match argument {
            WorkerTypeArg::CpuLlm => Self::CpuLlm,
            WorkerTypeArg::CudaLlm => Self::CudaLlm,
            WorkerTypeArg::MetalLlm => Self::MetalLlm,
            WorkerTypeArg::CpuSd => Self::CpuSd,
            WorkerTypeArg::CudaSd => Self::CudaSd,
            WorkerTypeArg::MetalSd => Self::MetalSd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::words;

    #[test]
    fn types_are_spelled_the_same_in_and_out() {
        for argument in WorkerTypeArg::value_variants() {
            let spelled = argument.to_possible_value().unwrap();
            assert_eq!(
                spelled.get_name(),
                words::worker_type(WorkerType::from(*argument) as i32)
            );
        }
    }
}
