//! Attention over the KV cache.

mod cache;

use std::ops::Range;

use rayon::prelude::*;

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

/// Attention (Vaswani et al. 2017) of the last positions of a cache, in one pass over it with a
/// running softmax (Milakov and Gimelshein 2018). `queries` and `out` have for each of these
/// positions the numbers of all query heads; their own keys and values are in the cache already.
///
/// # Panics
/// If lengths do not fit.
pub fn attend(
    compute: &Compute,
    shape: &AttentionShape,
    cache: &LayerCache,
    queries: &[f32],
    out: &mut [f32],
) {
    let width = shape.heads * shape.head_dim;
    assert!(queries.len() == out.len() && queries.len().is_multiple_of(width));
    assert!(cache.is_of(shape));
    let rows = queries.len() / width;
    assert!(rows <= cache.len());
    let first = cache.len() - rows;
    let isa = compute.isa();
    let group_width = width / shape.kv_heads;
    if rows >= 2 * compute.threads() {
        // Few chunks, since each widens the cache for itself; more than threads, since later rows
        // have more to look at.
        let chunk = rows.div_ceil(4 * compute.threads()).max(8);
        out.par_chunks_mut(chunk * width).enumerate().for_each_init(
            Scratch::default,
            |scratch, (index, out)| {
                let queries = &queries[index * chunk * width..][..out.len()];
                for head in 0..shape.kv_heads {
                    let place = Place {
                        head,
                        first: first + index * chunk,
                        column: head * group_width,
                        stride: width,
                    };
                    attend_group(isa, shape, cache, place, queries, out, scratch);
                }
            },
        );
    } else {
        for (row, (queries, out)) in queries
            .chunks_exact(width)
            .zip(out.chunks_exact_mut(width))
            .enumerate()
        {
            let pieces = queries
                .par_chunks(group_width)
                .zip(out.par_chunks_mut(group_width))
                .enumerate();
            pieces.for_each_init(Scratch::default, |scratch, (head, (queries, out))| {
                let place = Place {
                    head,
                    first: first + row,
                    column: 0,
                    stride: group_width,
                };
                attend_group(isa, shape, cache, place, queries, out, scratch);
            });
        }
    }
}

/// Where the query heads that share a key head lie in a slice.
#[derive(Clone, Copy)]
struct Place {
    /// The key and value head.
    head: usize,
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
    let group = shape.heads / shape.kv_heads;
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::{Arithmetic, Compute};

    /// Attention by its definition.
    fn expected(
        shape: &AttentionShape,
        keys: &[f32],
        values: &[f32],
        queries: &[f32],
        first: usize,
    ) -> Vec<f32> {
        let (dim, kv_width) = (shape.head_dim, shape.kv_heads * shape.head_dim);
        let mut out = vec![0.0; queries.len()];
        for (index, out) in out.chunks_mut(dim).enumerate() {
            let (position, head) = (first + index / shape.heads, index % shape.heads);
            let kv_head = head / (shape.heads / shape.kv_heads) * dim;
            let query = &queries[index * dim..][..dim];
            let seen = shape
                .window
                .map_or(0, |window| (position + 1).saturating_sub(window))
                ..position + 1;
            let weights: Vec<f64> = seen
                .clone()
                .map(|place| {
                    let key = &keys[place * kv_width + kv_head..][..dim];
                    let score: f32 = query.iter().zip(key).map(|(q, k)| q * k).sum();
                    let score = f64::from(score * shape.scale);
                    shape
                        .soft_cap
                        .map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh())
                        .exp()
                })
                .collect();
            let sum: f64 = weights.iter().sum();
            for (place, weight) in seen.zip(weights) {
                for (out, &value) in out.iter_mut().zip(&values[place * kv_width + kv_head..]) {
                    *out += (weight / sum) as f32 * value;
                }
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn is_what_the_definition_says(
            positions in 1usize..200,
            rows in 1usize..100,
            kv_heads in 1usize..3,
            group in 1usize..4,
            dim in prop::sample::select(vec![8usize, 32, 40]),
            window in prop::option::of(1usize..150),
            soft_cap in prop::option::of(0.5f32..5.0),
            threads in 1usize..3,
            seed: u64,
        ) {
            let rows = rows.min(positions);
            let shape = AttentionShape { heads: kv_heads * group, kv_heads, head_dim: dim, scale: 0.3, soft_cap, window };
            let mut random = crate::sampling::Random::from_seed(seed);
            let mut numbers = |count: usize| -> Vec<f32> {
                (0..count).map(|_| random.next_f64() as f32 * 4.0 - 2.0).collect()
            };
            let keys = numbers(positions * kv_heads * dim);
            let values = numbers(positions * kv_heads * dim);
            let queries = numbers(rows * shape.heads * dim);
            let expected = expected(&shape, &keys, &values, &queries, positions - rows);
            for (kind, tolerance) in [(KvType::F32, 1e-5), (KvType::F16, 1e-2), (KvType::Q8_0, 0.1)] {
                for isa in Isa::available() {
                    let compute = Compute::new(threads, isa, Arithmetic::Fast).unwrap();
                    let mut cache = LayerCache::new(kind, &shape);
                    cache.append(&keys, &values);
                    prop_assert_eq!(cache.len(), positions);
                    let mut out = vec![0.0; queries.len()];
                    compute.run(|| attend(&compute, &shape, &cache, &queries, &mut out));
                    for (found, expected) in out.iter().zip(&expected) {
                        prop_assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
                    }
                }
            }
        }
    }
}
