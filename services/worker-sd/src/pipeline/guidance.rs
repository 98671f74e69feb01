//! One evaluation of the model: with the prompt, and if there is guidance, with the negative prompt.

use super::conditioning::{Conditioning, Prompts, time_ids};
use super::model::{Family, ImageModel, ModelError, UnetInput};
use super::settings::Size;

/// What stays the same in all evaluations of a pass.
pub(super) struct Guide<'a> {
    pub(super) prompts: &'a Prompts,
    pub(super) guidance: f32,
    pub(super) size: Size,
    /// Channels that follow the latents: mask and masked picture.
    pub(super) more_channels: Vec<f32>,
}

impl Guide<'_> {
    /// What the model says of `latents`: the negative prompt's answer, and `guidance` times the way from there to the
    /// prompt's answer.
    pub(super) fn evaluate(
        &self,
        model: &mut dyn ImageModel,
        latents: &[f32],
        timestep: f64,
    ) -> Result<Vec<f32>, ModelError> {
        let mut samples = latents.to_vec();
        samples.extend_from_slice(&self.more_channels);
        let positive = &self.prompts.positive;
        let Some(negative) = &self.prompts.negative else {
            return self.pass(model, &samples, &[positive], timestep);
        };
        let (negative, positive) = if negative.tokens == positive.tokens {
            let twice = samples.repeat(2);
            let mut negative = self.pass(model, &twice, &[negative, positive], timestep)?;
            let positive = negative.split_off(negative.len() / 2);
            (negative, positive)
        } else {
            (
                self.pass(model, &samples, &[negative], timestep)?,
                self.pass(model, &samples, &[positive], timestep)?,
            )
        };
        let guided = negative.iter().zip(positive);
        Ok(guided
            .map(|(&negative, positive)| negative + self.guidance * (positive - negative))
            .collect())
    }

    fn pass(
        &self,
        model: &mut dyn ImageModel,
        samples: &[f32],
        rows: &[&Conditioning],
        timestep: f64,
    ) -> Result<Vec<f32>, ModelError> {
        let traits = model.traits();
        let (channels, sdxl) = (traits.unet_channels, traits.family == Family::Sdxl);
        let (height, width) = self.size.latent();
        let context: Vec<f32> = rows.iter().flat_map(|row| &row.context).copied().collect();
        let pooled: Option<Vec<f32>> = rows
            .iter()
            .map(|row| row.pooled.as_deref())
            .collect::<Option<Vec<_>>>()
            .map(|pooled| pooled.concat());
        let time_ids = time_ids(self.size).repeat(rows.len());
        model.denoise(UnetInput {
            rows: rows.len(),
            channels,
            height,
            width,
            samples,
            timestep: timestep as f32,
            context: &context,
            tokens: rows.first().map_or(0, |row| row.tokens),
            pooled: pooled.as_deref().filter(|_| sdxl),
            time_ids: sdxl.then_some(time_ids.as_slice()),
        })
    }
}
