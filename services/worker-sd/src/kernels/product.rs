//! Products of rows and panels, and what is done with a result before it is written.

use half::slice::HalfFloatSliceExt as _;
use rayon::prelude::*;

use super::isa::Isa;
use super::math::{for_each_isa, gelu};
use super::panels::{Lanes, Packed, Panels, WIDTH};
use super::tile::{self, ROWS};

/// Rows of one task. Their inputs should stay in the second cache while the panels pass.
const BLOCK: usize = 16 * ROWS;
/// Inputs of a panel that are widened and multiplied at a time: 64 KiB.
const DEPTH: usize = 512;

/// Where the rows of a product lie.
pub(super) trait RowSource: Sync {
    /// How many there are.
    fn count(&self) -> usize;
    /// The address of a row's numbers at a tap: as many as the panels have channels.
    fn address(&self, row: usize, tap: usize) -> *const f32;
}

/// What is done with a product before it is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Finish<'a> {
    /// Added to each output of the matrix.
    pub bias: Option<&'a [f32]>,
    /// Added to each output, another row for every so many rows: `(numbers, rows of each)`.
    pub per_image: Option<(&'a [f32], usize)>,
    /// Added to the result, as large as it.
    pub residual: Option<&'a [f32]>,
}

/// Rows one after the other.
struct Matrix<'a> {
    numbers: &'a [f32],
    width: usize,
}

impl RowSource for Matrix<'_> {
    fn count(&self) -> usize {
        self.numbers.len() / self.width
    }

    fn address(&self, row: usize, _tap: usize) -> *const f32 {
        self.numbers[row * self.width..].as_ptr()
    }
}

/// Rows of numbers times a matrix: `[rows, channels]` by `[outputs, channels]`, transposed. With gated lanes
/// the first half of each product is multiplied with the GELU of the second.
///
/// # Panics
/// When the sizes do not fit together.
#[must_use]
pub fn product(isa: Isa, numbers: &[f32], panels: &Panels, finish: &Finish<'_>) -> Vec<f32> {
    let width = panels.channels();
    assert!(
        panels.taps() == 1 && width > 0 && numbers.len().is_multiple_of(width),
        "the rows are as long as the matrix's"
    );
    multiply(isa, &Matrix { numbers, width }, panels, finish)
}

/// The result's memory, written to by many tasks.
#[derive(Clone, Copy)]
pub(super) struct Shared(*mut f32);
// SAFETY: no two tasks write the same place; each has rows and panels of its own.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The memory of a result that has room for all that will be written.
    pub(super) fn new(result: &mut Vec<f32>) -> Self {
        Self(result.as_mut_ptr())
    }

    /// # Safety
    /// The place is inside of the memory, and no other task has it.
    unsafe fn part<'a>(self, place: usize, count: usize) -> &'a mut [std::mem::MaybeUninit<f32>] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(place).cast(), count) }
    }
}

/// The product of rows from anywhere.
pub(super) fn multiply(isa: Isa, source: &impl RowSource, panels: &Panels, finish: &Finish<'_>) -> Vec<f32> {
    let (rows, outputs) = (source.count(), panels.outputs());
    check(rows, panels, finish);
    let mut result: Vec<f32> = Vec::with_capacity(rows * outputs);
    let memory = Shared::new(&mut result);
    let blocks = rows.div_ceil(BLOCK);
    let groups = groups(blocks, panels.panel_count());
    let per_group = panels.panel_count().div_ceil(groups).max(1);
    (0..blocks * groups)
        .into_par_iter()
        .with_max_len(1)
        .for_each_init(Scratch::default, |scratch, task| {
            let first = task / groups * BLOCK;
            let count = BLOCK.min(rows - first);
            let begin = task % groups * per_group;
            let end = (begin + per_group).min(panels.panel_count());
            scratch.place(source, first, count, panels.taps());
            for panel in begin..end {
                scratch.multiply_panel(isa, count, panels, panel);
                // SAFETY: rows and panel are this task's alone.
                unsafe { scratch.write(isa, memory, (first, count), panels, panel, finish) };
            }
        });
    // SAFETY: every row of every panel was written, and together they are the whole result.
    unsafe { result.set_len(rows * outputs) };
    result
}

pub(super) fn check(rows: usize, panels: &Panels, finish: &Finish<'_>) {
    assert!(finish.bias.is_none_or(|bias| bias.len() == panels.columns()));
    assert!(
        finish
            .residual
            .is_none_or(|residual| residual.len() == rows * panels.outputs())
    );
    assert!(finish.per_image.is_none_or(|(numbers, each)| {
        each > 0
            && numbers.len() >= rows.div_ceil(each) * panels.outputs()
            && panels.lanes() == Lanes::InOrder
    }));
}

/// How many groups the panels make: as few as keep all threads busy to the end.
fn groups(blocks: usize, panels: usize) -> usize {
    let wanted = rayon::current_num_threads() * 24;
    wanted.div_ceil(blocks.max(1)).clamp(1, panels.max(1))
}

/// What a task works in.
#[derive(Default)]
struct Scratch {
    /// The rows' addresses, tap by tap.
    addresses: Vec<*const f32>,
    /// A part of a panel in 32 bits.
    weights: Vec<f32>,
    /// Sums of all rows for one panel.
    sums: Vec<f32>,
    outputs: Vec<f32>,
}

impl Scratch {
    fn place(&mut self, source: &impl RowSource, first: usize, count: usize, taps: usize) {
        self.addresses.clear();
        for tap in 0..taps {
            self.addresses
                .extend((first..first + count).map(|row| source.address(row, tap)));
        }
        self.sums.resize(count * WIDTH, 0.0);
    }

    fn multiply_panel(&mut self, isa: Isa, count: usize, panels: &Panels, panel: usize) {
        let channels = panels.channels();
        for tap in 0..panels.taps() {
            for begin in (0..channels).step_by(DEPTH) {
                let depth = DEPTH.min(channels - begin);
                let place = ((panel * panels.taps() + tap) * channels + begin) * WIDTH;
                let weights = widen(&panels.packed, place, depth * WIDTH, &mut self.weights);
                let addresses = &self.addresses[tap * count..][..count];
                for (tile, rows) in addresses.chunks(ROWS).enumerate() {
                    let mut places = [std::ptr::null(); ROWS];
                    for (place, &row) in places.iter_mut().zip(rows) {
                        // `wrapping_add`: the compiler need not know that it stays inside of the row.
                        *place = row.wrapping_add(begin);
                    }
                    let sums = &mut self.sums[tile * ROWS * WIDTH..][..rows.len() * WIDTH];
                    // SAFETY: each row has `channels` numbers from its address, of which these are `depth`
                    // from `begin`; weights and sums have been cut to size.
                    unsafe {
                        tile::multiply(
                            isa,
                            &places,
                            rows.len(),
                            depth,
                            weights.as_ptr(),
                            sums.as_mut_ptr(),
                            tap == 0 && begin == 0,
                        );
                    }
                }
            }
        }
    }

    /// # Safety
    /// No other task writes these rows of this panel, and the memory has them.
    unsafe fn write(
        &mut self,
        isa: Isa,
        memory: Shared,
        (first, count): (usize, usize),
        panels: &Panels,
        panel: usize,
        finish: &Finish<'_>,
    ) {
        let bias = panels.bias(panel, finish.bias);
        let sums = &mut self.sums[..count * WIDTH];
        add_bias(isa, sums, &bias);
        let row_width = match panels.lanes() {
            Lanes::InOrder => WIDTH,
            Lanes::Gated => {
                self.outputs.resize(count * (WIDTH / 2), 0.0);
                gate(isa, sums, &mut self.outputs);
                WIDTH / 2
            }
        };
        let numbers: &[f32] = match panels.lanes() {
            Lanes::InOrder => sums,
            Lanes::Gated => &self.outputs,
        };
        for row in 0..count {
            let numbers = &numbers[row * row_width..][..row_width];
            // SAFETY: the caller's promise.
            unsafe { write_row(memory, first + row, panels, panel, numbers, finish) };
        }
    }
}

/// Writes what a panel has made of a row, with all that is added.
///
/// # Safety
/// No other task writes this row of this panel, and the memory has it.
pub(super) unsafe fn write_row(
    memory: Shared,
    row: usize,
    panels: &Panels,
    panel: usize,
    numbers: &[f32],
    finish: &Finish<'_>,
) {
    let begin = panel * panels.outputs_of_panel();
    let width = panels.outputs_of_panel().min(panels.outputs() - begin);
    let place = row * panels.outputs() + begin;
    // SAFETY: the caller's promise.
    let result = unsafe { memory.part(place, width) };
    let image = finish
        .per_image
        .map(|(image, each)| &image[row / each * panels.outputs() + begin..][..width]);
    let residual = finish.residual.map(|residual| &residual[place..][..width]);
    match (image, residual) {
        (None, None) => {
            for (result, number) in result.iter_mut().zip(numbers) {
                result.write(*number);
            }
        }
        (Some(added), None) | (None, Some(added)) => {
            for ((result, number), added) in result.iter_mut().zip(numbers).zip(added) {
                result.write(number + added);
            }
        }
        (Some(image), Some(residual)) => {
            for (((result, number), image), residual) in
                result.iter_mut().zip(numbers).zip(image).zip(residual)
            {
                result.write(number + image + residual);
            }
        }
    }
}

for_each_isa! {
    fn add_bias(sums: &mut [f32], bias: &[f32; WIDTH]) {
        for row in sums.as_chunks_mut::<WIDTH>().0 {
            for (sum, bias) in row.iter_mut().zip(bias) {
                *sum += bias;
            }
        }
    }
}

for_each_isa! {
    /// Values times the GELU of their gates.
    fn gate(sums: &[f32], outputs: &mut [f32]) {
        const HALF: usize = WIDTH / 2;
        for (row, outputs) in sums.as_chunks::<WIDTH>().0.iter().zip(outputs.as_chunks_mut::<HALF>().0) {
            for lane in 0..HALF {
                outputs[lane] = row[lane] * gelu(row[HALF + lane]);
            }
        }
    }
}

for_each_isa! {
    fn widen_bf16(numbers: &[half::bf16], wide: &mut [f32]) {
        for (wide, number) in wide.iter_mut().zip(numbers) {
            *wide = f32::from_bits(u32::from(number.to_bits()) << 16);
        }
    }
}

/// A part of the packed numbers in 32 bits: themselves, or a copy in `wide`.
pub(super) fn widen<'a>(packed: &'a Packed, place: usize, count: usize, wide: &'a mut Vec<f32>) -> &'a [f32] {
    match packed {
        Packed::F32(numbers) => &numbers[place..place + count],
        Packed::F16(numbers) => {
            wide.resize(DEPTH * WIDTH, 0.0);
            // The crate `half` uses the processor's own conversion.
            numbers[place..place + count].convert_to_f32_slice(&mut wide[..count]);
            &wide[..count]
        }
        Packed::Bf16(numbers) => {
            wide.resize(DEPTH * WIDTH, 0.0);
            widen_bf16(Isa::detect(), &numbers[place..place + count], &mut wide[..count]);
            &wide[..count]
        }
    }
}
