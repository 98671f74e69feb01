//! The rows a matrix is multiplied with, in 8 bits.

use super::compute::Compute;
use super::float::multiversion;
use super::team::Parts;

/// Items that share a scale.
pub(super) const GROUP: usize = 32;

/// Groups that a thread rounds at once; a single token's row is less.
const GROUPS_PER_TASK: usize = 256;

/// Rows of activations, rounded to 8 bits in groups of 32 that share a scale: the partner of
/// every block format. Finer than ggml's partner of the K formats, which shares one over 256.
#[derive(Debug, Clone, Default)]
pub(super) struct QuantisedRows {
    pub(super) len: usize,
    /// `[row][len]`, -127 to 127.
    pub(super) values: Vec<i8>,
    /// `[row][len / 32]`.
    pub(super) scales: Vec<f32>,
    /// `[row][len / 32]`: the sum of a group's values times its scale.
    pub(super) sums: Vec<f32>,
    /// `[row][len / 16]`: the same over half a group.
    pub(super) half_sums: Vec<f32>,
}

/// One row of [`QuantisedRows`].
#[derive(Debug, Clone, Copy)]
pub(super) struct QuantisedRow<'a> {
    pub(super) values: &'a [i8],
    pub(super) scales: &'a [f32],
    pub(super) sums: &'a [f32],
    pub(super) half_sums: &'a [f32],
}

impl QuantisedRows {
    /// Rounds `rows` of `len` numbers each; `len` is a multiple of 32.
    pub(super) fn new(compute: &Compute, rows: &[f32], len: usize) -> Self {
        assert!(len > 0 && len.is_multiple_of(GROUP) && rows.len().is_multiple_of(len));
        let mut quantised = Self {
            len,
            values: vec![0; rows.len()],
            scales: vec![0.0; rows.len() / GROUP],
            sums: vec![0.0; rows.len() / GROUP],
            half_sums: vec![0.0; rows.len() / (GROUP / 2)],
        };
        let groups = GROUPS_PER_TASK;
        let values = Parts::new(&mut quantised.values, groups * GROUP);
        let scales = Parts::new(&mut quantised.scales, groups);
        let sums = Parts::new(&mut quantised.sums, groups);
        let half_sums = Parts::new(&mut quantised.half_sums, groups * 2);
        compute.each(scales.count(), |index| {
            let first = index * groups * GROUP;
            // SAFETY: each index is called once, and all are borrowed until the end.
            let mut piece = unsafe {
                Piece {
                    numbers: &rows[first..(first + groups * GROUP).min(rows.len())],
                    values: values.part(index),
                    scales: scales.part(index),
                    sums: sums.part(index),
                    half_sums: half_sums.part(index),
                }
            };
            round(compute.isa(), &mut piece);
        });
        quantised
    }

    pub(super) fn row(&self, row: usize) -> QuantisedRow<'_> {
        let groups = self.len / GROUP;
        QuantisedRow {
            values: &self.values[row * self.len..][..self.len],
            scales: &self.scales[row * groups..][..groups],
            sums: &self.sums[row * groups..][..groups],
            half_sums: &self.half_sums[row * groups * 2..][..groups * 2],
        }
    }
}

/// Some groups on their way to 8 bits.
struct Piece<'a> {
    numbers: &'a [f32],
    values: &'a mut [i8],
    scales: &'a mut [f32],
    sums: &'a mut [f32],
    half_sums: &'a mut [f32],
}

multiversion! {
    fn round(piece: &mut Piece<'_>) |_mul_add| {
        let groups = piece
            .numbers
            .chunks_exact(GROUP)
            .zip(piece.values.chunks_exact_mut(GROUP))
            .zip(piece.scales.iter_mut().zip(piece.sums.iter_mut()))
            .zip(piece.half_sums.chunks_exact_mut(2));
        for (((group, values), (scale, sum)), half_sums) in groups {
            let largest = group.iter().fold(0.0f32, |largest, &value| largest.max(value.abs()));
            *scale = largest / 127.0;
            // What is next to nothing counts as nothing: its inverse would not be finite.
            let inverse = if largest > 1e-30 { 127.0 / largest } else { 0.0 };
            for (value, &number) in values.iter_mut().zip(group) {
                // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
                *value = (number * inverse + 12_582_912.0).to_bits() as i8;
            }
            for (half_sum, values) in half_sums.iter_mut().zip(values.chunks_exact(GROUP / 2)) {
                *half_sum = *scale * values.iter().map(|&value| i32::from(value)).sum::<i32>() as f32;
            }
            *sum = half_sums[0] + half_sums[1];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::{Arithmetic, Isa};

    fn quantised(rows: &[f32]) -> QuantisedRows {
        let compute = Compute::new(2, Isa::detect(), Arithmetic::Fast).unwrap();
        QuantisedRows::new(&compute, rows, 32)
    }

    proptest! {
        #[test]
        fn rounding_is_within_half_a_step(rows in prop::collection::vec(-100.0f32..100.0, 64)) {
            let rounded = quantised(&rows);
            for (row, rows) in rows.chunks(32).enumerate() {
                let row = rounded.row(row);
                let mut sum = 0.0;
                for (&number, &value) in rows.iter().zip(row.values) {
                    prop_assert!((number - f32::from(value) * row.scales[0]).abs() <= 0.501 * row.scales[0]);
                    sum += f32::from(value) * row.scales[0];
                }
                prop_assert!((sum - row.sums[0]).abs() <= 1e-3 * sum.abs().max(1.0));
                prop_assert!((sum - row.half_sums[0] - row.half_sums[1]).abs() <= 1e-3 * sum.abs().max(1.0));
            }
        }
    }

    #[test]
    fn zeros_and_huge_numbers_are_no_trouble() {
        assert_eq!(quantised(&[0.0; 32]).scales, [0.0]);
        let rounded = quantised(&[f32::MAX; 32]);
        assert!(rounded.values.iter().all(|&value| value == 127));
    }
}
