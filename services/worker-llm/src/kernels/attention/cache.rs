//! The KV cache of a layer.
//!
//! It grows in blocks of 64 positions. Within a block, keys lie item by item (all positions of item
//! 0, then of item 1, …), so that the scores of a whole block are sums of vectors; values lie position
//! by position, for the same reason.
//!
//! Sequences that begin alike share blocks: a block is copied when somebody writes to it who does not
//! have it alone.

use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::AttentionShape;

/// Positions in a block.
pub(super) const BLOCK: usize = 64;
/// Items of a head that share a scale in 8 bits.
const GROUP: usize = 32;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KvType {
    /// 16-bit floats: half the memory of 32, and a rounding of 1 in 2048.
    #[default]
    F16,
    /// 32-bit floats.
    F32,
    /// 8 bits and a scale for 32 numbers: half the memory of 16, and a rounding of 1 in 127 of the
    /// largest.
    Q8_0,
}

impl KvType {
    /// Bytes of a head's key or value at one position.
    #[must_use]
    pub fn bytes(self, head_dim: usize) -> usize {
        match self {
            Self::F16 => 2 * head_dim,
            Self::F32 => 4 * head_dim,
            Self::Q8_0 => head_dim + size_of::<f16>() * head_dim.div_ceil(GROUP),
        }
    }
}

/// Keys and values of 64 positions of one layer.
#[derive(Debug, Clone)]
struct KvBlock {
    /// `[kv_head][item][position]`.
    keys: Numbers,
    /// `[kv_head][position][item]`.
    values: Numbers,
}

#[derive(Debug, Clone)]
enum Numbers {
    F16(Vec<f16>),
    F32(Vec<f32>),
    /// The scales lie as the codes do, with groups of items in place of items.
    Q8_0 {
        codes: Vec<i8>,
        scales: Vec<f16>,
    },
}

/// Where a head's numbers of one position lie.
#[derive(Clone, Copy)]
struct Place {
    /// The first item, and how far it is to the next.
    item: usize,
    item_step: usize,
    /// The same for groups of items.
    group: usize,
    group_step: usize,
}

impl Numbers {
    fn new(kind: KvType, heads: usize, dim: usize) -> Self {
        let len = heads * dim * BLOCK;
        match kind {
            KvType::F16 => Self::F16(vec![f16::ZERO; len]),
            KvType::F32 => Self::F32(vec![0.0; len]),
            KvType::Q8_0 => Self::Q8_0 {
                codes: vec![0; len],
                scales: vec![f16::ZERO; heads * dim.div_ceil(GROUP) * BLOCK],
            },
        }
    }

    fn set(&mut self, place: Place, numbers: &[f32]) {
        let places = (place.item..).step_by(place.item_step);
        match self {
            Self::F16(data) => {
                places
                    .zip(numbers)
                    .for_each(|(place, &number)| data[place] = f16::from_f32(number));
            }
            Self::F32(data) => places
                .zip(numbers)
                .for_each(|(place, &number)| data[place] = number),
            Self::Q8_0 { codes, scales } => {
                for (group, numbers) in numbers.chunks(GROUP).enumerate() {
                    let largest = numbers.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
                    let scale = f16::from_f32(largest / 127.0);
                    scales[place.group + group * place.group_step] = scale;
                    let scale = scale.to_f32();
                    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                    for (item, &number) in numbers.iter().enumerate() {
                        // Saturates where the scale was rounded down.
                        let code = (number * inverse).round() as i8;
                        codes[place.item + (group * GROUP + item) * place.item_step] = code;
                    }
                }
            }
        }
    }
}

/// The keys and values of one layer of one sequence.
#[derive(Debug)]
pub struct LayerCache {
    kind: KvType,
    kv_heads: usize,
    head_dim: usize,
    len: usize,
    blocks: Vec<Arc<KvBlock>>,
}

impl LayerCache {
    /// An empty cache.
    #[must_use]
    pub fn new(kind: KvType, shape: &AttentionShape) -> Self {
        Self {
            kind,
            kv_heads: shape.kv_heads,
            head_dim: shape.head_dim,
            len: 0,
            blocks: Vec::new(),
        }
    }

    /// A cache that begins with the first `len` positions of this one and shares their memory.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn fork(&self, len: usize) -> Self {
        assert!(len <= self.len);
        Self {
            len,
            blocks: self.blocks[..len.div_ceil(BLOCK)].to_vec(),
            ..*self
        }
    }

    /// How many positions a cache of `len` has memory for.
    #[must_use]
    pub fn room(len: usize) -> usize {
        len.next_multiple_of(BLOCK)
    }

    /// Positions in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no position in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its share of the memory it takes, in bytes: a block that several caches have counts for each in
    /// part, so that the shares of all make what is taken.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        let block = (2 * BLOCK * self.kv_heads * self.kind.bytes(self.head_dim)) as f64;
        let shares = self
            .blocks
            .iter()
            .map(|shared| block / Arc::strong_count(shared) as f64);
        shares.sum()
    }

    /// Whether it was made for this shape.
    pub(super) fn is_of(&self, shape: &AttentionShape) -> bool {
        self.kv_heads == shape.kv_heads && self.head_dim == shape.head_dim
    }

    /// Appends positions: for each, the numbers of all heads one after the other.
    ///
    /// # Panics
    /// If these are not whole positions.
    pub fn append(&mut self, keys: &[f32], values: &[f32]) {
        let (heads, dim, groups) = (self.kv_heads, self.head_dim, self.head_dim.div_ceil(GROUP));
        assert!(keys.len() == values.len() && keys.len().is_multiple_of(heads * dim));
        for (keys, values) in keys
            .chunks_exact(heads * dim)
            .zip(values.chunks_exact(heads * dim))
        {
            let position = self.len % BLOCK;
            if position == 0 {
                let numbers = || Numbers::new(self.kind, heads, dim);
                self.blocks.push(Arc::new(KvBlock {
                    keys: numbers(),
                    values: numbers(),
                }));
            }
            let block = self
                .blocks
                .last_mut()
                .expect("a block was pushed for its first position");
            let block = Arc::make_mut(block);
            for head in 0..heads {
                let numbers = head * dim..(head + 1) * dim;
                let key = Place {
                    item: head * dim * BLOCK + position,
                    item_step: BLOCK,
                    group: head * groups * BLOCK + position,
                    group_step: BLOCK,
                };
                block.keys.set(key, &keys[numbers.clone()]);
                let value = Place {
                    item: (head * BLOCK + position) * dim,
                    item_step: 1,
                    group: (head * BLOCK + position) * groups,
                    group_step: 1,
                };
                block.values.set(value, &values[numbers]);
            }
            self.len += 1;
        }
    }

    /// The keys of a head in a block, `[item][position]`, widened into `scratch` where they are not
    /// `f32` already.
    pub(super) fn keys<'a>(&'a self, block: usize, head: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        let numbers = &self.blocks[block].keys;
        let Numbers::Q8_0 { codes, scales } = numbers else {
            return self.floats(numbers, head, scratch);
        };
        let (dim, groups) = (self.head_dim, self.head_dim.div_ceil(GROUP));
        let codes = &codes[head * dim * BLOCK..(head + 1) * dim * BLOCK];
        let scales = &scales[head * groups * BLOCK..(head + 1) * groups * BLOCK];
        scratch.clear();
        let mut wide = [0.0f32; BLOCK];
        for (item, codes) in codes.chunks_exact(BLOCK).enumerate() {
            if item % GROUP == 0 {
                scales[item / GROUP * BLOCK..][..BLOCK].convert_to_f32_slice(&mut wide);
            }
            scratch.extend(
                codes
                    .iter()
                    .zip(&wide)
                    .map(|(&code, scale)| f32::from(code) * scale),
            );
        }
        scratch
    }

    /// The values of a head in a block, `[position][item]`, widened as keys are.
    pub(super) fn values<'a>(&'a self, block: usize, head: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        let numbers = &self.blocks[block].values;
        let Numbers::Q8_0 { codes, scales } = numbers else {
            return self.floats(numbers, head, scratch);
        };
        let (dim, groups) = (self.head_dim, self.head_dim.div_ceil(GROUP));
        let codes = &codes[head * dim * BLOCK..(head + 1) * dim * BLOCK];
        let scales = &scales[head * groups * BLOCK..(head + 1) * groups * BLOCK];
        scratch.clear();
        for (codes, scales) in codes.chunks_exact(dim).zip(scales.chunks_exact(groups)) {
            for (codes, scale) in codes.chunks(GROUP).zip(scales) {
                let scale = scale.to_f32();
                scratch.extend(codes.iter().map(|&code| f32::from(code) * scale));
            }
        }
        scratch
    }

    fn floats<'a>(&self, numbers: &'a Numbers, head: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        let len = self.head_dim * BLOCK;
        let share = head * len..(head + 1) * len;
        match numbers {
            Numbers::F32(data) => &data[share],
            Numbers::F16(data) => {
                scratch.resize(len, 0.0);
                data[share].convert_to_f32_slice(scratch);
                scratch
            }
            Numbers::Q8_0 { .. } => {
                unreachable!("codes have scales, which keys and values lay out each in its way")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: AttentionShape = AttentionShape {
        heads: 2,
        kv_heads: 2,
        head_dim: 40,
        scale: 1.0,
        soft_cap: None,
        window: None,
    };

    /// A cache of `len` positions whose numbers follow from `seed`.
    fn filled(kind: KvType, len: usize, seed: u64) -> LayerCache {
        let mut cache = LayerCache::new(kind, &SHAPE);
        append(&mut cache, len, seed);
        cache
    }

    fn append(cache: &mut LayerCache, len: usize, seed: u64) {
        let mut random = crate::sampling::Random::from_seed(seed);
        for _ in 0..len {
            let numbers: Vec<f32> = (0..160).map(|_| random.next_f64() as f32 - 0.5).collect();
            cache.append(&numbers[..80], &numbers[80..]);
        }
    }

    fn everything(cache: &LayerCache) -> Vec<f32> {
        let mut scratch = Vec::new();
        let mut all = Vec::new();
        for block in 0..cache.len().div_ceil(BLOCK) {
            for head in 0..2 {
                all.extend_from_slice(cache.keys(block, head, &mut scratch));
                all.extend_from_slice(cache.values(block, head, &mut scratch));
            }
        }
        all
    }

    #[test]
    fn what_is_kept_is_near_what_was_given() {
        for (kind, tolerance) in [
            (KvType::F32, 0.0),
            (KvType::F16, 2.5e-4),
            (KvType::Q8_0, 0.5 / 127.0 * 0.51),
        ] {
            let found = everything(&filled(kind, 70, 1));
            let exact = everything(&filled(KvType::F32, 70, 1));
            assert_eq!(found.len(), exact.len());
            for (found, exact) in found.iter().zip(&exact) {
                assert!(
                    (found - exact).abs() <= tolerance,
                    "{kind:?}: {found} is not {exact}"
                );
            }
        }
    }

    #[test]
    fn caches_that_begin_alike_share_memory_until_one_writes() {
        for kind in [KvType::F32, KvType::F16, KvType::Q8_0] {
            let first = filled(kind, 100, 1);
            let alone = first.bytes();
            assert_eq!(alone, (2 * 2 * BLOCK * 2 * kind.bytes(40)) as f64);
            let before = everything(&first);

            let mut second = first.fork(90);
            assert_eq!(
                (second.len(), second.bytes(), first.bytes()),
                (90, alone / 2.0, alone / 2.0)
            );
            append(&mut second, 20, 2);
            // The first block is shared, the second is not any more.
            assert_eq!(first.bytes() + second.bytes(), alone * 1.5);
            assert_eq!(everything(&first), before, "the first does not notice");

            let mut expected = filled(kind, 90, 1);
            append(&mut expected, 20, 2);
            assert_eq!(everything(&second), everything(&expected));
            drop(second);
            assert_eq!(first.bytes(), alone);
            assert_eq!(first.fork(0).bytes(), 0.0);
        }
    }
}
