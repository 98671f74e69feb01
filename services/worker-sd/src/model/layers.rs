//! Layers: weights and what is computed with them. Pictures have their channels last.

use std::ops::{Deref, Range};
use std::sync::Arc;

use candle_core::{CpuStorage, D, Device, Result, Storage, Tensor};
use parking_lot::RwLockReadGuard;
use rbee_artifacts::detect::DetectError;

use super::builder::Scope;
use super::weight::{Backend, Form, Weight};
use crate::kernels::{self, Activation, Convolution, Finish, Isa, Lanes};

/// The numbers of a tensor on the processor, where they lie.
pub(super) struct Floats<'a> {
    storage: RwLockReadGuard<'a, Storage>,
    range: Range<usize>,
}

impl<'a> Floats<'a> {
    pub(super) fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let Some((begin, end)) = layout.contiguous_offsets() else {
            candle_core::bail!(
                "a tensor of the shape {:?} does not lie in one piece",
                layout.shape()
            );
        };
        match &*storage {
            Storage::Cpu(CpuStorage::F32(_)) => Ok(Self {
                storage,
                range: begin..end,
            }),
            _ => candle_core::bail!("a tensor is not on the processor, or not of 32-bit floats"),
        }
    }
}

impl Deref for Floats<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(numbers)) => &numbers[self.range.clone()],
            // Refused when it was made.
            _ => &[],
        }
    }
}

/// What is added to the result of a layer.
#[derive(Default)]
pub(super) struct Added<'a> {
    /// For each picture a number for each channel: `[images, channels]`.
    pub(super) per_image: Option<&'a Tensor>,
    /// As large as the result.
    pub(super) residual: Option<&'a Tensor>,
}

impl<'a> Added<'a> {
    pub(super) fn residual(residual: &'a Tensor) -> Self {
        Self {
            residual: Some(residual),
            ..Self::default()
        }
    }
}

/// A matrix or convolution, with or without a bias.
#[derive(Debug)]
pub(super) struct Linear {
    backend: Backend,
    weight: Arc<Weight>,
    bias: Option<Arc<Weight>>,
    outputs: usize,
    /// Height and width of the kernel.
    kernel: usize,
    gated: bool,
}

/// How a convolution moves; its size stays that of the picture unless it says otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) enum Movement {
    Same,
    /// Every second pixel, zeros on all sides.
    Halve,
    /// Every second pixel, zeros below and behind only.
    HalveUneven,
    /// Enlarged to this height and width before.
    Enlarge(usize, usize),
}

impl Linear {
    /// A matrix with a bias.
    pub(super) fn new(
        scope: &Scope<'_>,
        part: &str,
        inputs: usize,
        outputs: usize,
    ) -> std::result::Result<Self, DetectError> {
        let linear = Self::without_bias(scope, part, inputs, outputs)?;
        linear.with_bias(scope, part)
    }

    pub(super) fn without_bias(
        scope: &Scope<'_>,
        part: &str,
        inputs: usize,
        outputs: usize,
    ) -> std::result::Result<Self, DetectError> {
        Self::of_shape(scope, part, &[outputs, inputs], false)
    }

    /// A matrix of values and gates, each as many as there are outputs.
    pub(super) fn gated(
        scope: &Scope<'_>,
        part: &str,
        inputs: usize,
        outputs: usize,
    ) -> std::result::Result<Self, DetectError> {
        Self::of_shape(scope, part, &[2 * outputs, inputs], true)?.with_bias(scope, part)
    }

    /// A convolution with a bias.
    pub(super) fn convolution(
        scope: &Scope<'_>,
        part: &str,
        inputs: usize,
        outputs: usize,
        kernel: usize,
    ) -> std::result::Result<Self, DetectError> {
        Self::convolution_without_bias(scope, part, inputs, outputs, kernel)?.with_bias(scope, part)
    }

    pub(super) fn convolution_without_bias(
        scope: &Scope<'_>,
        part: &str,
        inputs: usize,
        outputs: usize,
        kernel: usize,
    ) -> std::result::Result<Self, DetectError> {
        Self::of_shape(scope, part, &[outputs, inputs, kernel, kernel], false)
    }

    fn of_shape(
        scope: &Scope<'_>,
        part: &str,
        shape: &[usize],
        gated: bool,
    ) -> std::result::Result<Self, DetectError> {
        let lanes = if gated { Lanes::Gated } else { Lanes::InOrder };
        Ok(Self {
            backend: scope.backend().clone(),
            weight: scope.take(&format!("{part}.weight"), shape, Form::Matrix(lanes))?,
            bias: None,
            outputs: shape[0],
            kernel: shape.get(2).copied().unwrap_or(1),
            gated,
        })
    }

    fn with_bias(self, scope: &Scope<'_>, part: &str) -> std::result::Result<Self, DetectError> {
        let bias = scope.take(&format!("{part}.bias"), &[self.outputs], Form::Vector)?;
        Ok(Self {
            bias: Some(bias),
            ..self
        })
    }

    /// The product with rows of numbers, of whatever dimensions.
    pub(super) fn forward(&self, input: &Tensor, added: &Added<'_>) -> Result<Tensor> {
        let mut shape = input.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = if self.gated {
                self.outputs / 2
            } else {
                self.outputs
            };
        }
        match &self.backend {
            Backend::Kernels(isa) => {
                let run = |finish: &Finish<'_>| {
                    let panels = self.weight.panels()?;
                    let numbers = Floats::of(input)?;
                    if panels.channels() == 0 || !numbers.len().is_multiple_of(panels.channels()) {
                        candle_core::bail!(
                            "{} takes rows of {} numbers",
                            self.weight.name,
                            panels.channels()
                        );
                    }
                    Ok(kernels::product(*isa, &numbers, &panels, finish))
                };
                let numbers = self.finished(input.elem_count() / input.dim(D::Minus1)?.max(1), added, run)?;
                Tensor::from_vec(numbers, shape, &Device::Cpu)
            }
            Backend::Candle(..) => {
                let weight = self.weight.tensor()?.flatten_from(1)?;
                let rows = input.flatten_to(input.rank() - 2)?;
                let mut result = rows.matmul(&weight.t()?)?;
                if let Some(bias) = &self.bias {
                    result = result.broadcast_add(&bias.tensor()?)?;
                }
                if self.gated {
                    let halves = result.chunk(2, D::Minus1)?;
                    result = (&halves[0] * halves[1].contiguous()?.gelu_erf()?)?;
                }
                add(result.reshape(shape)?, added)
            }
        }
    }

    /// The convolution of pictures `[images, height, width, channels]`.
    pub(super) fn convolve(&self, input: &Tensor, movement: Movement, added: &Added<'_>) -> Result<Tensor> {
        let (images, height, width, _) = input.dims4()?;
        let same = Convolution::same(images, height, width, self.kernel);
        let shape = match movement {
            Movement::Same => same,
            Movement::Halve => Convolution { stride: 2, ..same },
            Movement::HalveUneven => Convolution {
                stride: 2,
                padding_before: 0,
                padding_after: 1,
                ..same
            },
            Movement::Enlarge(height, width) => Convolution {
                enlarged: (height, width),
                ..same
            },
        };
        let (out_height, out_width) = shape.output();
        match &self.backend {
            Backend::Kernels(isa) => {
                let run = |finish: &Finish<'_>| {
                    let panels = self.weight.panels()?;
                    let numbers = Floats::of(input)?;
                    if numbers.len() != images * height * width * panels.channels() {
                        candle_core::bail!("{} takes {} channels", self.weight.name, panels.channels());
                    }
                    Ok(kernels::convolve(*isa, &shape, &numbers, &panels, finish))
                };
                let numbers = self.finished(images * out_height * out_width, added, run)?;
                Tensor::from_vec(
                    numbers,
                    (images, out_height, out_width, self.outputs),
                    &Device::Cpu,
                )
            }
            Backend::Candle(..) => self.convolve_by_candle(input, &shape, added),
        }
    }

    fn convolve_by_candle(&self, input: &Tensor, shape: &Convolution, added: &Added<'_>) -> Result<Tensor> {
        let mut pictures = input.permute((0, 3, 1, 2))?.contiguous()?;
        if shape.enlarged != (shape.height, shape.width) {
            pictures = pictures.upsample_nearest2d(shape.enlarged.0, shape.enlarged.1)?;
        }
        let (before, after) = (shape.padding_before, shape.padding_after);
        let padding = if before == after { before } else { 0 };
        if before != after {
            pictures = pictures
                .pad_with_zeros(2, before, after)?
                .pad_with_zeros(3, before, after)?;
        }
        let result = pictures.conv2d(&self.weight.tensor()?, padding, shape.stride, 1, 1)?;
        let mut result = result.permute((0, 2, 3, 1))?.contiguous()?;
        if let Some(bias) = &self.bias {
            result = result.broadcast_add(&bias.tensor()?)?;
        }
        add(result, added)
    }

    /// Runs a kernel with what is added to its result of so many rows.
    fn finished(
        &self,
        rows: usize,
        added: &Added<'_>,
        run: impl FnOnce(&Finish<'_>) -> Result<Vec<f32>>,
    ) -> Result<Vec<f32>> {
        let bias = self.bias.as_ref().map(|bias| bias.vector()).transpose()?;
        let residual = added.residual.map(Floats::of).transpose()?;
        let images = added
            .per_image
            .map(|tensor| Ok::<_, candle_core::Error>((Floats::of(tensor)?, tensor.dim(0)?)));
        let images = images.transpose()?;
        let outputs = if self.gated {
            self.outputs / 2
        } else {
            self.outputs
        };
        if residual
            .as_ref()
            .is_some_and(|residual| residual.len() != rows * outputs)
            || images.as_ref().is_some_and(|(numbers, images)| {
                *images == 0 || !rows.is_multiple_of(*images) || numbers.len() != images * outputs
            })
        {
            candle_core::bail!("what is added to {} has another size", self.weight.name);
        }
        run(&Finish {
            bias: bias.as_ref().map(|bias| bias.as_slice()),
            per_image: images
                .as_ref()
                .map(|(numbers, images)| (&**numbers, rows / images)),
            residual: residual.as_deref(),
        })
    }
}

fn add(result: Tensor, added: &Added<'_>) -> Result<Tensor> {
    let result = match added.per_image {
        Some(numbers) => {
            let mut shape = vec![1; result.rank()];
            shape[0] = numbers.dim(0)?;
            shape[result.rank() - 1] = numbers.dim(1)?;
            result.broadcast_add(&numbers.reshape(shape)?)?
        }
        None => result,
    };
    match added.residual {
        Some(residual) => result + residual,
        None => Ok(result),
    }
}

/// The function of each number.
pub(super) fn activate(backend: &Backend, activation: Activation, input: &Tensor) -> Result<Tensor> {
    match backend {
        Backend::Kernels(isa) => {
            let mut numbers = Floats::of(input)?.to_vec();
            kernels::activate(*isa, activation, &mut numbers);
            Tensor::from_vec(numbers, input.dims(), &Device::Cpu)
        }
        Backend::Candle(..) => match activation {
            Activation::Silu => input.silu(),
            Activation::Gelu => input.gelu_erf(),
            // The logistic function by the hyperbolic tangent.
            Activation::QuickGelu => input * (((input * 0.851)?.tanh()? + 1.0)? * 0.5)?,
        },
    }
}

/// Which kernels this processor takes.
pub(super) fn kernels_backend() -> Backend {
    Backend::Kernels(Isa::detect())
}
