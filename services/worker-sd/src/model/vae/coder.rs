//! The VAE's two halves.

use candle_core::Tensor;
use rbee_artifacts::detect::DetectError;

use crate::model::attention::{Attention, PICTURE};
use crate::model::builder::Scope;
use crate::model::error::{ComputeError, Stop, go_on};
use crate::model::layers::{Added, Linear, Movement};
use crate::model::norm::Norm;
use crate::model::unet::Resnet;

/// The variance's addition everywhere in VAEs.
const EPSILON: f64 = 1e-6;

/// Two residual blocks with attention between them.
#[derive(Debug)]
struct Middle {
    first: Resnet,
    norm: Norm,
    attention: Attention,
    second: Resnet,
}

impl Middle {
    fn new(scope: &Scope<'_>, width: usize) -> Result<Self, DetectError> {
        let attention = scope.at("attentions.0");
        Ok(Self {
            first: Resnet::new(&scope.at("resnets.0"), width, width, None, EPSILON)?,
            norm: Norm::of_groups(&attention, "group_norm", width, EPSILON)?,
            attention: Attention::with_bias(&attention, &PICTURE, width, 1, false)?,
            second: Resnet::new(&scope.at("resnets.1"), width, width, None, EPSILON)?,
        })
    }

    fn forward(&self, input: &Tensor, stop: &Stop<'_>) -> Result<Tensor, ComputeError> {
        go_on(stop)?;
        let hidden = self.first.forward(input, None)?;
        go_on(stop)?;
        let (images, height, width, channels) = hidden.dims4()?;
        let pixels = hidden.reshape((images, height * width, channels))?;
        let normal = self.norm.groups(&pixels, false)?;
        let attended = self.attention.forward(&normal, &normal, &pixels)?;
        go_on(stop)?;
        Ok(self
            .second
            .forward(&attended.reshape((images, height, width, channels))?, None)?)
    }
}

/// Residual blocks of one size, and the convolution that changes it.
#[derive(Debug)]
struct Level {
    resnets: Vec<Resnet>,
    resize: Option<Linear>,
}

impl Level {
    fn new(scope: &Scope<'_>, width: &mut usize, resize: &str) -> Result<Self, DetectError> {
        let outputs = scope.size("resnets.0.conv1.weight", 0)?;
        let mut resnets = Vec::new();
        for number in 0..scope.count("resnets") {
            let scope = scope.at(&format!("resnets.{number}"));
            resnets.push(Resnet::new(&scope, *width, outputs, None, EPSILON)?);
            *width = outputs;
        }
        let resize = if scope.has(resize) {
            Some(Linear::convolution(scope, resize, outputs, outputs, 3)?)
        } else {
            None
        };
        Ok(Self { resnets, resize })
    }

    fn forward(&self, input: Tensor, stop: &Stop<'_>) -> Result<Tensor, ComputeError> {
        let mut hidden = input;
        for resnet in &self.resnets {
            go_on(stop)?;
            hidden = resnet.forward(&hidden, None)?;
        }
        go_on(stop)?;
        Ok(hidden)
    }
}

/// From pictures to the moments of latents, channels last.
#[derive(Debug)]
pub(super) struct Encoder {
    conv_in: Linear,
    levels: Vec<Level>,
    middle: Middle,
    norm_out: Norm,
    conv_out: Linear,
}

impl Encoder {
    pub(super) fn new(scope: &Scope<'_>, moments: usize) -> Result<Self, DetectError> {
        let mut width = scope.size("conv_in.weight", 0)?;
        let conv_in = Linear::convolution(scope, "conv_in", 3, width, 3)?;
        let levels = levels(scope, "down_blocks", "downsamplers.0.conv", &mut width)?;
        Ok(Self {
            conv_in,
            levels,
            middle: Middle::new(&scope.at("mid_block"), width)?,
            norm_out: Norm::of_groups(scope, "conv_norm_out", width, EPSILON)?,
            conv_out: Linear::convolution(scope, "conv_out", width, moments, 3)?,
        })
    }

    pub(super) fn forward(&self, pictures: &Tensor, stop: &Stop<'_>) -> Result<Tensor, ComputeError> {
        let none = Added::default();
        let mut hidden = self.conv_in.convolve(pictures, Movement::Same, &none)?;
        for level in &self.levels {
            hidden = level.forward(hidden, stop)?;
            if let Some(halve) = &level.resize {
                hidden = halve.convolve(&hidden, Movement::HalveUneven, &none)?;
            }
        }
        let hidden = self.middle.forward(&hidden, stop)?;
        let hidden = self.norm_out.groups(&hidden, true)?;
        Ok(self.conv_out.convolve(&hidden, Movement::Same, &none)?)
    }
}

/// From latents to pictures, channels last.
#[derive(Debug)]
pub(super) struct Decoder {
    conv_in: Linear,
    middle: Middle,
    levels: Vec<Level>,
    norm_out: Norm,
    conv_out: Linear,
}

impl Decoder {
    pub(super) fn new(scope: &Scope<'_>, latent_channels: usize) -> Result<Self, DetectError> {
        let mut width = scope.size("conv_in.weight", 0)?;
        let conv_in = Linear::convolution(scope, "conv_in", latent_channels, width, 3)?;
        let middle = Middle::new(&scope.at("mid_block"), width)?;
        let levels = levels(scope, "up_blocks", "upsamplers.0.conv", &mut width)?;
        Ok(Self {
            conv_in,
            middle,
            levels,
            norm_out: Norm::of_groups(scope, "conv_norm_out", width, EPSILON)?,
            conv_out: Linear::convolution(scope, "conv_out", width, 3, 3)?,
        })
    }

    pub(super) fn forward(&self, latents: &Tensor, stop: &Stop<'_>) -> Result<Tensor, ComputeError> {
        let none = Added::default();
        let hidden = self.conv_in.convolve(latents, Movement::Same, &none)?;
        let mut hidden = self.middle.forward(&hidden, stop)?;
        for level in &self.levels {
            hidden = level.forward(hidden, stop)?;
            if let Some(double) = &level.resize {
                let (_, height, width, _) = hidden.dims4()?;
                hidden = double.convolve(&hidden, Movement::Enlarge(2 * height, 2 * width), &none)?;
            }
        }
        go_on(stop)?;
        let hidden = self.norm_out.groups(&hidden, true)?;
        Ok(self.conv_out.convolve(&hidden, Movement::Same, &none)?)
    }
}

/// All levels; three of them must change the size, as a latent is 8 pixels wide.
fn levels(scope: &Scope<'_>, part: &str, resize: &str, width: &mut usize) -> Result<Vec<Level>, DetectError> {
    let levels = (0..scope.count(part))
        .map(|level| Level::new(&scope.at(&format!("{part}.{level}")), width, resize))
        .collect::<Result<Vec<_>, _>>()?;
    let changes = levels.iter().filter(|level| level.resize.is_some()).count();
    match changes {
        3 => Ok(levels),
        _ => Err(scope.invalid(
            part,
            format!("change the size {changes} times, but must do so 3 times"),
        )),
    }
}
