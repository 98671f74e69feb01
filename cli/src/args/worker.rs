//! `rbee worker`.

use clap::{Args, Subcommand, ValueEnum};
use rbee_proto::types::v1::WorkerType;

use super::life::{Keeping, RESTART_EXAMPLES, RestartArgs, SET_EXAMPLES, SetArgs, StopArgs};
use super::logs::{LOGS_EXAMPLES, LogsArgs};
use super::wants::WorkerWants;

const SPAWN_EXAMPLES: &str = "\
Examples:
  rbee worker spawn local:qwen --type cpu-llm                   where it suits best
  rbee worker spawn local:qwen --type cuda-llm --context 8192
  rbee worker spawn local:qwen --type cpu-llm --evict           stops idle workers if there is no room
  rbee worker spawn local:qwen --type cpu-llm --idle-ttl 30m    stops it when it is idle
  id=$(rbee worker spawn local:qwen --type cpu-llm)";

const INSTALL_EXAMPLES: &str = "\
Examples:
  rbee worker install cpu-llm                            built from source, as its package says
  rbee worker install --package llm-worker-rbee-cpu-bin  out of a release archive
  rbee worker install cuda-llm --quiet                   without what the build prints

Ctrl-C leaves the build alone: `rbee job watch ID` comes back to it, `rbee job cancel ID` ends it.";

/// About workers.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// Start a worker: one model on one device
    #[command(after_help = SPAWN_EXAMPLES)]
    Spawn(SpawnArgs),
    /// Tell what memory a worker would need and where it would fit, without starting it
    Check(WorkerWants),
    /// List the workers
    #[command(visible_alias = "list")]
    Ls,
    /// Show one worker: its life, its load, why it failed
    Show {
        /// Worker id, or the beginning of it
        id: String,
    },
    /// Show what a worker wrote to its standard output and error, over all its starts
    #[command(after_help = LOGS_EXAMPLES)]
    Logs(LogsArgs),
    /// Stop workers; running answers may end first
    Stop(StopArgs),
    /// Start workers anew, under the same ids
    #[command(after_help = RESTART_EXAMPLES)]
    Restart(RestartArgs),
    /// Change how long workers are kept
    #[command(after_help = SET_EXAMPLES)]
    Set(SetArgs),
    /// Make LoRAs, VAEs and embeddings usable by an image worker's requests
    Attach {
        /// Worker id, or the beginning of it
        id: String,
        /// Ids of the add-ons in the catalog
        #[arg(required = true, value_name = "MODEL")]
        models: Vec<String>,
    },
    /// Install a worker program by building its package on the server's host
    #[command(after_help = INSTALL_EXAMPLES)]
    Install(InstallArgs),
    /// List the packages that `install` can build
    Packages,
    /// List the installed worker programs
    Binaries,
    /// Remove installed worker programs; running workers are not touched
    Rm {
        /// Ids that `rbee worker binaries` lists, or the beginnings of them
        #[arg(required = true, value_name = "BINARY")]
        ids: Vec<String>,
        /// Don't ask first
        #[arg(long, short)]
        yes: bool,
    },
}

/// Which worker program to install.
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// Which worker program
    #[arg(value_enum, value_name = "TYPE", required_unless_present = "package")]
    pub(crate) worker_type: Option<WorkerTypeArg>,
    /// Build this package [default: the one that `rbee worker packages` marks for the type]
    #[arg(long, value_name = "NAME")]
    pub(crate) package: Option<String>,
    /// Don't show what the build prints
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Print the job's id and leave it to its work
    #[arg(long)]
    pub(crate) detach: bool,
}

/// What to start, and where.
#[derive(Debug, Args)]
pub(crate) struct SpawnArgs {
    /// Which worker
    #[command(flatten)]
    pub(crate) wants: WorkerWants,
    /// Start it even where it does not fit by estimate
    #[arg(long)]
    pub(crate) force: bool,
    /// If it does not fit, stop idle workers that are not pinned, no more than needed
    #[arg(long, conflicts_with = "force")]
    pub(crate) evict: bool,
    /// How long it is kept
    #[command(flatten)]
    pub(crate) keeping: Keeping,
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

impl WorkerTypeArg {
    /// Whether it generates images.
    pub(crate) fn makes_pictures(self) -> bool {
        matches!(self, Self::CpuSd | Self::CudaSd | Self::MetalSd)
    }
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
