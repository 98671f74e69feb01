//! The command line. Everything else a worker needs comes over stdin (its token) and the
//! environment (telemetry), both from its hive.

use std::num::NonZeroUsize;

use clap::Parser;
use rbee_artifacts::{DeviceId, DeviceKind, WorkerType};
use rbee_worker_kit::WorkerArguments;

use crate::kernels::KvType;

/// What this build computes on.
pub const DEVICE_KIND: DeviceKind = if cfg!(feature = "cuda") {
    DeviceKind::Cuda
} else if cfg!(feature = "metal") {
    DeviceKind::Metal
} else {
    DeviceKind::Cpu
};

/// Which worker this build is.
pub const WORKER_TYPE: WorkerType = match DEVICE_KIND {
    DeviceKind::Cpu => WorkerType::CpuLlm,
    DeviceKind::Cuda => WorkerType::CudaLlm,
    DeviceKind::Metal => WorkerType::MetalLlm,
};

/// The name of the program, in logs, traces and `--version`.
pub const PROGRAM: &str = WORKER_TYPE.binary_name();

/// The device that is taken if none is named.
const DEFAULT_DEVICE: &str = match DEVICE_KIND {
    DeviceKind::Cpu => "cpu:0",
    DeviceKind::Cuda => "cuda:0",
    DeviceKind::Metal => "metal:0",
};

/// The end of `--help`.
const BY_HAND: &str = "\
A hive starts this program. The first line on stdin is the token that callers must show; the end of \
stdin tells the worker to leave. To run it by hand:

  (echo TOKEN; cat) | llm-worker-rbee-cpu --worker-id w1 --model-id local:qwen \\
      --model qwen.gguf --device cpu:0 --socket /tmp/w1.sock
  grpcurl -plaintext -unix -H 'authorization: Bearer TOKEN' /tmp/w1.sock list

Status lines on stdout begin with `rbee-worker: `; everything else is log.
Exit codes: 0 asked to leave, 1 the model could not be loaded, 2 wrong command line, \
3 could not start, 4 failed while serving.";

/// Serves one language model, a GGUF file or a folder of safetensors, on one device, over gRPC on a Unix socket.
#[derive(Debug, Clone, Parser)]
#[command(name = PROGRAM, version, after_help = BY_HAND)]
pub struct Arguments {
    /// What all workers have.
    #[command(flatten)]
    pub worker: WorkerArguments,
    /// Device to compute on, of the kind that this program was built for
    #[arg(long, value_name = "DEVICE", default_value = DEFAULT_DEVICE)]
    pub device: DeviceId,
    /// Tokens of prompt and answer together, for each request [default: what the model was made
    /// for]
    #[arg(long, value_name = "TOKENS")]
    pub context_length: Option<NonZeroUsize>,
    /// Requests that are generated at the same time
    #[arg(long, value_name = "N", default_value = "4")]
    pub slots: NonZeroUsize,
    /// Requests that may wait for a slot
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub queue: usize,
    /// Compute threads [default: as many as there are processor cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// How the KV cache keeps its numbers: f16, or on a processor q8_0 for half the memory
    #[arg(long, value_name = "FORMAT", default_value = "f16", value_parser = ["f16", "q8_0"])]
    pub kv_format: String,
    /// Bytes for the KV caches of running requests and of what is kept for the next turn [default: what
    /// all slots take with their contexts full]
    #[arg(long, value_name = "BYTES")]
    pub kv_limit_bytes: Option<u64>,
}

impl Arguments {
    /// [`Self::kv_format`] as the kernels have it.
    #[must_use]
    pub fn kv_type(&self) -> KvType {
        match self.kv_format.as_str() {
            "q8_0" => KvType::Q8_0,
            _ => KvType::F16,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory;

    use super::*;

    fn parse(more: &[&str]) -> Result<Arguments, clap::Error> {
        let required = [
            "w",
            "--worker-id",
            "w1",
            "--model-id",
            "m",
            "--model",
            "m.gguf",
            "--socket",
            "s",
        ];
        Arguments::try_parse_from(required.iter().chain(more))
    }

    #[test]
    fn the_definition_is_sound_and_says_what_the_program_is() {
        Arguments::command().debug_assert();
        let version = parse(&["--version"]).unwrap_err();
        assert_eq!(
            version.to_string().trim_end(),
            format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let arguments = parse(&[]).unwrap();
        assert_eq!(arguments.device.kind(), DEVICE_KIND);
        assert_eq!((arguments.slots.get(), arguments.queue), (4, 32));
        assert_eq!(arguments.context_length, None);
        assert_eq!(arguments.worker.drain_grace, Duration::from_secs(8));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            &["--slots", "0"][..],
            &["--context-length", "0"],
            &["--threads", "0"],
            &["--queue", "-1"],
            &["--device", "abacus"],
            &["--drain-grace", "soon"],
            &["--token", "never on the command line"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(
            parse(&["--queue", "0"]).is_ok(),
            "nobody has to be allowed to wait"
        );
    }
}
