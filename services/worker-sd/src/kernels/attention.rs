//! Attention without a table of all scores (Milakov and Gimelshein 2018; Dao et al. 2022).
//!
//! A task has 32 queries of one head. They lie side by side, so that each vector register holds one number of
//! several queries: scores of a key are a row, and maximum, sum and exponential go over rows without ever
//! adding up a register. The same tiles that multiply weights compute the scores (rows are keys, the panel is
//! the queries) and the results (rows are the values' columns, the panel is the scores).

use rayon::prelude::*;

use super::isa::Isa;
use super::math::{exp, for_each_isa};
use super::panels::WIDTH;
use super::tile::{self, ROWS};

/// Keys whose scores are there at a time: 48 KiB of them.
const KEYS: usize = 384;

/// The shape of an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attention {
    /// Sequences.
    pub batch: usize,
    /// Heads.
    pub heads: usize,
    /// Width of a head.
    pub width: usize,
    /// Tokens that ask.
    pub queries: usize,
    /// Tokens that are asked.
    pub keys: usize,
    /// Whether a token sees only those up to itself.
    pub causal: bool,
}

/// Values of one head as rows, a row for each of their columns.
struct Turned {
    numbers: Vec<f32>,
    stride: usize,
}

impl Turned {
    fn new(shape: &Attention, values: &[f32]) -> Self {
        // Rows that begin a multiple of 4 KiB apart would fall on the same places of the first cache.
        let stride = shape.keys.next_multiple_of(16) + 16;
        let row = shape.heads * shape.width;
        let mut numbers = vec![0.0; shape.batch * row * stride];
        numbers
            .par_chunks_mut(shape.width * stride)
            .enumerate()
            .for_each(|(head, part)| {
                let (sequence, head) = (head / shape.heads, head % shape.heads);
                for key in 0..shape.keys {
                    let value =
                        &values[(sequence * shape.keys + key) * row + head * shape.width..][..shape.width];
                    for (column, number) in value.iter().enumerate() {
                        part[column * stride + key] = *number;
                    }
                }
            });
        Self { numbers, stride }
    }
}

/// Softmax of the scaled products of queries and keys, times the values. All are `[batch, tokens, heads ×
/// width]`.
///
/// # Panics
/// When the sizes do not fit together.
#[must_use]
pub fn attend(isa: Isa, shape: &Attention, queries: &[f32], keys: &[f32], values: &[f32]) -> Vec<f32> {
    let row = shape.heads * shape.width;
    assert!(queries.len() == shape.batch * shape.queries * row && row > 0 && shape.keys > 0);
    assert!(keys.len() == shape.batch * shape.keys * row && values.len() == keys.len());
    let turned = Turned::new(shape, values);
    let blocks = shape.queries.div_ceil(WIDTH);
    let mut result = vec![0.0; queries.len()];
    let memory = Shared(result.as_mut_ptr());
    (0..shape.batch * shape.heads * blocks)
        .into_par_iter()
        .with_max_len(8)
        .for_each_init(Task::default, |task, index| {
            let (head, block) = (index / blocks, index % blocks);
            let (sequence, head) = (head / shape.heads, head % shape.heads);
            let place = Place {
                sequence,
                head,
                first: block * WIDTH,
                count: WIDTH.min(shape.queries - block * WIDTH),
            };
            task.run(isa, shape, &place, queries, keys, &turned);
            for query in 0..place.count {
                let at = (sequence * shape.queries + place.first + query) * row + head * shape.width;
                // SAFETY: these queries of this head belong to this task alone.
                let result = unsafe { std::slice::from_raw_parts_mut(memory.at(at), shape.width) };
                let inverse = 1.0 / task.sums[query];
                for (column, number) in result.iter_mut().enumerate() {
                    *number = task.results[column * WIDTH + query] * inverse;
                }
            }
        });
    result
}

/// The result's memory, written to by many tasks.
#[derive(Clone, Copy)]
struct Shared(*mut f32);
// SAFETY: no two tasks write the same place; each has queries of its own.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn at(self, place: usize) -> *mut f32 {
        self.0.wrapping_add(place)
    }
}

/// Which queries a task has.
struct Place {
    sequence: usize,
    head: usize,
    first: usize,
    count: usize,
}

/// What a task works in.
#[derive(Default)]
struct Task {
    /// The queries, a row for each column of the head.
    queries: Vec<f32>,
    /// A row for each key.
    scores: Vec<f32>,
    /// A row for each column of the head.
    results: Vec<f32>,
    /// For each query the highest score so far.
    highest: [f32; WIDTH],
    /// For each query the sum of the exponentials so far.
    sums: [f32; WIDTH],
}

impl Task {
    fn run(
        &mut self,
        isa: Isa,
        shape: &Attention,
        place: &Place,
        queries: &[f32],
        keys: &[f32],
        values: &Turned,
    ) {
        let row = shape.heads * shape.width;
        let begin = (place.sequence * shape.queries + place.first) * row + place.head * shape.width;
        let scale = 1.0 / (shape.width as f32).sqrt();
        self.queries.clear();
        self.queries.resize(shape.width * WIDTH, 0.0);
        for query in 0..place.count {
            let numbers = &queries[begin + query * row..][..shape.width];
            for (column, number) in numbers.iter().enumerate() {
                self.queries[column * WIDTH + query] = number * scale;
            }
        }
        self.results.clear();
        self.results.resize(shape.width * WIDTH, 0.0);
        self.scores.resize(KEYS * WIDTH, 0.0);
        self.highest = [f32::NEG_INFINITY; WIDTH];
        self.sums = [0.0; WIDTH];
        let last = match shape.causal {
            true => shape.keys.min(place.first + place.count),
            false => shape.keys,
        };
        for first in (0..last).step_by(KEYS) {
            let count = KEYS.min(last - first);
            let begin = (place.sequence * shape.keys + first) * row + place.head * shape.width;
            let source = |key: usize| keys[begin + key * row..][..shape.width].as_ptr();
            // SAFETY: each key has `width` numbers, as many as there are rows of queries.
            unsafe {
                tiles(
                    isa,
                    count,
                    source,
                    shape.width,
                    &self.queries,
                    &mut self.scores,
                    true,
                );
            };
            let scores = &mut self.scores[..count * WIDTH];
            if shape.causal {
                hide_later(scores, first, place.first);
            }
            soften(isa, scores, &mut self.highest, &mut self.sums, &mut self.results);
            let head = (place.sequence * shape.heads + place.head) * shape.width;
            let source =
                |column: usize| values.numbers[(head + column) * values.stride + first..][..count].as_ptr();
            // SAFETY: each row of values has `count` numbers, as many as there are rows of scores.
            unsafe {
                tiles(
                    isa,
                    shape.width,
                    source,
                    count,
                    &self.scores,
                    &mut self.results,
                    false,
                );
            };
        }
    }
}

/// Multiplies `count` rows of `depth` numbers with a panel.
///
/// # Safety
/// Each address has `depth` numbers.
unsafe fn tiles(
    isa: Isa,
    count: usize,
    address: impl Fn(usize) -> *const f32,
    depth: usize,
    panel: &[f32],
    sums: &mut [f32],
    fresh: bool,
) {
    let panel = &panel[..depth * WIDTH];
    for first in (0..count).step_by(ROWS) {
        let some = ROWS.min(count - first);
        let mut rows = [std::ptr::null(); ROWS];
        for (row, place) in rows.iter_mut().take(some).enumerate() {
            *place = address(first + row);
        }
        let sums = &mut sums[first * WIDTH..][..some * WIDTH];
        // SAFETY: the caller's promise; panel and sums have been cut to size.
        unsafe { tile::multiply(isa, &rows, some, depth, panel.as_ptr(), sums.as_mut_ptr(), fresh) };
    }
}

/// Takes the scores of keys that come after their query.
fn hide_later(scores: &mut [f32], first_key: usize, first_query: usize) {
    for (key, row) in scores.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate() {
        for (query, score) in row.iter_mut().enumerate() {
            if first_key + key > first_query + query {
                *score = f32::NEG_INFINITY;
            }
        }
    }
}

for_each_isa! {
    /// Turns scores into exponentials relative to the highest so far, and what was summed up before into what
    /// it is relative to that.
    fn soften(scores: &mut [f32], highest: &mut [f32; WIDTH], sums: &mut [f32; WIDTH], results: &mut [f32]) {
        let before = *highest;
        let mut top = before;
        for row in scores.as_chunks::<WIDTH>().0 {
            for (top, &score) in top.iter_mut().zip(row) {
                *top = if score > *top { score } else { *top };
            }
        }
        let mut correction = [0.0; WIDTH];
        for lane in 0..WIDTH {
            correction[lane] = exp(before[lane] - top[lane]);
        }
        let mut total = [0.0; WIDTH];
        for row in scores.as_chunks_mut::<WIDTH>().0 {
            for ((score, top), total) in row.iter_mut().zip(&top).zip(&mut total) {
                *score = exp(*score - top);
                *total += *score;
            }
        }
        for lane in 0..WIDTH {
            sums[lane] = sums[lane] * correction[lane] + total[lane];
        }
        for row in results.as_chunks_mut::<WIDTH>().0 {
            for (result, correction) in row.iter_mut().zip(&correction) {
                *result *= correction;
            }
        }
        *highest = top;
    }
}
