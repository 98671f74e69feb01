//! Attention of pictures to themselves and to texts.

use candle_core::{D, DType, Device, Result, Tensor};
use rbee_artifacts::detect::DetectError;

use super::builder::Scope;
use super::layers::{Added, Floats, Linear};
use super::weight::Backend;
use crate::kernels::{self, Attention as Shape};

/// The most memory that scores take at a time on a device where they are made whole, in bytes.
const MAX_SCORES_BYTES: usize = 512 << 20;

/// Attention with several heads (Vaswani et al. 2017).
#[derive(Debug)]
pub(super) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
    backend: Backend,
    causal: bool,
}

/// What the four matrices are called.
pub(super) struct Names {
    pub(super) query: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    pub(super) output: &'static str,
}

/// In UNets and VAEs.
pub(super) const PICTURE: Names = Names {
    query: "to_q",
    key: "to_k",
    value: "to_v",
    output: "to_out.0",
};

impl Attention {
    /// One whose queries, keys and values have no bias.
    pub(super) fn without_bias(
        scope: &Scope<'_>,
        width: usize,
        context: usize,
        heads: usize,
    ) -> std::result::Result<Self, DetectError> {
        Ok(Self {
            query: Linear::without_bias(scope, PICTURE.query, width, width)?,
            key: Linear::without_bias(scope, PICTURE.key, context, width)?,
            value: Linear::without_bias(scope, PICTURE.value, context, width)?,
            output: Linear::new(scope, PICTURE.output, width, width)?,
            heads: Self::check_heads(scope, PICTURE.query, width, heads)?,
            backend: scope.backend().clone(),
            causal: false,
        })
    }

    /// One with biases everywhere.
    pub(super) fn with_bias(
        scope: &Scope<'_>,
        names: &Names,
        width: usize,
        heads: usize,
        causal: bool,
    ) -> std::result::Result<Self, DetectError> {
        Ok(Self {
            query: Linear::new(scope, names.query, width, width)?,
            key: Linear::new(scope, names.key, width, width)?,
            value: Linear::new(scope, names.value, width, width)?,
            output: Linear::new(scope, names.output, width, width)?,
            heads: Self::check_heads(scope, names.query, width, heads)?,
            backend: scope.backend().clone(),
            causal,
        })
    }

    fn check_heads(
        scope: &Scope<'_>,
        query: &str,
        width: usize,
        heads: usize,
    ) -> std::result::Result<usize, DetectError> {
        match width.is_multiple_of(heads) {
            true => Ok(heads),
            false => Err(scope.invalid(
                &format!("{query}.weight"),
                format!("has {width} rows, which are no {heads} heads"),
            )),
        }
    }

    /// Attends from `input` to `context`, both `[batch, tokens, width]`, and adds `residual`.
    pub(super) fn forward(&self, input: &Tensor, context: &Tensor, residual: &Tensor) -> Result<Tensor> {
        let none = Added::default();
        let query = self.query.forward(input, &none)?;
        let key = self.key.forward(context, &none)?;
        let value = self.value.forward(context, &none)?;
        let (batch, queries, row) = query.dims3()?;
        let shape = Shape {
            batch,
            heads: self.heads,
            width: row / self.heads,
            queries,
            keys: key.dim(1)?,
            causal: self.causal,
        };
        let attended = match &self.backend {
            Backend::Kernels(isa) => {
                let numbers = kernels::attend(
                    *isa,
                    &shape,
                    &Floats::of(&query)?,
                    &Floats::of(&key)?,
                    &Floats::of(&value)?,
                );
                Tensor::from_vec(numbers, query.dims(), &Device::Cpu)?
            }
            Backend::Candle(..) => by_candle(&shape, &query, &key, &value)?,
        };
        self.output.forward(&attended, &Added::residual(residual))
    }
}

/// As many queries at a time as the memory for scores allows.
fn by_candle(shape: &Shape, query: &Tensor, key: &Tensor, value: &Tensor) -> Result<Tensor> {
    let heads = |tensor: &Tensor| {
        let (batch, tokens, _) = tensor.dims3()?;
        tensor
            .reshape((batch, tokens, shape.heads, shape.width))?
            .transpose(1, 2)?
            .contiguous()
    };
    let (query, key, value) = (heads(query)?, heads(key)?, heads(value)?);
    let key = key.transpose(2, 3)?.contiguous()?;
    let row_bytes = (shape.batch * shape.heads * shape.keys * 4).max(1);
    let step = (MAX_SCORES_BYTES / row_bytes).clamp(1, shape.queries.max(1));
    let mut parts = Vec::new();
    for first in (0..shape.queries).step_by(step) {
        let count = step.min(shape.queries - first);
        let part = (query.narrow(2, first, count)?.contiguous()? * (1.0 / (shape.width as f64).sqrt()))?;
        let mut scores = part.matmul(&key)?.to_dtype(DType::F32)?;
        if shape.causal {
            scores = scores.broadcast_add(&later(first, count, shape.keys, scores.device())?)?;
        }
        let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let scores = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
        parts.push(scores.to_dtype(value.dtype())?.matmul(&value)?);
    }
    Tensor::cat(&parts, 2)?
        .transpose(1, 2)?
        .reshape((shape.batch, shape.queries, shape.heads * shape.width))
}

/// What takes the scores of keys that come after their query.
fn later(first: usize, count: usize, keys: usize, device: &Device) -> Result<Tensor> {
    let rows = (first..first + count)
        .flat_map(|query| (0..keys).map(move |key| if key > query { f32::NEG_INFINITY } else { 0.0 }));
    Tensor::from_vec(rows.collect(), (count, keys), device)
}
