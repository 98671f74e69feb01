//! The VAE (Kingma and Welling 2014; Esser et al. 2021): pictures to latents and back.

mod coder;
mod tiles;

use std::path::Path;

use candle_core::{DType, Tensor};
use rbee_artifacts::AddOnKind;
use rbee_artifacts::detect::{DetectError, Detected, Links, detect_path};

use super::LoadOptions;
use super::builder::{self, Builder, Scope};
use super::error::{ComputeError, LoadError, Stop};
use super::file::{WeightFile, at, name_of};
use super::layers::{Added, Linear};
use super::names;
use super::tensors::Tensors;
use super::weight::Backend;
use coder::{Decoder, Encoder};
use tiles::{Tiles, Weighted};

/// Pixels of a latent's edge.
pub const PIXELS_PER_LATENT: usize = 8;

/// What an encoder knows of a picture's latents, before they are scaled.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// `[rows, 4, height, width]`.
    pub mean: Tensor,
    /// Logarithm of the variance, between -30 and 20.
    pub log_variance: Tensor,
}

/// A VAE.
#[derive(Debug)]
pub struct Vae {
    backend: Backend,
    encoder: Encoder,
    decoder: Decoder,
    quant: Linear,
    post_quant: Linear,
    latent_channels: usize,
    /// More latents than that are decoded in tiles.
    max_latents: usize,
}

impl Vae {
    pub(super) fn new(scope: &Scope<'_>, max_latents: usize) -> Result<Self, DetectError> {
        let latent_channels = scope.size("post_quant_conv.weight", 1)?;
        let moments = 2 * latent_channels;
        Ok(Self {
            backend: scope.backend().clone(),
            encoder: Encoder::new(&scope.at("encoder"), moments)?,
            decoder: Decoder::new(&scope.at("decoder"), latent_channels)?,
            quant: Linear::new(scope, "quant_conv", moments, moments)?,
            post_quant: Linear::new(scope, "post_quant_conv", latent_channels, latent_channels)?,
            latent_channels,
            max_latents,
        })
    }

    /// Loads a VAE that lies in a file of its own, in any of the namings.
    ///
    /// # Errors
    /// When the file cannot be read, is no VAE of Stable Diffusion, or is broken.
    pub fn load(path: &Path, options: &LoadOptions) -> Result<Self, LoadError> {
        match detect_path(path, Links::All).map_err(at(path))? {
            Detected::AddOn(facts) if facts.kind == AddOnKind::Vae => {}
            other => {
                return Err(LoadError::WrongKind {
                    path: path.to_owned(),
                    found: other.in_words(),
                    wanted: "a VAE".to_owned(),
                });
            }
        }
        let file = match path.is_dir() {
            true => super::open::only_file(path, "diffusion_pytorch_model.safetensors")?,
            false => path.to_owned(),
        };
        let file = WeightFile::open(&file, &name_of(&file))?;
        let mut tensors = Tensors::default();
        tensors
            .add(&file, |name, blocks| {
                let bare = ["first_stage_model.", "vae."]
                    .iter()
                    .find_map(|prefix| name.strip_prefix(prefix));
                names::vae_of_file(bare.unwrap_or(name), blocks)
            })
            .map_err(at(path))?;
        let builder = Builder::new(&tensors);
        let vae = Self::new(
            &builder.below(names::VAE, &options.vae_backend()),
            options.max_latents(),
        )
        .map_err(at(path))?;
        let weights = builder.finish(&[names::VAE]).map_err(at(path))?;
        builder::load(&weights, &mut |_| {})?;
        Ok(vae)
    }

    /// Channels of the latents.
    #[must_use]
    pub fn latent_channels(&self) -> usize {
        self.latent_channels
    }

    /// Pictures `[rows, 3, 8 height, 8 width]` of latents `[rows, 4, height, width]` that have been divided by
    /// the scaling factor: about -1 to 1, not cut off there.
    ///
    /// # Errors
    /// When it was stopped, the latents have another shape, or the device fails.
    pub fn decode(&self, latents: &Tensor, stop: &Stop<'_>) -> Result<Tensor, ComputeError> {
        let (_, channels, height, width) = latents.dims4()?;
        if channels != self.latent_channels || height == 0 || width == 0 {
            return Err(ComputeError::Input(format!(
                "latents of the shape {:?} cannot be decoded",
                latents.dims()
            )));
        }
        let latents = self.channels_last(latents)?;
        let picture = match Tiles::of(height, width, self.max_latents) {
            None => self.decode_part(&latents, stop)?,
            Some(tiles) => {
                let mut whole = Weighted::new(height * PIXELS_PER_LATENT, width * PIXELS_PER_LATENT);
                for tile in tiles.iter() {
                    let part = latents
                        .narrow(1, tile.top, tile.height)?
                        .narrow(2, tile.left, tile.width)?;
                    let part = self.decode_part(&part.contiguous()?, stop)?;
                    whole.add(&part, &tile.scaled(PIXELS_PER_LATENT))?;
                }
                whole.finish()?
            }
        };
        channels_first(&picture)
    }

    /// What is known of the latents of pictures `[rows, 3, height, width]` between -1 and 1. Height and width
    /// are multiples of 8.
    ///
    /// # Errors
    /// When it was stopped, the pictures have another shape, or the device fails.
    pub fn encode(&self, pictures: &Tensor, stop: &Stop<'_>) -> Result<Posterior, ComputeError> {
        let (_, channels, height, width) = pictures.dims4()?;
        let whole = |size: usize| size > 0 && size.is_multiple_of(PIXELS_PER_LATENT);
        if channels != 3 || !whole(height) || !whole(width) {
            return Err(ComputeError::Input(format!(
                "pictures of the shape {:?} cannot be encoded",
                pictures.dims()
            )));
        }
        let pictures = self.channels_last(pictures)?;
        let (rows, columns) = (height / PIXELS_PER_LATENT, width / PIXELS_PER_LATENT);
        let moments = match Tiles::of(rows, columns, self.max_latents) {
            None => self.encode_part(&pictures, stop)?,
            Some(tiles) => {
                let mut whole = Weighted::new(rows, columns);
                for tile in tiles.iter() {
                    let pixels = tile.scaled(PIXELS_PER_LATENT);
                    let part = pictures.narrow(1, pixels.top, pixels.height)?.narrow(
                        2,
                        pixels.left,
                        pixels.width,
                    )?;
                    whole.add(&self.encode_part(&part.contiguous()?, stop)?, &tile)?;
                }
                whole.finish()?
            }
        };
        let moments = channels_first(&moments)?;
        let mean = moments.narrow(1, 0, self.latent_channels)?.contiguous()?;
        let log_variance = moments.narrow(1, self.latent_channels, self.latent_channels)?;
        Ok(Posterior {
            mean,
            log_variance: log_variance.contiguous()?.clamp(-30f32, 20f32)?,
        })
    }

    fn channels_last(&self, tensor: &Tensor) -> candle_core::Result<Tensor> {
        tensor
            .to_dtype(self.backend.dtype())?
            .permute((0, 2, 3, 1))?
            .contiguous()
    }

    fn decode_part(&self, latents: &Tensor, stop: &Stop<'_>) -> Result<Tensor, ComputeError> {
        let latents = self.post_quant.forward(latents, &Added::default())?;
        self.decoder.forward(&latents, stop)
    }

    fn encode_part(&self, pictures: &Tensor, stop: &Stop<'_>) -> Result<Tensor, ComputeError> {
        let moments = self.encoder.forward(pictures, stop)?;
        Ok(self.quant.forward(&moments, &Added::default())?)
    }
}

fn channels_first(tensor: &Tensor) -> Result<Tensor, ComputeError> {
    Ok(tensor.permute((0, 3, 1, 2))?.contiguous()?.to_dtype(DType::F32)?)
}
