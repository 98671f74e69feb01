//! Residual blocks (He et al. 2016) that are told the time.

use candle_core::Tensor;
use rbee_artifacts::detect::DetectError;

use crate::model::builder::Scope;
use crate::model::layers::{Added, Linear, Movement};
use crate::model::norm::Norm;

/// A residual block, of the UNet or, without time, of the VAE.
#[derive(Debug)]
pub(in crate::model) struct Resnet {
    norm1: Norm,
    conv1: Linear,
    time: Option<Linear>,
    norm2: Norm,
    conv2: Linear,
    shortcut: Option<Linear>,
}

impl Resnet {
    pub(in crate::model) fn new(
        scope: &Scope<'_>,
        inputs: usize,
        outputs: usize,
        time: Option<usize>,
        epsilon: f64,
    ) -> Result<Self, DetectError> {
        let time = time
            .map(|time| Linear::new(scope, "time_emb_proj", time, outputs))
            .transpose()?;
        let shortcut = if inputs == outputs {
            None
        } else {
            Some(Linear::new(scope, "conv_shortcut", inputs, outputs)?)
        };
        Ok(Self {
            norm1: Norm::of_groups(scope, "norm1", inputs, epsilon)?,
            conv1: Linear::convolution(scope, "conv1", inputs, outputs, 3)?,
            time,
            norm2: Norm::of_groups(scope, "norm2", outputs, epsilon)?,
            conv2: Linear::convolution(scope, "conv2", outputs, outputs, 3)?,
            shortcut,
        })
    }

    pub(in crate::model) fn forward(
        &self,
        input: &Tensor,
        embedding: Option<&Tensor>,
    ) -> candle_core::Result<Tensor> {
        let hidden = self.norm1.groups(input, true)?;
        let time = match (&self.time, embedding) {
            (Some(time), Some(embedding)) => Some(time.forward(embedding, &Added::default())?),
            _ => None,
        };
        let added = Added {
            per_image: time.as_ref(),
            residual: None,
        };
        let hidden = self.conv1.convolve(&hidden, Movement::Same, &added)?;
        let hidden = self.norm2.groups(&hidden, true)?;
        match &self.shortcut {
            Some(shortcut) => {
                let shortcut = shortcut.forward(input, &Added::default())?;
                self.conv2
                    .convolve(&hidden, Movement::Same, &Added::residual(&shortcut))
            }
            None => self
                .conv2
                .convolve(&hidden, Movement::Same, &Added::residual(input)),
        }
    }
}
