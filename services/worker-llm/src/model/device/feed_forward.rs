//! The second half of a layer on a device.

use candle_core::{Result, Tensor};

use super::decoder::DeviceDecoder;
use super::weights::{DeviceFeedForward, DeviceLayer, DeviceMatrix, DeviceUnit};
use crate::model::decoder::shares;
use crate::model::spec::{Activation, ExpertSpec};

impl DeviceDecoder {
    /// What the feed-forward part adds to the stream, `rows × width`.
    pub(super) fn feed_forward(&self, weights: &DeviceLayer, stream: &Tensor) -> Result<Tensor> {
        let normed = self.normalise(stream, &weights.feed_forward_norm)?;
        match &weights.feed_forward {
            DeviceFeedForward::Dense(unit) => self.gated(unit, &normed),
            DeviceFeedForward::Experts {
                router,
                experts,
                spec,
            } => self.routed(router, experts, *spec, &normed),
        }
    }

    fn gated(&self, unit: &DeviceUnit, rows: &Tensor) -> Result<Tensor> {
        let gate = unit.gate.product(rows)?;
        let gate = match self.spec().activation {
            Activation::Silu => gate.silu()?,
            Activation::Gelu => gate.gelu()?,
        };
        unit.down.product(&(gate * unit.up.product(rows)?)?)
    }

    /// The choice is made on the host: it decides which products there are.
    fn routed(
        &self,
        router: &DeviceMatrix,
        experts: &[DeviceUnit],
        spec: ExpertSpec,
        rows: &Tensor,
    ) -> Result<Tensor> {
        let scores = router.product(rows)?.flatten_all()?.to_vec1::<f32>()?;
        let mut output = rows.zeros_like()?;
        for (unit, shares) in experts.iter().zip(shares(&scores, spec)) {
            if shares.is_empty() {
                continue;
            }
            let indices: Vec<u32> = shares.iter().map(|share| share.row as u32).collect();
            let weights: Vec<f32> = shares.iter().map(|share| share.weight).collect();
            let count = indices.len();
            let indices = Tensor::from_vec(indices, count, rows.device())?;
            let weights = Tensor::from_vec(weights, (count, 1), rows.device())?;
            let result = self.gated(unit, &rows.index_select(&indices, 0)?)?;
            output = output.index_add(&indices, &result.broadcast_mul(&weights)?, 0)?;
        }
        Ok(output)
    }
}
