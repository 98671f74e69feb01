//! The weights as candle reads them: what [`Arithmetic::Reference`](super::Arithmetic::Reference)
//! computes with, so that the reference shares no code with the kernels that are checked by it.

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Result};
use rbee_artifacts::gguf::GgmlType;

/// Writes the weights of whole blocks, `out.len()` numbers.
///
/// # Errors
/// What candle says, should it not read a format that there is a kernel for.
pub(super) fn dequantise(kind: GgmlType, blocks: &[u8], out: &mut [f32]) -> Result<()> {
    let Some(dtype) = candle_dtype(kind) else {
        candle_core::bail!("candle has no format {kind}");
    };
    // A copy, since candle insists on an alignment that a mapped file need not have.
    let storage = QStorage::from_data(blocks.to_vec().into(), &Device::Cpu, dtype)?;
    let weights = QTensor::new(storage, out.len())?.dequantize(&Device::Cpu)?;
    out.copy_from_slice(&weights.to_vec1::<f32>()?);
    Ok(())
}

/// What candle calls a format of blocks that there is a kernel for.
pub(crate) fn candle_dtype(kind: GgmlType) -> Option<GgmlDType> {
    Some(match kind {
        GgmlType::Q4_0 => GgmlDType::Q4_0,
        GgmlType::Q4_1 => GgmlDType::Q4_1,
        GgmlType::Q5_0 => GgmlDType::Q5_0,
        GgmlType::Q5_1 => GgmlDType::Q5_1,
        GgmlType::Q8_0 => GgmlDType::Q8_0,
        GgmlType::Q2_K => GgmlDType::Q2K,
        GgmlType::Q3_K => GgmlDType::Q3K,
        GgmlType::Q4_K => GgmlDType::Q4K,
        GgmlType::Q5_K => GgmlDType::Q5K,
        GgmlType::Q6_K => GgmlDType::Q6K,
        _ => return None,
    })
}
