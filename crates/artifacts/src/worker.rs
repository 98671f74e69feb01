//! The programs that serve models, and which of them serves what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::device::{DeviceId, DeviceKind, Platform};
use crate::ids::WorkerBinaryId;
use crate::names::named_enum;
use crate::sha256::Sha256;

named_enum! {
    /// The kinds of model there are, as far as choosing a worker goes.
    pub enum ModelCategory ("kind of model") {
        /// Large language models.
        Llm = "llm",
        /// Stable Diffusion models.
        StableDiffusion = "stable-diffusion",
    }
}

named_enum! {
    /// A worker program: what it runs on and what it serves.
    pub enum WorkerType ("worker type") {
        /// Text on the processor.
        CpuLlm = "cpu-llm",
        /// Text on an NVIDIA GPU.
        CudaLlm = "cuda-llm",
        /// Text on an Apple GPU.
        MetalLlm = "metal-llm",
        /// Pictures on the processor.
        CpuSd = "cpu-sd",
        /// Pictures on an NVIDIA GPU.
        CudaSd = "cuda-sd",
        /// Pictures on an Apple GPU.
        MetalSd = "metal-sd",
    }
}

impl WorkerType {
    /// The kind of model it serves.
    #[must_use]
    pub const fn model_type_category(self) -> ModelCategory {
        match self {
            Self::CpuLlm | Self::CudaLlm | Self::MetalLlm => ModelCategory::Llm,
            Self::CpuSd | Self::CudaSd | Self::MetalSd => ModelCategory::StableDiffusion,
        }
    }

    /// The hardware it runs on.
    #[must_use]
    pub const fn device_kind(self) -> DeviceKind {
        match self {
            Self::CpuLlm | Self::CpuSd => DeviceKind::Cpu,
            Self::CudaLlm | Self::CudaSd => DeviceKind::Cuda,
            Self::MetalLlm | Self::MetalSd => DeviceKind::Metal,
        }
    }

    /// The crate that the program is built from.
    #[must_use]
    pub const fn crate_name(self) -> &'static str {
        match self.model_type_category() {
            ModelCategory::Llm => "llm-worker-rbee",
            ModelCategory::StableDiffusion => "sd-worker-rbee",
        }
    }

    /// The name of the program's file, without an extension.
    #[must_use]
    pub const fn binary_name(self) -> &'static str {
        match self {
            Self::CpuLlm => "llm-worker-rbee-cpu",
            Self::CudaLlm => "llm-worker-rbee-cuda",
            Self::MetalLlm => "llm-worker-rbee-metal",
            Self::CpuSd => "sd-worker-rbee-cpu",
            Self::CudaSd => "sd-worker-rbee-cuda",
            Self::MetalSd => "sd-worker-rbee-metal",
        }
    }

    /// The worker type whose program has this name.
    #[must_use]
    pub fn from_binary_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|worker_type| worker_type.binary_name() == name)
    }

    /// Whether it can run on this device.
    #[must_use]
    pub fn runs_on(self, device: DeviceId) -> bool {
        self.device_kind() == device.kind()
    }
}

/// An installed worker program. Its bytes are a blob of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerBinary {
    /// Its id; [`WorkerBinaryId::derive`] of the fields below.
    pub id: WorkerBinaryId,
    /// Which worker it is.
    pub worker_type: WorkerType,
    /// Version, as the program itself says it.
    pub version: String,
    /// What it runs on.
    pub platform: Platform,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Digest of the program file.
    pub sha256: Sha256,
    /// When it was installed.
    pub added_at: Timestamp,
    /// Where it came from in words: `bundled`, or the package that built it.
    pub source: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_says_what_the_type_is() {
        for &worker_type in WorkerType::ALL {
            assert_eq!(worker_type.as_str().parse(), Ok(worker_type));
            assert_eq!(
                WorkerType::from_binary_name(worker_type.binary_name()),
                Some(worker_type)
            );
            assert_eq!(
                worker_type.binary_name(),
                format!("{}-{}", worker_type.crate_name(), worker_type.device_kind())
            );
            let suffix = match worker_type.model_type_category() {
                ModelCategory::Llm => "llm",
                ModelCategory::StableDiffusion => "sd",
            };
            assert_eq!(
                worker_type.as_str(),
                format!("{}-{suffix}", worker_type.device_kind())
            );
        }
        let error = "gpu-llm".parse::<WorkerType>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"gpu-llm\" is not a worker type; known are cpu-llm, cuda-llm, metal-llm, cpu-sd, cuda-sd, metal-sd"
        );
    }

    #[test]
    fn a_worker_runs_on_its_own_hardware() {
        assert!(WorkerType::CpuLlm.runs_on(DeviceId::CPU));
        assert!(!WorkerType::CudaSd.runs_on(DeviceId::CPU));
        assert!(WorkerType::CudaSd.runs_on("cuda:1".parse().unwrap()));
    }
}
