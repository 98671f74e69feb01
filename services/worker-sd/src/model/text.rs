//! CLIP's text encoders (Radford et al. 2021), OpenAI's and OpenCLIP's.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use rbee_artifacts::detect::DetectError;

use super::attention::{Attention, Names};
use super::builder::Scope;
use super::error::{ComputeError, Stop, go_on};
use super::layers::{Added, Linear, activate};
use super::norm::Norm;
use super::weight::{Backend, Form, Weight};
use crate::kernels::Activation;
use crate::pipeline::{CHUNK_TOKENS, TextRow};

/// The variance's addition.
const EPSILON: f64 = 1e-5;

const NAMES: Names = Names {
    query: "q_proj",
    key: "k_proj",
    value: "v_proj",
    output: "out_proj",
};

/// Whose text encoder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TowerKind {
    /// OpenAI's CLIP ViT-L.
    ClipL,
    /// OpenCLIP.
    OpenClip,
}

/// A text encoder's build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TowerSpec {
    /// Whose it is.
    pub kind: TowerKind,
    /// Width of its states.
    pub width: usize,
    /// Words it knows; the last one ends a text.
    pub vocabulary: usize,
    /// Tokens of a text.
    pub tokens: usize,
    /// What a text is filled up with.
    pub padding_id: u32,
    /// Width of the pooled text; `None` where the model does not take it from this encoder.
    pub pooled_width: Option<usize>,
}

/// How a family uses a text encoder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    pub(super) kind: TowerKind,
    /// Blocks that were left out when the model was trained.
    pub(super) trained_without: usize,
    /// Blocks that the file lacks.
    pub(super) dropped: usize,
    /// Whether states go through the last norm.
    pub(super) norm: bool,
    pub(super) pooled: bool,
    /// Where a configuration says another one than the kind has.
    pub(super) activation: Activation,
}

/// What an encoder makes of texts.
#[derive(Debug, Clone)]
pub struct TextStates {
    /// `[rows, tokens, width]`.
    pub states: Tensor,
    /// `[rows, width]`, where the model takes it.
    pub pooled: Option<Tensor>,
}

#[derive(Debug)]
struct Layer {
    norm1: Norm,
    attention: Attention,
    norm2: Norm,
    up: Linear,
    down: Linear,
}

/// A text encoder.
#[derive(Debug)]
pub(super) struct Tower {
    pub(super) spec: TowerSpec,
    how: Use,
    backend: Backend,
    words: Arc<Weight>,
    positions: Arc<Weight>,
    layers: Vec<Layer>,
    norm: Norm,
    projection: Option<Linear>,
}

impl Tower {
    pub(super) fn new(scope: &Scope<'_>, how: Use) -> Result<Self, DetectError> {
        let words = "embeddings.token_embedding.weight";
        let positions = "embeddings.position_embedding.weight";
        let (vocabulary, width) = (scope.size(words, 0)?, scope.size(words, 1)?);
        let tokens = scope.size(positions, 0)?;
        if tokens != CHUNK_TOKENS {
            let problem = format!("has {tokens} positions, but every CLIP has {CHUNK_TOKENS}");
            return Err(scope.invalid(positions, problem));
        }
        let heads = (width / 64).max(1);
        let layers = (0..scope.count("encoder.layers"))
            .map(|layer| Layer::new(&scope.at(&format!("encoder.layers.{layer}")), width, heads))
            .collect::<Result<Vec<_>, _>>()?;
        if layers.len() <= how.trained_without.saturating_sub(how.dropped) {
            return Err(scope.invalid("encoder.layers", "are too few"));
        }
        // SD 2.1's files have one that nothing uses.
        let projection = if scope.has("text_projection") {
            let outputs = scope.size("text_projection.weight", 0)?;
            Some(Linear::without_bias(scope, "text_projection", width, outputs)?)
        } else if how.pooled {
            return Err(scope.invalid("text_projection.weight", "is missing"));
        } else {
            None
        };
        let pooled_width = match how.pooled {
            true => Some(scope.size("text_projection.weight", 0)?),
            false => None,
        };
        Ok(Self {
            spec: TowerSpec {
                kind: how.kind,
                width,
                vocabulary,
                tokens,
                padding_id: match how.kind {
                    TowerKind::ClipL => vocabulary.saturating_sub(1) as u32,
                    TowerKind::OpenClip => 0,
                },
                pooled_width,
            },
            how,
            backend: scope.backend().clone(),
            words: scope.take(words, &[vocabulary, width], Form::Table)?,
            positions: scope.take(positions, &[tokens, width], Form::Table)?,
            layers,
            norm: Norm::new(scope, "final_layer_norm", width, EPSILON)?,
            projection,
        })
    }

    /// How many of its blocks are not run: `clip_skip` counts as the web interfaces do, where 1 leaves none
    /// out. A model that was trained without the last block does not get it by that.
    fn left_out(&self, clip_skip: Option<u32>) -> usize {
        let wanted = clip_skip.map_or(0, |skip| skip.saturating_sub(1) as usize);
        wanted
            .max(self.how.trained_without)
            .saturating_sub(self.how.dropped)
            .min(self.layers.len() - 1)
    }

    /// Encodes texts.
    pub(super) fn forward(
        &self,
        rows: &[TextRow],
        clip_skip: Option<u32>,
        stop: &Stop<'_>,
    ) -> Result<TextStates, ComputeError> {
        let mut hidden = self.embed(rows)?;
        let run = self.layers.len() - self.left_out(clip_skip);
        let mut states = hidden.clone();
        let needed = if self.how.pooled { self.layers.len() } else { run };
        for (number, layer) in self.layers.iter().take(needed).enumerate() {
            go_on(stop)?;
            hidden = layer.forward(&self.backend, self.how.activation, &hidden)?;
            if number + 1 == run {
                states = hidden.clone();
            }
        }
        let pooled = match (&self.projection, self.how.pooled) {
            (Some(projection), true) => Some(self.pool(rows, &hidden, projection)?),
            _ => None,
        };
        if self.how.norm {
            states = self.norm.rows(&states)?;
        }
        Ok(TextStates {
            states: states.to_dtype(DType::F32)?,
            pooled,
        })
    }

    fn embed(&self, rows: &[TextRow]) -> Result<Tensor, ComputeError> {
        let TowerSpec { width, tokens, .. } = self.spec;
        let mut numbers = Vec::with_capacity(rows.len() * tokens * width);
        let mut positions = Vec::with_capacity(tokens * width);
        for position in 0..tokens {
            self.positions.row(position, &mut positions)?;
        }
        for row in rows {
            if row.ids.len() != tokens {
                let problem = format!(
                    "a text has {} tokens, but the encoder takes {tokens}",
                    row.ids.len()
                );
                return Err(ComputeError::Input(problem));
            }
            let begin = numbers.len();
            for &id in &row.ids {
                self.words.row(id as usize, &mut numbers)?;
            }
            for (position, vector) in &row.vectors {
                if *position >= tokens || vector.len() != width {
                    let problem = format!("a vector of {} numbers cannot stand at {position}", vector.len());
                    return Err(ComputeError::Input(problem));
                }
                numbers[begin + position * width..][..width].copy_from_slice(vector);
            }
            for (number, position) in numbers[begin..].iter_mut().zip(&positions) {
                *number += position;
            }
        }
        Ok(
            Tensor::from_vec(numbers, (rows.len(), tokens, width), &Device::Cpu)?
                .to_dtype(self.backend.dtype())?
                .to_device(self.backend.device())?,
        )
    }

    /// The state where each text ends, after the last norm, projected.
    fn pool(&self, rows: &[TextRow], hidden: &Tensor, projection: &Linear) -> Result<Tensor, ComputeError> {
        let ends = rows.iter().enumerate().map(|(number, row)| {
            let end = (self.spec.vocabulary - 1) as u32;
            let found = row.ids.iter().position(|&id| id == end);
            hidden.get(number)?.get(found.unwrap_or(row.ids.len() - 1))
        });
        let ends = Tensor::stack(&ends.collect::<candle_core::Result<Vec<_>>>()?, 0)?;
        let ends = self.norm.rows(&ends.contiguous()?)?;
        Ok(projection
            .forward(&ends, &Added::default())?
            .to_dtype(DType::F32)?)
    }
}

impl Layer {
    fn new(scope: &Scope<'_>, width: usize, heads: usize) -> Result<Self, DetectError> {
        let inner = scope.size("mlp.fc1.weight", 0)?;
        Ok(Self {
            norm1: Norm::new(scope, "layer_norm1", width, EPSILON)?,
            attention: Attention::with_bias(&scope.at("self_attn"), &NAMES, width, heads, true)?,
            norm2: Norm::new(scope, "layer_norm2", width, EPSILON)?,
            up: Linear::new(scope, "mlp.fc1", width, inner)?,
            down: Linear::new(scope, "mlp.fc2", inner, width)?,
        })
    }

    fn forward(
        &self,
        backend: &Backend,
        activation: Activation,
        input: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let normal = self.norm1.rows(input)?;
        let hidden = self.attention.forward(&normal, &normal, input)?;
        let inner = self.up.forward(&self.norm2.rows(&hidden)?, &Added::default())?;
        let inner = activate(backend, activation, &inner)?;
        self.down.forward(&inner, &Added::residual(&hidden))
    }
}
