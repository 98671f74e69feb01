//! Detection on every fixture model, and on every broken file.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in its helpers too.

#[path = "support/headers.rs"]
mod headers;
#[path = "support/memory.rs"]
mod memory;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use headers::{build_folder, fixtures, scratch};
use memory::peak_bytes;
use rbee_artifacts::detect::{
    Arrangement, Claim, Detected, Evidence, Layout, Links, LlmFormat, LoraMethod, LoraNaming, Parts,
    Precision, Prediction, StableDiffusionFacts, Task, Tensor, detect_file, detect_path, settle,
};
use rbee_artifacts::safetensors::Dtype;
use rbee_artifacts::{AddOnKind, ModelType, StableDiffusionVersion};
use serde::Deserialize;

/// What the fixtures ask of every file.
const LIMIT: Duration = Duration::from_secs(1);
const MEMORY_LIMIT_BYTES: usize = 64 << 20;

#[derive(Deserialize)]
struct Expectations {
    files: Vec<Expectation>,
}

#[derive(Deserialize)]
struct Expectation {
    path: String,
    format: String,
    stage: String,
    field: Option<String>,
    why: String,
}

fn expectations(folder: &str) -> Vec<Expectation> {
    let list = fixtures("llm").join(folder).join(format!("{folder}.json"));
    let all: Expectations = serde_json::from_slice(&fs::read(list).unwrap()).unwrap();
    all.files
}

#[test]
fn every_broken_file_and_folder_is_refused_by_name_in_time_and_in_bounds() {
    let files = expectations("bad");
    assert_eq!(files.len(), 139, "the list of broken files is there");
    for Expectation {
        path,
        stage,
        field,
        why,
        ..
    } in files
    {
        let full = fixtures("llm/bad").join(&path);
        let started = Instant::now();
        let (outcome, peak) = peak_bytes(|| detect_path(&full, Links::Inside));
        assert!(started.elapsed() < LIMIT, "{path} took {:?}", started.elapsed());
        assert!(peak < MEMORY_LIMIT_BYTES, "{path} took {peak} bytes");
        let error = match outcome {
            // Shows only when a chat is rendered.
            Ok(_) if stage == "use" => continue,
            Ok(detected) => panic!("{path} ({why}) was taken for {}", detected.in_words()),
            Err(error) => error,
        };
        let words = error.in_words();
        assert!(!error.file().is_empty(), "{path}: {words}");
        if !path.ends_with('/') {
            assert_eq!(error.file(), path, "{words}");
        }
        let field = field.unwrap_or_default();
        assert!(words.contains(&field), "{path}: \"{words}\" does not say {field}");
    }
}

#[test]
fn every_unusual_model_is_accepted() {
    let mut accepted = 0;
    for Expectation {
        path, format, why, ..
    } in expectations("ok")
    {
        let outcome = detect_path(&fixtures("llm/ok").join(&path), Links::Inside);
        if format == "safetensors" {
            // Containers with two tensors that make no model.
            let error = outcome.expect_err(&path);
            assert!(error.field().is_some(), "{path}: {}", error.in_words());
            continue;
        }
        let detected = outcome.unwrap_or_else(|error| panic!("{path} ({why}): {}", error.in_words()));
        assert!(matches!(detected, Detected::Llm(_)), "{path}");
        accepted += 1;
    }
    assert_eq!(accepted, 11);
}

#[test]
fn folders_of_language_models_are_known() {
    let scratch = scratch("llm-folders");
    build_folder(&fixtures("llm/headers"), &scratch);
    for (name, architecture, quantization, tokenizer, files) in [
        ("llama", "llama", "F32", "BPE", 2),
        ("llama-256", "llama", "BF16", "BPE", 1),
        ("mistral", "mistral", "BF16", "SentencePiece", 1),
        ("mixtral", "mixtral", "F32", "SentencePiece", 1),
        ("qwen2", "qwen2", "BF16", "BPE", 1),
        ("qwen3", "qwen3", "F32", "BPE", 1),
        ("qwen3moe", "qwen3_moe", "BF16", "BPE", 1),
        ("gemma2", "gemma2", "F32", "SentencePiece", 1),
        ("gemma3", "gemma3_text", "BF16", "SentencePiece", 1),
        ("phi3", "phi3", "F32", "SentencePiece", 1),
    ] {
        let detected = detect_path(&scratch.join(name).join("hf"), Links::Inside)
            .unwrap_or_else(|error| panic!("{name}: {}", error.in_words()));
        let Detected::Llm(facts) = detected else {
            panic!("{name} is {}", detected.in_words());
        };
        assert_eq!(
            (
                facts.format,
                facts.architecture.as_str(),
                facts.quantization.as_deref(),
                facts.tokenizer.as_deref()
            ),
            (
                LlmFormat::Safetensors,
                architecture,
                Some(quantization),
                Some(tokenizer)
            ),
            "{name}"
        );
        assert_eq!(
            (facts.context_length, facts.file_count),
            (Some(512), files),
            "{name}"
        );
    }
}

#[test]
fn gguf_models_are_known() {
    let mut count = 0;
    for family in fs::read_dir(fixtures("llm/tiny")).unwrap() {
        for file in fs::read_dir(family.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            if path.extension().is_none_or(|extension| extension != "gguf") {
                continue;
            }
            let detected = detect_path(&path, Links::Inside)
                .unwrap_or_else(|error| panic!("{name}: {}", error.in_words()));
            let Detected::Llm(facts) = &detected else {
                panic!("{name} is {}", detected.in_words());
            };
            let (family, kind) = name.rsplit_once('-').unwrap();
            let architecture = if matches!(family, "llama-256" | "mistral" | "mixtral") {
                "llama"
            } else {
                family
            };
            assert_eq!(
                (facts.architecture.as_str(), facts.format),
                (architecture, LlmFormat::Gguf),
                "{name}"
            );
            assert_eq!(
                facts.quantization.as_deref(),
                Some(kind.to_uppercase().as_str()),
                "{name}"
            );
            count += 1;
        }
    }
    assert!(count >= 9, "{count} GGUF fixtures");
}

fn stable_diffusion(detected: Detected) -> StableDiffusionFacts {
    match detected {
        Detected::StableDiffusion(facts) => facts,
        other => panic!("{} and no Stable Diffusion model", other.in_words()),
    }
}

#[test]
fn single_file_checkpoints_are_known() {
    use StableDiffusionVersion::{V1_5, V2_1, Xl};
    let scratch = scratch("sd-files");
    build_folder(&fixtures("sd/headers"), &scratch);
    let whole = |text_encoders| Parts {
        unet: true,
        text_encoders,
        vae: true,
    };
    for (name, version, task, prediction, parts, context_width) in [
        (
            "sd15-tiny",
            V1_5,
            Task::TextToImage,
            (Prediction::Epsilon, Evidence::Family),
            whole(1),
            8,
        ),
        (
            "sd21-tiny",
            V2_1,
            Task::TextToImage,
            (Prediction::Velocity, Evidence::Weights),
            whole(1),
            8,
        ),
        (
            "sdxl-tiny",
            Xl,
            Task::TextToImage,
            (Prediction::Epsilon, Evidence::Family),
            whole(2),
            24,
        ),
        (
            "sd15-inpaint-tiny",
            V1_5,
            Task::Inpainting,
            (Prediction::Epsilon, Evidence::Family),
            Parts {
                unet: true,
                ..Parts::default()
            },
            8,
        ),
    ] {
        let path = scratch.join(name).join("model.safetensors");
        let facts = stable_diffusion(
            detect_path(&path, Links::Inside).unwrap_or_else(|error| panic!("{name}: {}", error.in_words())),
        );
        assert_eq!((facts.version(), facts.unet.task), (version, task), "{name}");
        assert_eq!(
            (facts.prediction, facts.parts),
            (Some(prediction), parts),
            "{name}"
        );
        assert_eq!(
            (facts.unet.base_width, facts.unet.context_width),
            (32, context_width),
            "{name}"
        );
        assert_eq!(
            (facts.arrangement, facts.precision),
            (Arrangement::SingleFile, Some(Precision::F16)),
            "{name}"
        );
        assert_eq!(facts.missing_parts().is_empty(), parts.vae, "{name}");
        assert_eq!(facts.distillation, None, "{name}");
    }
}

#[test]
fn diffusers_folders_are_known() {
    use StableDiffusionVersion::{V1_5, V2_1, Xl};
    let scratch = scratch("sd-folders");
    build_folder(&fixtures("sd/headers"), &scratch);
    for (name, version, prediction, text_encoders) in [
        ("sd15-tiny", V1_5, Prediction::Epsilon, 1),
        ("sd21-tiny", V2_1, Prediction::Velocity, 1),
        ("sdxl-tiny", Xl, Prediction::Epsilon, 2),
    ] {
        let folder = scratch.join(name).join("diffusers");
        let facts = stable_diffusion(
            detect_path(&folder, Links::Inside)
                .unwrap_or_else(|error| panic!("{name}: {}", error.in_words())),
        );
        assert_eq!(
            (facts.version(), facts.unet.task),
            (version, Task::TextToImage),
            "{name}"
        );
        assert_eq!(
            facts.prediction,
            Some((prediction, Evidence::Configuration)),
            "{name}"
        );
        assert_eq!(
            facts.parts,
            Parts {
                unet: true,
                text_encoders,
                vae: true
            },
            "{name}"
        );
        assert_eq!(
            (facts.arrangement, facts.precision),
            (Arrangement::Diffusers, Some(Precision::F16)),
            "{name}"
        );
        // Its parts by themselves.
        let unet = detect_path(&folder.join("unet"), Links::Inside).unwrap();
        assert_eq!(stable_diffusion(unet).version(), version, "{name}");
        let Detected::AddOn(vae) = detect_path(&folder.join("vae"), Links::Inside).unwrap() else {
            panic!("{name}/vae");
        };
        assert_eq!(vae.kind, AddOnKind::Vae, "{name}");
        let Detected::AddOn(text) =
            detect_path(&folder.join("text_encoder/model.safetensors"), Links::Inside).unwrap()
        else {
            panic!("{name}/text_encoder");
        };
        assert_eq!(text.kind, AddOnKind::TextEncoder, "{name}");
    }
}

#[test]
fn a_damaged_diffusers_folder_is_refused_by_name() {
    let scratch = scratch("sd-damage");
    build_folder(&fixtures("sd/headers/sd15-tiny/diffusers"), &scratch.join("good"));
    let damage = |name: &str, damage: &dyn Fn(&std::path::Path)| {
        let folder = scratch.join(name);
        build_folder(&fixtures("sd/headers/sd15-tiny/diffusers"), &folder);
        damage(&folder);
        detect_path(&folder, Links::Inside).unwrap_err().in_words()
    };
    let replace = |folder: &std::path::Path, file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(folder.join(file), text.replace(from, to)).unwrap();
    };
    for (words, error) in [
        (
            "unet/diffusion_pytorch_model.safetensors",
            damage("no-unet", &|folder| {
                fs::rename(
                    folder.join("unet/diffusion_pytorch_model.safetensors"),
                    folder.join("unet/diffusion_pytorch_model.bin"),
                )
                .unwrap();
            }),
        ),
        (
            "pickle",
            damage("pickled-vae", &|folder| {
                fs::rename(
                    folder.join("vae/diffusion_pytorch_model.safetensors"),
                    folder.join("vae/diffusion_pytorch_model.bin"),
                )
                .unwrap();
            }),
        ),
        (
            "in_channels",
            damage("channels", &|folder| {
                replace(
                    folder,
                    "unet/config.json",
                    "\"in_channels\": 4",
                    "\"in_channels\": 9",
                );
            }),
        ),
        (
            "cross_attention_dim",
            damage("context", &|folder| {
                replace(
                    folder,
                    "unet/config.json",
                    "\"cross_attention_dim\": 8",
                    "\"cross_attention_dim\": 768",
                );
            }),
        ),
        (
            "_class_name",
            damage("pipeline", &|folder| {
                replace(
                    folder,
                    "model_index.json",
                    "StableDiffusionPipeline",
                    "StableDiffusionXLPipeline",
                );
            }),
        ),
        (
            "FluxPipeline",
            damage("flux", &|folder| {
                replace(
                    folder,
                    "model_index.json",
                    "StableDiffusionPipeline",
                    "FluxPipeline",
                );
            }),
        ),
        (
            "prediction_type",
            damage("prediction", &|folder| {
                replace(
                    folder,
                    "scheduler/scheduler_config.json",
                    "\"epsilon\"",
                    "\"other\"",
                );
            }),
        ),
        (
            "text_encoder/config.json",
            damage("text", &|folder| {
                fs::remove_dir_all(folder.join("text_encoder")).unwrap();
            }),
        ),
    ] {
        assert!(error.contains(words), "\"{error}\" does not say {words}");
    }
}

#[test]
fn loras_and_text_encoders_are_known() {
    use StableDiffusionVersion::{V1_5, Xl};
    let scratch = scratch("sd-add-ons");
    build_folder(&fixtures("sd/headers"), &scratch);
    for (name, base, rank) in [
        ("sd15-tiny/lora.safetensors", V1_5, (4, 4)),
        ("sd15-tiny/lora_locon_mixed_alpha.safetensors", V1_5, (1, 2)),
        ("sdxl-tiny/lora.safetensors", Xl, (4, 4)),
    ] {
        let detected = detect_path(&scratch.join(name), Links::Inside)
            .unwrap_or_else(|error| panic!("{name}: {}", error.in_words()));
        let Detected::AddOn(add_on) = &detected else {
            panic!("{name} is {}", detected.in_words());
        };
        assert_eq!(
            (add_on.kind, add_on.base),
            (AddOnKind::Lora, Some((base, Evidence::Tensors))),
            "{name}"
        );
        let lora = add_on.lora.as_ref().unwrap();
        assert_eq!(
            (lora.naming, lora.method, lora.rank),
            (LoraNaming::Kohya, LoraMethod::Lora, Some(rank)),
            "{name}"
        );
        assert!(lora.changes_unet && lora.changes_text_encoder, "{name}");
        assert_eq!(
            detected.summary().model_type,
            ModelType::AddOn {
                add_on: AddOnKind::Lora,
                base: Some(base)
            }
        );
    }
    for name in [
        "text-multihead/clip.safetensors",
        "text-multihead/openclip.safetensors",
    ] {
        let Detected::AddOn(add_on) = detect_path(&scratch.join(name), Links::Inside).unwrap() else {
            panic!("{name}");
        };
        assert_eq!(add_on.kind, AddOnKind::TextEncoder, "{name}");
    }
}

#[derive(Deserialize)]
struct Manifest {
    tensors: usize,
    shapes: BTreeMap<String, Vec<u64>>,
}

impl Manifest {
    fn read(name: &str) -> Self {
        let path = fixtures("sd/manifests").join(format!("{name}.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    fn layout(&self) -> Layout<'_> {
        self.shapes
            .iter()
            .map(|(name, shape)| Tensor {
                name,
                shape,
                dtype: Dtype::F16,
            })
            .collect()
    }
}

#[test]
fn models_of_real_size_are_known_by_their_names_and_shapes() {
    use StableDiffusionVersion::{V1_5, V2_1, Xl};
    for (name, version, prediction, context_width, millions) in [
        ("sd15", V1_5, Some(Prediction::Epsilon), 768, 1066),
        ("sd21", V2_1, None, 1024, 1303),
        ("sdxl", Xl, Some(Prediction::Epsilon), 2048, 3468),
    ] {
        let manifest = Manifest::read(name);
        assert_eq!(manifest.shapes.len(), manifest.tensors, "{name}");
        let facts = stable_diffusion(detect_file(&manifest.layout(), &BTreeMap::new(), name).unwrap());
        assert_eq!(
            (facts.version(), facts.unet.task),
            (version, Task::TextToImage),
            "{name}"
        );
        assert_eq!(
            facts.prediction.map(|(prediction, _)| prediction),
            prediction,
            "{name}"
        );
        assert_eq!(
            (facts.unet.base_width, facts.unet.context_width),
            (320, context_width),
            "{name}"
        );
        assert_eq!(facts.parameter_count / 1_000_000, millions, "{name}");
        assert_eq!(facts.missing_parts(), [""; 0], "{name}");
    }
}

#[test]
fn a_checkpoint_that_is_sold_as_a_lora_is_not_believed() {
    let claim = |kind: &str, base: &str, format: &str| Claim {
        kind: Some(kind.to_owned()),
        base_model: Some(base.to_owned()),
        format: Some(format.to_owned()),
    };
    let manifest = Manifest::read("sd15");
    let detect = || detect_file(&manifest.layout(), &BTreeMap::new(), "file").unwrap();

    let (detected, contradictions) = settle(detect(), &claim("LORA", "SDXL 1.0", "PickleTensor"));
    let subjects: Vec<_> = contradictions
        .iter()
        .map(|contradiction| contradiction.subject)
        .collect();
    assert_eq!(subjects, ["kind", "format", "base model"]);
    assert_eq!(stable_diffusion(detected).version(), StableDiffusionVersion::V1_5);
    assert_eq!(
        contradictions[2].to_string(),
        "the vendor gives the base model as \"SDXL 1.0\", but the file is a Stable Diffusion 1.5 checkpoint"
    );

    let (_, contradictions) = settle(detect(), &claim("Checkpoint", "SD 1.5", "SafeTensor"));
    assert_eq!(contradictions, []);

    let manifest = Manifest::read("sdxl");
    let detected = detect_file(&manifest.layout(), &BTreeMap::new(), "file").unwrap();
    let (detected, contradictions) = settle(detected, &claim("Checkpoint", "SDXL Turbo", "SafeTensor"));
    assert_eq!(contradictions, []);
    assert_eq!(
        detected.summary().model_type,
        ModelType::StableDiffusion {
            version: StableDiffusionVersion::XlTurbo
        }
    );
    assert_eq!(detected.summary().metadata["distillation.evidence"], "vendor");
}

#[cfg(unix)]
#[test]
fn links_out_of_a_folder_are_followed_only_when_asked() {
    let scratch = scratch("links");
    let good = fixtures("llm/ok/dir-plain");
    for entry in fs::read_dir(&good).unwrap() {
        let path = fs::canonicalize(entry.unwrap().path()).unwrap();
        std::os::unix::fs::symlink(&path, scratch.join(path.file_name().unwrap())).unwrap();
    }
    let error = detect_path(&scratch, Links::Inside).unwrap_err().in_words();
    assert!(error.contains("leads out of the folder"), "{error}");
    assert!(detect_path(&scratch, Links::All).is_ok());
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_never_opened() {
    // A directory and a device stand for pipes, which would block for ever.
    let scratch = scratch("special");
    fs::create_dir(scratch.join("config.json")).unwrap();
    for path in [scratch.as_path(), std::path::Path::new("/dev/zero")] {
        let error = detect_path(path, Links::All).unwrap_err().in_words();
        assert!(error.contains("no regular file"), "{error}");
    }
    let error = detect_path(&scratch.join("absent"), Links::All).unwrap_err();
    assert_eq!(error.file(), "absent");
}
