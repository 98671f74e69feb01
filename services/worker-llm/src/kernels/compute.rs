//! Matrix products over a fixed set of threads.

use std::cell::RefCell;
use std::ops::Range;

use super::Isa;
use super::activations::{QuantisedRow, QuantisedRows};
use super::float;
use super::matrix::Matrix;
use super::panel::{PANEL_ROWS, Panel};
use super::reference;
use super::rows::{self, MAX_COLUMNS};
use super::team::{Parts, Team};
#[cfg(target_arch = "x86_64")]
use super::x86;

/// Rows of a matrix that a thread takes at once where there are few columns, at least.
const ROWS_PER_TASK: usize = 32;

/// At most so many, where the matrix has very many.
const MAX_ROWS_PER_TASK: usize = 256;

/// A product of fewer multiplications than this is not worth calling others for.
const SHARED_WORK: usize = 1 << 16;

/// Up to this many columns the row kernels are quicker, beyond it the panels.
const MAX_ROW_KERNEL_COLUMNS: usize = 12;

/// How exactly products are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// The activations rounded to 8 bits wherever weights are quantised.
    #[default]
    Fast,
    /// Everything in `f32`, on the weights as candle dequantises them.
    Reference,
}

/// Threads and instructions to compute with.
#[derive(Debug)]
pub struct Compute {
    team: Team,
    isa: Isa,
    arithmetic: Arithmetic,
}

/// Rows of activations to be multiplied with one or several matrices.
#[derive(Debug)]
pub struct Input<'a> {
    rows: &'a [f32],
    len: usize,
    quantised: Option<QuantisedRows>,
}

/// A matrix and the place for its product with an [`Input`]: for each row of the input
/// `matrix.rows()` numbers.
#[derive(Debug)]
pub struct Product<'a> {
    /// The weights.
    pub matrix: &'a Matrix,
    /// Where the product goes.
    pub out: &'a mut [f32],
}

/// One product, to be done in pieces of some rows.
#[derive(Clone, Copy)]
struct Plan<'a> {
    matrix: &'a Matrix,
    out: Columns,
    /// Rows of a piece.
    step: usize,
    pieces: usize,
}

/// Some rows of one product: what a thread does at once.
struct Task<'a> {
    matrix: &'a Matrix,
    rows: Range<usize>,
    out: Columns,
}

/// Where a product goes, shared by threads that each write rows of their own.
#[derive(Clone, Copy)]
struct Columns {
    start: *mut f32,
    /// Numbers a column has: the rows of the matrix.
    height: usize,
    count: usize,
}

// SAFETY: the pointer is only written through `Columns::write`, whose callers have rows of their
// own, and only while `Compute::multiply` holds the exclusive borrow it was made from.
unsafe impl Send for Columns {}
// SAFETY: as above.
unsafe impl Sync for Columns {}

impl Columns {
    fn new(out: &mut [f32], height: usize) -> Self {
        assert!(out.len().is_multiple_of(height));
        Self {
            start: out.as_mut_ptr(),
            height,
            count: out.len() / height,
        }
    }

    /// Writes `values` to the rows from `row` on of one column.
    ///
    /// # Safety
    /// The borrow this was made from must be alive, and nobody else may write these rows.
    unsafe fn write(self, column: usize, row: usize, values: &[f32]) {
        assert!(column < self.count && row + values.len() <= self.height);
        // SAFETY: in bounds by the assertion; the caller vouches for the rest.
        unsafe {
            let place = self.start.add(column * self.height + row);
            std::ptr::copy_nonoverlapping(values.as_ptr(), place, values.len());
        }
    }
}

impl Compute {
    /// Starts `threads` threads (at least one).
    ///
    /// # Errors
    /// What the operating system says if it gives no thread.
    pub fn new(threads: usize, isa: Isa, arithmetic: Arithmetic) -> std::io::Result<Self> {
        // A set that this processor lacks would end in an illegal instruction.
        Ok(Self {
            team: Team::new(threads)?,
            isa: isa.min(Isa::detect()),
            arithmetic,
        })
    }

    /// How many threads there are, the caller's included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.team.threads()
    }

    /// The instructions it computes with.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Calls a function with each of `0..count`, on all threads.
    pub fn each(&self, count: usize, piece: impl Fn(usize) + Sync) {
        self.team.each(count, &piece);
    }

    /// Calls a function with each part of `size` of a slice, the last of them maybe shorter, and its
    /// place among them, on all threads.
    pub fn parts<T: Send>(&self, slice: &mut [T], size: usize, piece: impl Fn(usize, &mut [T]) + Sync) {
        let parts = Parts::new(slice, size);
        self.each(parts.count(), |index| {
            // SAFETY: each index is called once, and the slice is borrowed until all are done.
            piece(index, unsafe { parts.part(index) });
        });
    }

    /// Makes rows of `len` numbers ready to be multiplied.
    ///
    /// # Panics
    /// If `rows` is not whole rows.
    #[must_use]
    pub fn input<'a>(&self, rows: &'a [f32], len: usize) -> Input<'a> {
        assert!(rows.len().is_multiple_of(len));
        // Lengths that are no multiple of 32 belong to float matrices alone.
        let quantise = self.arithmetic == Arithmetic::Fast && len.is_multiple_of(32);
        Input {
            rows,
            len,
            quantised: quantise.then(|| QuantisedRows::new(self, rows, len)),
        }
    }

    /// Multiplies each matrix with every row of the input.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn multiply<const N: usize>(&self, input: &Input<'_>, products: [Product<'_>; N]) {
        let columns = input.rows.len() / input.len;
        if columns == 0 {
            return;
        }
        let plans = products.map(|Product { matrix, out }| {
            assert_eq!(matrix.len(), input.len, "a matrix takes rows of its own length");
            assert_eq!(out.len(), columns * matrix.rows());
            // A panel is taken out of its blocks once for all columns; with many, one is work enough.
            // With few, memory is what limits, and rows that follow each other are read ahead: long pieces,
            // but still some for each thread, so that all end at the same time.
            let step = match self.by_panel(matrix, columns) && columns > MAX_ROW_KERNEL_COLUMNS {
                true => PANEL_ROWS,
                false => (matrix.rows() / (16 * self.threads()))
                    .next_multiple_of(ROWS_PER_TASK)
                    .clamp(ROWS_PER_TASK, MAX_ROWS_PER_TASK),
            };
            Plan {
                matrix,
                out: Columns::new(out, matrix.rows()),
                step,
                pieces: matrix.rows().div_ceil(step),
            }
        });
        let piece = |mut index: usize| {
            for Plan {
                matrix,
                out,
                step,
                pieces,
            } in plans
            {
                if index < pieces {
                    let rows = index * step..((index + 1) * step).min(matrix.rows());
                    let task = Task { matrix, rows, out };
                    SCRATCH.with_borrow_mut(|scratch| self.compute(&task, input, scratch));
                    return;
                }
                index -= pieces;
            }
        };
        let pieces = plans.iter().map(|plan| plan.pieces).sum();
        let rows: usize = plans.iter().map(|plan| plan.matrix.rows()).sum();
        if rows * input.len * columns < SHARED_WORK {
            (0..pieces).for_each(piece);
        } else {
            self.each(pieces, piece);
        }
    }

    fn by_panel(&self, matrix: &Matrix, columns: usize) -> bool {
        self.arithmetic == Arithmetic::Fast
            && !matrix.is_float()
            && (columns > MAX_ROW_KERNEL_COLUMNS || Panel::fills_fast(self.isa, matrix.kind()))
    }

    fn compute(&self, task: &Task<'_>, input: &Input<'_>, scratch: &mut Scratch) {
        match &input.quantised {
            Some(x) if !task.matrix.is_float() => {
                if self.by_panel(task.matrix, task.out.count) {
                    self.compute_panel(task, x, scratch);
                } else {
                    self.compute_rows(task, x);
                }
            }
            _ => self.compute_floats(task, input, scratch),
        }
    }

    fn compute_panel(&self, task: &Task<'_>, x: &QuantisedRows, scratch: &mut Scratch) {
        let Scratch { panel, results, .. } = scratch;
        results.resize(task.out.count, [0.0; PANEL_ROWS]);
        for first in task.rows.clone().step_by(PANEL_ROWS) {
            let rows = first..(first + PANEL_ROWS).min(task.rows.end);
            let bytes = task.matrix.row_range(rows.clone());
            #[cfg(target_arch = "x86_64")]
            if rows.len() == PANEL_ROWS
                && task.out.count <= 2
                && Panel::fills_fast(self.isa, task.matrix.kind())
            {
                self.compute_sixteen(task, x, first, bytes);
                continue;
            }
            panel.fill(self.isa, task.matrix.kind(), bytes, task.matrix.len());
            panel.multiply(self.isa, x, 0, results);
            for (column, result) in results.iter().enumerate() {
                // SAFETY: `multiply` holds the borrow while tasks run, and no two tasks share rows.
                unsafe { task.out.write(column, first, &result[..rows.len()]) };
            }
        }
    }

    /// Sixteen rows with one or two columns, for which it does not pay to keep a panel.
    #[cfg(target_arch = "x86_64")]
    fn compute_sixteen(&self, task: &Task<'_>, x: &QuantisedRows, first: usize, bytes: &[u8]) {
        let kind = task.matrix.kind();
        let (one, two);
        let results: &[[f32; PANEL_ROWS]] = if task.out.count == 1 {
            one = x86::sixteen::dots(kind, bytes, [x.row(0)]);
            &one
        } else {
            two = x86::sixteen::dots(kind, bytes, [x.row(0), x.row(1)]);
            &two
        };
        for (column, result) in results.iter().enumerate() {
            // SAFETY: `multiply` holds the borrow while tasks run, and no two tasks share rows.
            unsafe { task.out.write(column, first, result) };
        }
    }

    fn compute_rows(&self, task: &Task<'_>, x: &QuantisedRows) {
        for first in task.rows.clone().step_by(ROWS_PER_TASK) {
            let rows = first..(first + ROWS_PER_TASK).min(task.rows.end);
            self.compute_some_rows(&Task { rows, ..*task }, x);
        }
    }

    fn compute_some_rows(&self, task: &Task<'_>, x: &QuantisedRows) {
        let (kind, bytes) = (task.matrix.kind(), task.matrix.row_range(task.rows.clone()));
        let row_bytes = bytes.len() / task.rows.len();
        for first in (0..task.out.count).step_by(MAX_COLUMNS) {
            let columns = MAX_COLUMNS.min(task.out.count - first);
            let mut x_rows = [QuantisedRow {
                values: &[],
                scales: &[],
                sums: &[],
                half_sums: &[],
            }; MAX_COLUMNS];
            for (column, row) in x_rows[..columns].iter_mut().enumerate() {
                *row = x.row(first + column);
            }
            let mut results = [[0.0; ROWS_PER_TASK]; MAX_COLUMNS];
            for (row, bytes) in bytes.chunks_exact(row_bytes).enumerate() {
                let mut dots = [0.0; MAX_COLUMNS];
                rows::dots(self.isa, kind, bytes, &x_rows[..columns], &mut dots[..columns]);
                for (result, dot) in results.iter_mut().zip(dots) {
                    result[row] = dot;
                }
            }
            for (column, result) in results[..columns].iter().enumerate() {
                let values = &result[..task.rows.len()];
                // SAFETY: `multiply` holds the borrow while tasks run, and no two tasks share rows.
                unsafe { task.out.write(first + column, task.rows.start, values) };
            }
        }
    }

    fn compute_floats(&self, task: &Task<'_>, input: &Input<'_>, scratch: &mut Scratch) {
        let weights = &mut scratch.weights;
        weights.resize(input.len, 0.0);
        for row in task.rows.clone() {
            if task.matrix.is_float() {
                task.matrix.dequantise_row(row, weights);
            } else {
                let blocks = task.matrix.row_range(row..row + 1);
                reference::dequantise(task.matrix.kind(), blocks, weights)
                    .expect("candle reads every format that Matrix::new lets in");
            }
            for (column, x) in input.rows.chunks_exact(input.len).enumerate() {
                let dot = float::dot(self.isa, weights, x);
                // SAFETY: `multiply` holds the borrow while tasks run, and no two tasks share rows.
                unsafe { task.out.write(column, row, &[dot]) };
            }
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What a thread needs to work with and keeps between tasks.
#[derive(Default)]
struct Scratch {
    panel: Panel,
    results: Vec<[f32; PANEL_ROWS]>,
    weights: Vec<f32>,
}
