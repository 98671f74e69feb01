//! The model as the pipeline knows it: plain numbers in and out.

use std::cell::RefCell;
use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};
use rbee_artifacts::StableDiffusionVersion;
use rbee_artifacts::detect::{Distillation, Prediction as Predicts};

use super::{AddedConditions, ComputeError, Model, ModelSpec, UnetInput};
use crate::pipeline::{
    self, Distilled, Family, ImageModel, ModelError, ModelTraits, Pause, Posterior, TextRow, TextState,
    TowerTraits,
};
use crate::sampler::Prediction;

/// What the pipeline must know of a model.
pub(super) fn traits(spec: &ModelSpec) -> ModelTraits {
    ModelTraits {
        family: match spec.version {
            StableDiffusionVersion::V1_5 => Family::Sd15,
            StableDiffusionVersion::V2_1 => Family::Sd21,
            _ => Family::Sdxl,
        },
        prediction: match spec.prediction {
            Predicts::Velocity => Prediction::V,
            _ => Prediction::Epsilon,
        },
        unet_channels: spec.unet_in_channels,
        latent_scaling: spec.vae_scaling_factor as f32,
        towers: spec
            .towers
            .iter()
            .map(|tower| TowerTraits {
                width: tower.width,
                pad_id: tower.padding_id,
                pooled: tower.pooled_width.is_some(),
            })
            .collect(),
        distilled: match spec.distillation {
            Some(Distillation::Lcm) => Some(Distilled::Lcm),
            Some(Distillation::Turbo) => Some(Distilled::Turbo),
            // Steps as few as Turbo's, with any sampler.
            Some(Distillation::Lightning | Distillation::Hyper) | None => None,
        },
    }
}

impl From<ComputeError> for ModelError {
    fn from(error: ComputeError) -> Self {
        match error {
            ComputeError::Stopped => Self::Stopped,
            error if error.is_out_of_memory() => Self::OutOfMemory(error.to_string()),
            error => Self::Failed(Box::new(error)),
        }
    }
}

impl From<candle_core::Error> for ModelError {
    fn from(error: candle_core::Error) -> Self {
        ComputeError::from(error).into()
    }
}

fn never() -> bool {
    false
}

impl Model {
    fn to_device(&self, numbers: &[f32], shape: &[usize]) -> Result<Tensor, ComputeError> {
        Ok(Tensor::from_slice(numbers, shape, &Device::Cpu)?.to_device(&self.device)?)
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    let tensor = tensor.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// Lets a computation ask the pipeline's pause. Once it said to stop, it is not asked again.
fn asking<'a>(pause: Pause<'a>) -> impl Fn() -> bool + 'a {
    let pause = RefCell::new((pause, false));
    move || {
        let (pause, stopped) = &mut *pause.borrow_mut();
        *stopped = *stopped || matches!(pause(), ControlFlow::Break(()));
        *stopped
    }
}

impl ImageModel for Model {
    fn traits(&self) -> &ModelTraits {
        &self.traits
    }

    fn encode_text(
        &mut self,
        tower: usize,
        rows: &[TextRow],
        clip_skip: Option<u32>,
    ) -> Result<Vec<TextState>, ModelError> {
        let encoded = self.encode_tower(tower, rows, clip_skip, &never)?;
        (0..rows.len())
            .map(|row| {
                let pooled = encoded.pooled.as_ref();
                Ok(TextState {
                    states: numbers(&encoded.states.get(row)?)?,
                    pooled: pooled.map(|pooled| numbers(&pooled.get(row)?)).transpose()?,
                })
            })
            .collect()
    }

    fn denoise(&mut self, input: pipeline::UnetInput<'_>) -> Result<Vec<f32>, ModelError> {
        let pipeline::UnetInput {
            rows, height, width, ..
        } = input;
        let latents = self.to_device(input.samples, &[rows, input.channels, height, width])?;
        let context_width = self.spec.context_width;
        let context = self.to_device(input.context, &[rows, input.tokens, context_width])?;
        let pooled_width = self.spec.pooled_width.unwrap_or_default();
        let added = match (input.pooled, input.time_ids) {
            (Some(pooled), Some(time_ids)) => Some((
                self.to_device(pooled, &[rows, pooled_width])?,
                self.to_device(time_ids, &[rows, 6])?,
            )),
            _ => None,
        };
        let input = UnetInput {
            latents: &latents,
            timesteps: input.timesteps,
            context: &context,
            added: added
                .as_ref()
                .map(|(pooled, time_ids)| AddedConditions { pooled, time_ids }),
            guidance: None,
        };
        numbers(&self.unet(&input, &never)?)
    }

    fn decode(
        &mut self,
        latents: &[f32],
        height: usize,
        width: usize,
        pause: Pause<'_>,
    ) -> Result<Vec<f32>, ModelError> {
        let latents = self.to_device(latents, &[1, self.spec.latent_channels, height, width])?;
        let latents = (latents / self.spec.vae_scaling_factor)?;
        numbers(&self.vae().decode(&latents, &asking(pause))?)
    }

    fn preview(
        &mut self,
        latents: &[f32],
        height: usize,
        width: usize,
    ) -> Result<Option<Vec<f32>>, ModelError> {
        let Some(vae) = self.preview_vae() else {
            return Ok(None);
        };
        let latents = self.to_device(latents, &[1, self.spec.latent_channels, height, width])?;
        numbers(&vae.decode(&latents, &never)?).map(Some)
    }

    fn encode(
        &mut self,
        colours: &[f32],
        height: usize,
        width: usize,
        pause: Pause<'_>,
    ) -> Result<Posterior, ModelError> {
        let picture = self.to_device(colours, &[1, 3, height, width])?;
        let posterior = self.vae().encode(&picture, &asking(pause))?;
        Ok(Posterior {
            mean: numbers(&posterior.mean)?,
            logvar: numbers(&posterior.log_variance)?,
        })
    }
}
