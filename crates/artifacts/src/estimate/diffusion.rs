//! Stable Diffusion models.

use super::{Estimate, Room, program_bytes};
use crate::{DeviceKind, ModelEntry, ModelType, StableDiffusionVersion};

/// The latent picture is smaller than the picture by this factor in each direction (the VAE's three halvings).
const LATENT_SCALE: u64 = 8;

/// Channels of the VAE decoder's last block: 256 go in, 128 come out, all at the picture's full size (Rombach
/// et al. 2022, configuration `kl-f8`: 128 channels times 1, 2, 4, 4).
const VAE_LAST_CHANNELS: u64 = 256;

/// Pictures that the UNet computes at once: with and without the prompt, for classifier-free guidance (Ho and
/// Salimans 2022).
const GUIDED: u64 = 2;

/// The sizes that decide how much memory a Stable Diffusion model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffusionShape {
    /// Which generation.
    pub version: StableDiffusionVersion,
    /// Numbers in the weights.
    pub parameter_count: u64,
}

/// How a Stable Diffusion model will be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffusionUse {
    /// Where it runs, which decides the precision: 32-bit floats on a processor, 16-bit ones on a GPU.
    pub device: DeviceKind,
    /// Edge of the largest picture in pixels; `None` for what the model was made for.
    pub edge: Option<u32>,
    /// Requests whose pictures are computed together; none counts as one.
    pub slot_count: u32,
}

/// The UNet's attention where there is most of it.
struct Attention {
    /// Halvings of the latent picture before it.
    halvings: u32,
    /// Heads there.
    heads: u64,
}

impl DiffusionShape {
    /// Takes the sizes from what the catalog keeps of a detection. `None` for what is no Stable Diffusion model.
    /// Where the number of parameters is not known it is taken from the file's size, for 16-bit floats.
    #[must_use]
    pub fn of(model: &ModelEntry) -> Option<Self> {
        let ModelType::StableDiffusion { version } = model.model_type else {
            return None;
        };
        Some(Self {
            version,
            parameter_count: model.parameter_count.unwrap_or(model.size_bytes / 2),
        })
    }

    /// Edge in pixels of the pictures that the model was made for (the models' own cards).
    #[must_use]
    pub fn native_edge(&self) -> u32 {
        match self.version {
            StableDiffusionVersion::V1_5 | StableDiffusionVersion::XlTurbo => 512,
            StableDiffusionVersion::V2_1 => 768,
            StableDiffusionVersion::Xl | StableDiffusionVersion::XlRefiner => 1024,
        }
    }

    /// What a worker takes with this model.
    ///
    /// - Weights: every parameter in the precision of the device.
    /// - Activations: the larger of the UNet's and the VAE's, since one follows the other. The UNet's: scores of
    ///   self-attention where there are most of them, before and after the softmax, twice for guidance, for as many
    ///   pictures as are computed together. The VAE's, which takes one picture at a time: three tensors of its last block at the picture's full size, as 32-bit floats.
    /// - Overhead: the program.
    #[must_use]
    pub fn estimate(&self, diffusion_use: &DiffusionUse) -> Estimate {
        let number_bytes = match diffusion_use.device {
            DeviceKind::Cpu => 4,
            DeviceKind::Cuda | DeviceKind::Metal => 2,
        };
        let edge = diffusion_use.edge.unwrap_or_else(|| self.native_edge());
        Estimate {
            weights_bytes: self.parameter_count.saturating_mul(number_bytes),
            mapped_bytes: 0,
            kv_cache_bytes: 0,
            activations_bytes: self
                .unet_bytes(edge, number_bytes)
                .saturating_mul(u64::from(diffusion_use.slot_count.max(1)))
                .max(vae_bytes(edge)),
            overhead_bytes: program_bytes(diffusion_use.device),
            room: Room::Picture { edge },
        }
    }

    fn unet_bytes(&self, edge: u32, number_bytes: u64) -> u64 {
        let Attention { halvings, heads } = self.attention();
        let side = u64::from(edge).div_ceil(LATENT_SCALE << halvings);
        let scores = heads.saturating_mul(side.saturating_mul(side).saturating_pow(2));
        let before_and_after = 2;
        scores.saturating_mul(before_and_after * GUIDED * number_bytes)
    }

    /// By the published configurations of the UNets: channels 320, 640, 1280 and attention from the first level
    /// on in 1.5 (8 heads) and 2.1 (heads of 64); none at the first level in XL (channels 320, 640, 1280)
    /// and its refiner (channels 384, 768, 1536), both with heads of 64.
    fn attention(&self) -> Attention {
        let (halvings, heads) = match self.version {
            StableDiffusionVersion::V1_5 => (0, 8),
            StableDiffusionVersion::V2_1 => (0, 5),
            StableDiffusionVersion::Xl | StableDiffusionVersion::XlTurbo => (1, 10),
            StableDiffusionVersion::XlRefiner => (1, 12),
        };
        Attention { halvings, heads }
    }
}

fn vae_bytes(edge: u32) -> u64 {
    let pixels = u64::from(edge) * u64::from(edge);
    pixels.saturating_mul(3 * VAE_LAST_CHANNELS * 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(version: StableDiffusionVersion, parameter_count: u64) -> DiffusionShape {
        DiffusionShape {
            version,
            parameter_count,
        }
    }

    #[test]
    fn the_parts_are_what_can_be_counted_by_hand() {
        let model = shape(StableDiffusionVersion::V1_5, 1_066_000_000);
        let on_slots = |device, slot_count| {
            model.estimate(&DiffusionUse {
                device,
                edge: None,
                slot_count,
            })
        };
        let on = |device| on_slots(device, 1);
        assert_eq!(on_slots(DeviceKind::Cpu, 0), on(DeviceKind::Cpu));
        let three = on_slots(DeviceKind::Cpu, 3).activations_bytes;
        assert_eq!(three, 3 * on(DeviceKind::Cpu).activations_bytes);
        assert_eq!(on(DeviceKind::Cuda).weights_bytes, 2_132_000_000);
        assert_eq!(on(DeviceKind::Cpu).weights_bytes, 4_264_000_000);
        // 64 x 64 latent pixels look at as many, in 8 heads, twice 2 times 4 bytes.
        assert_eq!(on(DeviceKind::Cpu).activations_bytes, 8 * 4096 * 4096 * 2 * 2 * 4);
        assert_eq!(on(DeviceKind::Cpu).room, Room::Picture { edge: 512 });
        // XL has no attention at full size: there the VAE takes most.
        let xl = shape(StableDiffusionVersion::Xl, 3_500_000_000);
        let estimate = xl.estimate(&DiffusionUse {
            device: DeviceKind::Cuda,
            edge: None,
            slot_count: 1,
        });
        assert_eq!(estimate.activations_bytes, 1024 * 1024 * 3 * 256 * 4);
    }

    proptest! {
        #[test]
        fn a_larger_picture_never_takes_less(
            version in prop::sample::select(StableDiffusionVersion::ALL),
            parameter_count in any::<u64>(),
            edge in 8..1_u32 << 16,
            device in prop::sample::select(DeviceKind::ALL),
        ) {
            let shape = shape(version, parameter_count);
            let total = |edge, slot_count| {
                shape.estimate(&DiffusionUse { device, edge: Some(edge), slot_count }).total_bytes()
            };
            prop_assert!(total(edge, 1) <= total(edge + 8, 1));
            prop_assert!(total(edge, 1) <= total(edge, 2));
        }
    }
}
