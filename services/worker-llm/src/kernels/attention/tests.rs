//! Attention against its definition.

use proptest::prelude::*;

use super::*;
use crate::kernels::{Arithmetic, Compute};

/// Attention by its definition.
fn expected(shape: &AttentionShape, keys: &[f32], values: &[f32], queries: &[f32], first: usize) -> Vec<f32> {
    let (dim, kv_width) = (shape.head_dim, shape.kv_heads * shape.head_dim);
    let mut out = vec![0.0; queries.len()];
    for (index, out) in out.chunks_mut(dim).enumerate() {
        let (position, head) = (first + index / shape.heads, index % shape.heads);
        let kv_head = head / (shape.heads / shape.kv_heads) * dim;
        let query = &queries[index * dim..][..dim];
        let seen = shape
            .window
            .map_or(0, |window| (position + 1).saturating_sub(window))..position + 1;
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
                // Twice in a batch, with another one between.
                let mut other = LayerCache::new(kind, &shape);
                other.append(&keys[..kv_heads * dim], &values[..kv_heads * dim]);
                let one = shape.heads * dim;
                let both = [&queries[..], &queries[..one], &queries].concat();
                let mut batch = vec![0.0; both.len()];
                attend(&compute, &shape, &[(&cache, rows), (&other, 1), (&cache, rows)], &both, &mut batch);
                attend(&compute, &shape, &[(&cache, rows)], &queries, &mut out);
                prop_assert_eq!(&batch[..out.len()], &out[..]);
                prop_assert_eq!(&batch[out.len() + one..], &out[..]);
                for (found, expected) in out.iter().zip(&expected) {
                    prop_assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
                }
            }
        }
    }
}
