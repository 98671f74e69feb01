//! Why a spawn is refused before anything is started.

use rbee_artifacts::{DeviceId, ModelId, Platform, WorkerType};
use rbee_service_kit::reason;

use super::plan::describe_bytes;
use super::{Fit, fit_words};

/// Why a spawn is refused before anything is started. Each says what a person can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The catalog has no such model.
    #[error(
        "the catalog has no model {model_id}; `rbee model ls` lists what there is, `rbee model import` adds one"
    )]
    ModelNotFound {
        /// The model.
        model_id: ModelId,
    },
    /// The model is still being brought in.
    #[error(
        "the model {model_id} is still being brought in; try again when `rbee model ls` shows it as available"
    )]
    ModelIncomplete {
        /// The model.
        model_id: ModelId,
    },
    /// Bringing the model in failed.
    #[error("the model {model_id} could not be brought in ({error}); remove it and bring it in again")]
    ModelFailed {
        /// The model.
        model_id: ModelId,
        /// Why.
        error: String,
    },
    /// The worker type serves another kind of model.
    #[error(
        "{model_id} is {kind}, which a {worker_type} worker can't serve; {}",
        alternatives(.compatible)
    )]
    ModelIncompatible {
        /// The model.
        model_id: ModelId,
        /// What kind of model it is, with an article.
        kind: String,
        /// What was asked for.
        worker_type: WorkerType,
        /// What could serve it.
        compatible: Vec<WorkerType>,
    },
    /// No program for the worker type and this platform is installed.
    #[error(
        "no worker for {worker_type} on {platform} is installed{}; put {} beside the rbee program and start \
         `rbee up` again, which installs it",
        elsewhere(.others),
        worker_type.binary_name()
    )]
    BinaryNotFound {
        /// What was asked for.
        worker_type: WorkerType,
        /// What this host is.
        platform: Platform,
        /// Platforms for which it is installed.
        others: Vec<Platform>,
    },
    /// The host has no such device.
    #[error("this hive has no device {device_id}; it has {}", list(.available))]
    DeviceNotFound {
        /// What was asked for.
        device_id: DeviceId,
        /// What there is.
        available: Vec<DeviceId>,
    },
    /// The host has no device for the worker type.
    #[error(
        "this hive has no {} device for a {worker_type} worker; it has {}",
        worker_type.device_kind(),
        list(.available)
    )]
    NoDevice {
        /// What was asked for.
        worker_type: WorkerType,
        /// What there is.
        available: Vec<DeviceId>,
    },
    /// The model was not made for so long a context.
    #[error("a context of {wanted} tokens is not possible: the model was made for at most {longest}")]
    ContextTooLong {
        /// What was asked for, in tokens.
        wanted: u32,
        /// What the model was made for, in tokens.
        longest: u32,
    },
    /// It does not fit into what devices have.
    #[error("{model_id} {}", shortage(.fits))]
    InsufficientMemory {
        /// The model.
        model_id: ModelId,
        /// How it would fit on each device that it may go to, best first; at least one.
        fits: Vec<Fit>,
    },
    /// The worker type runs on another kind of device.
    #[error("a {worker_type} worker runs on a {} device, and {device_id} is none", worker_type.device_kind())]
    DeviceIncompatible {
        /// What was asked for.
        device_id: DeviceId,
        /// What was asked for.
        worker_type: WorkerType,
    },
    /// Requests can't use it.
    #[error(
        "{model_id} is not a LoRA, a VAE or an embedding, which alone go with a model; `rbee model show {model_id}` tells what it is"
    )]
    NoAddOn {
        /// The model.
        model_id: ModelId,
    },
    /// The worker has no use for add-ons.
    #[error("a {worker_type} worker makes no pictures, so nothing can be attached to it")]
    NoPictures {
        /// What it is.
        worker_type: WorkerType,
    },
    /// The model does not fit into the cache of a hive whose store is elsewhere.
    #[error("{}", cache_too_small(.model_id, *.size_bytes, *.in_use_bytes, *.limit_bytes))]
    CacheTooSmall {
        /// The model.
        model_id: ModelId,
        /// What all its files take.
        size_bytes: u64,
        /// Bytes of the cache that workers use; 0 if it would be too small even without them.
        in_use_bytes: u64,
        /// The most that the cache may take.
        limit_bytes: u64,
    },
    /// The store lacks files of the model.
    #[error("the store lacks {} of the model {model_id}; remove the model and bring it in again", .files.join(", "))]
    FilesMissing {
        /// The model.
        model_id: ModelId,
        /// Names of the files.
        files: Vec<String>,
    },
}

impl Refusal {
    /// The reason that clients match.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ModelNotFound { .. } => reason::MODEL_NOT_FOUND,
            Self::ModelIncomplete { .. } | Self::ModelFailed { .. } => reason::MODEL_NOT_AVAILABLE,
            Self::ModelIncompatible { .. } => reason::MODEL_INCOMPATIBLE,
            Self::BinaryNotFound { .. } => reason::WORKER_BINARY_NOT_FOUND,
            Self::DeviceNotFound { .. } | Self::NoDevice { .. } => reason::DEVICE_NOT_FOUND,
            Self::ContextTooLong { .. } => reason::INVALID_ARGUMENT,
            Self::InsufficientMemory { .. } => reason::INSUFFICIENT_MEMORY,
            Self::DeviceIncompatible { .. } => reason::DEVICE_INCOMPATIBLE,
            Self::FilesMissing { .. } => reason::MODEL_FILES_MISSING,
            Self::NoAddOn { .. } => reason::ADD_ON_UNSUITABLE,
            Self::CacheTooSmall { .. } => reason::CACHE_TOO_SMALL,
            Self::NoPictures { .. } => reason::MODEL_INCOMPATIBLE,
        }
    }
}

fn cache_too_small(model_id: &ModelId, size_bytes: u64, in_use_bytes: u64, limit_bytes: u64) -> String {
    let [size, in_use, limit] = [size_bytes, in_use_bytes, limit_bytes].map(describe_bytes);
    if in_use_bytes == 0 {
        format!(
            "{model_id} takes {size}, and this hive's cache of the store may take {limit}; raise hive.cache_limit"
        )
    } else {
        format!(
            "{model_id} takes {size}, and of this hive's cache, which may take {limit}, workers use {in_use}; stop \
             some, or raise hive.cache_limit"
        )
    }
}

fn shortage(fits: &[Fit]) -> String {
    let sentences: Vec<_> = fits.iter().map(fit_words::sentence).collect();
    sentences.join("; it ")
}

fn alternatives(compatible: &[WorkerType]) -> String {
    format!("{} can", list(compatible))
}

fn elsewhere(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        String::new()
    } else {
        format!(" (but for {})", list(platforms))
    }
}

/// `a`, `a or b`, `a, b or c`.
fn list(items: &[impl ToString]) -> String {
    let mut items: Vec<_> = items.iter().map(ToString::to_string).collect();
    match items.pop() {
        None => "none".to_owned(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} or {last}", items.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        let model_id = ModelId::local("qwen").unwrap();
        let incompatible = Refusal::ModelIncompatible {
            model_id: model_id.clone(),
            kind: "a large language model".into(),
            worker_type: WorkerType::CpuSd,
            compatible: vec![WorkerType::CpuLlm, WorkerType::CudaLlm, WorkerType::MetalLlm],
        };
        assert_eq!(
            incompatible.to_string(),
            "local:qwen is a large language model, which a cpu-sd worker can't serve; \
             cpu-llm, cuda-llm or metal-llm can"
        );
        let binary = |others| Refusal::BinaryNotFound {
            worker_type: WorkerType::CpuLlm,
            platform: Platform::new("linux", "x86_64").unwrap(),
            others,
        };
        assert!(
            binary(vec![])
                .to_string()
                .starts_with("no worker for cpu-llm on linux-x86_64 is installed; put")
        );
        let others = vec![Platform::new("macos", "aarch64").unwrap()];
        assert!(
            binary(others)
                .to_string()
                .contains("is installed (but for macos-aarch64); put llm-worker-rbee-cpu")
        );
        let device = Refusal::DeviceNotFound {
            device_id: "cuda:0".parse().unwrap(),
            available: vec![DeviceId::CPU],
        };
        assert_eq!(device.to_string(), "this hive has no device cuda:0; it has cpu:0");
        assert_eq!(device.reason(), reason::DEVICE_NOT_FOUND);
    }
}
