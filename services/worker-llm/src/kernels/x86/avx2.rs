//! Panels by AVX2: `vpmaddubsw` multiplies 32 unsigned by 32 signed bytes and adds pairs to 16
//! bits, `vpmaddwd` adds pairs of these to 32.

use std::arch::x86_64::*;

use crate::kernels::Isa;
use crate::kernels::activations::QuantisedRows;
use crate::kernels::panel::{PANEL_ROWS, Panel};

/// See [`Panel::multiply`].
pub(in crate::kernels) fn multiply_panel(
    panel: &Panel,
    x: &QuantisedRows,
    first: usize,
    results: &mut [[f32; PANEL_ROWS]],
) {
    assert!(Isa::detect() >= Isa::Avx2);
    assert!(first + results.len() <= x.values.len() / x.len && panel.len == x.len);
    assert!(panel.codes.len() == panel.len * PANEL_ROWS && panel.len.is_multiple_of(32));
    assert!(panel.scales.len() == panel.len / panel.group * PANEL_ROWS);
    assert!(panel.minimums.len() == panel.scales.len());
    // SAFETY: the processor has the instructions; every column is a row of `x` and the panel's
    // arrays have the sizes that its length and group say, both checked above.
    unsafe {
        match (panel.group, panel.offset) {
            (16, _) => columns::<true, false>(panel, x, first, results),
            (_, 128) => columns::<false, true>(panel, x, first, results),
            _ => columns::<false, false>(panel, x, first, results),
        }
    }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn columns<const HALVES: bool, const WIDE: bool>(
    panel: &Panel,
    x: &QuantisedRows,
    first: usize,
    results: &mut [[f32; PANEL_ROWS]],
) {
    let mut column = first;
    let (fours, rest) = results.as_chunks_mut::<4>();
    // SAFETY: the caller's promise; a panel has two halves of eight rows.
    unsafe {
        for results in fours {
            tile::<4, HALVES, WIDE>(panel, x, column, 0, results);
            tile::<4, HALVES, WIDE>(panel, x, column, 8, results);
            column += 4;
        }
        for result in rest {
            let result = std::array::from_mut(result);
            tile::<1, HALVES, WIDE>(panel, x, column, 0, result);
            tile::<1, HALVES, WIDE>(panel, x, column, 8, result);
            column += 1;
        }
    }
}

/// Eight rows of weights, from `row` on, by `C` columns, all sums in registers.
///
/// `WIDE` is for codes that use all eight bits, whose pairs would overflow 16 bits: they are taken
/// as signed numbers, the sign moved to the other factor. The offset of 128 falls away with it.
///
/// # Safety
/// The instructions must be there, the panel's arrays must have their sizes, the columns
/// `first..first + C` must be rows of `x`, and `row` must be 0 or 8.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn tile<const C: usize, const HALVES: bool, const WIDE: bool>(
    panel: &Panel,
    x: &QuantisedRows,
    first: usize,
    row: usize,
    results: &mut [[f32; PANEL_ROWS]; C],
) {
    let group = if HALVES { 16 } else { 32 };
    let groups = panel.len / group;
    let sums = if HALVES { &x.half_sums } else { &x.sums };
    let ones = _mm256_set1_epi16(1);
    // SAFETY: all offsets stay within the arrays, whose sizes the caller vouches for: a group has
    // `group / 4` lines of 64 codes, 16 scales and 16 minimums in the panel, and in each row of
    // `x` `group` values, a share of a scale and a sum.
    unsafe {
        let values: [*const i8; C] = std::array::from_fn(|c| x.values.as_ptr().add((first + c) * x.len));
        let scales: [*const f32; C] =
            std::array::from_fn(|c| x.scales.as_ptr().add((first + c) * (x.len / 32)));
        let sums: [*const f32; C] = std::array::from_fn(|c| sums.as_ptr().add((first + c) * groups));
        let mut totals = [_mm256_setzero_ps(); C];
        for g in 0..groups {
            let mut dots = [_mm256_setzero_si256(); C];
            for line in 0..group / 4 {
                let place = (g * group / 4 + line) * 64 + row * 4;
                let codes = _mm256_loadu_si256(panel.codes.as_ptr().add(place).cast());
                let signed = _mm256_xor_si256(codes, _mm256_set1_epi8(i8::MIN));
                let magnitude = if WIDE { _mm256_abs_epi8(signed) } else { codes };
                for c in 0..C {
                    let four = values[c].add(g * group + line * 4).cast::<i32>().read_unaligned();
                    let four = _mm256_set1_epi32(four);
                    let four = if WIDE {
                        _mm256_sign_epi8(four, signed)
                    } else {
                        four
                    };
                    let pairs = _mm256_maddubs_epi16(magnitude, four);
                    dots[c] = _mm256_add_epi32(dots[c], _mm256_madd_epi16(pairs, ones));
                }
            }
            let weight = _mm256_loadu_ps(panel.scales.as_ptr().add(g * PANEL_ROWS + row));
            let minimum = _mm256_loadu_ps(panel.minimums.as_ptr().add(g * PANEL_ROWS + row));
            for c in 0..C {
                let scale = _mm256_set1_ps(*scales[c].add(g * group / 32));
                let dot = _mm256_mul_ps(_mm256_cvtepi32_ps(dots[c]), weight);
                totals[c] = _mm256_fmadd_ps(dot, scale, totals[c]);
                if !WIDE {
                    let sum = _mm256_set1_ps(*sums[c].add(g));
                    totals[c] = _mm256_fnmadd_ps(minimum, sum, totals[c]);
                }
            }
        }
        for (result, total) in results.iter_mut().zip(totals) {
            _mm256_storeu_ps(result.as_mut_ptr().add(row), total);
        }
    }
}
