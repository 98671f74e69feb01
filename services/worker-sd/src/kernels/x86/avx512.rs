//! Tiles in AVX-512: 12 rows by two registers.

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};

use crate::kernels::panels::WIDTH;
use crate::kernels::tile::Rows;

/// As [`crate::kernels::tile::multiply`].
///
/// # Safety
/// As there; the processor has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(in crate::kernels) unsafe fn multiply(
    rows: &Rows,
    count: usize,
    depth: usize,
    panel: *const f32,
    sums: *mut f32,
    fresh: bool,
) {
    // SAFETY: the caller's promises; each arm reads and writes as many rows as it says.
    unsafe {
        match count {
            1 => tile::<1>(rows, depth, panel, sums, fresh),
            2 => tile::<2>(rows, depth, panel, sums, fresh),
            3 => tile::<3>(rows, depth, panel, sums, fresh),
            4 => tile::<4>(rows, depth, panel, sums, fresh),
            5 => tile::<5>(rows, depth, panel, sums, fresh),
            6 => tile::<6>(rows, depth, panel, sums, fresh),
            7 => tile::<7>(rows, depth, panel, sums, fresh),
            8 => tile::<8>(rows, depth, panel, sums, fresh),
            9 => tile::<9>(rows, depth, panel, sums, fresh),
            10 => tile::<10>(rows, depth, panel, sums, fresh),
            11 => tile::<11>(rows, depth, panel, sums, fresh),
            12 => tile::<12>(rows, depth, panel, sums, fresh),
            _ => {}
        }
    }
}

/// # Safety
/// As [`multiply`] with `COUNT` rows.
#[target_feature(enable = "avx512f")]
unsafe fn tile<const COUNT: usize>(
    rows: &Rows,
    depth: usize,
    panel: *const f32,
    sums: *mut f32,
    fresh: bool,
) {
    let rows: [*const f32; COUNT] = std::array::from_fn(|row| rows[row]);
    let mut left: [__m512; COUNT] = [_mm512_setzero_ps(); COUNT];
    let mut right: [__m512; COUNT] = [_mm512_setzero_ps(); COUNT];
    for place in 0..depth {
        // SAFETY: the panel has `depth` rows of WIDTH, each row has `depth` numbers.
        unsafe {
            let weights = panel.add(place * WIDTH);
            let (first, second) = (_mm512_loadu_ps(weights), _mm512_loadu_ps(weights.add(16)));
            for row in 0..COUNT {
                let number = _mm512_set1_ps(*rows[row].add(place));
                left[row] = _mm512_fmadd_ps(number, first, left[row]);
                right[row] = _mm512_fmadd_ps(number, second, right[row]);
            }
        }
    }
    for row in 0..COUNT {
        // SAFETY: `sums` has COUNT rows of WIDTH.
        unsafe {
            let place = sums.add(row * WIDTH);
            if !fresh {
                left[row] = _mm512_add_ps(left[row], _mm512_loadu_ps(place));
                right[row] = _mm512_add_ps(right[row], _mm512_loadu_ps(place.add(16)));
            }
            _mm512_storeu_ps(place, left[row]);
            _mm512_storeu_ps(place.add(16), right[row]);
        }
    }
}
