//! The one inner loop: some rows times a part of a panel.

use super::isa::Isa;
use super::panels::WIDTH;

/// The most rows of a tile. With 12, AVX-512 holds 24 sums, two rows of the panel and one number in registers,
/// and the rows' addresses stay in registers as well.
pub(super) const ROWS: usize = 12;

/// Rows of numbers, each at its own address.
pub(super) type Rows = [*const f32; ROWS];

/// Multiplies `count` rows of `depth` numbers with `depth` rows of a panel, and adds to `sums`, which has
/// [`WIDTH`] numbers for each row; with `fresh`, it is overwritten.
///
/// # Safety
/// The first `count` addresses have `depth` readable numbers each, `panel` has `depth` times [`WIDTH`], `sums`
/// has `count` times [`WIDTH`] writable numbers; `isa` is one that the processor has.
#[inline]
pub(super) unsafe fn multiply(
    isa: Isa,
    rows: &Rows,
    count: usize,
    depth: usize,
    panel: *const f32,
    sums: *mut f32,
    fresh: bool,
) {
    debug_assert!(count <= ROWS);
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller's promises, and that the processor has the instructions.
        Isa::Avx512 => unsafe { super::x86::avx512::multiply(rows, count, depth, panel, sums, fresh) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { super::x86::avx2::multiply(rows, count, depth, panel, sums, fresh) },
        // SAFETY: the caller's promises.
        _ => unsafe { plain(rows, count, depth, panel, sums, fresh) },
    }
}

/// As [`multiply`], in plain code.
///
/// # Safety
/// As [`multiply`].
unsafe fn plain(rows: &Rows, count: usize, depth: usize, panel: *const f32, sums: *mut f32, fresh: bool) {
    for (row, &numbers) in rows.iter().enumerate().take(count) {
        // SAFETY: `sums` has this row, as the caller promised.
        let sums = unsafe { std::slice::from_raw_parts_mut(sums.add(row * WIDTH), WIDTH) };
        if fresh {
            sums.fill(0.0);
        }
        for place in 0..depth {
            // SAFETY: row and panel have this place, as the caller promised.
            let (number, weights) = unsafe {
                (
                    *numbers.add(place),
                    std::slice::from_raw_parts(panel.add(place * WIDTH), WIDTH),
                )
            };
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += number * weight;
            }
        }
    }
}
