//! What becomes of the codes of sixteen rows: they are kept as a panel, or multiplied at once.

use std::arch::x86_64::*;

use rbee_artifacts::gguf::GgmlType;

use super::{Rows, take_apart};
use crate::kernels::activations::QuantisedRow;
use crate::kernels::panel::{PANEL_ROWS, Panel};

/// Fills a panel whose arrays have their sizes with sixteen whole rows.
pub(in crate::kernels) fn fill(panel: &mut Panel, kind: GgmlType, rows: &[u8]) {
    let rows = Rows::new(kind, rows, panel.len);
    assert!(panel.codes.len() == panel.len * PANEL_ROWS);
    assert!(panel.scales.len() == panel.len / panel.group * PANEL_ROWS);
    assert!(panel.minimums.len() == panel.scales.len());
    let mut filler = Filler {
        codes: panel.codes.as_mut_ptr(),
        scales: panel.scales.as_mut_ptr(),
        minimums: panel.minimums.as_mut_ptr(),
    };
    // SAFETY: the processor has the instructions, which `Rows::new` checks; the panel has places for
    // all items and groups of the rows, as checked above.
    unsafe { take_apart(kind, rows, &mut filler) };
}

/// The products of sixteen whole rows with each of `x`, as a panel would give them.
pub(in crate::kernels) fn dots<const N: usize>(
    kind: GgmlType,
    rows: &[u8],
    x: [QuantisedRow<'_>; N],
) -> [[f32; PANEL_ROWS]; N] {
    let len = x.first().map_or(0, |x| x.values.len());
    for x in &x {
        assert!(x.values.len() == len && x.scales.len() == len / 32);
        assert!(x.sums.len() == len / 32 && x.half_sums.len() == len / 16);
    }
    let rows = Rows::new(kind, rows, len);
    // SAFETY: the processor has the instructions, which `Rows::new` checks; the columns have as many items
    // and groups as the rows, as checked above.
    unsafe { multiply(kind, rows, x) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
unsafe fn multiply<const N: usize>(
    kind: GgmlType,
    rows: Rows,
    x: [QuantisedRow<'_>; N],
) -> [[f32; PANEL_ROWS]; N] {
    let mut multiplier = Multiplier {
        values: x.map(|x| x.values.as_ptr()),
        scales: x.map(|x| x.scales.as_ptr()),
        sums: x.map(|x| x.sums.as_ptr()),
        half_sums: x.map(|x| x.half_sums.as_ptr()),
        dots: [[_mm512_setzero_si512(); N]; 8],
        totals: [_mm512_setzero_ps(); N],
    };
    // SAFETY: the caller's promise.
    unsafe { take_apart(kind, rows, &mut multiplier) };
    let mut results = [[0.0; PANEL_ROWS]; N];
    for (result, total) in results.iter_mut().zip(multiplier.totals) {
        // SAFETY: a result has sixteen places.
        unsafe { _mm512_storeu_ps(result.as_mut_ptr(), total) };
    }
    results
}

/// Takes what comes out of the blocks of sixteen rows. What is safe to give is for `take_apart`'s caller to
/// say.
pub(super) trait Sink {
    /// Four codes of each row. `slot` tells apart the groups that are under way at a time, up to eight.
    unsafe fn codes(&mut self, slot: usize, line: usize, codes: __m512i);

    /// The scale and the minimum of a group of `ITEMS` items of each row, whose codes have all been given.
    /// Groups come in order.
    unsafe fn group<const ITEMS: usize>(&mut self, slot: usize, group: usize, scale: __m512, minimum: __m512);
}

/// Keeps everything.
struct Filler {
    codes: *mut u8,
    scales: *mut f32,
    minimums: *mut f32,
}

impl Sink for Filler {
    #[inline(always)]
    unsafe fn codes(&mut self, _slot: usize, line: usize, codes: __m512i) {
        // SAFETY: the panel has this line, by the caller's promise.
        unsafe { _mm512_storeu_si512(self.codes.add(line * 64).cast(), codes) };
    }

    #[inline(always)]
    unsafe fn group<const ITEMS: usize>(
        &mut self,
        _slot: usize,
        group: usize,
        scale: __m512,
        minimum: __m512,
    ) {
        // SAFETY: the panel has this group, by the caller's promise.
        unsafe {
            _mm512_storeu_ps(self.scales.add(group * PANEL_ROWS), scale);
            _mm512_storeu_ps(self.minimums.add(group * PANEL_ROWS), minimum);
        }
    }
}

/// Multiplies with `N` columns and keeps the sums.
struct Multiplier<const N: usize> {
    values: [*const i8; N],
    scales: [*const f32; N],
    sums: [*const f32; N],
    half_sums: [*const f32; N],
    dots: [[__m512i; N]; 8],
    totals: [__m512; N],
}

impl<const N: usize> Sink for Multiplier<N> {
    #[inline(always)]
    unsafe fn codes(&mut self, slot: usize, line: usize, codes: __m512i) {
        for n in 0..N {
            // SAFETY: each column has as many items as the rows, by the caller's promise.
            unsafe {
                let four = self.values[n].add(line * 4).cast::<i32>().read_unaligned();
                self.dots[slot][n] = _mm512_dpbusd_epi32(self.dots[slot][n], codes, _mm512_set1_epi32(four));
            }
        }
    }

    #[inline(always)]
    unsafe fn group<const ITEMS: usize>(
        &mut self,
        slot: usize,
        group: usize,
        scale: __m512,
        minimum: __m512,
    ) {
        for n in 0..N {
            // SAFETY: each column has as many groups as the rows, by the caller's promise.
            unsafe {
                let sums = if ITEMS == 32 {
                    self.sums[n]
                } else {
                    self.half_sums[n]
                };
                let dot = _mm512_mul_ps(_mm512_cvtepi32_ps(self.dots[slot][n]), scale);
                let factor = _mm512_set1_ps(*self.scales[n].add(group * ITEMS / 32));
                self.totals[n] = _mm512_fmadd_ps(dot, factor, self.totals[n]);
                let sum = _mm512_set1_ps(*sums.add(group));
                self.totals[n] = _mm512_fnmadd_ps(minimum, sum, self.totals[n]);
                self.dots[slot][n] = _mm512_setzero_si512();
            }
        }
    }
}
