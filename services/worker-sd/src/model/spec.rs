//! What a model is, as far as those who use it need to know.

use rbee_artifacts::StableDiffusionVersion;
use rbee_artifacts::detect::{Distillation, Prediction, StableDiffusionFacts, Task};

use super::text::{TowerKind, TowerSpec, Use};
use crate::kernels::Activation;

/// What a model is.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSpec {
    /// Its family.
    pub version: StableDiffusionVersion,
    /// What it is for.
    pub task: Task,
    /// What its UNet predicts.
    pub prediction: Prediction,
    /// How it was distilled to need few steps, if it was.
    pub distillation: Option<Distillation>,
    /// Width and height, in pixels, of the pictures that it was made for.
    pub native_edge: usize,
    /// Channels of latents.
    pub latent_channels: usize,
    /// Channels that go into its UNet: 9 with the mask and the masked picture.
    pub unet_in_channels: usize,
    /// Width of the text states that its UNet attends to.
    pub context_width: usize,
    /// Width of the pooled text that its UNet takes; `None` where it takes none.
    pub pooled_width: Option<usize>,
    /// Latents are what the VAE makes times this.
    pub vae_scaling_factor: f64,
    /// Whether the guidance scale is an input of its UNet.
    pub embeds_guidance: bool,
    /// Its text encoders, in their order.
    pub towers: Vec<TowerSpec>,
}

/// What follows from the family alone.
pub(super) struct Family {
    pub(super) version: StableDiffusionVersion,
    pub(super) prediction: Prediction,
    pub(super) is_xl: bool,
}

impl Family {
    pub(super) fn of(facts: &StableDiffusionFacts) -> Self {
        use StableDiffusionVersion::{Xl, XlTurbo};
        let version = facts.version();
        Self {
            version,
            prediction: facts
                .prediction
                .map_or(Prediction::Epsilon, |(prediction, _)| prediction),
            is_xl: matches!(version, Xl | XlTurbo),
        }
    }

    /// Heads at every level; `None` for one for each 64 channels.
    pub(super) fn unet_heads(&self) -> Option<usize> {
        (self.version == StableDiffusionVersion::V1_5).then_some(8)
    }

    pub(super) fn native_edge(&self) -> usize {
        match (self.version, self.prediction) {
            (StableDiffusionVersion::Xl, _) => 1024,
            // Its velocity models were trained on larger pictures.
            (StableDiffusionVersion::V2_1, Prediction::Velocity) => 768,
            _ => 512,
        }
    }

    pub(super) fn vae_scaling_factor(&self) -> f64 {
        if self.is_xl { 0.13025 } else { 0.18215 }
    }

    /// The text encoders. `from_diffusers`: its writers drop the block that SD 2.1 never runs.
    pub(super) fn towers(&self, from_diffusers: bool) -> Vec<Use> {
        let clip_l = Use {
            kind: TowerKind::ClipL,
            trained_without: 0,
            dropped: 0,
            norm: true,
            pooled: false,
            activation: Activation::QuickGelu,
        };
        let open_clip = Use {
            kind: TowerKind::OpenClip,
            trained_without: 1,
            activation: Activation::Gelu,
            ..clip_l
        };
        match self.version {
            StableDiffusionVersion::V2_1 => vec![Use {
                dropped: usize::from(from_diffusers),
                ..open_clip
            }],
            _ if self.is_xl => vec![
                Use {
                    trained_without: 1,
                    norm: false,
                    ..clip_l
                },
                Use {
                    norm: false,
                    pooled: true,
                    ..open_clip
                },
            ],
            _ => vec![clip_l],
        }
    }
}
