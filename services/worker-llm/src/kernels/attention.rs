//! Attention over the KV cache.

mod cache;

use std::cell::RefCell;
use std::ops::Range;

pub use self::cache::{KvType, LayerCache};

use super::Isa;
use super::compute::Compute;
use super::float::{exp, multiversion};

use self::cache::BLOCK;

/// The heads of a layer and what they see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionShape {
    /// Query heads, a multiple of `kv_heads`.
    pub heads: usize,
    /// Key and value heads, each shared by as many query heads.
    pub kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
    /// Multiplies the scores.
    pub scale: f32,
    /// Scores are kept between this and its negative (see [`soft_cap`](super::soft_cap)).
    pub soft_cap: Option<f32>,
    /// How many positions a position sees, itself included; `None` for all before it.
    pub window: Option<usize>,
}

/// Attention (Vaswani et al. 2017) of the last positions of some caches, in one pass over each with a
/// running softmax (Milakov and Gimelshein 2018). `caches` come with how many positions these are, whose
/// keys and values are in them already; `queries` and `out` have for each position the numbers of all query
/// heads, one cache's after the other's.
///
/// # Panics
/// If lengths do not fit.
pub fn attend(
    compute: &Compute,
    shape: &AttentionShape,
    caches: &[(&LayerCache, usize)],
    queries: &[f32],
    out: &mut [f32],
) {
    let width = shape.heads * shape.head_dim;
    assert!(queries.len() == out.len());
    let mut pieces = Vec::new();
    let mut rest = (queries, out);
    for &(cache, rows) in caches {
        assert!(cache.is_of(shape) && rows <= cache.len());
        let queries = rest
            .0
            .split_off(..rows * width)
            .expect("there are queries for all positions");
        let out = rest.1.split_off_mut(..rows * width).expect("as many as queries");
        if rows >= 2 * compute.threads() {
            pieces.extend(pieces_of_rows(compute, shape, cache, queries, out));
        } else {
            pieces.extend(pieces_of_heads(compute, shape, cache, queries, out));
        }
    }
    assert!(rest.0.is_empty());
    compute.parts(&mut pieces, 1, |_, pieces| {
        SCRATCH.with_borrow_mut(|scratch| {
            for piece in pieces {
                for &place in &piece.places {
                    attend_group(
                        compute.isa(),
                        shape,
                        piece.cache,
                        place,
                        piece.queries,
                        piece.out,
                        scratch,
                    );
                }
            }
        });
    });
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What a thread does at once.
struct Piece<'a> {
    cache: &'a LayerCache,
    queries: &'a [f32],
    out: &'a mut [f32],
    places: Vec<Place>,
}

/// Some rows with all heads. Few pieces, since each widens the cache for itself; more than threads, since
/// later rows have more to look at.
fn pieces_of_rows<'a>(
    compute: &Compute,
    shape: &AttentionShape,
    cache: &'a LayerCache,
    queries: &'a [f32],
    out: &'a mut [f32],
) -> impl Iterator<Item = Piece<'a>> {
    let width = shape.heads * shape.head_dim;
    let rows = queries.len() / width;
    let chunk = rows.div_ceil(4 * compute.threads()).max(8);
    let (first, kv_heads, group) = (cache.len() - rows, shape.kv_heads, shape.heads / shape.kv_heads);
    let group_width = group * shape.head_dim;
    let chunks = queries.chunks(chunk * width).zip(out.chunks_mut(chunk * width));
    chunks.enumerate().map(move |(index, (queries, out))| Piece {
        cache,
        queries,
        out,
        places: (0..kv_heads)
            .map(|head| Place {
                head,
                group,
                first: first + index * chunk,
                column: head * group_width,
                stride: width,
            })
            .collect(),
    })
}

/// The heads of each row that share a key head, or less where that makes too few pieces.
fn pieces_of_heads<'a>(
    compute: &Compute,
    shape: &AttentionShape,
    cache: &'a LayerCache,
    queries: &'a [f32],
    out: &'a mut [f32],
) -> impl Iterator<Item = Piece<'a>> {
    let shared = shape.heads / shape.kv_heads;
    let rows = queries.len() / (shape.heads * shape.head_dim);
    let splits = (1..=shared)
        .find(|splits| shared.is_multiple_of(*splits) && rows * shape.kv_heads * splits >= compute.threads())
        .unwrap_or(shared);
    let group = shared / splits;
    let (first, stride, pieces_a_row) = (cache.len() - rows, group * shape.head_dim, shape.heads / group);
    let chunks = queries.chunks(stride).zip(out.chunks_mut(stride));
    chunks.enumerate().map(move |(index, (queries, out))| Piece {
        cache,
        queries,
        out,
        places: vec![Place {
            head: index % pieces_a_row / splits,
            group,
            first: first + index / pieces_a_row,
            column: 0,
            stride,
        }],
    })
}

/// Where the query heads that share a key head lie in a slice.
#[derive(Clone, Copy)]
struct Place {
    /// The key and value head.
    head: usize,
    /// How many query heads.
    group: usize,
    /// Position of the first row.
    first: usize,
    /// Where in a row the query heads begin.
    column: usize,
    /// Numbers from row to row.
    stride: usize,
}

#[derive(Default)]
struct Scratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    /// Largest score so far and sum of the weights relative to it, for each row and query head.
    running: Vec<(f32, f32)>,
}

/// All rows of a slice, for the query heads that share one key head.
fn attend_group(
    isa: Isa,
    shape: &AttentionShape,
    cache: &LayerCache,
    place: Place,
    queries: &[f32],
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let dim = shape.head_dim;
    let group = place.group;
    let rows = queries.len() / place.stride;
    let heads = |row: usize| {
        (0..group).map(move |head| {
            let start = row * place.stride + place.column + head * dim;
            (row * group + head, start..start + dim)
        })
    };
    scratch.running.clear();
    scratch.running.resize(rows * group, (f32::NEG_INFINITY, 0.0));
    for row in 0..rows {
        heads(row).for_each(|(_, numbers)| out[numbers].fill(0.0));
    }
    let lowest = |position: usize| {
        shape
            .window
            .map_or(0, |window| (position + 1).saturating_sub(window))
    };
    let blocks = lowest(place.first) / BLOCK..(place.first + rows).div_ceil(BLOCK);
    for index in blocks {
        let keys = cache.keys(index, place.head, &mut scratch.keys);
        let values = cache.values(index, place.head, &mut scratch.values);
        let start = index * BLOCK;
        for row in 0..rows {
            let position = place.first + row;
            let seen = lowest(position).max(start)..(position + 1).min(start + BLOCK);
            if seen.is_empty() {
                continue;
            }
            let seen = seen.start - start..seen.end - start;
            let view = View {
                keys,
                values,
                seen,
                scale: shape.scale,
                soft_cap: shape.soft_cap,
            };
            for (state, numbers) in heads(row) {
                let query = &queries[numbers.clone()];
                add_block(isa, query, &view, &mut scratch.running[state], &mut out[numbers]);
            }
        }
    }
    for row in 0..rows {
        for (state, numbers) in heads(row) {
            let (_, sum) = scratch.running[state];
            out[numbers].iter_mut().for_each(|x| *x /= sum);
        }
    }
}

/// What a query sees of a block.
struct View<'a> {
    /// `[item][position]`
    keys: &'a [f32],
    /// `[position][item]`
    values: &'a [f32],
    /// Positions within the block, at least one.
    seen: Range<usize>,
    scale: f32,
    soft_cap: Option<f32>,
}

multiversion! {
    /// Adds what one query sees of a block to its running softmax.
    fn add_block(query: &[f32], view: &View<'_>, running: &mut (f32, f32), out: &mut [f32]) |mul_add| {
        let View { keys, values, seen, scale, soft_cap } = view;
        let dim = query.len();
        let mut scores = [0.0f32; BLOCK];
        for (&query, keys) in query.iter().zip(keys.as_chunks::<BLOCK>().0) {
            for place in 0..BLOCK {
                scores[place] = mul_add(query, keys[place], scores[place]);
            }
        }
        for score in &mut scores {
            *score *= scale;
        }
        if let Some(cap) = *soft_cap {
            for score in &mut scores {
                *score = cap * (1.0 - 2.0 / (exp(2.0 * (*score / cap), mul_add) + 1.0));
            }
        }
        let mut largest = running.0;
        for (place, score) in scores.iter_mut().enumerate() {
            let visible = place >= seen.start && place < seen.end;
            *score = if visible { *score } else { f32::NEG_INFINITY };
            largest = largest.max(*score);
        }
        let mut sum = 0.0;
        for score in &mut scores {
            // The function never gives 0, which matters where nothing is to be seen.
            *score = if *score == f32::NEG_INFINITY { 0.0 } else { exp(*score - largest, mul_add) };
            sum += *score;
        }
        let fade = if running.0 == f32::NEG_INFINITY { 0.0 } else { (running.0 - largest).exp() };
        *running = (largest, mul_add(running.1, fade, sum));
        // Some of the items at a time, so that their sums stay in registers.
        const ITEMS: usize = 32;
        let (chunks, rest) = out.as_chunks_mut::<ITEMS>();
        for (index, out) in chunks.iter_mut().enumerate() {
            let mut sums = out.map(|x| x * fade);
            for place in seen.clone() {
                let values: &[f32; ITEMS] = values[place * dim + index * ITEMS..]
                    .first_chunk()
                    .expect("a position has a number for every item");
                for item in 0..ITEMS {
                    sums[item] = mul_add(scores[place], values[item], sums[item]);
                }
            }
            *out = sums;
        }
        let tail = dim - rest.len();
        for (item, out) in rest.iter_mut().enumerate() {
            *out *= fade;
            for place in seen.clone() {
                *out = mul_add(scores[place], values[place * dim + tail + item], *out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
