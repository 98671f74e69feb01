//! Levels of the UNet: on the way down, in the middle, on the way up.

use candle_core::{D, Tensor};
use rbee_artifacts::detect::DetectError;

use super::resnet::Resnet;
use super::transformer::Transformer;
use super::{EPSILON, Rules};
use crate::model::builder::Scope;
use crate::model::error::{ComputeError, Stop, go_on};
use crate::model::layers::{Added, Linear, Movement};

/// A residual block and the transformer that may follow it.
#[derive(Debug)]
struct Step {
    resnet: Resnet,
    transformer: Option<Transformer>,
}

impl Step {
    fn new(
        scope: &Scope<'_>,
        number: usize,
        (inputs, outputs): (usize, usize),
        time: usize,
        rules: &Rules,
    ) -> Result<Self, DetectError> {
        let resnet = scope.at(&format!("resnets.{number}"));
        let attention = format!("attentions.{number}");
        let transformer = if scope.has(&attention) {
            Some(Transformer::new(&scope.at(&attention), outputs, rules)?)
        } else {
            None
        };
        Ok(Self {
            resnet: Resnet::new(&resnet, inputs, outputs, Some(time), EPSILON)?,
            transformer,
        })
    }

    fn forward(
        &self,
        input: &Tensor,
        embedding: &Tensor,
        context: &Tensor,
        stop: &Stop<'_>,
    ) -> Result<Tensor, ComputeError> {
        go_on(stop)?;
        let hidden = self.resnet.forward(input, Some(embedding))?;
        go_on(stop)?;
        match &self.transformer {
            Some(transformer) => Ok(transformer.forward(&hidden, context)?),
            None => Ok(hidden),
        }
    }
}

/// Channels that a level's blocks make.
fn outputs(scope: &Scope<'_>) -> Result<usize, DetectError> {
    scope.size("resnets.0.conv1.weight", 0)
}

#[derive(Debug)]
pub(super) struct Down {
    steps: Vec<Step>,
    halve: Option<Linear>,
}

impl Down {
    /// `width` is that of the level before, then of this one; `skips` gets the widths that the way up needs.
    pub(super) fn new(
        scope: &Scope<'_>,
        width: &mut usize,
        time: usize,
        rules: &Rules,
        skips: &mut Vec<usize>,
    ) -> Result<Self, DetectError> {
        let outputs = outputs(scope)?;
        let mut steps = Vec::new();
        for number in 0..scope.count("resnets") {
            steps.push(Step::new(scope, number, (*width, outputs), time, rules)?);
            *width = outputs;
            skips.push(outputs);
        }
        let halve = if scope.has("downsamplers.0.conv") {
            skips.push(outputs);
            Some(Linear::convolution(
                scope,
                "downsamplers.0.conv",
                outputs,
                outputs,
                3,
            )?)
        } else {
            None
        };
        Ok(Self { steps, halve })
    }

    /// How many blocks it has.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn forward(
        &self,
        input: Tensor,
        embedding: &Tensor,
        context: &Tensor,
        skips: &mut Vec<Tensor>,
        stop: &Stop<'_>,
    ) -> Result<Tensor, ComputeError> {
        let mut hidden = input;
        for step in &self.steps {
            hidden = step.forward(&hidden, embedding, context, stop)?;
            skips.push(hidden.clone());
        }
        if let Some(halve) = &self.halve {
            hidden = halve.convolve(&hidden, Movement::Halve, &Added::default())?;
            skips.push(hidden.clone());
        }
        Ok(hidden)
    }
}

#[derive(Debug)]
pub(super) struct Middle {
    first: Step,
    second: Resnet,
}

impl Middle {
    pub(super) fn new(
        scope: &Scope<'_>,
        width: usize,
        time: usize,
        rules: &Rules,
    ) -> Result<Self, DetectError> {
        Ok(Self {
            first: Step::new(scope, 0, (width, width), time, rules)?,
            second: Resnet::new(&scope.at("resnets.1"), width, width, Some(time), EPSILON)?,
        })
    }

    pub(super) fn forward(
        &self,
        input: &Tensor,
        embedding: &Tensor,
        context: &Tensor,
        stop: &Stop<'_>,
    ) -> Result<Tensor, ComputeError> {
        let hidden = self.first.forward(input, embedding, context, stop)?;
        Ok(self.second.forward(&hidden, Some(embedding))?)
    }
}

#[derive(Debug)]
pub(super) struct Up {
    steps: Vec<Step>,
    double: Option<Linear>,
}

impl Up {
    /// Takes the widths of what it goes on with from `skips`.
    pub(super) fn new(
        scope: &Scope<'_>,
        width: &mut usize,
        time: usize,
        rules: &Rules,
        skips: &mut Vec<usize>,
    ) -> Result<Self, DetectError> {
        let outputs = outputs(scope)?;
        let mut steps = Vec::new();
        for number in 0..scope.count("resnets") {
            let Some(skip) = skips.pop() else {
                return Err(scope.invalid("resnets", "are more than the way down has blocks for"));
            };
            steps.push(Step::new(scope, number, (*width + skip, outputs), time, rules)?);
            *width = outputs;
        }
        let double = if scope.has("upsamplers.0.conv") {
            Some(Linear::convolution(
                scope,
                "upsamplers.0.conv",
                outputs,
                outputs,
                3,
            )?)
        } else {
            None
        };
        Ok(Self { steps, double })
    }

    pub(super) fn forward(
        &self,
        input: Tensor,
        embedding: &Tensor,
        context: &Tensor,
        skips: &mut Vec<Tensor>,
        stop: &Stop<'_>,
    ) -> Result<Tensor, ComputeError> {
        let mut hidden = input;
        for step in &self.steps {
            // As many as the widths that were taken when it was built.
            let Some(skip) = skips.pop() else { break };
            let both = Tensor::cat(&[&hidden, &skip], D::Minus1)?;
            hidden = step.forward(&both, embedding, context, stop)?;
        }
        if let Some(double) = &self.double {
            // Sizes that do not halve evenly: the next level goes on with what the way down had there.
            let (_, height, width, _) = hidden.dims4()?;
            let (height, width) = match skips.last() {
                Some(skip) => (skip.dim(1)?, skip.dim(2)?),
                None => (2 * height, 2 * width),
            };
            hidden = double.convolve(&hidden, Movement::Enlarge(height, width), &Added::default())?;
        }
        Ok(hidden)
    }
}
