//! The command line. Everything else a worker needs comes over stdin (its token) and the environment (telemetry), both
//! from its hive.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;
use rbee_artifacts::{DeviceId, DeviceKind, WorkerType};
use rbee_worker_kit::WorkerArguments;

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
    DeviceKind::Cpu => WorkerType::CpuSd,
    DeviceKind::Cuda => WorkerType::CudaSd,
    DeviceKind::Metal => WorkerType::MetalSd,
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

  (echo TOKEN; cat) | sd-worker-rbee-cpu --worker-id w1 --model-id local:dream \\
      --model dream.safetensors --socket /tmp/w1.sock
  grpcurl -plaintext -unix -H 'authorization: Bearer TOKEN' /tmp/w1.sock list

Status lines on stdout begin with `rbee-worker: `; everything else is log.
Exit codes: 0 asked to leave, 1 the model could not be loaded, 2 wrong command line, \
3 could not start, 4 failed while serving.";

/// Serves one Stable Diffusion model, a safetensors file or a diffusers folder, on one device, over gRPC on a Unix
/// socket.
#[derive(Debug, Clone, Parser)]
#[command(name = PROGRAM, version, after_help = BY_HAND)]
pub struct Arguments {
    /// What all workers have.
    #[command(flatten)]
    pub worker: WorkerArguments,
    /// Device to compute on, of the kind that this program was built for
    #[arg(long, value_name = "DEVICE", default_value = DEFAULT_DEVICE)]
    pub device: DeviceId,
    /// A VAE to use in place of the model's own: a file or a diffusers folder
    #[arg(long, value_name = "PATH")]
    pub vae: Option<PathBuf>,
    /// Folder of LoRAs, VAEs and embeddings that requests can use; it is looked at anew for each request
    #[arg(long, value_name = "FOLDER")]
    pub add_ons: Option<PathBuf>,
    /// Requests that may be computed together, if their pictures are of one size and they use the same add-ons
    #[arg(long, value_name = "N", default_value = "1")]
    pub slots: NonZeroUsize,
    /// Requests that may wait while others are worked on
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub queue: usize,
    /// Compute threads [default: as many as there are processor cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

#[cfg(test)]
mod tests {
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
            "m.safetensors",
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
        assert_eq!((arguments.device.kind(), arguments.queue), (DEVICE_KIND, 16));
        assert_eq!(arguments.slots.get(), 1);
        assert!(arguments.vae.is_none() && arguments.add_ons.is_none());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            &["--threads", "0"][..],
            &["--slots", "0"],
            &["--queue", "-1"],
            &["--device", "abacus"],
            &["--drain-grace", "soon"],
            &["--token", "never on the command line"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
