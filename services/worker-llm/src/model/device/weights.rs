//! Weights on a device.

use candle_core::quantized::{QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Module as _, Result, Tensor};
use half::bf16;
use rbee_artifacts::gguf::GgmlType;

use crate::kernels::{Matrix, candle_dtype};
use crate::model::spec::ExpertSpec;
use crate::model::weights::{self as host, FeedForward, GatedUnit, LayerWeights, Linear};

/// A matrix of weights, `rows × len`.
#[derive(Debug)]
pub(super) enum DeviceMatrix {
    /// In the blocks of its file.
    Blocks(QMatMul),
    /// Floats, transposed: `len × rows`. Those of 16 bits in the file's range stay so (bf16), others are widened: an
    /// activation may be larger than what an f16 holds.
    Floats(Tensor),
}

impl DeviceMatrix {
    pub(super) fn upload(matrix: &Matrix, device: &Device) -> Result<Self> {
        let shape = (matrix.rows(), matrix.len());
        if let Some(dtype) = candle_dtype(matrix.kind()) {
            let storage = QStorage::from_data(matrix.bytes().into(), device, dtype)?;
            return Ok(Self::Blocks(QMatMul::from_qtensor(QTensor::new(
                storage, shape,
            )?)?));
        }
        let mut numbers = vec![0.0f32; matrix.rows() * matrix.len()];
        for (row, out) in numbers.chunks_exact_mut(matrix.len()).enumerate() {
            matrix.dequantise_row(row, out);
        }
        let tensor = if matrix.kind() == GgmlType::BF16 && !device.is_cpu() {
            let numbers: Vec<bf16> = numbers.into_iter().map(bf16::from_f32).collect();
            Tensor::from_vec(numbers, shape, device)?
        } else {
            Tensor::from_vec(numbers, shape, device)?
        };
        Ok(Self::Floats(tensor.t()?))
    }

    /// `rows × len` to `rows × rows of the matrix`.
    pub(super) fn product(&self, rows: &Tensor) -> Result<Tensor> {
        match self {
            Self::Blocks(blocks) => blocks.forward(rows),
            Self::Floats(floats) => rows
                .to_dtype(floats.dtype())?
                .matmul(floats)?
                .to_dtype(DType::F32),
        }
    }
}

/// A matrix and what is added to its product.
#[derive(Debug)]
pub(super) struct DeviceLinear {
    matrix: DeviceMatrix,
    bias: Option<Tensor>,
}

impl DeviceLinear {
    fn upload(linear: &Linear, device: &Device) -> Result<Self> {
        Ok(Self {
            matrix: DeviceMatrix::upload(&linear.matrix, device)?,
            bias: upload_if(linear.bias.as_deref(), device)?,
        })
    }

    pub(super) fn product(&self, rows: &Tensor) -> Result<Tensor> {
        let product = self.matrix.product(rows)?;
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }
}

/// `down(activation(gate(x)) * up(x))`.
#[derive(Debug)]
pub(super) struct DeviceUnit {
    pub(super) gate: DeviceMatrix,
    pub(super) up: DeviceMatrix,
    pub(super) down: DeviceMatrix,
}

impl DeviceUnit {
    fn upload(unit: &GatedUnit, device: &Device) -> Result<Self> {
        Ok(Self {
            gate: DeviceMatrix::upload(&unit.gate, device)?,
            up: DeviceMatrix::upload(&unit.up, device)?,
            down: DeviceMatrix::upload(&unit.down, device)?,
        })
    }
}

/// The second half of a layer.
#[derive(Debug)]
pub(super) enum DeviceFeedForward {
    /// Every token takes all of it.
    Dense(DeviceUnit),
    /// Every token takes the few experts that the router gives it.
    Experts {
        router: DeviceMatrix,
        experts: Vec<DeviceUnit>,
        spec: ExpertSpec,
    },
}

/// One layer.
#[derive(Debug)]
pub(super) struct DeviceLayer {
    pub(super) attention_norm: Tensor,
    pub(super) query: DeviceLinear,
    pub(super) key: DeviceLinear,
    pub(super) value: DeviceLinear,
    pub(super) query_norm: Option<Tensor>,
    pub(super) key_norm: Option<Tensor>,
    pub(super) attention_output: DeviceMatrix,
    pub(super) post_attention_norm: Option<Tensor>,
    pub(super) feed_forward_norm: Tensor,
    pub(super) feed_forward: DeviceFeedForward,
    pub(super) post_feed_forward_norm: Option<Tensor>,
}

impl DeviceLayer {
    fn upload(layer: &LayerWeights, device: &Device) -> Result<Self> {
        let optional = |vector: &Option<Vec<f32>>| upload_if(vector.as_deref(), device);
        Ok(Self {
            attention_norm: upload(&layer.attention_norm, device)?,
            query: DeviceLinear::upload(&layer.query, device)?,
            key: DeviceLinear::upload(&layer.key, device)?,
            value: DeviceLinear::upload(&layer.value, device)?,
            query_norm: optional(&layer.query_norm)?,
            key_norm: optional(&layer.key_norm)?,
            attention_output: DeviceMatrix::upload(&layer.attention_output, device)?,
            post_attention_norm: optional(&layer.post_attention_norm)?,
            feed_forward_norm: upload(&layer.feed_forward_norm, device)?,
            feed_forward: match &layer.feed_forward {
                FeedForward::Dense(unit) => DeviceFeedForward::Dense(DeviceUnit::upload(unit, device)?),
                FeedForward::Experts {
                    router,
                    experts,
                    spec,
                } => DeviceFeedForward::Experts {
                    router: DeviceMatrix::upload(router, device)?,
                    experts: experts
                        .iter()
                        .map(|unit| DeviceUnit::upload(unit, device))
                        .collect::<Result<_>>()?,
                    spec: *spec,
                },
            },
            post_feed_forward_norm: optional(&layer.post_feed_forward_norm)?,
        })
    }
}

/// All weights of a decoder on a device.
#[derive(Debug)]
pub(super) struct DeviceWeights {
    /// Stays in the file: a step needs a few of its rows only.
    pub(super) embedding: Matrix,
    pub(super) layers: Vec<DeviceLayer>,
    pub(super) output_norm: Tensor,
    pub(super) output: DeviceMatrix,
}

impl DeviceWeights {
    /// Copies the weights there. Calls `progress` with the fraction that is done.
    pub(super) fn upload(
        weights: host::Weights,
        device: &Device,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Self> {
        let steps = weights.layers.len() as f64 + 1.0;
        let mut layers = Vec::with_capacity(weights.layers.len());
        for layer in &weights.layers {
            layers.push(DeviceLayer::upload(layer, device)?);
            progress(layers.len() as f64 / steps);
        }
        let uploaded = Self {
            layers,
            output_norm: upload(&weights.output_norm, device)?,
            output: DeviceMatrix::upload(&weights.output, device)?,
            embedding: weights.embedding,
        };
        device.synchronize()?;
        progress(1.0);
        Ok(uploaded)
    }
}

fn upload(vector: &[f32], device: &Device) -> Result<Tensor> {
    Tensor::from_slice(vector, vector.len(), device)
}

fn upload_if(vector: Option<&[f32]>, device: &Device) -> Result<Option<Tensor>> {
    vector.map(|vector| upload(vector, device)).transpose()
}
