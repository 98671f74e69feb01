//! One row of weights times a few rows of activations, straight from the blocks: what decoding
//! does, where every weight is read for one token or a few.

use rbee_artifacts::gguf::GgmlType;

use super::Isa;
use super::activations::QuantisedRow;
use super::blocks::{self, BlockFormat, MAX_BLOCK_GROUPS, MAX_BLOCK_ITEMS};

/// The most rows of activations a row kernel takes at once.
pub(super) const MAX_COLUMNS: usize = 4;

/// Calls a generic function with the block format of a tensor's kind.
macro_rules! with_format {
    ($kind:expr, $format:ident => $call:expr, else $other:expr) => {
        match $kind {
            rbee_artifacts::gguf::GgmlType::Q4_0 => {
                type $format = $crate::kernels::blocks::Q4_0;
                $call
            }
            rbee_artifacts::gguf::GgmlType::Q4_1 => {
                type $format = $crate::kernels::blocks::Q4_1;
                $call
            }
            rbee_artifacts::gguf::GgmlType::Q5_0 => {
                type $format = $crate::kernels::blocks::Q5_0;
                $call
            }
            rbee_artifacts::gguf::GgmlType::Q5_1 => {
                type $format = $crate::kernels::blocks::Q5_1;
                $call
            }
            rbee_artifacts::gguf::GgmlType::Q8_0 => {
                type $format = $crate::kernels::blocks::Q8_0;
                $call
            }
            rbee_artifacts::gguf::GgmlType::Q2_K => {
                type $format = $crate::kernels::blocks::Q2K;
                $call
            }
            rbee_artifacts::gguf::GgmlType::Q3_K => {
                type $format = $crate::kernels::blocks::Q3K;
                $call
            }
            rbee_artifacts::gguf::GgmlType::Q4_K => {
                type $format = $crate::kernels::blocks::Q4K;
                $call
            }
            rbee_artifacts::gguf::GgmlType::Q5_K => {
                type $format = $crate::kernels::blocks::Q5K;
                $call
            }
            rbee_artifacts::gguf::GgmlType::Q6_K => {
                type $format = $crate::kernels::blocks::Q6K;
                $call
            }
            _ => $other,
        }
    };
}
pub(super) use with_format;

/// The dot products of one row of a block format with each of `x`.
///
/// # Panics
/// If the kind is no block format with a kernel, or the lengths do not fit.
pub(super) fn dots(isa: Isa, kind: GgmlType, row: &[u8], x: &[QuantisedRow<'_>], out: &mut [f32]) {
    assert!(x.len() == out.len() && x.len() <= MAX_COLUMNS);
    match *x {
        [] => {}
        [a] => out.copy_from_slice(&dots_of(isa, kind, row, [a])),
        [a, b] => out.copy_from_slice(&dots_of(isa, kind, row, [a, b])),
        [a, b, c] => out.copy_from_slice(&dots_of(isa, kind, row, [a, b, c])),
        _ => out.copy_from_slice(&dots_of(isa, kind, row, [x[0], x[1], x[2], x[3]])),
    }
}

fn dots_of<const N: usize>(isa: Isa, kind: GgmlType, row: &[u8], x: [QuantisedRow<'_>; N]) -> [f32; N] {
    let items = row.len() / kind.block_bytes() as usize * kind.block_items() as usize;
    for x in &x {
        assert!(x.values.len() == items && items.is_multiple_of(32));
        assert!(
            x.scales.len() == items / 32 && x.sums.len() == items / 32 && x.half_sums.len() == items / 16
        );
    }
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni => super::x86::rows::dots_vnni(kind, row, x),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => super::x86::rows::dots_avx2(kind, row, x),
        _ => with_format!(kind, F => dots_plain::<F, N>(row, x), else no_kernel(kind)),
    }
}

#[cold]
pub(super) fn no_kernel(kind: GgmlType) -> ! {
    unreachable!("{kind} is no block format; Matrix::new lets only formats with a kernel in")
}

/// The definition, which the vector kernels are tested against.
fn dots_plain<F: BlockFormat, const N: usize>(row: &[u8], x: [QuantisedRow<'_>; N]) -> [f32; N] {
    let mut codes = [0; MAX_BLOCK_ITEMS];
    let mut scales = [0.0; MAX_BLOCK_GROUPS];
    let mut minimums = [0.0; MAX_BLOCK_GROUPS];
    let mut result = [0.0; N];
    for (place, block) in row.chunks_exact(F::BYTES).enumerate() {
        F::unpack(block, &mut codes, &mut scales, &mut minimums);
        for (result, x) in result.iter_mut().zip(&x) {
            for (group, codes) in codes[..F::ITEMS].chunks_exact(F::GROUP).enumerate() {
                let start = place * F::ITEMS + group * F::GROUP;
                let dot: i32 = codes
                    .iter()
                    .zip(&x.values[start..start + F::GROUP])
                    .map(|(&code, &value)| i32::from(code) * i32::from(value))
                    .sum();
                let sum = if F::GROUP == 32 {
                    x.sums[start / 32]
                } else {
                    x.half_sums[start / 16]
                };
                *result += dot as f32 * scales[group] * x.scales[start / 32] - minimums[group] * sum;
            }
        }
    }
    result
}

/// Writes the weights of a row of a block format.
pub(super) fn dequantise(kind: GgmlType, row: &[u8], out: &mut [f32]) {
    with_format!(kind, F => blocks::dequantise::<F>(row, out), else no_kernel(kind));
}
