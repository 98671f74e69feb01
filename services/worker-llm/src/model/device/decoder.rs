//! The forward pass on a device.

use candle_core::{D, DType, Device, Result, Tensor};

use super::attention::{DeviceRotation, soft_cap};
use super::cache::{CacheShape, DeviceCache};
use super::weights::DeviceWeights;
use crate::model::decoder::{LogitsFor, Rotation, Turns};
use crate::model::spec::DecoderSpec;
use crate::model::weights::Weights;

/// A decoder-only transformer on a device of candle's.
#[derive(Debug)]
pub(super) struct DeviceDecoder {
    spec: DecoderSpec,
    device: Device,
    weights: DeviceWeights,
    /// For each rotation how far a pair turns from one position to the next.
    turns: Vec<Turns>,
    cache_shape: CacheShape,
}

/// What one sequence appends.
#[derive(Debug)]
pub(super) struct DeviceSegment<'a> {
    pub(super) cache: &'a mut DeviceCache,
    pub(super) tokens: &'a [u32],
    pub(super) logits: LogitsFor<'a>,
}

/// Why a pass gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    #[error(transparent)]
    Device(#[from] candle_core::Error),
    #[error("the numbers are not finite")]
    NotFinite,
}

impl DeviceDecoder {
    /// Copies the weights to the device. Calls `progress` with the fraction that is done.
    pub(super) fn new(
        spec: DecoderSpec,
        weights: Weights,
        device: &Device,
        kv_dtype: DType,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Self> {
        let factors = weights.rope_factors.as_deref();
        let turns = spec
            .ropes
            .iter()
            .map(|rope| Turns::new(rope, spec.rope_dim, factors, spec.context_length))
            .collect();
        let cache_shape = CacheShape {
            layers: spec.layers.len(),
            kv_heads: spec.kv_heads,
            head_dim: spec.head_dim,
            dtype: kv_dtype,
            device: device.clone(),
        };
        Ok(Self {
            weights: DeviceWeights::upload(weights, device, progress)?,
            spec,
            device: device.clone(),
            turns,
            cache_shape,
        })
    }

    pub(super) fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    pub(super) fn cache_shape(&self) -> &CacheShape {
        &self.cache_shape
    }

    /// Appends the tokens of all segments to their caches and computes what is asked for.
    pub(super) fn forward(&self, batch: &mut [DeviceSegment<'_>]) -> std::result::Result<(), PassError> {
        for segment in &mut *batch {
            segment.cache.reserve(segment.tokens.len())?;
        }
        let mut stream = self.embed(batch)?;
        let positions: Vec<usize> = batch
            .iter()
            .flat_map(|segment| (segment.cache.len()..).take(segment.tokens.len()))
            .collect();
        let rotations = self
            .turns
            .iter()
            .map(|turns| {
                let rotation = Rotation::new(turns, &positions);
                DeviceRotation::upload(rotation, positions.len(), &self.device)
            })
            .collect::<Result<Vec<_>>>()?;
        for (layer, weights) in self.weights.layers.iter().enumerate() {
            let attended = self.attention(layer, weights, &rotations, batch, &stream)?;
            let attended = self.normalise_if(attended, weights.post_attention_norm.as_ref())?;
            stream = (stream + attended)?;
            let output = self.feed_forward(weights, &stream)?;
            let output = self.normalise_if(output, weights.post_feed_forward_norm.as_ref())?;
            stream = (stream + output)?;
        }
        for segment in &mut *batch {
            segment.cache.advance(segment.tokens.len());
        }
        self.tell(batch, &stream)
    }

    fn embed(&self, batch: &[DeviceSegment<'_>]) -> Result<Tensor> {
        let width = self.spec.width;
        let tokens: Vec<u32> = batch.iter().flat_map(|segment| segment.tokens).copied().collect();
        let mut rows = vec![0.0; tokens.len() * width];
        for (row, &token) in rows.chunks_exact_mut(width).zip(&tokens) {
            self.weights.embedding.dequantise_row(token as usize, row);
        }
        let rows = Tensor::from_vec(rows, (tokens.len(), width), &self.device)?;
        match self.spec.embedding_scale {
            Some(factor) => rows.affine(f64::from(factor), 0.0),
            None => Ok(rows),
        }
    }

    /// Root mean square normalisation of the last dimension (Zhang and Sennrich 2019).
    pub(super) fn normalise(&self, rows: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let squares = rows.sqr()?.mean_keepdim(D::Minus1)?;
        let length = squares.affine(1.0, f64::from(self.spec.epsilon))?.sqrt()?;
        rows.broadcast_div(&length)?.broadcast_mul(weight)
    }

    fn normalise_if(&self, rows: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
        match weight {
            Some(weight) => self.normalise(&rows, weight),
            None => Ok(rows),
        }
    }

    /// Fills in what the segments ask for.
    fn tell(&self, batch: &mut [DeviceSegment<'_>], stream: &Tensor) -> std::result::Result<(), PassError> {
        let mut end = 0;
        for segment in batch {
            end += segment.tokens.len();
            let (count, out) = match &mut segment.logits {
                // Vectors are asked of a backend that declares them, which this one does not.
                LogitsFor::None | LogitsFor::Hidden(_) => continue,
                LogitsFor::Last(out) => (1, out),
                LogitsFor::All(out) => (segment.tokens.len(), out),
            };
            let rows = stream.narrow(0, end - count, count)?;
            let normed = self.normalise(&rows, &self.weights.output_norm)?;
            let mut logits = self.weights.output.product(&normed)?;
            if let Some(cap) = self.spec.logit_soft_cap {
                logits = soft_cap(&logits, cap)?;
            }
            **out = logits.flatten_all()?.to_vec1::<f32>()?;
            if !out.iter().all(|logit| logit.is_finite()) {
                return Err(PassError::NotFinite);
            }
        }
        Ok(())
    }
}
