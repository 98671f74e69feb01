//! The checks of a spawn, one function a question.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use rbee_artifacts::{
    AddOnKind, DeviceId, DeviceKind, ModelCategory, ModelEntry, ModelFile, ModelStatus, ModelType, Platform,
    WorkerBinary, WorkerId, WorkerType,
};

use super::{Fit, Refusal, SpawnRequest};

/// Step 1: the model can be used.
///
/// # Errors
/// If it is still being brought in, or that failed.
pub fn check_available(model: &ModelEntry) -> Result<(), Refusal> {
    let model_id = model.id.clone();
    match &model.status {
        ModelStatus::Available => Ok(()),
        ModelStatus::Downloading => Err(Refusal::ModelIncomplete { model_id }),
        ModelStatus::Failed { error } => Err(Refusal::ModelFailed {
            model_id,
            error: error.clone(),
        }),
    }
}

/// Step 2: the worker type serves such a model.
///
/// # Errors
/// If it doesn't.
pub fn check_compatible(model: &ModelEntry, worker_type: WorkerType) -> Result<(), Refusal> {
    if model.model_type.is_compatible_with(worker_type) {
        return Ok(());
    }
    let kind = match model.model_type.category() {
        ModelCategory::Llm => "a large language model",
        ModelCategory::StableDiffusion => "a Stable Diffusion model",
    };
    Err(Refusal::ModelIncompatible {
        model_id: model.id.clone(),
        kind: kind.into(),
        worker_type,
        compatible: model.compatible_worker_types(),
    })
}

/// Step 3: the program to run, the first of `binaries` that fits. The catalog lists newest first.
///
/// # Errors
/// If none fits.
pub fn choose_binary<'a>(
    binaries: &'a [WorkerBinary],
    worker_type: WorkerType,
    platform: &Platform,
) -> Result<&'a WorkerBinary, Refusal> {
    let of_type = || binaries.iter().filter(|binary| binary.worker_type == worker_type);
    of_type()
        .find(|binary| binary.platform == *platform)
        .ok_or_else(|| {
            let mut others: Vec<_> = of_type().map(|binary| binary.platform.clone()).collect();
            others.sort();
            others.dedup();
            Refusal::BinaryNotFound {
                worker_type,
                platform: platform.clone(),
                others,
            }
        })
}

/// Step 4: all files are there.
///
/// # Errors
/// If some are missing, or the model has none at all.
pub fn check_files(model: &ModelEntry, missing: &[&ModelFile]) -> Result<(), Refusal> {
    let files: Vec<_> = if model.files.is_empty() {
        vec!["all files".to_owned()]
    } else {
        missing.iter().map(|file| file.name.to_string()).collect()
    };
    if files.is_empty() {
        Ok(())
    } else {
        Err(Refusal::FilesMissing {
            model_id: model.id.clone(),
            files,
        })
    }
}

/// Step 4: the worker's command line. Its token is not on it: other users can read command lines.
#[must_use]
pub fn arguments(
    request: &SpawnRequest,
    device_id: DeviceId,
    worker_id: &WorkerId,
    model: &Path,
    socket: &Path,
    add_ons: &Path,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |name: &str, value: OsString| arguments.extend([OsString::from(name), value]);
    add("--worker-id", worker_id.as_str().into());
    add("--model-id", request.model_id.as_str().into());
    add("--model", model.into());
    add("--device", device_id.to_string().into());
    add("--socket", socket.into());
    let count = |value: Option<u32>| value.map(|value| value.to_string());
    let settings = match request.worker_type.model_type_category() {
        ModelCategory::Llm => {
            let llm = &request.llm;
            vec![
                ("--context-length", count(llm.context_length)),
                ("--slots", count(llm.slot_count)),
                ("--queue", count(llm.queue_length)),
                ("--threads", count(llm.thread_count)),
                ("--kv-format", llm.kv_format.map(|format| format.to_string())),
                (
                    "--kv-limit-bytes",
                    llm.kv_limit_bytes.map(|bytes| bytes.to_string()),
                ),
            ]
        }
        ModelCategory::StableDiffusion => {
            add("--add-ons", add_ons.into());
            vec![
                ("--slots", count(request.sd.slot_count)),
                ("--queue", count(request.sd.queue_length)),
                ("--threads", count(request.sd.thread_count)),
            ]
        }
    };
    for (name, value) in settings {
        if let Some(value) = value {
            add(name, value.into());
        }
    }
    arguments
}

/// What requests of an image worker can use: what the catalog says to be a LoRA, a VAE or an embedding.
///
/// # Errors
/// If it is something else.
pub fn check_add_on(model: &ModelEntry) -> Result<(), Refusal> {
    match model.model_type {
        ModelType::AddOn {
            add_on: AddOnKind::Lora | AddOnKind::Vae | AddOnKind::PreviewVae | AddOnKind::Embedding,
            ..
        } => Ok(()),
        _ => Err(Refusal::NoAddOn {
            model_id: model.id.clone(),
        }),
    }
}

/// How long a worker may take to be ready: `base`, and as long as the model takes to be read at
/// `bytes_per_second`.
#[must_use]
pub fn ready_timeout(base: Duration, bytes_per_second: u64, model_bytes: u64) -> Duration {
    base.saturating_add(Duration::from_secs(model_bytes / bytes_per_second.max(1)))
}

/// The most memory that a worker may have on the host, in bytes: twice its estimate and 1 GiB, so that what is ended is a
/// leak and not a wrong estimate. `None` where nothing is to be limited: on a GPU the estimate is of another memory,
/// and who forces a spawn means to try.
#[must_use]
pub fn memory_limit(request: &SpawnRequest, fit: Option<&Fit>, limited: bool) -> Option<u64> {
    let fit = fit.filter(|fit| limited && !request.force && fit.device.id.kind() == DeviceKind::Cpu)?;
    Some(
        fit.estimate
            .total_bytes()
            .saturating_mul(2)
            .saturating_add(1 << 30),
    )
}

/// The model in a few words: `qwen2, Q4_K_M, 469 MiB`.
#[must_use]
pub fn describe_model(model: &ModelEntry) -> String {
    let kind = if let ModelType::Llm { architecture } = &model.model_type {
        architecture.clone()
    } else if let ModelType::StableDiffusion { version } = &model.model_type {
        format!("Stable Diffusion {version}")
    } else {
        model.model_type.category().to_string()
    };
    let mut words = vec![kind];
    words.extend(model.quantization.clone());
    words.push(describe_bytes(model.size_bytes));
    words.join(", ")
}

/// A number of bytes for people, in the largest unit of which there is at least one.
#[must_use]
pub fn describe_bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => {
            let amount = bytes as f64 / *size as f64;
            if amount < 10.0 {
                format!("{amount:.1} {unit}")
            } else {
                format!("{amount:.0} {unit}")
            }
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::{ModelId, Sha256, StableDiffusionVersion, WorkerBinaryId};

    use super::*;
    use rbee_artifacts::estimate::KvFormat;

    use crate::domain::{LlmSettings, SdSettings};

    fn model() -> ModelEntry {
        ModelEntry {
            id: ModelId::local("qwen").unwrap(),
            name: "qwen".into(),
            size_bytes: 491_400_032,
            status: ModelStatus::Available,
            added_at: jiff::Timestamp::UNIX_EPOCH,
            model_type: ModelType::Llm {
                architecture: "qwen2".into(),
            },
            quantization: Some("Q4_K_M".into()),
            context_length: None,
            parameter_count: None,
            metadata: std::collections::BTreeMap::new(),
            files: vec![ModelFile {
                name: "qwen.gguf".parse().unwrap(),
                size_bytes: 491_400_032,
                sha256: Sha256::digest(b"qwen"),
            }],
        }
    }

    fn binary(worker_type: WorkerType, platform: &Platform, version: &str) -> WorkerBinary {
        let sha256 = Sha256::digest(version.as_bytes());
        WorkerBinary {
            id: WorkerBinaryId::derive(worker_type, version, platform, &sha256),
            worker_type,
            version: version.into(),
            platform: platform.clone(),
            size_bytes: 1,
            sha256,
            added_at: jiff::Timestamp::UNIX_EPOCH,
            source: "bundled".into(),
        }
    }

    #[test]
    fn only_an_available_model_will_do() {
        let mut model = model();
        assert_eq!(check_available(&model), Ok(()));
        model.status = ModelStatus::Downloading;
        assert!(matches!(
            check_available(&model),
            Err(Refusal::ModelIncomplete { .. })
        ));
        model.status = ModelStatus::Failed {
            error: "no space".into(),
        };
        assert!(
            check_available(&model)
                .unwrap_err()
                .to_string()
                .contains("no space")
        );
    }

    #[test]
    fn a_model_is_served_by_its_own_kind_of_worker() {
        let mut model = model();
        assert_eq!(check_compatible(&model, WorkerType::CpuLlm), Ok(()));
        assert!(check_compatible(&model, WorkerType::CpuSd).is_err());
        model.model_type = ModelType::StableDiffusion {
            version: StableDiffusionVersion::Xl,
        };
        assert!(
            check_compatible(&model, WorkerType::CpuLlm)
                .unwrap_err()
                .to_string()
                .contains("cpu-sd")
        );
    }

    #[test]
    fn the_newest_program_for_type_and_platform_is_chosen() {
        let here = Platform::current();
        let there = Platform::new("elsewhere", "z80").unwrap();
        let binaries = [
            binary(WorkerType::CudaLlm, &here, "3"),
            binary(WorkerType::CpuLlm, &there, "2"),
            binary(WorkerType::CpuLlm, &here, "1"),
            binary(WorkerType::CpuLlm, &here, "0"),
        ];
        assert_eq!(
            choose_binary(&binaries, WorkerType::CpuLlm, &here)
                .unwrap()
                .version,
            "1"
        );
        assert_eq!(
            choose_binary(&binaries[..2], WorkerType::CpuLlm, &here),
            Err(Refusal::BinaryNotFound {
                worker_type: WorkerType::CpuLlm,
                platform: here.clone(),
                others: vec![there]
            })
        );
        assert!(choose_binary(&[], WorkerType::CpuLlm, &here).is_err());
    }

    #[test]
    fn missing_files_are_named() {
        let mut model = model();
        assert_eq!(check_files(&model, &[]), Ok(()));
        let missing: Vec<_> = model.files.iter().collect();
        assert!(
            check_files(&model, &missing)
                .unwrap_err()
                .to_string()
                .contains("qwen.gguf")
        );
        model.files.clear();
        assert!(check_files(&model, &[]).is_err());
    }

    #[test]
    fn the_command_line_says_only_what_was_asked_for() {
        let request = SpawnRequest {
            model_id: ModelId::local("qwen").unwrap(),
            worker_type: WorkerType::CpuLlm,
            device_id: None,
            llm: LlmSettings {
                context_length: Some(2048),
                thread_count: Some(2),
                kv_format: Some(KvFormat::Q8_0),
                ..LlmSettings::default()
            },
            sd: SdSettings {
                queue_length: Some(3),
                thread_count: None,
                slot_count: Some(2),
            },
            force: false,
            evict: false,
        };
        let id: WorkerId = "qwen-1".parse().unwrap();
        let words = |request: &SpawnRequest| {
            let model = Path::new("/w/model/qwen.gguf");
            let (socket, add_ons) = (Path::new("/w/s"), Path::new("/w/add-ons"));
            let words = arguments(request, DeviceId::CPU, &id, model, socket, add_ons);
            words.join(std::ffi::OsStr::new(" "))
        };
        let all = "--worker-id qwen-1 --model-id local:qwen --model /w/model/qwen.gguf --device cpu:0 --socket /w/s";
        assert_eq!(
            words(&request).to_str().unwrap(),
            format!("{all} --context-length 2048 --threads 2 --kv-format q8_0")
        );
        let painter = SpawnRequest {
            worker_type: WorkerType::CpuSd,
            ..request
        };
        assert_eq!(
            words(&painter).to_str().unwrap(),
            format!("{all} --add-ons /w/add-ons --slots 2 --queue 3")
        );
    }

    #[test]
    fn only_what_requests_can_use_is_attached() {
        let mut model = model();
        assert!(check_add_on(&model).is_err());
        for (add_on, fits) in [
            (AddOnKind::Lora, true),
            (AddOnKind::Vae, true),
            (AddOnKind::Embedding, true),
            (AddOnKind::ControlNet, false),
            (AddOnKind::TextEncoder, false),
        ] {
            model.model_type = ModelType::AddOn { add_on, base: None };
            assert_eq!(check_add_on(&model).is_ok(), fits, "{add_on}");
        }
    }

    #[test]
    fn a_large_model_may_take_longer() {
        let base = Duration::from_secs(60);
        assert_eq!(ready_timeout(base, 50 << 20, 100), base);
        assert_eq!(ready_timeout(base, 50 << 20, 500 << 20), Duration::from_secs(70));
        assert_eq!(ready_timeout(base, 0, 1), Duration::from_secs(61));
    }

    #[test]
    fn a_model_in_a_few_words() {
        assert_eq!(describe_model(&model()), "qwen2, Q4_K_M, 469 MiB");
        assert_eq!(describe_bytes(12), "12 B");
        assert_eq!(describe_bytes(1_800_000_000), "1.7 GiB");
    }
}
