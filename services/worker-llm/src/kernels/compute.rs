//! Matrix products over a fixed set of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::Isa;
use super::activations::{QuantisedRow, QuantisedRows};
use super::float;
use super::matrix::Matrix;
use super::panel::{PANEL_ROWS, Panel};
use super::reference;
use super::rows::{self, MAX_COLUMNS, no_kernel, with_format};

/// Rows of a matrix that a thread takes at once where it works on single rows.
const ROWS_PER_TASK: usize = 32;

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
    pool: rayon::ThreadPool,
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
    pub fn new(
        threads: usize,
        isa: Isa,
        arithmetic: Arithmetic,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|index| format!("compute-{index}"))
            .build()?;
        // A set that this processor lacks would end in an illegal instruction.
        Ok(Self {
            pool,
            isa: isa.min(Isa::detect()),
            arithmetic,
        })
    }

    /// How many threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// The instructions it computes with.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Runs a computation on the threads; what it calls in parallel stays there.
    pub fn run<R: Send>(&self, computation: impl FnOnce() -> R + Send) -> R {
        self.pool.install(computation)
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
            quantised: quantise.then(|| QuantisedRows::new(self.isa, rows, len)),
        }
    }

    /// Multiplies each matrix with every row of the input.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn multiply<const N: usize>(&self, input: &Input<'_>, products: [Product<'_>; N]) {
        let columns = input.rows.len() / input.len;
        let tasks: Vec<Task<'_>> = products
            .into_iter()
            .flat_map(|product| {
                let matrix = product.matrix;
                assert_eq!(matrix.len(), input.len, "a matrix takes rows of its own length");
                assert_eq!(product.out.len(), columns * matrix.rows());
                let out = Columns::new(product.out, matrix.rows());
                let step = if self.by_panel(matrix, columns) {
                    PANEL_ROWS
                } else {
                    ROWS_PER_TASK
                };
                (0..matrix.rows()).step_by(step).map(move |row| Task {
                    matrix,
                    rows: row..(row + step).min(matrix.rows()),
                    out,
                })
            })
            .collect();
        // A product too small to be worth waking threads for.
        let work: usize = tasks
            .iter()
            .map(|task| task.rows.len() * input.len * columns)
            .sum();
        if work < 1 << 16 {
            let mut scratch = Scratch::default();
            tasks
                .iter()
                .for_each(|task| self.compute(task, input, &mut scratch));
        } else {
            tasks.par_iter().for_each_init(Scratch::default, |scratch, task| {
                self.compute(task, input, scratch);
            });
        }
    }

    fn by_panel(&self, matrix: &Matrix, columns: usize) -> bool {
        self.arithmetic == Arithmetic::Fast && !matrix.is_float() && columns > MAX_ROW_KERNEL_COLUMNS
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
        let (kind, bytes) = (task.matrix.kind(), task.matrix.row_range(task.rows.clone()));
        with_format!(
            kind,
            F => panel.fill::<F>(self.isa, bytes, task.matrix.len()),
            else no_kernel(kind)
        );
        results.resize(task.out.count, [0.0; PANEL_ROWS]);
        panel.multiply(self.isa, x, 0, results);
        for (column, result) in results.iter().enumerate() {
            let values = &result[..task.rows.len()];
            // SAFETY: `multiply` holds the borrow while tasks run, and no two tasks share rows.
            unsafe { task.out.write(column, task.rows.start, values) };
        }
    }

    fn compute_rows(&self, task: &Task<'_>, x: &QuantisedRows) {
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

/// What a thread needs to work with and keeps between tasks.
#[derive(Default)]
struct Scratch {
    panel: Panel,
    results: Vec<[f32; PANEL_ROWS]>,
    weights: Vec<f32>,
}
