//! The models: from files to what a prompt, latents and pictures become.
//!
//! ```text
//! a file or a folder → Opened (facts, tensors by one naming)   names/, open, tensors
//!                    → Builder (shapes checked, all taken)     builder, weight
//!                    → Tower · Unet · Vae                      text, unet/, vae/
//! ```
//!
//! The configuration is read off the names and shapes of tensors, so models of unusual widths load as well. All
//! is checked before anything is allocated by a number from a file. Weights keep their precision in memory;
//! sums are of 32 bits. Inside, pictures lie with their channels last; at the rim tensors are `[rows,
//! channels, height, width]` of 32-bit floats.

mod attention;
mod builder;
pub(crate) mod dry;
mod embedding;
mod error;
mod file;
mod image_model;
mod layers;
mod lora;
mod names;
mod norm;
mod open;
mod preview_vae;
mod spec;
mod tensors;
#[cfg(test)]
mod tests;
mod text;
mod unet;
mod vae;
mod weight;

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use rbee_artifacts::detect::{Arrangement, DetectError};

pub use embedding::Embedding;
pub use error::{ComputeError, LoadError, Stop};
pub use lora::{Lora, LoraReport, LoraUse};
pub use preview_vae::PreviewVae;
pub use spec::ModelSpec;
pub use text::{TextStates, TowerKind, TowerSpec};
pub use unet::{AddedConditions, UnetInput};
pub use vae::{PIXELS_PER_LATENT, Posterior, Vae};

use builder::{Builder, Weights};
use file::{at, name_of};
use open::Opened;
use spec::Family;
use text::Tower;
use unet::{Rules, Unet};
use weight::Backend;

use crate::pipeline::{ModelTraits, TextRow};

/// What computes with which numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// What suits the device: 32 bits on processors, 16 on GPUs.
    #[default]
    Automatic,
    /// 32-bit floats.
    F32,
    /// 16-bit floats; the VAE stays in 32 bits, where it cannot overflow.
    F16,
    /// 16-bit floats with the range of 32-bit ones; the VAE as with [`Self::F16`].
    Bf16,
}

/// How a model is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// What computes.
    pub device: Device,
    /// With which numbers.
    pub precision: Precision,
    /// The model whose text encoders and VAE are used where a file has none.
    pub companion: Option<PathBuf>,
    /// Pixels of a picture above which the VAE works in tiles.
    pub max_vae_pixels: usize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            precision: Precision::default(),
            companion: None,
            max_vae_pixels: 1024 * 1024,
        }
    }
}

impl LoadOptions {
    fn backend(&self) -> Backend {
        if self.device.is_cpu() {
            return layers::kernels_backend();
        }
        let dtype = match self.precision {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
            Precision::F16 | Precision::Automatic => DType::F16,
        };
        Backend::Candle(self.device.clone(), dtype)
    }

    /// The VAE's numbers grow beyond what 16-bit floats hold, which is how pictures become black.
    fn vae_backend(&self) -> Backend {
        match self.backend() {
            Backend::Candle(device, _) => Backend::Candle(device, DType::F32),
            kernels @ Backend::Kernels(_) => kernels,
        }
    }

    fn max_latents(&self) -> usize {
        self.max_vae_pixels / (PIXELS_PER_LATENT * PIXELS_PER_LATENT)
    }
}

/// A model, loaded.
#[derive(Debug)]
pub struct Model {
    spec: ModelSpec,
    traits: ModelTraits,
    device: Device,
    towers: Vec<Tower>,
    unet: Unet,
    vae: Vae,
    /// In place of its own.
    other_vae: Option<Vae>,
    /// What previews are decoded with.
    preview_vae: Option<PreviewVae>,
    weights: Weights,
    /// Which of them LoRAs have changed, and how.
    patched: std::collections::BTreeMap<String, Vec<lora::Mark>>,
}

impl Model {
    /// Loads a model from one file in the original layout or from a folder as diffusers writes it. Calls
    /// `progress` with the fraction that is done.
    ///
    /// # Errors
    /// When something cannot be read, is no model that this worker runs, or is broken; names file and tensor.
    pub fn load(
        path: &Path,
        options: &LoadOptions,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Self, LoadError> {
        let mut opened = open::open(path)?;
        let mut from_diffusers = opened.facts.arrangement == Arrangement::Diffusers;
        if let Some(companion) = &options.companion {
            let other = open::open(companion)?;
            if !opened.tensors.has_below(names::TOWERS[0]) {
                from_diffusers = other.facts.arrangement == Arrangement::Diffusers;
                opened.activations = other.activations;
            }
            for part in [names::TOWERS[0], names::TOWERS[1], names::VAE] {
                if !opened.tensors.has_below(part) {
                    opened.tensors.take_part(&other.tensors, part);
                }
            }
        }
        let model = Self::build(&opened, from_diffusers, options, &name_of(path)).map_err(at(path))?;
        builder::load(&model.weights, progress)?;
        Ok(model)
    }

    /// Puts the parts together without reading a tensor.
    fn build(
        opened: &Opened,
        from_diffusers: bool,
        options: &LoadOptions,
        file: &str,
    ) -> Result<Self, DetectError> {
        let backends = [options.backend(), options.vae_backend()];
        Self::build_on(&backends, opened, from_diffusers, options, file)
    }

    /// As [`Self::build`], with what computes the VAE apart from the rest.
    fn build_on(
        [backend, vae_backend]: &[Backend; 2],
        opened: &Opened,
        from_diffusers: bool,
        options: &LoadOptions,
        file: &str,
    ) -> Result<Self, DetectError> {
        let Opened { facts, tensors, .. } = opened;
        let family = Family::of(facts);
        let uses = family.towers(from_diffusers);
        expect_parts(opened, uses.len(), file)?;
        let builder = Builder::new(tensors);
        let rules = Rules {
            // Checked against a bound when it was detected.
            context_width: facts.unet.context_width as usize,
            heads: family.unet_heads(),
        };
        let unet = Unet::new(&builder.below(names::UNET, backend), &rules)?;
        let vae = Vae::new(&builder.below(names::VAE, vae_backend), options.max_latents())?;
        let mut towers = Vec::new();
        for (number, mut how) in uses.into_iter().enumerate() {
            how.activation = opened.activations[number].unwrap_or(how.activation);
            towers.push(Tower::new(&builder.below(names::TOWERS[number], backend), how)?);
        }
        expect_widths(&towers, &unet, &rules, file)?;
        let spec = ModelSpec {
            version: family.version,
            task: facts.unet.task,
            prediction: family.prediction,
            distillation: facts.distillation.map(|(distillation, _)| distillation),
            native_edge: family.native_edge(),
            latent_channels: vae.latent_channels(),
            unet_in_channels: unet.in_channels(),
            context_width: rules.context_width,
            pooled_width: unet.pooled_width(),
            vae_scaling_factor: opened
                .vae_scaling_factor
                .unwrap_or_else(|| family.vae_scaling_factor()),
            embeds_guidance: unet.embeds_guidance(),
            towers: towers.iter().map(|tower| tower.spec.clone()).collect(),
        };
        let prefixes = [names::UNET, names::VAE, names::TOWERS[0], names::TOWERS[1]];
        let weights = builder.finish(&prefixes)?;
        Ok(Self {
            traits: image_model::traits(&spec),
            spec,
            device: options.device.clone(),
            towers,
            unet,
            vae,
            other_vae: None,
            preview_vae: None,
            weights,
            patched: std::collections::BTreeMap::new(),
        })
    }

    /// What it is.
    #[must_use]
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Encodes texts with one of the text encoders. `clip_skip` counts as the web interfaces do: 1 leaves out
    /// no block, 2 the last; absent for what the model was made for. SD 2.1 and XL were made for 2, and 1 means
    /// the same to them.
    ///
    /// # Errors
    /// When it was stopped, the texts do not fit the encoder, or the device fails.
    pub fn encode_tower(
        &self,
        tower: usize,
        rows: &[TextRow],
        clip_skip: Option<u32>,
        stop: &Stop<'_>,
    ) -> Result<TextStates, ComputeError> {
        match self.towers.get(tower) {
            Some(tower) => tower.forward(rows, clip_skip, stop),
            None => Err(ComputeError::Input(format!("there is no text encoder {tower}"))),
        }
    }

    /// What the UNet predicts of noisy latents: `[rows, 4, height, width]`.
    ///
    /// # Errors
    /// When it was stopped, the input does not fit the model, or the device fails.
    pub fn unet(&self, input: &UnetInput<'_>, stop: &Stop<'_>) -> Result<Tensor, ComputeError> {
        self.unet.forward(input, stop)
    }

    /// Its VAE, or the one that was put in its place.
    #[must_use]
    pub fn vae(&self) -> &Vae {
        self.other_vae.as_ref().unwrap_or(&self.vae)
    }

    /// What previews are decoded with, if anything is.
    #[must_use]
    pub fn preview_vae(&self) -> Option<&PreviewVae> {
        self.preview_vae.as_ref()
    }

    /// Decodes previews with this from now on.
    pub fn set_preview_vae(&mut self, vae: Option<PreviewVae>) {
        self.preview_vae = vae;
    }

    /// Uses another VAE in place of its own; `None` for its own again.
    pub fn set_vae(&mut self, vae: Option<Vae>) {
        self.other_vae = vae;
    }
}

/// Refuses a model that lacks a part.
fn expect_parts(opened: &Opened, towers: usize, file: &str) -> Result<(), DetectError> {
    let needed = [
        (names::UNET, "the UNet"),
        (names::VAE, "the VAE"),
        (names::TOWERS[0], "the text encoder"),
        (names::TOWERS[1], "the second text encoder"),
    ];
    let lacking = needed
        .iter()
        .take(2 + towers)
        .find(|(prefix, _)| !opened.tensors.has_below(prefix));
    match lacking {
        None => Ok(()),
        Some((prefix, part)) => Err(DetectError::Missing {
            file: format!("{file} ({})", prefix.trim_end_matches('.')),
            why: format!("{part} is not in the file, and nothing is generated without it"),
        }),
    }
}

/// Holds the text encoders against what the UNet attends to.
fn expect_widths(towers: &[Tower], unet: &Unet, rules: &Rules, file: &str) -> Result<(), DetectError> {
    let width: usize = towers.iter().map(|tower| tower.spec.width).sum();
    let pooled = towers.iter().find_map(|tower| tower.spec.pooled_width);
    let problem = if width != rules.context_width {
        format!(
            "make states of {width} numbers, but the UNet attends to {}",
            rules.context_width
        )
    } else if unet.pooled_width().is_some() && pooled != unet.pooled_width() {
        format!(
            "pool texts to {pooled:?} numbers, but the UNet takes {:?}",
            unet.pooled_width()
        )
    } else {
        return Ok(());
    };
    Err(DetectError::Invalid {
        file: file.to_owned(),
        field: "text encoders".to_owned(),
        problem,
    })
}
