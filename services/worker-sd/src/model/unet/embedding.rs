//! Timesteps, sizes, pooled text and guidance as one vector for each row.

use candle_core::{Device, Tensor};
use rbee_artifacts::detect::DetectError;

use super::UnetInput;
use crate::kernels::Activation;
use crate::model::builder::Scope;
use crate::model::error::ComputeError;
use crate::model::layers::{Added, Linear, activate};
use crate::model::weight::Backend;

/// Numbers of SDXL's `time_ids`.
const SIZES: usize = 6;
/// The guidance that published latent consistency models are used with.
const DEFAULT_GUIDANCE: f32 = 8.5;

#[derive(Debug)]
pub(super) struct Embedding {
    /// Channels of the first level, and of the sinusoids.
    base: usize,
    /// Of the vector.
    pub(super) width: usize,
    time: [Linear; 2],
    guidance: Option<(Linear, usize)>,
    conditions: Option<Conditions>,
}

#[derive(Debug)]
struct Conditions {
    linear: [Linear; 2],
    pooled_width: usize,
    /// Of each size's sinusoids.
    size_width: usize,
}

impl Embedding {
    pub(super) fn new(scope: &Scope<'_>, base: usize) -> Result<Self, DetectError> {
        let width = scope.size("time_embedding.linear_1.weight", 0)?;
        let guidance = if scope.has("time_embedding.cond_proj") {
            let guidance_width = scope.size("time_embedding.cond_proj.weight", 1)?;
            let linear = Linear::without_bias(scope, "time_embedding.cond_proj", guidance_width, base)?;
            Some((linear, guidance_width))
        } else {
            None
        };
        let conditions = if scope.has("add_embedding") {
            Some(Conditions::new(scope, width)?)
        } else {
            None
        };
        Ok(Self {
            base,
            width,
            time: [
                Linear::new(scope, "time_embedding.linear_1", base, width)?,
                Linear::new(scope, "time_embedding.linear_2", width, width)?,
            ],
            guidance,
            conditions,
        })
    }

    pub(super) fn embeds_guidance(&self) -> bool {
        self.guidance.is_some()
    }

    pub(super) fn pooled_width(&self) -> Option<usize> {
        self.conditions.as_ref().map(|conditions| conditions.pooled_width)
    }

    /// The vector after its last activation, as residual blocks take it: `[rows, width]`.
    pub(super) fn forward(&self, backend: &Backend, input: &UnetInput<'_>) -> Result<Tensor, ComputeError> {
        let rows = input.timesteps.len();
        let waves: Vec<f32> = input
            .timesteps
            .iter()
            .flat_map(|&time| cosines_and_sines(time, self.base))
            .collect();
        let mut waves = to_device(waves, (rows, self.base), backend)?;
        if let Some((linear, width)) = &self.guidance {
            let guidance = input.guidance.unwrap_or(DEFAULT_GUIDANCE);
            let row = guidance_waves(guidance, *width);
            let numbers = (0..rows).flat_map(|_| row.iter().copied()).collect();
            let guidance = to_device(numbers, (rows, *width), backend)?;
            waves = linear.forward(&guidance, &Added::residual(&waves))?;
        }
        let mut embedding = two_layers(backend, &self.time, &waves, None)?;
        if let Some(conditions) = &self.conditions {
            embedding = conditions.forward(backend, input, &embedding)?;
        }
        Ok(activate(backend, Activation::Silu, &embedding)?)
    }
}

impl Conditions {
    fn new(scope: &Scope<'_>, width: usize) -> Result<Self, DetectError> {
        let inputs = scope.size("add_embedding.linear_1.weight", 1)?;
        // Every published model embeds each size in 256 numbers; the rest is the pooled text.
        let size_width = 256;
        let Some(pooled_width) = inputs.checked_sub(SIZES * size_width).filter(|&width| width > 0) else {
            let problem = format!("takes {inputs} numbers, which are fewer than six sizes of {size_width}");
            return Err(scope.invalid("add_embedding.linear_1.weight", problem));
        };
        Ok(Self {
            linear: [
                Linear::new(scope, "add_embedding.linear_1", inputs, width)?,
                Linear::new(scope, "add_embedding.linear_2", width, width)?,
            ],
            pooled_width,
            size_width,
        })
    }

    fn forward(
        &self,
        backend: &Backend,
        input: &UnetInput<'_>,
        time: &Tensor,
    ) -> Result<Tensor, ComputeError> {
        let rows = input.timesteps.len();
        let Some(added) = &input.added else {
            let problem = "the model takes pooled text and sizes as well";
            return Err(ComputeError::Input(problem.to_owned()));
        };
        if added.pooled.dims() != [rows, self.pooled_width] || added.time_ids.dims() != [rows, SIZES] {
            return Err(ComputeError::Input(format!(
                "the model takes {} numbers of pooled text and {SIZES} sizes for each row",
                self.pooled_width
            )));
        }
        let sizes: Vec<f32> = added
            .time_ids
            .to_device(&Device::Cpu)?
            .flatten_all()?
            .to_vec1::<f32>()?
            .into_iter()
            .flat_map(|size| cosines_and_sines(size, self.size_width))
            .collect();
        let sizes = to_device(sizes, (rows, SIZES * self.size_width), backend)?;
        let pooled = added.pooled.to_dtype(backend.dtype())?;
        let all = Tensor::cat(&[&pooled, &sizes], 1)?;
        two_layers(backend, &self.linear, &all, Some(time))
    }
}

fn two_layers(
    backend: &Backend,
    layers: &[Linear; 2],
    input: &Tensor,
    residual: Option<&Tensor>,
) -> Result<Tensor, ComputeError> {
    let hidden = layers[0].forward(input, &Added::default())?;
    let hidden = activate(backend, Activation::Silu, &hidden)?;
    let added = Added {
        residual,
        ..Added::default()
    };
    Ok(layers[1].forward(&hidden, &added)?)
}

fn to_device(numbers: Vec<f32>, shape: (usize, usize), backend: &Backend) -> candle_core::Result<Tensor> {
    Tensor::from_vec(numbers, shape, &Device::Cpu)?
        .to_dtype(backend.dtype())?
        .to_device(backend.device())
}

/// Cosines, then sines of a number times falling frequencies, in 32 bits as the models were trained
/// (Vaswani et al. 2017, with the cosines first).
fn cosines_and_sines(number: f32, width: usize) -> impl Iterator<Item = f32> {
    let half = width / 2;
    let angle = move |place: usize| {
        let exponent = -(10_000_f64.ln() as f32) * place as f32 / half as f32;
        number * f64::from(exponent).exp() as f32
    };
    let cosines = (0..half).map(move |place| f64::from(angle(place)).cos() as f32);
    cosines
        .chain((0..half).map(move |place| f64::from(angle(place)).sin() as f32))
        // An odd width has one zero at its end.
        .chain((2 * half..width).map(|_| 0.0))
}

/// The guidance scale as latent consistency models take it (Luo et al. 2023, after Kingma et al. 2021): sines,
/// then cosines.
fn guidance_waves(guidance: f32, width: usize) -> Vec<f32> {
    let half = width / 2;
    let number = (guidance - 1.0) * 1000.0;
    let angle = |place: usize| {
        let step = 10_000_f64.ln() / (half.max(2) - 1) as f64;
        f64::from(number * (-step * place as f64).exp() as f32)
    };
    let sines = (0..half).map(|place| angle(place).sin() as f32);
    let cosines = (0..half).map(|place| angle(place).cos() as f32);
    sines
        .chain(cosines)
        .chain((2 * half..width).map(|_| 0.0))
        .collect()
}
