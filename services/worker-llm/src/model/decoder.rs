//! The forward pass.

use rayon::prelude::*;

use super::spec::{Activation, DecoderSpec, RopeSpec};
use super::weights::{LayerWeights, Linear, Weights};
use crate::engine::BackendError;
use crate::kernels::{self, AttentionShape, Compute, Isa, KvType, LayerCache, Matrix, Product, attend};

/// Rows that a thread takes at once in the small functions between products.
const ROWS_PER_TASK: usize = 8;

/// A decoder-only transformer on the processor.
#[derive(Debug)]
pub struct Decoder {
    spec: DecoderSpec,
    weights: Weights,
    compute: Compute,
    kv_type: KvType,
    /// For each of [`DecoderSpec::ropes`] how far a pair turns from one position to the next.
    frequencies: Vec<Vec<f32>>,
    buffers: Buffers,
}

/// Keys and values of one sequence.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
}

impl KvCache {
    /// Tokens in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layers.first().map_or(0, LayerCache::len)
    }

    /// Whether there is no token in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory it takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes() as u64).sum()
    }
}

/// What one sequence appends in a forward pass.
#[derive(Debug)]
pub struct Segment<'a> {
    /// What came before.
    pub cache: &'a mut KvCache,
    /// The tokens to append, at least one, each in the vocabulary.
    pub tokens: &'a [u32],
    /// Where logits go.
    pub logits: LogitsFor<'a>,
}

/// For which tokens of a [`Segment`] the logits are wanted. The vector's content is replaced.
#[derive(Debug)]
pub enum LogitsFor<'a> {
    /// For none.
    None,
    /// For the last: `vocab_size` numbers.
    Last(&'a mut Vec<f32>),
    /// For each token one after the other.
    All(&'a mut Vec<f32>),
}

/// Intermediate results, kept from pass to pass for their memory.
#[derive(Debug, Default)]
struct Buffers {
    /// The residual stream.
    stream: Vec<f32>,
    normed: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    attended: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    output: Vec<f32>,
    logits: Vec<f32>,
}

/// The cosines and sines of one rotation for every row of a pass: `[row][pair]`.
struct Rotation {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Decoder {
    /// Puts a decoder together.
    #[must_use]
    pub fn new(spec: DecoderSpec, weights: Weights, compute: Compute, kv_type: KvType) -> Self {
        let factors = weights.rope_factors.as_deref();
        let frequencies = spec
            .ropes
            .iter()
            .map(|rope| frequencies(rope, spec.rope_dim, factors))
            .collect();
        Self {
            spec,
            weights,
            compute,
            kv_type,
            frequencies,
            buffers: Buffers::default(),
        }
    }

    /// What it is made of.
    #[must_use]
    pub fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    /// A cache for a new sequence. It grows as tokens come.
    #[must_use]
    pub fn new_cache(&self) -> KvCache {
        let layers = 0..self.spec.layers.len();
        KvCache {
            layers: layers
                .map(|layer| LayerCache::new(self.kv_type, &self.shape(layer)))
                .collect(),
        }
    }

    fn shape(&self, layer: usize) -> AttentionShape {
        AttentionShape {
            heads: self.spec.heads,
            kv_heads: self.spec.kv_heads,
            head_dim: self.spec.head_dim,
            scale: self.spec.attention_scale,
            window: self.spec.layers[layer].window,
        }
    }

    /// Appends the tokens of all segments to their caches, as one batch, and computes the logits
    /// that are asked for.
    ///
    /// # Errors
    /// [`BackendError::NotFinite`] when the numbers overflow; the caches are of no use then.
    ///
    /// # Panics
    /// If a token is not in the vocabulary.
    pub fn forward(&mut self, batch: &mut [Segment<'_>]) -> Result<(), BackendError> {
        let mut buffers = std::mem::take(&mut self.buffers);
        let result = self.compute.run(|| self.pass(batch, &mut buffers));
        self.buffers = buffers;
        result
    }

    fn pass(&self, batch: &mut [Segment<'_>], buffers: &mut Buffers) -> Result<(), BackendError> {
        self.embed(batch, &mut buffers.stream);
        let positions: Vec<usize> = batch
            .iter()
            .flat_map(|segment| (segment.cache.len()..).take(segment.tokens.len()))
            .collect();
        let rotations: Vec<Rotation> = self
            .frequencies
            .iter()
            .map(|frequencies| Rotation::new(frequencies, &positions))
            .collect();
        for (layer, weights) in self.weights.layers.iter().enumerate() {
            self.attention(layer, weights, &rotations, batch, buffers);
            self.feed_forward(weights, buffers);
        }
        self.logits(batch, buffers)
    }

    fn embed(&self, batch: &[Segment<'_>], stream: &mut Vec<f32>) {
        let width = self.spec.width;
        let tokens: Vec<u32> = batch.iter().flat_map(|segment| segment.tokens).copied().collect();
        stream.resize(tokens.len() * width, 0.0);
        stream
            .par_chunks_mut(width)
            .zip(&tokens)
            .with_min_len(ROWS_PER_TASK)
            .for_each(|(row, &token)| {
                self.weights.embedding.dequantise_row(token as usize, row);
                if let Some(factor) = self.spec.embedding_scale {
                    kernels::scale(self.isa(), row, factor);
                }
            });
    }

    fn attention(
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
        for segment in batch {
            let rows = first..first + segment.tokens.len();
            first = rows.end;
            let cache = &mut segment.cache.layers[layer];
            let numbers = rows.start * kv_width..rows.end * kv_width;
            cache.append(&keys[numbers.clone()], &values[numbers]);
            let numbers = rows.start * query_width..rows.end * query_width;
            attend(
                &self.compute,
                &shape,
                cache,
                &queries[numbers.clone()],
                &mut attended[numbers],
            );
        }
        self.project(attended, &weights.attention_output, output);
        self.add_to_stream(output, weights.post_attention_norm.as_deref(), normed, stream);
    }

    fn feed_forward(&self, weights: &LayerWeights, buffers: &mut Buffers) {
        let Buffers {
            stream,
            normed,
            gate,
            up,
            output,
            ..
        } = buffers;
        let rows = stream.len() / self.spec.width;
        self.normalise(stream, &weights.feed_forward_norm, normed);
        gate.resize(rows * self.spec.inner_width, 0.0);
        up.resize(rows * self.spec.inner_width, 0.0);
        let input = self.compute.input(normed, self.spec.width);
        self.compute.multiply(
            &input,
            [
                Product {
                    matrix: &weights.gate,
                    out: gate,
                },
                Product {
                    matrix: &weights.up,
                    out: up,
                },
            ],
        );
        let piece = self.spec.inner_width.min(1024) * ROWS_PER_TASK;
        gate.par_chunks_mut(piece)
            .zip(up.par_chunks(piece))
            .for_each(|(gate, up)| match self.spec.activation {
                Activation::Silu => kernels::silu_gate(self.isa(), gate, up),
                Activation::Gelu => kernels::gelu_gate(self.isa(), gate, up),
            });
        self.project(gate, &weights.down, output);
        self.add_to_stream(output, weights.post_feed_forward_norm.as_deref(), normed, stream);
    }

    fn logits(&self, batch: &mut [Segment<'_>], buffers: &mut Buffers) -> Result<(), BackendError> {
        let Buffers {
            stream,
            normed,
            output,
            logits,
            ..
        } = buffers;
        let (width, vocab_size) = (self.spec.width, self.spec.vocab_size);
        output.clear();
        let mut end = 0;
        for segment in &*batch {
            end += segment.tokens.len();
            let wanted = match segment.logits {
                LogitsFor::None => 0,
                LogitsFor::Last(_) => 1,
                LogitsFor::All(_) => segment.tokens.len(),
            };
            output.extend_from_slice(&stream[(end - wanted) * width..end * width]);
        }
        self.normalise(output, &self.weights.output_norm, normed);
        self.project(normed, &self.weights.output, logits);
        let mut rest = logits.as_slice();
        for segment in batch {
            let (count, out) = match &mut segment.logits {
                LogitsFor::None => continue,
                LogitsFor::Last(out) => (1, out),
                LogitsFor::All(out) => (segment.tokens.len(), out),
            };
            let (own, others) = rest.split_at(count * vocab_size);
            rest = others;
            if !own
                .par_chunks(1 << 14)
                .all(|part| part.iter().all(|logit| logit.is_finite()))
            {
                return Err(BackendError::NotFinite);
            }
            out.clear();
            out.extend_from_slice(own);
        }
        Ok(())
    }

    fn isa(&self) -> Isa {
        self.compute.isa()
    }

    fn normalise(&self, rows: &[f32], weight: &[f32], out: &mut Vec<f32>) {
        out.resize(rows.len(), 0.0);
        let piece = weight.len() * ROWS_PER_TASK;
        rows.par_chunks(piece)
            .zip(out.par_chunks_mut(piece))
            .for_each(|(rows, out)| {
                kernels::rms_norm(self.isa(), rows, weight, self.spec.epsilon, out);
            });
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
        rows.par_chunks_mut(width)
            .enumerate()
            .with_min_len(ROWS_PER_TASK)
            .for_each(|(index, row)| {
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
                    kernels::rotate(isa, row, self.spec.head_dim, cos, sin);
                }
            });
    }

    fn project(&self, rows: &[f32], matrix: &Matrix, out: &mut Vec<f32>) {
        out.resize(rows.len() / matrix.len() * matrix.rows(), 0.0);
        let input = self.compute.input(rows, matrix.len());
        self.compute.multiply(&input, [Product { matrix, out }]);
    }

    fn add_to_stream(
        &self,
        output: &[f32],
        norm: Option<&[f32]>,
        scratch: &mut Vec<f32>,
        stream: &mut [f32],
    ) {
        let addition = match norm {
            None => output,
            Some(weight) => {
                self.normalise(output, weight, scratch);
                scratch
            }
        };
        let piece = self.spec.width * ROWS_PER_TASK;
        stream
            .par_chunks_mut(piece)
            .zip(addition.par_chunks(piece))
            .for_each(|(stream, addition)| {
                kernels::add(self.isa(), stream, addition);
            });
    }
}

impl Rotation {
    fn new(frequencies: &[f32], positions: &[usize]) -> Self {
        let angles = positions.iter().flat_map(|&position| {
            frequencies
                .iter()
                .map(move |&frequency| position as f32 * frequency)
        });
        let (sin, cos) = angles.map(f32::sin_cos).unzip();
        Self { cos, sin }
    }
}

/// How far each pair turns from one position to the next: `theta^(-2i / dim)`.
fn frequencies(rope: &RopeSpec, dim: usize, factors: Option<&[f32]>) -> Vec<f32> {
    (0..dim / 2)
        .map(|pair| {
            let factor = factors.map_or(1.0, |factors| factors[pair]);
            let exponent = (2 * pair) as f64 / dim as f64;
            (f64::from(rope.theta).powf(-exponent) / f64::from(rope.position_divisor * factor)) as f32
        })
        .collect()
}
