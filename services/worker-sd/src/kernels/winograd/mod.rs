//! Convolutions of 3×3 pixels with a quarter of the multiplications (Winograd 1980; Lavin and Gray 2016).
//!
//! Sixteen pixels of the result come from thirty-six of the picture. Transformed, each of the thirty-six is multiplied with
//! one transformed weight instead of nine, so that a convolution becomes thirty-six products of matrices:
//!
//! ```text
//! picture ── tiles of 6×6 ──▶ transformed rows ─┐ 36 products,   ┌─▶ tiles of 4×4 ──▶ result
//!                  panels ──▶ transformed panels ┘ one a place ──┘
//! ```
//!
//! Weights stay as they lie in memory and are transformed while they are used, a panel at a time for many tiles: kept
//! transformed, they would take eight times the memory of a file in 16 bits.

mod transform;

use rayon::prelude::*;

use self::transform::{EDGE, LANES, OUT, PLACES, transform_input, transform_output, transform_weights};
use super::convolution::{Convolution, Neighbours};
use super::isa::Isa;
use super::panels::{Lanes, Panels, WIDTH};
use super::product::{Finish, Shared, widen, write_row};
use super::tile::{self, ROWS};

/// Numbers of transformed picture that are there at a time: 4 MiB.
const GROUP: usize = 1 << 20;
/// Channels whose weights are transformed and multiplied at a time: a place's panel fills a third of the first cache.
const DEPTH: usize = 128;
/// Panels that share their reading of the picture: a place's panels fill a part of the second cache.
const PANELS: usize = 4;
/// The fewest tiles of a task: for fewer, transforming the weights would take too much of its time.
const FEWEST: usize = 96;
/// The fewest tiles for which all of this takes less time than a direct sum.
const WORTH: usize = 6;
/// Blocks of memory that are read side by side begin an odd number of cache lines apart, so that they share no place in a
/// cache.
const APART: usize = 16;

/// Whether a convolution can be done so.
pub(super) fn applies(shape: &Convolution, panels: &Panels) -> bool {
    shape.kernel == 3
        && shape.stride == 1
        && shape.padding_before == 1
        && shape.padding_after == 1
        && panels.channels().is_multiple_of(LANES)
        && panels.lanes() == Lanes::InOrder
        && Tiles::of(shape).count >= WORTH
}

/// Where tiles lie.
struct Tiles {
    count: usize,
    down: usize,
    right: usize,
    height: usize,
    width: usize,
}

impl Tiles {
    fn of(shape: &Convolution) -> Self {
        let (height, width) = shape.output();
        let (down, right) = (height.div_ceil(OUT), width.div_ceil(OUT));
        Self {
            count: shape.images * down * right,
            down,
            right,
            height,
            width,
        }
    }

    /// Image, and the first row and column of the result.
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let (above, column) = (tile / self.right, tile % self.right);
        (above / self.down, above % self.down * OUT, column * OUT)
    }
}

/// Convolves; [`applies`] has been asked.
pub(super) fn convolve(
    isa: Isa,
    shape: &Convolution,
    picture: &Neighbours<'_>,
    panels: &Panels,
    finish: &Finish<'_>,
) -> Vec<f32> {
    let tiles = Tiles::of(shape);
    let count = tiles.count;
    let size = shape.images * tiles.height * tiles.width * panels.outputs();
    let mut result: Vec<f32> = Vec::with_capacity(size);
    let memory = Shared::new(&mut result);
    let stride = PLACES * panels.channels() + APART;
    let group = (GROUP / stride)
        .max(FEWEST)
        .next_multiple_of(ROWS)
        .min(count.max(1));
    let mut rows = vec![0.0; group * stride];
    for first in (0..count).step_by(group) {
        let some = group.min(count - first);
        rows[..some * stride]
            .par_chunks_mut(stride)
            .enumerate()
            .with_min_len(4)
            .for_each(|(tile, rows)| {
                let (image, y, x) = tiles.place(first + tile);
                let pixels: [&[f32]; PLACES] =
                    std::array::from_fn(|place| picture.pixel(image, y + place / EDGE, x + place % EDGE));
                transform_input(isa, &pixels, panels.channels(), rows);
            });
        let product = Product {
            isa,
            tiles: &tiles,
            first,
            rows: &rows[..some * stride],
            stride,
            panels,
            finish,
            memory,
        };
        product.run(some);
    }
    // SAFETY: each pixel of each panel was written, and together they are the whole result.
    unsafe { result.set_len(size) };
    result
}

/// The products of a group of tiles with all panels.
struct Product<'a> {
    isa: Isa,
    tiles: &'a Tiles,
    first: usize,
    rows: &'a [f32],
    stride: usize,
    panels: &'a Panels,
    finish: &'a Finish<'a>,
    memory: Shared,
}

/// What a task works in.
#[derive(Default)]
struct Scratch {
    wide: [Vec<f32>; 9],
    /// For each panel, for each place, transformed weights.
    weights: Vec<f32>,
    /// For each panel, for each place, for each tile, sums.
    sums: Vec<f32>,
}

/// What a task does: some panels for some tiles of the group.
struct Task {
    first_panel: usize,
    panels: usize,
    begin: usize,
    count: usize,
}

impl Task {
    /// From one place's sums to the next one's.
    fn sums_stride(&self) -> usize {
        self.count * WIDTH + APART
    }
}

/// From one place's weights to the next one's.
const WEIGHTS_STRIDE: usize = DEPTH * WIDTH + APART;

impl Product<'_> {
    fn run(&self, count: usize) {
        let all = self.panels.panel_count();
        let groups = all.div_ceil(PANELS);
        let wanted = (rayon::current_num_threads() * 4).div_ceil(groups);
        let size = count
            .div_ceil(wanted.min(count / FEWEST).max(1))
            .next_multiple_of(ROWS);
        let parts = count.div_ceil(size);
        (0..parts * groups).into_par_iter().with_max_len(1).for_each_init(
            Scratch::default,
            |scratch, task| {
                let (first_panel, begin) = (task / parts * PANELS, task % parts * size);
                let task = Task {
                    first_panel,
                    panels: PANELS.min(all - first_panel),
                    begin,
                    count: size.min(count - begin),
                };
                self.multiply(scratch, &task);
                self.write(scratch, &task);
            },
        );
    }

    fn multiply(&self, scratch: &mut Scratch, task: &Task) {
        let channels = self.panels.channels();
        scratch.sums.resize(PANELS * PLACES * task.sums_stride(), 0.0);
        scratch.weights.resize(PANELS * PLACES * WEIGHTS_STRIDE, 0.0);
        for channel in (0..channels).step_by(DEPTH) {
            let depth = DEPTH.min(channels - channel);
            self.transform_weights(scratch, task, channel, depth);
            for place in 0..PLACES {
                for tile in (0..task.count).step_by(ROWS) {
                    self.multiply_tiles(scratch, task, (place, tile), channel, depth);
                }
            }
        }
    }

    fn transform_weights(&self, scratch: &mut Scratch, task: &Task, channel: usize, depth: usize) {
        for panel in 0..task.panels {
            let mut tap = 0;
            let taps = scratch.wide.each_mut().map(|wide| {
                let row = ((task.first_panel + panel) * 9 + tap) * self.panels.channels() + channel;
                tap += 1;
                widen(&self.panels.packed, row * WIDTH, depth * WIDTH, wide)
            });
            let weights = &mut scratch.weights[panel * PLACES * WEIGHTS_STRIDE..][..PLACES * WEIGHTS_STRIDE];
            transform_weights(self.isa, &taps, weights, WEIGHTS_STRIDE);
        }
    }

    /// Multiplies the rows of some tiles at a place with all panels.
    fn multiply_tiles(
        &self,
        scratch: &mut Scratch,
        task: &Task,
        (place, tile): (usize, usize),
        channel: usize,
        depth: usize,
    ) {
        let count = ROWS.min(task.count - tile);
        let mut rows = [std::ptr::null(); ROWS];
        for (row, address) in rows.iter_mut().take(count).enumerate() {
            let row = (task.begin + tile + row) * self.stride + place * self.panels.channels() + channel;
            *address = self.rows[row..][..depth].as_ptr();
        }
        for panel in 0..task.panels {
            let block = panel * PLACES + place;
            let weights = &scratch.weights[block * WEIGHTS_STRIDE..][..depth * WIDTH];
            let sums = &mut scratch.sums[block * task.sums_stride() + tile * WIDTH..][..count * WIDTH];
            let (weights, sums) = (weights.as_ptr(), sums.as_mut_ptr());
            // SAFETY: each row has `depth` numbers; weights and sums have been cut to size.
            unsafe { tile::multiply(self.isa, &rows, count, depth, weights, sums, channel == 0) };
        }
    }

    fn write(&self, scratch: &Scratch, task: &Task) {
        let mut pixels = [[0.0; WIDTH]; OUT * OUT];
        for panel in 0..task.panels {
            let sums = &scratch.sums[panel * PLACES * task.sums_stride()..];
            let panel = task.first_panel + panel;
            let bias = self.panels.bias(panel, self.finish.bias);
            for tile in 0..task.count {
                transform_output(
                    self.isa,
                    &sums[tile * WIDTH..],
                    task.sums_stride(),
                    &bias,
                    &mut pixels,
                );
                self.write_tile(panel, self.first + task.begin + tile, &pixels);
            }
        }
    }

    fn write_tile(&self, panel: usize, tile: usize, pixels: &[[f32; WIDTH]; OUT * OUT]) {
        let (image, y, x) = self.tiles.place(tile);
        for (down, line) in pixels.chunks_exact(OUT).enumerate().take(self.tiles.height - y) {
            let row = (image * self.tiles.height + y + down) * self.tiles.width + x;
            for (right, numbers) in line.iter().enumerate().take(self.tiles.width - x) {
                // SAFETY: this panel of this tile's pixels belongs to one task alone.
                unsafe { write_row(self.memory, row + right, self.panels, panel, numbers, self.finish) };
            }
        }
    }
}
