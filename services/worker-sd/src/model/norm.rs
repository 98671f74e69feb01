//! Layers that normalise.

use std::sync::Arc;

use candle_core::{D, DType, Device, Result, Tensor};
use rbee_artifacts::detect::DetectError;

use super::builder::Scope;
use super::layers::Floats;
use super::weight::{Backend, Form, Weight};
use crate::kernels::{self, GroupNorm};

/// Weight and bias of a normalisation.
#[derive(Debug)]
pub(super) struct Norm {
    backend: Backend,
    weight: Arc<Weight>,
    bias: Arc<Weight>,
    epsilon: f64,
}

/// Groups of channels in every model of the family.
pub(super) const GROUPS: usize = 32;

impl Norm {
    pub(super) fn new(
        scope: &Scope<'_>,
        part: &str,
        width: usize,
        epsilon: f64,
    ) -> std::result::Result<Self, DetectError> {
        Ok(Self {
            backend: scope.backend().clone(),
            weight: scope.take(&format!("{part}.weight"), &[width], Form::Vector)?,
            bias: scope.take(&format!("{part}.bias"), &[width], Form::Vector)?,
            epsilon,
        })
    }

    /// One whose channels make whole groups.
    pub(super) fn of_groups(
        scope: &Scope<'_>,
        part: &str,
        width: usize,
        epsilon: f64,
    ) -> std::result::Result<Self, DetectError> {
        if !width.is_multiple_of(GROUPS) {
            let problem = format!("has {width} channels, which are no {GROUPS} groups");
            return Err(scope.invalid(&format!("{part}.weight"), problem));
        }
        Self::new(scope, part, width, epsilon)
    }

    /// Normalises groups of channels of pictures `[images, height, width, channels]`, or of their pixels in a
    /// row.
    pub(super) fn groups(&self, input: &Tensor, silu: bool) -> Result<Tensor> {
        let dims = input.dims().to_vec();
        let (images, channels) = (dims[0], dims[dims.len() - 1]);
        let pixels = dims[1..dims.len() - 1].iter().product();
        match &self.backend {
            Backend::Kernels(isa) => {
                let (weight, bias) = (self.weight.vector()?, self.bias.vector()?);
                let norm = GroupNorm {
                    weight: &weight,
                    bias: &bias,
                    groups: GROUPS,
                    epsilon: self.epsilon as f32,
                    silu,
                };
                let numbers = kernels::group_norm(*isa, &norm, &Floats::of(input)?, pixels);
                Tensor::from_vec(numbers, dims, &Device::Cpu)
            }
            Backend::Candle(_, dtype) => {
                let groups =
                    input
                        .to_dtype(DType::F32)?
                        .reshape((images, pixels, GROUPS, channels / GROUPS))?;
                let mean = groups.mean_keepdim(1)?.mean_keepdim(3)?;
                let centred = groups.broadcast_sub(&mean)?;
                let variance = centred.sqr()?.mean_keepdim(1)?.mean_keepdim(3)?;
                let normal = centred.broadcast_div(&(variance + self.epsilon)?.sqrt()?)?;
                let (weight, bias) = (self.weight.tensor()?, self.bias.tensor()?);
                let result = normal
                    .reshape(dims)?
                    .broadcast_mul(&weight.to_dtype(DType::F32)?)?
                    .broadcast_add(&bias.to_dtype(DType::F32)?)?;
                let result = if silu { result.silu()? } else { result };
                result.to_dtype(*dtype)
            }
        }
    }

    /// Normalises each row.
    pub(super) fn rows(&self, input: &Tensor) -> Result<Tensor> {
        match &self.backend {
            Backend::Kernels(isa) => {
                let (weight, bias) = (self.weight.vector()?, self.bias.vector()?);
                let numbers =
                    kernels::layer_norm(*isa, &weight, &bias, self.epsilon as f32, &Floats::of(input)?);
                Tensor::from_vec(numbers, input.dims(), &Device::Cpu)
            }
            Backend::Candle(_, dtype) => {
                let wide = input.to_dtype(DType::F32)?;
                let centred = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
                let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
                let normal = centred.broadcast_div(&(variance + self.epsilon)?.sqrt()?)?;
                let (weight, bias) = (self.weight.tensor()?, self.bias.tensor()?);
                normal
                    .broadcast_mul(&weight.to_dtype(DType::F32)?)?
                    .broadcast_add(&bias.to_dtype(DType::F32)?)?
                    .to_dtype(*dtype)
            }
        }
    }
}
