//! The forward pass.

mod attention;
mod feed_forward;
mod rotation;

pub(super) use self::feed_forward::shares;
pub(super) use self::rotation::{Rotation, Turns};
use super::spec::DecoderSpec;
use super::weights::Weights;
use crate::engine::{BackendError, LogitsWanted};
use crate::kernels::{self, Compute, Isa, KvType, LayerCache, Matrix, Product};

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
    turns: Vec<Turns>,
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

    /// Its share of the memory it takes, in bytes: the shares of all caches together are what is taken.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(LayerCache::bytes).sum::<f64>().round() as u64
    }

    /// How many tokens a cache of `tokens` has memory for: it grows in blocks.
    #[must_use]
    pub fn block_tokens(tokens: usize) -> usize {
        LayerCache::room(tokens)
    }

    /// A cache that begins with the first `tokens` of this one and shares their memory.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn fork(&self, tokens: usize) -> Self {
        let layers = self.layers.iter().map(|layer| layer.fork(tokens));
        Self {
            layers: layers.collect(),
        }
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
    /// For none; what the output matrix would be multiplied with, for each token: `width` numbers.
    Hidden(&'a mut Vec<f32>),
}

impl<'a> From<&'a mut LogitsWanted<'_>> for LogitsFor<'a> {
    fn from(wanted: &'a mut LogitsWanted<'_>) -> Self {
        match wanted {
            LogitsWanted::Nothing => Self::None,
            LogitsWanted::Last(out) => Self::Last(out),
            LogitsWanted::All(out) => Self::All(out),
        }
    }
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
    gates: feed_forward::Gates,
    output: Vec<f32>,
    logits: Vec<f32>,
    routed: feed_forward::Routed,
}

impl Decoder {
    /// Puts a decoder together.
    #[must_use]
    pub fn new(spec: DecoderSpec, weights: Weights, compute: Compute, kv_type: KvType) -> Self {
        let factors = weights.rope_factors.as_deref();
        let turns = spec
            .ropes
            .iter()
            .map(|rope| Turns::new(rope, spec.rope_dim, factors, spec.context_length))
            .collect();
        Self {
            spec,
            weights,
            compute,
            kv_type,
            turns,
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
        let result = self.pass(batch, &mut buffers);
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
            .turns
            .iter()
            .map(|turns| Rotation::new(turns, &positions))
            .collect();
        for (layer, weights) in self.weights.layers.iter().enumerate() {
            self.attention(layer, weights, &rotations, batch, buffers);
            self.feed_forward(weights, buffers);
        }
        self.hidden(batch, buffers)?;
        self.logits(batch, buffers)
    }

    /// Gives the segments that want it what the last layer made of their tokens, normalised.
    fn hidden(&self, batch: &mut [Segment<'_>], buffers: &Buffers) -> Result<(), BackendError> {
        let width = self.spec.width;
        let mut start = 0;
        for segment in batch {
            let end = start + segment.tokens.len();
            if let LogitsFor::Hidden(out) = &mut segment.logits {
                let rows = &buffers.stream[start * width..end * width];
                self.normalise(rows, &self.weights.output_norm, out);
                if !out.iter().all(|number| number.is_finite()) {
                    return Err(BackendError::NotFinite);
                }
            }
            start = end;
        }
        Ok(())
    }

    fn embed(&self, batch: &[Segment<'_>], stream: &mut Vec<f32>) {
        let width = self.spec.width;
        let tokens: Vec<u32> = batch.iter().flat_map(|segment| segment.tokens).copied().collect();
        stream.resize(tokens.len() * width, 0.0);
        self.compute.parts(stream, width * ROWS_PER_TASK, |part, rows| {
            for (row, &token) in rows.chunks_exact_mut(width).zip(&tokens[part * ROWS_PER_TASK..]) {
                self.weights.embedding.dequantise_row(token as usize, row);
                if let Some(factor) = self.spec.embedding_scale {
                    kernels::scale(self.isa(), row, factor);
                }
            }
        });
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
                LogitsFor::None | LogitsFor::Hidden(_) => 0,
                LogitsFor::Last(_) => 1,
                LogitsFor::All(_) => segment.tokens.len(),
            };
            output.extend_from_slice(&stream[(end - wanted) * width..end * width]);
        }
        self.normalise(output, &self.weights.output_norm, normed);
        self.project(normed, &self.weights.output, logits);
        if let Some(cap) = self.spec.logit_soft_cap {
            self.compute.parts(logits, 1 << 14, |_, part| {
                kernels::soft_cap(self.isa(), part, cap);
            });
        }
        let mut rest = logits.as_slice();
        for segment in batch {
            let (count, out) = match &mut segment.logits {
                LogitsFor::None | LogitsFor::Hidden(_) => continue,
                LogitsFor::Last(out) => (1, out),
                LogitsFor::All(out) => (segment.tokens.len(), out),
            };
            let (own, others) = rest.split_at(count * vocab_size);
            rest = others;
            if !kernels::all_finite(self.isa(), own) {
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
        self.compute.parts(out, piece, |index, out| {
            let rows = &rows[index * piece..][..out.len()];
            kernels::rms_norm(self.isa(), rows, weight, self.spec.epsilon, out);
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
        self.compute.parts(stream, piece, |index, stream| {
            let addition = &addition[index * piece..][..stream.len()];
            kernels::add(self.isa(), stream, addition);
        });
    }
}
