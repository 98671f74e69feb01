//! Tiles in AVX2: 6 rows by two registers, half a panel at a time.

use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_storeu_ps,
};

use crate::kernels::panels::WIDTH;
use crate::kernels::tile::Rows;

/// Rows of one of these tiles: 12 sums, two rows of the panel and one number fill the 16 registers.
const ROWS: usize = 6;

/// As [`crate::kernels::tile::multiply`].
///
/// # Safety
/// As there; the processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(in crate::kernels) unsafe fn multiply(
    rows: &Rows,
    count: usize,
    depth: usize,
    panel: *const f32,
    sums: *mut f32,
    fresh: bool,
) {
    let mut first = 0;
    while first < count {
        let some = (count - first).min(ROWS);
        for half in [0, WIDTH / 2] {
            let rows = &rows[first..first + some];
            // SAFETY: the caller's promises; the arms read and write as many rows as there are.
            unsafe {
                let (panel, sums) = (panel.add(half), sums.add(first * WIDTH + half));
                match some {
                    1 => tile::<1>(rows, depth, panel, sums, fresh),
                    2 => tile::<2>(rows, depth, panel, sums, fresh),
                    3 => tile::<3>(rows, depth, panel, sums, fresh),
                    4 => tile::<4>(rows, depth, panel, sums, fresh),
                    5 => tile::<5>(rows, depth, panel, sums, fresh),
                    _ => tile::<6>(rows, depth, panel, sums, fresh),
                }
            }
        }
        first += some;
    }
}

/// # Safety
/// As [`multiply`] with `COUNT` rows, for half a panel.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const COUNT: usize>(
    rows: &[*const f32],
    depth: usize,
    panel: *const f32,
    sums: *mut f32,
    fresh: bool,
) {
    let rows: [*const f32; COUNT] = std::array::from_fn(|row| rows[row]);
    let mut left: [__m256; COUNT] = [_mm256_setzero_ps(); COUNT];
    let mut right: [__m256; COUNT] = [_mm256_setzero_ps(); COUNT];
    for place in 0..depth {
        // SAFETY: the panel has `depth` rows of WIDTH, each row has `depth` numbers.
        unsafe {
            let weights = panel.add(place * WIDTH);
            let (first, second) = (_mm256_loadu_ps(weights), _mm256_loadu_ps(weights.add(8)));
            for row in 0..COUNT {
                let number = _mm256_set1_ps(*rows[row].add(place));
                left[row] = _mm256_fmadd_ps(number, first, left[row]);
                right[row] = _mm256_fmadd_ps(number, second, right[row]);
            }
        }
    }
    for row in 0..COUNT {
        // SAFETY: `sums` has COUNT rows of WIDTH.
        unsafe {
            let place = sums.add(row * WIDTH);
            if !fresh {
                left[row] = _mm256_add_ps(left[row], _mm256_loadu_ps(place));
                right[row] = _mm256_add_ps(right[row], _mm256_loadu_ps(place.add(8)));
            }
            _mm256_storeu_ps(place, left[row]);
            _mm256_storeu_ps(place.add(8), right[row]);
        }
    }
}
