//! Many rows of activations times sixteen rows of weights.
//!
//! For a prompt, taking weights out of their blocks is paid once for many columns. Sixteen rows
//! become a *panel*: their codes lie interleaved, four consecutive items of each row side by side,
//! so that one vector instruction works on all sixteen rows and no sums across lanes are needed.
//!
//! ```text
//! codes:  item 0..4 of row 0, of row 1, … of row 15, item 4..8 of row 0, …
//! scales: group 0 of row 0, of row 1, … of row 15, group 1 of row 0, …
//! ```

use rbee_artifacts::gguf::GgmlType;

use super::Isa;
use super::activations::QuantisedRows;
use super::blocks::{BlockFormat, MAX_BLOCK_GROUPS, MAX_BLOCK_ITEMS};
use super::rows::{no_kernel, with_format};

/// Rows in a panel.
pub(super) const PANEL_ROWS: usize = 16;

/// Sixteen rows of a matrix, taken out of their blocks.
#[derive(Debug, Default)]
pub(super) struct Panel {
    /// Items in a row.
    pub(super) len: usize,
    /// Items that share a scale: 16 or 32.
    pub(super) group: usize,
    /// The code of the weight 0, where all formats' minimums are `scale * offset`.
    pub(super) offset: u8,
    pub(super) codes: Vec<u8>,
    pub(super) scales: Vec<f32>,
    pub(super) minimums: Vec<f32>,
}

impl Panel {
    /// Whether filling is so quick that panels are the better way for a single column, too.
    pub(super) fn fills_fast(isa: Isa, kind: GgmlType) -> bool {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => super::x86::sixteen::has_kernel(kind),
            _ => {
                let _ = kind;
                false
            }
        }
    }

    /// Takes up to sixteen rows of `len` items out of their blocks. Rows that are not there count
    /// as zeros.
    pub(super) fn fill(&mut self, isa: Isa, kind: GgmlType, rows: &[u8], len: usize) {
        with_format!(kind, F => self.fill_format::<F>(isa, kind, rows, len), else no_kernel(kind));
    }

    fn fill_format<F: BlockFormat>(&mut self, isa: Isa, kind: GgmlType, rows: &[u8], len: usize) {
        self.len = len;
        self.group = F::GROUP;
        self.offset = F::OFFSET;
        self.codes.resize(len * PANEL_ROWS, 0);
        self.scales.resize(len / F::GROUP * PANEL_ROWS, 0.0);
        self.minimums.resize(len / F::GROUP * PANEL_ROWS, 0.0);
        let whole = rows.len() == len / F::ITEMS * F::BYTES * PANEL_ROWS;
        if !whole {
            self.scales.fill(0.0);
            self.minimums.fill(0.0);
        }
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni if whole && Self::fills_fast(isa, kind) => {
                super::x86::sixteen::fill(self, kind, rows);
            }
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a processor of these sets has AVX2, see `Isa::detect`.
            Isa::Avx2 | Isa::Avx512Vnni => unsafe { fill_avx2::<F>(self, rows) },
            _ => fill_plain::<F>(self, rows),
        }
    }

    /// Multiplies with the rows of `x` from `first` on, one for each of `results`.
    pub(super) fn multiply(
        &self,
        isa: Isa,
        x: &QuantisedRows,
        first: usize,
        results: &mut [[f32; PANEL_ROWS]],
    ) {
        assert_eq!(
            self.len, x.len,
            "a matrix is multiplied with rows of its own length"
        );
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => super::x86::avx512::multiply_panel(self, x, first, results),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => super::x86::avx2::multiply_panel(self, x, first, results),
            _ => multiply_plain(self, x, first, results),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn fill_avx2<F: BlockFormat>(panel: &mut Panel, rows: &[u8]) {
    fill_plain::<F>(panel, rows);
}

/// The definition, which the vector kernels are tested against.
#[inline(always)]
fn fill_plain<F: BlockFormat>(panel: &mut Panel, rows: &[u8]) {
    let mut codes = [0; MAX_BLOCK_ITEMS];
    let mut scales = [0.0; MAX_BLOCK_GROUPS];
    let mut minimums = [0.0; MAX_BLOCK_GROUPS];
    let groups = F::ITEMS / F::GROUP;
    let row_bytes = panel.len / F::ITEMS * F::BYTES;
    for (row, bytes) in rows.chunks_exact(row_bytes).take(PANEL_ROWS).enumerate() {
        let places = panel
            .codes
            .chunks_exact_mut(F::ITEMS * PANEL_ROWS)
            .zip(panel.scales.chunks_exact_mut(groups * PANEL_ROWS))
            .zip(panel.minimums.chunks_exact_mut(groups * PANEL_ROWS));
        for (block, ((code_places, scale_places), minimum_places)) in bytes.chunks_exact(F::BYTES).zip(places)
        {
            F::unpack(block, &mut codes, &mut scales, &mut minimums);
            for (place, four) in code_places
                .chunks_exact_mut(4 * PANEL_ROWS)
                .zip(codes.chunks_exact(4))
            {
                place[row * 4..row * 4 + 4].copy_from_slice(four);
            }
            for group in 0..groups {
                scale_places[group * PANEL_ROWS + row] = scales[group];
                minimum_places[group * PANEL_ROWS + row] = minimums[group];
            }
        }
    }
}

/// The definition, which the vector kernels are tested against.
pub(super) fn multiply_plain(
    panel: &Panel,
    x: &QuantisedRows,
    first: usize,
    results: &mut [[f32; PANEL_ROWS]],
) {
    for (column, result) in results.iter_mut().enumerate() {
        let x = x.row(first + column);
        result.fill(0.0);
        for group in 0..panel.len / panel.group {
            let mut dots = [0i32; PANEL_ROWS];
            let items = group * panel.group..(group + 1) * panel.group;
            let codes = &panel.codes[items.start * PANEL_ROWS..items.end * PANEL_ROWS];
            for (codes, values) in codes
                .chunks_exact(4 * PANEL_ROWS)
                .zip(x.values[items].chunks_exact(4))
            {
                for (dot, codes) in dots.iter_mut().zip(codes.chunks_exact(4)) {
                    for (&code, &value) in codes.iter().zip(values) {
                        *dot += i32::from(code) * i32::from(value);
                    }
                }
            }
            let scale = x.scales[group * panel.group / 32];
            let sum = if panel.group == 32 {
                x.sums[group]
            } else {
                x.half_sums[group]
            };
            let places = group * PANEL_ROWS..(group + 1) * PANEL_ROWS;
            let weights = panel.scales[places.clone()].iter().zip(&panel.minimums[places]);
            for ((result, &dot), (&weight, &minimum)) in result.iter_mut().zip(&dots).zip(weights) {
                *result += dot as f32 * weight * scale - minimum * sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::tests::{BLOCK_KINDS, random_matrix};
    use crate::sampling::Random;

    #[test]
    fn panels_are_filled_alike_with_all_instructions() {
        let mut random = Random::from_seed(11);
        for kind in BLOCK_KINDS {
            for rows in [16, 5] {
                let matrix = random_matrix(kind, rows, 768, &mut random);
                let filled = |isa| {
                    let mut panel = Panel::default();
                    panel.fill(isa, kind, matrix.row_range(0..rows), 768);
                    panel
                };
                let plain = filled(Isa::Plain);
                for isa in Isa::available() {
                    let found = filled(isa);
                    assert_eq!(
                        (found.len, found.group, found.offset),
                        (768, plain.group, plain.offset)
                    );
                    assert!(
                        found.codes == plain.codes,
                        "{kind} by {isa:?}, {rows} rows: codes"
                    );
                    assert_eq!(found.scales, plain.scales, "{kind} by {isa:?}, {rows} rows");
                    assert_eq!(found.minimums, plain.minimums, "{kind} by {isa:?}, {rows} rows");
                }
            }
        }
    }
}
