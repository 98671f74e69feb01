//! The first half of a layer on a device.

use candle_core::{D, DType, Result, Tensor};

use super::cache::DeviceCache;
use super::decoder::{DeviceDecoder, DeviceSegment};
use super::weights::DeviceLayer;
use crate::model::decoder::Rotation;
use crate::model::spec::RopeLayout;

/// The cosines and sines of one rotation, each `rows × 1 × pairs`.
pub(super) struct DeviceRotation {
    cos: Tensor,
    sin: Tensor,
}

impl DeviceRotation {
    pub(super) fn upload(rotation: Rotation, rows: usize, device: &candle_core::Device) -> Result<Self> {
        let pairs = rotation.cos.len() / rows;
        Ok(Self {
            cos: Tensor::from_vec(rotation.cos, (rows, 1, pairs), device)?,
            sin: Tensor::from_vec(rotation.sin, (rows, 1, pairs), device)?,
        })
    }

    /// Turns heads, `rows × heads × head_dim`.
    fn turn(&self, heads: &Tensor, layout: RopeLayout) -> Result<Tensor> {
        let (rows, count, head_dim) = heads.dims3()?;
        let pairs = self.cos.dim(2)?;
        let turned = heads.narrow(2, 0, 2 * pairs)?;
        let (first, second) = match layout {
            RopeLayout::Halves => (turned.narrow(2, 0, pairs)?, turned.narrow(2, pairs, pairs)?),
            RopeLayout::Neighbours => {
                let turned = turned.contiguous()?.reshape((rows, count, pairs, 2))?;
                (
                    turned.narrow(3, 0, 1)?.squeeze(3)?,
                    turned.narrow(3, 1, 1)?.squeeze(3)?,
                )
            }
        };
        let x = (first.broadcast_mul(&self.cos)? - second.broadcast_mul(&self.sin)?)?;
        let y = (first.broadcast_mul(&self.sin)? + second.broadcast_mul(&self.cos)?)?;
        let turned = match layout {
            RopeLayout::Halves => Tensor::cat(&[x, y], 2)?,
            RopeLayout::Neighbours => Tensor::stack(&[x, y], 3)?.reshape((rows, count, 2 * pairs))?,
        };
        if 2 * pairs == head_dim {
            return Ok(turned);
        }
        let rest = heads.narrow(2, 2 * pairs, head_dim - 2 * pairs)?;
        Tensor::cat(&[turned, rest], 2)
    }
}

impl DeviceDecoder {
    /// What attention adds to the stream, `rows × width`.
    pub(super) fn attention(
        &self,
        layer: usize,
        weights: &DeviceLayer,
        rotations: &[DeviceRotation],
        batch: &[DeviceSegment<'_>],
        stream: &Tensor,
    ) -> Result<Tensor> {
        let spec = self.spec();
        let rows = stream.dim(0)?;
        let normed = self.normalise(stream, &weights.attention_norm)?;
        let heads = |product: Tensor, count: usize| product.reshape((rows, count, spec.head_dim));
        let mut queries = heads(weights.query.product(&normed)?, spec.heads)?;
        let mut keys = heads(weights.key.product(&normed)?, spec.kv_heads)?;
        let values = heads(weights.value.product(&normed)?, spec.kv_heads)?;
        if let Some(norm) = &weights.query_norm {
            queries = self.normalise(&queries, norm)?;
        }
        if let Some(norm) = &weights.key_norm {
            keys = self.normalise(&keys, norm)?;
        }
        let rotation = &rotations[spec.layers[layer].rope];
        let queries = rotation.turn(&queries, spec.rope_layout)?;
        let keys = rotation.turn(&keys, spec.rope_layout)?;

        let mut attended = Vec::with_capacity(batch.len());
        let mut first = 0;
        for segment in batch {
            let count = segment.tokens.len();
            let own = |all: &Tensor| all.narrow(0, first, count);
            segment.cache.write(layer, &own(&keys)?, &own(&values)?)?;
            attended.push(self.attend(layer, segment.cache, &own(&queries)?)?);
            first += count;
        }
        let attended = Tensor::cat(&attended, 0)?;
        weights.attention_output.product(&attended)
    }

    /// What the queries of one sequence find, `rows × (heads × head_dim)`.
    fn attend(&self, layer: usize, cache: &DeviceCache, queries: &Tensor) -> Result<Tensor> {
        let spec = self.spec();
        let rows = queries.dim(0)?;
        let (past, total) = (cache.len(), cache.len() + rows);
        let window = spec.layers[layer].window;
        // What no row sees is not read.
        let first = window.map_or(0, |window| (past + 1).saturating_sub(window));
        let seen = total - first;
        let (keys, values) = cache.read(layer, first, seen)?;
        let group = spec.heads / spec.kv_heads;
        let queries = queries
            .reshape((rows, spec.kv_heads, group, spec.head_dim))?
            .permute((1, 2, 0, 3))?
            .contiguous()?
            .reshape((spec.kv_heads, group * rows, spec.head_dim))?
            .affine(f64::from(spec.attention_scale), 0.0)?
            .to_dtype(keys.dtype())?;
        let mut scores = queries.matmul(&keys.t()?)?.to_dtype(DType::F32)?;
        if let Some(cap) = spec.attention_soft_cap {
            scores = soft_cap(&scores, cap)?;
        }
        if rows > 1 {
            let mask = mask(rows, past, first, seen, window);
            let mask = Tensor::from_vec(mask, (rows, seen), scores.device())?;
            scores = scores
                .reshape((spec.kv_heads, group, rows, seen))?
                .broadcast_add(&mask)?
                .reshape((spec.kv_heads, group * rows, seen))?;
        }
        softmax(&scores)?
            .to_dtype(values.dtype())?
            .matmul(&values)?
            .to_dtype(DType::F32)?
            .reshape((spec.kv_heads, group, rows, spec.head_dim))?
            .permute((2, 0, 1, 3))?
            .contiguous()?
            .reshape((rows, spec.heads * spec.head_dim))
    }
}

/// For each of `rows` positions from `past` on what is added to its scores of `seen` positions from `first` on: 0
/// where it sees them, minus infinity where not.
fn mask(rows: usize, past: usize, first: usize, seen: usize, window: Option<usize>) -> Vec<f32> {
    let mut mask = Vec::with_capacity(rows * seen);
    for position in past..past + rows {
        let oldest = window.map_or(0, |window| (position + 1).saturating_sub(window));
        mask.extend((first..first + seen).map(|other| {
            if (oldest..=position).contains(&other) {
                0.0
            } else {
                f32::NEG_INFINITY
            }
        }));
    }
    mask
}

/// Keeps everything between `-cap` and `cap`.
pub(super) fn soft_cap(numbers: &Tensor, cap: f32) -> Result<Tensor> {
    let cap = f64::from(cap);
    numbers.affine(1.0 / cap, 0.0)?.tanh()?.affine(cap, 0.0)
}

fn softmax(scores: &Tensor) -> Result<Tensor> {
    let largest = scores.max_keepdim(D::Minus1)?;
    let weights = scores.broadcast_sub(&largest)?.exp()?;
    weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)
}
