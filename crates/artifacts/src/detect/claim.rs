//! What a vendor says of a file, held against what the file says of itself.

use super::Detected;
use super::add_on::AddOnFacts;
use super::llm::LlmFormat;
use super::prediction::Evidence;
use super::stable_diffusion::{Distillation, StableDiffusionFacts};
use crate::{AddOnKind, StableDiffusionVersion};

/// What a vendor says of a file, in the vendor's words. What it does not say is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// The kind of model: CivitAI's `Checkpoint`, `LORA`, `LoCon`, `DoRA`, `TextualInversion`, `VAE`,
    /// `Controlnet`, …
    pub kind: Option<String>,
    /// The model it is derived from: CivitAI's `SD 1.5`, `SDXL 1.0`, `Pony`, `Flux.1 D`, …
    pub base_model: Option<String>,
    /// The format: CivitAI's `SafeTensor`, `PickleTensor`, `Diffusers`, `GGUF`, …
    pub format: Option<String>,
}

/// Something that a vendor says and the file's header denies. The header is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// What it is about: `kind`, `base model` or `format`.
    pub subject: &'static str,
    /// What the vendor says.
    pub claimed: String,
    /// What the header says.
    pub found: String,
}

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the vendor gives the {} as \"{}\", but the file is {}",
            self.subject,
            crate::names::excerpt(&self.claimed),
            self.found
        )
    }
}

/// The kinds of file that vendors have words for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Checkpoint,
    Llm,
    AddOn(AddOnKind),
}

/// The kind that a vendor's word means; `None` for words that are not known.
fn kind_of_name(name: &str) -> Option<Kind> {
    Some(match name.to_ascii_lowercase().as_str() {
        "checkpoint" => Kind::Checkpoint,
        "llm" => Kind::Llm,
        "lora" | "locon" | "dora" => Kind::AddOn(AddOnKind::Lora),
        "textualinversion" | "embedding" => Kind::AddOn(AddOnKind::Embedding),
        "vae" => Kind::AddOn(AddOnKind::Vae),
        "controlnet" => Kind::AddOn(AddOnKind::ControlNet),
        "textencoder" | "text encoder" => Kind::AddOn(AddOnKind::TextEncoder),
        _ => return None,
    })
}

/// The families of models that vendors have names for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V1,
    V2,
    Xl,
    Other,
}

/// The family that the vendor's name of a base model means; `None` where it says nothing.
fn family_of_name(name: &str) -> Option<Family> {
    let name = name.trim().to_ascii_lowercase();
    let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    if name.is_empty() || name == "other" || name == "unknown" {
        None
    } else if begins(&["sd 1.", "sd1.", "stable diffusion 1", "stable-diffusion-v1"]) {
        Some(Family::V1)
    } else if begins(&["sd 2.", "sd2.", "stable diffusion 2", "stable-diffusion-2"]) {
        Some(Family::V2)
    } else if begins(&["sdxl", "sd xl", "stable diffusion xl", "stable-diffusion-xl"])
        || ["pony", "illustrious", "noobai", "playground v2"].contains(&name.as_str())
    {
        Some(Family::Xl)
    } else {
        Some(Family::Other)
    }
}

fn family_of_version(version: StableDiffusionVersion) -> Family {
    match version {
        StableDiffusionVersion::V1_5 => Family::V1,
        StableDiffusionVersion::V2_1 => Family::V2,
        StableDiffusionVersion::Xl | StableDiffusionVersion::XlTurbo | StableDiffusionVersion::XlRefiner => {
            Family::Xl
        }
    }
}

/// Takes from a claim what the header cannot tell, and gives back where the two contradict each other.
///
/// A vendor's word is taken for how a model was distilled and for the family of an add-on whose tensors
/// do not tell it; never against the header.
#[must_use]
pub fn settle(mut detected: Detected, claim: &Claim) -> (Detected, Vec<Contradiction>) {
    let mut contradictions = Vec::new();
    let mut contradict = |subject, claimed: &Option<String>, found: &Detected| {
        contradictions.push(Contradiction {
            subject,
            claimed: claimed.clone().unwrap_or_default(),
            found: found.in_words(),
        });
    };
    let kind = claim.kind.as_deref().and_then(kind_of_name);
    if kind.is_some_and(|kind| kind != kind_of(&detected)) {
        contradict("kind", &claim.kind, &detected);
    }
    if claim
        .format
        .as_deref()
        .is_some_and(|format| !fits_format(&detected, format))
    {
        contradict("format", &claim.format, &detected);
    }
    let family = claim.base_model.as_deref().and_then(family_of_name);
    match (base_of(&detected), family) {
        // The file's own metadata is no better witness than the vendor, but its tensors are.
        (Some((version, Evidence::Tensors)), Some(family)) if family_of_version(version) != family => {
            contradict("base model", &claim.base_model, &detected);
        }
        (None, Some(Family::V1 | Family::V2 | Family::Xl)) if matches!(detected, Detected::Llm(_)) => {
            contradict("base model", &claim.base_model, &detected);
        }
        _ => {}
    }
    take_over(&mut detected, claim, family);
    (detected, contradictions)
}

fn take_over(detected: &mut Detected, claim: &Claim, family: Option<Family>) {
    match detected {
        Detected::StableDiffusion(StableDiffusionFacts { distillation, .. }) if distillation.is_none() => {
            *distillation = claim
                .base_model
                .as_deref()
                .and_then(Distillation::in_name)
                .map(|distillation| (distillation, Evidence::Vendor));
        }
        Detected::AddOn(AddOnFacts { base, .. }) if base.is_none() => {
            let version = match family {
                Some(Family::V1) => Some(StableDiffusionVersion::V1_5),
                Some(Family::V2) => Some(StableDiffusionVersion::V2_1),
                Some(Family::Xl) => Some(StableDiffusionVersion::Xl),
                Some(Family::Other) | None => None,
            };
            *base = version.map(|version| (version, Evidence::Vendor));
        }
        Detected::StableDiffusion(_) | Detected::AddOn(_) | Detected::Llm(_) => {}
    }
}

fn kind_of(detected: &Detected) -> Kind {
    match detected {
        Detected::Llm(_) => Kind::Llm,
        Detected::StableDiffusion(_) => Kind::Checkpoint,
        Detected::AddOn(add_on) => Kind::AddOn(add_on.kind),
    }
}

fn base_of(detected: &Detected) -> Option<(StableDiffusionVersion, Evidence)> {
    match detected {
        Detected::Llm(_) => None,
        Detected::StableDiffusion(facts) => Some((facts.unet.version, Evidence::Tensors)),
        Detected::AddOn(add_on) => add_on.base,
    }
}

fn fits_format(detected: &Detected, format: &str) -> bool {
    let is_gguf = matches!(detected, Detected::Llm(facts) if facts.format == LlmFormat::Gguf);
    match format.to_ascii_lowercase().as_str() {
        "gguf" => is_gguf,
        "safetensor" | "safetensors" | "diffusers" => !is_gguf,
        // Only these are ever detected, so a file that is one is no pickle.
        "pickletensor" | "pickle" => false,
        _ => true,
    }
}
