//! What a catalog keeps of a detection.

use std::collections::BTreeMap;

use super::Detected;
use super::add_on::AddOnFacts;
use super::llm::LlmFacts;
use super::prediction::Evidence;
use super::stable_diffusion::StableDiffusionFacts;
use super::unet::Task;
use crate::{AddOnKind, ModelType, StableDiffusionVersion};

/// The fields of a [`crate::ModelEntry`] that the header tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What kind of model it is.
    pub model_type: ModelType,
    /// How the weights are stored: `Q4_K_M`, `F16`, …
    pub quantization: Option<String>,
    /// The context it was trained for, in tokens.
    pub context_length: Option<u64>,
    /// How many numbers the weights hold.
    pub parameter_count: Option<u64>,
    /// Everything else, by name: `prediction` = `v-prediction`, `task` = `inpainting`, … A fact that may
    /// be wrong has its [`Evidence`] beside it, under the same name with `.evidence`.
    pub metadata: BTreeMap<String, String>,
}

impl Detected {
    /// What a catalog keeps of it.
    #[must_use]
    pub fn summary(&self) -> Summary {
        match self {
            Self::Llm(facts) => llm(facts),
            Self::StableDiffusion(facts) => stable_diffusion(facts),
            Self::AddOn(facts) => add_on(facts),
        }
    }

    /// What it is in a few words, to be read after "the file is".
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Llm(facts) => format!("a language model ({}, {})", facts.architecture, facts.format),
            Self::StableDiffusion(facts) => {
                let version = version_in_words(facts.version());
                match facts.unet.task {
                    Task::TextToImage => format!("a {version} checkpoint"),
                    task => format!("a {version} checkpoint for {task}"),
                }
            }
            Self::AddOn(facts) => {
                let kind = match facts.kind {
                    AddOnKind::Lora => "LoRA",
                    AddOnKind::Vae => "VAE",
                    AddOnKind::PreviewVae => "preview VAE",
                    AddOnKind::Embedding => "textual-inversion embedding",
                    AddOnKind::ControlNet => "ControlNet",
                    AddOnKind::TextEncoder => "text encoder",
                };
                match facts.base {
                    Some((version, _)) => format!("a {kind} for {}", version_in_words(version)),
                    None => format!("a {kind}"),
                }
            }
        }
    }
}

fn version_in_words(version: StableDiffusionVersion) -> &'static str {
    match version {
        StableDiffusionVersion::V1_5 => "Stable Diffusion 1.5",
        StableDiffusionVersion::V2_1 => "Stable Diffusion 2.1",
        StableDiffusionVersion::Xl => "Stable Diffusion XL",
        StableDiffusionVersion::XlTurbo => "Stable Diffusion XL Turbo",
        StableDiffusionVersion::XlRefiner => "Stable Diffusion XL refiner",
    }
}

/// Facts by name.
#[derive(Default)]
struct Facts(BTreeMap<String, String>);

impl Facts {
    fn put(&mut self, name: &str, value: &(impl ToString + ?Sized)) {
        self.0.insert(name.to_owned(), value.to_string());
    }

    fn put_with_evidence<T: ToString>(&mut self, name: &str, fact: Option<(T, Evidence)>) {
        if let Some((value, evidence)) = fact {
            self.put(name, &value);
            self.put(&format!("{name}.evidence"), &evidence);
        }
    }
}

fn llm(llm: &LlmFacts) -> Summary {
    let mut facts = Facts::default();
    facts.put("format", &llm.format);
    facts.put("chat_template", &llm.has_chat_template);
    if let Some(tokenizer) = &llm.tokenizer {
        facts.put("tokenizer", tokenizer);
    }
    if let Some(name) = &llm.name {
        facts.put("general.name", name);
    }
    Summary {
        model_type: ModelType::Llm {
            architecture: llm.architecture.clone(),
        },
        quantization: llm.quantization.clone(),
        context_length: llm.context_length,
        parameter_count: llm.parameter_count,
        metadata: facts.0,
    }
}

fn stable_diffusion(model: &StableDiffusionFacts) -> Summary {
    let mut facts = Facts::default();
    facts.put("format", &model.arrangement);
    facts.put("task", &model.unet.task);
    facts.put("base_width", &model.unet.base_width);
    facts.put("context_width", &model.unet.context_width);
    facts.put_with_evidence("prediction", model.prediction);
    facts.put_with_evidence("distillation", model.distillation);
    let missing = model.missing_parts();
    if !missing.is_empty() {
        facts.put("missing", &missing.join(", "));
    }
    Summary {
        model_type: ModelType::StableDiffusion {
            version: model.version(),
        },
        quantization: model.precision.map(|precision| precision.to_string()),
        context_length: None,
        parameter_count: Some(model.parameter_count),
        metadata: facts.0,
    }
}

fn add_on(add_on: &AddOnFacts) -> Summary {
    let mut facts = Facts::default();
    if let Some((_, evidence)) = add_on.base {
        facts.put("base.evidence", &evidence);
    }
    if let Some(lora) = &add_on.lora {
        facts.put("lora.naming", &lora.naming);
        facts.put("lora.method", &lora.method);
        facts.put("lora.unet", &lora.changes_unet);
        facts.put("lora.text_encoder", &lora.changes_text_encoder);
        if let Some((low, high)) = lora.rank {
            let rank = if low == high {
                low.to_string()
            } else {
                format!("{low}-{high}")
            };
            facts.put("lora.rank", &rank);
        }
    }
    Summary {
        model_type: ModelType::AddOn {
            add_on: add_on.kind,
            base: add_on.base.map(|(version, _)| version),
        },
        quantization: add_on.precision.map(|precision| precision.to_string()),
        context_length: None,
        parameter_count: Some(add_on.parameter_count),
        metadata: facts.0,
    }
}
