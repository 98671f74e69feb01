//! Panels by AVX-512 with VNNI: `vpdpbusd` multiplies 64 unsigned by 64 signed bytes and adds
//! them four by four.

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
    assert!(Isa::detect() == Isa::Avx512Vnni);
    assert!(first + results.len() <= x.values.len() / x.len && panel.len == x.len);
    assert!(panel.codes.len() == panel.len * PANEL_ROWS && panel.len.is_multiple_of(32));
    assert!(panel.scales.len() == panel.len / panel.group * PANEL_ROWS);
    assert!(panel.minimums.len() == panel.scales.len());
    // SAFETY: the processor has the instructions; every column is a row of `x` and the panel's
    // arrays have the sizes that its length and group say, both checked above.
    unsafe {
        if panel.group == 16 {
            columns::<true>(panel, x, first, results);
        } else {
            columns::<false>(panel, x, first, results);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn columns<const HALVES: bool>(
    panel: &Panel,
    x: &QuantisedRows,
    first: usize,
    results: &mut [[f32; PANEL_ROWS]],
) {
    let mut column = first;
    let (eights, rest) = results.as_chunks_mut::<8>();
    // SAFETY: the caller's promise.
    unsafe {
        for results in eights {
            tile::<8, HALVES>(panel, x, column, results);
            column += 8;
        }
        let (fours, rest) = rest.as_chunks_mut::<4>();
        for results in fours {
            tile::<4, HALVES>(panel, x, column, results);
            column += 4;
        }
        for result in rest {
            tile::<1, HALVES>(panel, x, column, std::array::from_mut(result));
            column += 1;
        }
    }
}

/// Sixteen rows of weights by `C` columns, all sums in registers.
///
/// # Safety
/// The instructions must be there, the panel's arrays must have their sizes, and the columns
/// `first..first + C` must be rows of `x`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn tile<const C: usize, const HALVES: bool>(
    panel: &Panel,
    x: &QuantisedRows,
    first: usize,
    results: &mut [[f32; PANEL_ROWS]; C],
) {
    let group = if HALVES { 16 } else { 32 };
    let groups = panel.len / group;
    let sums = if HALVES { &x.half_sums } else { &x.sums };
    // SAFETY: all offsets stay within the arrays, whose sizes the caller vouches for: a group has
    // `group / 4` lines of 64 codes, 16 scales and 16 minimums in the panel, and in each row of
    // `x` `group` values, a share of a scale and a sum.
    unsafe {
        let values: [*const i8; C] = std::array::from_fn(|c| x.values.as_ptr().add((first + c) * x.len));
        let scales: [*const f32; C] =
            std::array::from_fn(|c| x.scales.as_ptr().add((first + c) * (x.len / 32)));
        let sums: [*const f32; C] = std::array::from_fn(|c| sums.as_ptr().add((first + c) * groups));
        let mut totals = [_mm512_setzero_ps(); C];
        for g in 0..groups {
            let mut dots = [_mm512_setzero_si512(); C];
            for line in 0..group / 4 {
                let codes = _mm512_loadu_si512(panel.codes.as_ptr().add((g * group / 4 + line) * 64).cast());
                for c in 0..C {
                    let four = values[c].add(g * group + line * 4).cast::<i32>().read_unaligned();
                    dots[c] = _mm512_dpbusd_epi32(dots[c], codes, _mm512_set1_epi32(four));
                }
            }
            let weight = _mm512_loadu_ps(panel.scales.as_ptr().add(g * PANEL_ROWS));
            let minimum = _mm512_loadu_ps(panel.minimums.as_ptr().add(g * PANEL_ROWS));
            for c in 0..C {
                let scale = _mm512_set1_ps(*scales[c].add(g * group / 32));
                let sum = _mm512_set1_ps(*sums[c].add(g));
                let dot = _mm512_mul_ps(_mm512_cvtepi32_ps(dots[c]), weight);
                totals[c] = _mm512_fmadd_ps(dot, scale, totals[c]);
                totals[c] = _mm512_fnmadd_ps(minimum, sum, totals[c]);
            }
        }
        for (result, total) in results.iter_mut().zip(totals) {
            _mm512_storeu_ps(result.as_mut_ptr(), total);
        }
    }
}
