//! How a model's weights are stored, and how many there are.

use super::layout::{Layout, Tensor};
use crate::names::named_enum;
use crate::safetensors::Dtype;

named_enum! {
    /// How a model's weight matrices are stored.
    pub enum Precision ("precision") {
        /// 64-bit floats.
        F64 = "F64",
        /// 32-bit floats.
        F32 = "F32",
        /// 16-bit floats with 10 bits of mantissa.
        F16 = "F16",
        /// 16-bit floats with the range of 32-bit ones.
        Bf16 = "BF16",
        /// 8-bit floats.
        F8 = "F8",
        /// Floats of several sizes, none of which has almost all of the numbers.
        Mixed = "mixed",
        /// Packed integers or floats below 8 bits: quantized by some scheme.
        Quantized = "quantized",
    }
}

/// The share of all numbers, in percent, that one type must hold for the others not to count: the
/// 32-bit norms of a 16-bit model, a table of positions.
const MAIN_SHARE_PERCENT: u128 = 98;

/// Names at the top of a checkpoint that hold no weights of the model, but the trainer's tables and
/// averages.
fn is_weight(tensor: &Tensor<'_>) -> bool {
    let name = tensor.name;
    let is_buffer = !name.contains('.')
        || name.starts_with("model_ema.")
        || name.ends_with(".position_ids")
        || name.ends_with(".alpha");
    !is_buffer
}

fn class(dtype: Dtype) -> Precision {
    match dtype {
        Dtype::F64 => Precision::F64,
        Dtype::F32 => Precision::F32,
        Dtype::F16 => Precision::F16,
        Dtype::Bf16 => Precision::Bf16,
        dtype if dtype.is_float() && dtype.bits() == 8 => Precision::F8,
        _ => Precision::Quantized,
    }
}

/// How the matrices of a model are stored; `None` where there is no matrix.
#[must_use]
pub fn precision(layout: &Layout<'_>) -> Option<Precision> {
    let mut counts = [0_u128; Precision::ALL.len()];
    for tensor in layout.tensors() {
        if tensor.shape.len() > 1 && is_weight(tensor) {
            counts[class(tensor.dtype) as usize] += u128::from(tensor.element_count());
        }
    }
    let all: u128 = counts.iter().sum();
    let main = *Precision::ALL
        .iter()
        .max_by_key(|&&class| counts[class as usize])?;
    let count = counts[main as usize];
    if count == 0 {
        None
    } else if count * 100 >= all * MAIN_SHARE_PERCENT {
        Some(main)
    } else if counts[Precision::Quantized as usize] * 2 > all {
        Some(Precision::Quantized)
    } else {
        Some(Precision::Mixed)
    }
}

/// How many numbers the weights hold together, without the trainer's averages and tables.
#[must_use]
pub fn parameter_count(layout: &Layout<'_>) -> u64 {
    layout
        .tensors()
        .iter()
        .filter(|tensor| is_weight(tensor))
        .fold(0, |sum, tensor| sum.saturating_add(tensor.element_count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(tensors: &[(&'static str, &'static [u64], Dtype)]) -> Layout<'static> {
        tensors
            .iter()
            .map(|&(name, shape, dtype)| Tensor { name, shape, dtype })
            .collect()
    }

    #[test]
    fn a_few_norms_do_not_make_a_mix() {
        let layout = layout(&[
            ("a.weight", &[1000, 1000], Dtype::F16),
            ("a.norm", &[100_000_000], Dtype::F32),
            ("a.table", &[10, 10], Dtype::F32),
            ("a.position_ids", &[1, 77], Dtype::I64),
            ("betas", &[1000, 1000], Dtype::F32),
            ("model_ema.a", &[10_000, 10_000], Dtype::F32),
        ]);
        assert_eq!(precision(&layout), Some(Precision::F16));
        assert_eq!(parameter_count(&layout), 101_000_100);
    }

    #[test]
    fn two_halves_are_a_mix_and_packed_numbers_are_quantized() {
        let mix = layout(&[("a.a", &[10, 10], Dtype::F16), ("a.b", &[10, 10], Dtype::F32)]);
        assert_eq!(precision(&mix), Some(Precision::Mixed));
        let packed = layout(&[("a.a", &[10, 10], Dtype::I32), ("a.b", &[5, 10], Dtype::F16)]);
        assert_eq!(precision(&packed), Some(Precision::Quantized));
        assert_eq!(precision(&layout(&[("a.a", &[10], Dtype::F16)])), None);
        assert_eq!(precision(&Layout::default()), None);
    }
}
