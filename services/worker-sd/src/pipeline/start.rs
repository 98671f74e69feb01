//! What the steps begin with: noise, or a picture's latents with noise, and what of them is kept.

use super::model::{ImageModel, ModelError, Pause};
use super::pixels;
use super::settings::{Initial, Pass, Size};
use crate::schedule::Convention;

/// Channels that a UNet takes besides the latents: the mask and the masked picture.
const INPAINTING_CHANNELS: usize = 9;

/// Where the steps begin.
pub(super) struct Start {
    /// With the first noise level, in the scaling of [`Space::Exploding`](crate::schedule::Space).
    pub(super) latents: Vec<f32>,
    /// What is not made anew.
    pub(super) kept: Option<Kept>,
    /// Mask and masked picture, for a UNet that takes them.
    pub(super) more_channels: Vec<f32>,
}

/// What is not made anew.
pub(super) struct Kept {
    /// The picture's latents.
    pub(super) latents: Vec<f32>,
    /// The noise that they were given.
    pub(super) noise: Vec<f32>,
    /// For each latent 1 where it is made anew, else 0.
    pub(super) mask: Vec<f32>,
}

impl Kept {
    /// Puts the picture's own latents where nothing is made anew.
    pub(super) fn restore(&self, latents: &mut [f32]) {
        for ((latent, &kept), &mask) in latents.iter_mut().zip(&self.latents).zip(&self.mask) {
            *latent = *latent * mask + kept * (1.0 - mask);
        }
    }
}

type Draw<'a> = &'a mut dyn FnMut(usize) -> Vec<f32>;

impl Start {
    /// Draws the noise in the order in which diffusers does: of the picture's latents, of the beginning, of the masked
    /// picture's latents. The web interfaces' noise of latents is not told by the seed; theirs are the most probable
    /// latents here.
    pub(super) fn new(
        model: &mut dyn ImageModel,
        convention: Convention,
        pass: &Pass,
        size: Size,
        initial: Option<&Initial>,
        draw: Draw<'_>,
        pause: Pause<'_>,
    ) -> Result<Self, ModelError> {
        let nine = model.traits().unet_channels == INPAINTING_CHANNELS;
        let count = size.latent_count();
        let mask = initial.and_then(|initial| initial.mask.as_ref());
        let whole = initial.is_none_or(|initial| initial.strength >= 1.0);
        // diffusers repaints from noise alone at full strength; what it keeps it needs the latents for.
        let from_noise =
            whole && (initial.is_none() || mask.is_some() && convention == Convention::Diffusers);
        let mut encoder = Encoder {
            model: &mut *model,
            convention,
            size,
            pause,
        };
        let planes = initial.map(|initial| pixels::planes(&initial.picture));
        let picture = match &planes {
            Some(planes) if !(from_noise && nine) => Some(encoder.latents(planes, &mut *draw)?),
            _ => None,
        };
        let noise = draw(count);
        let latents = match (&picture, from_noise) {
            (Some(picture), false) => noised(picture, &noise, pass),
            _ => {
                let scale = pass.table.initial_scale as f32;
                noise.iter().map(|noise| noise * scale).collect()
            }
        };
        let levels = mask.map(pixels::latent_mask);
        let mut more_channels = Vec::new();
        if nine {
            let channel = count / super::model::LATENT_CHANNELS;
            more_channels = levels.clone().unwrap_or_else(|| vec![1.0; channel]);
            let blanked = match (&planes, mask) {
                (Some(planes), Some(mask)) => pixels::blanked(planes, mask),
                _ => vec![0.0; 3 * size.width * size.height],
            };
            more_channels.extend(encoder.latents(&blanked, draw)?);
        } else if mask.is_some() && convention == Convention::Diffusers {
            // It draws this noise for any UNet, so what comes after it is other noise.
            drop(draw(count));
        }
        let kept = picture
            .zip(levels)
            .filter(|_| !nine)
            .map(|(latents, levels)| Kept {
                latents,
                noise,
                mask: levels.repeat(super::model::LATENT_CHANNELS),
            });
        Ok(Self {
            latents,
            kept,
            more_channels,
        })
    }
}

/// A picture's latents with the noise of the pass's first level.
fn noised(picture: &[f32], noise: &[f32], pass: &Pass) -> Vec<f32> {
    let point = pass.table.points.get(pass.begin);
    let sigma = point.map_or(0.0, |point| point.sigma);
    // ComfyUI adds the scaled noise of the very beginning where a pass begins there.
    let level = match pass.begin {
        0 => pass.table.initial_scale_on_picture(),
        _ => sigma,
    };
    let pairs = picture.iter().zip(noise);
    pairs
        .map(|(&picture, &noise)| (f64::from(picture) + level * f64::from(noise)) as f32)
        .collect()
}

struct Encoder<'a> {
    model: &'a mut dyn ImageModel,
    convention: Convention,
    size: Size,
    pause: Pause<'a>,
}

impl Encoder<'_> {
    /// The latents of a picture as the UNet knows them.
    fn latents(&mut self, planes: &[f32], draw: Draw<'_>) -> Result<Vec<f32>, ModelError> {
        let Size { width, height } = self.size;
        let scaling = self.model.traits().latent_scaling;
        let posterior = self.model.encode(planes, height, width, &mut *self.pause)?;
        if self.convention != Convention::Diffusers {
            return Ok(posterior.mean.iter().map(|mean| mean * scaling).collect());
        }
        let noise = draw(posterior.mean.len());
        let spread = posterior.mean.iter().zip(&posterior.logvar).zip(noise);
        Ok(spread
            .map(|((&mean, &logvar), noise)| (mean + (0.5 * logvar).exp() * noise) * scaling)
            .collect())
    }
}
