//! Stable Diffusion models, from one file in the original layout.

use std::collections::BTreeMap;

use super::error::DetectError;
use super::layout::Layout;
use super::precision::{Precision, parameter_count, precision};
use super::prediction::{Evidence, Prediction, prediction};
use super::unet::{UnetFacts, unet};
use crate::StableDiffusionVersion;
use crate::names::named_enum;

const UNET: &str = "model.diffusion_model.";
const VAE: &str = "first_stage_model.";
/// The embedding of words of each text encoder, by family; some old files lack `text_model`.
const TEXT_ENCODERS: [&str; 6] = [
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
    "cond_stage_model.transformer.embeddings.token_embedding.weight",
    "cond_stage_model.model.token_embedding.weight",
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
    "conditioner.embedders.0.model.token_embedding.weight",
    "conditioner.embedders.1.model.token_embedding.weight",
];

named_enum! {
    /// How a model was distilled to need few steps. Its build stays that of its family, so only words
    /// of the vendor or of a configuration tell; but for LCM, which may add an input.
    pub enum Distillation ("distillation") {
        /// Adversarial diffusion distillation: 1 to 4 steps.
        Turbo = "turbo",
        /// Latent consistency models: 4 to 8 steps with their own sampler.
        Lcm = "lcm",
        /// SDXL Lightning: 2 to 8 steps.
        Lightning = "lightning",
        /// Hyper-SD: 1 to 8 steps.
        Hyper = "hyper",
    }
}

impl Distillation {
    /// The distillation that a name of a model, base model or title tells, if any.
    #[must_use]
    pub fn in_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let words = || name.split(|letter: char| !letter.is_ascii_alphanumeric());
        let has = |wanted: &[&str]| words().any(|word| wanted.contains(&word));
        if has(&["turbo"]) {
            Some(Self::Turbo)
        } else if has(&["lightning"]) {
            Some(Self::Lightning)
        } else if has(&["hyper", "hypersd"]) {
            Some(Self::Hyper)
        } else if has(&["lcm"]) {
            Some(Self::Lcm)
        } else {
            None
        }
    }
}

named_enum! {
    /// How the parts of a model lie.
    pub enum Arrangement ("arrangement") {
        /// One file in the original layout.
        SingleFile = "single-file",
        /// A folder as diffusers writes it.
        Diffusers = "diffusers",
    }
}

/// What of a whole model is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// The UNet.
    pub unet: bool,
    /// How many text encoders.
    pub text_encoders: usize,
    /// The VAE.
    pub vae: bool,
}

/// A Stable Diffusion model.
#[derive(Debug, Clone, PartialEq)]
pub struct StableDiffusionFacts {
    /// How its parts lie.
    pub arrangement: Arrangement,
    /// Its UNet.
    pub unet: UnetFacts,
    /// What it predicts and how that is known; `None` where the file does not tell.
    pub prediction: Option<(Prediction, Evidence)>,
    /// How it was distilled and how that is known; `None` where nothing says so.
    pub distillation: Option<(Distillation, Evidence)>,
    /// What of a whole model is there.
    pub parts: Parts,
    /// How the weights are stored.
    pub precision: Option<Precision>,
    /// How many numbers the weights hold.
    pub parameter_count: u64,
}

impl StableDiffusionFacts {
    /// The version for the catalog: the UNet's, or Turbo where that is known.
    #[must_use]
    pub fn version(&self) -> StableDiffusionVersion {
        match (self.unet.version, self.distillation) {
            (StableDiffusionVersion::Xl, Some((Distillation::Turbo, _))) => StableDiffusionVersion::XlTurbo,
            (version, _) => version,
        }
    }

    /// The parts that a worker needs and this model lacks, in words; empty for a whole model.
    #[must_use]
    pub fn missing_parts(&self) -> Vec<&'static str> {
        let wanted = match self.unet.version {
            StableDiffusionVersion::Xl | StableDiffusionVersion::XlTurbo => 2,
            _ => 1,
        };
        let mut missing = Vec::new();
        match (self.parts.text_encoders, wanted) {
            (0, 1) => missing.push("the text encoder"),
            (0, _) => missing.push("both text encoders"),
            (1, 2) => missing.push("one of the two text encoders"),
            _ => {}
        }
        if !self.parts.vae {
            missing.push("the VAE");
        }
        missing
    }
}

/// Reads a single-file checkpoint; `None` where the file has no UNet under its original name.
///
/// # Errors
/// When there is a UNet, but its shapes make none of Stable Diffusion; names the tensor.
pub(super) fn checkpoint(
    layout: &Layout<'_>,
    metadata: &BTreeMap<String, String>,
    file: &str,
) -> Result<Option<StableDiffusionFacts>, DetectError> {
    // Some files hold the UNet alone, with or without its prefix.
    for prefix in [UNET, ""] {
        if let Some(unet) = unet(layout, prefix, file)? {
            return Ok(Some(facts(layout, metadata, unet)));
        }
    }
    Ok(None)
}

fn facts(layout: &Layout<'_>, metadata: &BTreeMap<String, String>, unet: UnetFacts) -> StableDiffusionFacts {
    StableDiffusionFacts {
        arrangement: Arrangement::SingleFile,
        prediction: prediction(unet.version, layout, metadata),
        distillation: distillation(&unet, metadata),
        parts: Parts {
            unet: true,
            text_encoders: TEXT_ENCODERS.iter().filter(|name| layout.has(name)).count(),
            vae: layout.has_below(&format!("{VAE}decoder.")),
        },
        precision: precision(layout),
        parameter_count: parameter_count(layout),
        unet,
    }
}

pub(super) fn distillation(
    unet: &UnetFacts,
    metadata: &BTreeMap<String, String>,
) -> Option<(Distillation, Evidence)> {
    if unet.embeds_guidance {
        return Some((Distillation::Lcm, Evidence::Tensors));
    }
    ["modelspec.architecture", "modelspec.title"]
        .iter()
        .filter_map(|&key| metadata.get(key))
        .find_map(|text| Distillation::in_name(text))
        .map(|distillation| (distillation, Evidence::Metadata))
}

/// Whether a file holds text encoders in the original layout.
pub(super) fn has_text_encoder(layout: &Layout<'_>) -> bool {
    TEXT_ENCODERS.iter().any(|name| layout.has(name))
        || layout.has("text_model.embeddings.token_embedding.weight")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_how_a_model_was_distilled() {
        for (name, distillation) in [
            ("SDXL Turbo", Some(Distillation::Turbo)),
            ("sd_xl_turbo_1.0_fp16", Some(Distillation::Turbo)),
            ("SDXL Lightning", Some(Distillation::Lightning)),
            ("SD 1.5 Hyper", Some(Distillation::Hyper)),
            ("SD 1.5 LCM", Some(Distillation::Lcm)),
            ("SDXL 1.0", None),
            ("turbocharged", None),
            ("add detail", None),
        ] {
            assert_eq!(Distillation::in_name(name), distillation, "{name}");
        }
    }
}
