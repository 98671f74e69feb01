//! The first half of a layer: heads, rotation, cache, attention.

use super::rotation::Rotation;
use super::{Buffers, Decoder, ROWS_PER_TASK, Segment};
use crate::kernels::{self, AttentionShape, Product, attend};
use crate::model::spec::RopeLayout;
use crate::model::weights::{LayerWeights, Linear};

impl Decoder {
    pub(super) fn shape(&self, layer: usize) -> AttentionShape {
        AttentionShape {
            heads: self.spec.heads,
            kv_heads: self.spec.kv_heads,
            head_dim: self.spec.head_dim,
            scale: self.spec.attention_scale,
            soft_cap: self.spec.attention_soft_cap,
            window: self.spec.layers[layer].window,
        }
    }

    pub(super) fn attention(
        &self,
        layer: usize,
        weights: &LayerWeights,
        rotations: &[Rotation],
        batch: &mut [Segment<'_>],
        buffers: &mut Buffers,
    ) {
        let Buffers {
            stream,
            normed,
            queries,
            keys,
            values,
            attended,
            output,
            ..
        } = buffers;
        let spec = &self.spec;
        let rows = stream.len() / spec.width;
        let (query_width, kv_width) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        self.normalise(stream, &weights.attention_norm, normed);
        queries.resize(rows * query_width, 0.0);
        keys.resize(rows * kv_width, 0.0);
        values.resize(rows * kv_width, 0.0);
        let input = self.compute.input(normed, spec.width);
        self.compute.multiply(
            &input,
            [
                Product {
                    matrix: &weights.query.matrix,
                    out: queries,
                },
                Product {
                    matrix: &weights.key.matrix,
                    out: keys,
                },
                Product {
                    matrix: &weights.value.matrix,
                    out: values,
                },
            ],
        );
        let rotation = &rotations[spec.layers[layer].rope];
        self.prepare_heads(
            queries,
            query_width,
            &weights.query,
            weights.query_norm.as_deref(),
            Some(rotation),
        );
        self.prepare_heads(
            keys,
            kv_width,
            &weights.key,
            weights.key_norm.as_deref(),
            Some(rotation),
        );
        self.prepare_heads(values, kv_width, &weights.value, None, None);

        attended.resize(rows * query_width, 0.0);
        let shape = self.shape(layer);
        let mut first = 0;
        for segment in &mut *batch {
            let rows = first..first + segment.tokens.len();
            first = rows.end;
            let numbers = rows.start * kv_width..rows.end * kv_width;
            segment.cache.layers[layer].append(&keys[numbers.clone()], &values[numbers]);
        }
        let caches: Vec<_> = batch
            .iter()
            .map(|segment| (&segment.cache.layers[layer], segment.tokens.len()))
            .collect();
        attend(&self.compute, &shape, &caches, queries, attended);
        self.project(attended, &weights.attention_output, output);
        self.add_to_stream(output, weights.post_attention_norm.as_deref(), normed, stream);
    }

    /// Adds the bias, normalises each head, and turns them by their positions.
    fn prepare_heads(
        &self,
        rows: &mut [f32],
        width: usize,
        linear: &Linear,
        norm: Option<&[f32]>,
        rotation: Option<&Rotation>,
    ) {
        let isa = self.isa();
        let pairs = self.spec.rope_dim / 2;
        self.compute.parts(rows, width * ROWS_PER_TASK, |part, rows| {
            for (index, row) in rows.chunks_exact_mut(width).enumerate() {
                let index = part * ROWS_PER_TASK + index;
                if let Some(bias) = &linear.bias {
                    kernels::add(isa, row, bias);
                }
                if let Some(weight) = norm {
                    let given = row.to_vec();
                    kernels::rms_norm(isa, &given, weight, self.spec.epsilon, row);
                }
                if let Some(rotation) = rotation {
                    let places = index * pairs..(index + 1) * pairs;
                    let (cos, sin) = (&rotation.cos[places.clone()], &rotation.sin[places]);
                    match self.spec.rope_layout {
                        RopeLayout::Halves => kernels::rotate(isa, row, self.spec.head_dim, cos, sin),
                        RopeLayout::Neighbours => {
                            kernels::rotate_neighbours(isa, row, self.spec.head_dim, cos, sin);
                        }
                    }
                }
            }
        });
    }
}
