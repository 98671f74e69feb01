//! Sequences over a decoder on the processor: the CPU's [`Backend`].

use std::collections::HashMap;
use std::thread::available_parallelism;

use super::decoder::{Decoder, KvCache, LogitsFor, Segment};
use super::error::LoadError;
use super::files::ModelFiles;
use super::info::ModelInfo;
use super::spec::DecoderSpec;
use crate::engine::{Backend, BackendError, HiddenStep, SequenceId, SequenceStep};
use crate::kernels::{Arithmetic, Compute, Isa, KvType};

/// Where loading stands when the header is read and checked; the rest is reading the weights.
const CHECKED_FRACTION: f64 = 0.05;

/// How to load a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Tokens of prompt and answer together; `None` for the model's own limit.
    pub context_length: Option<usize>,
    /// Threads to compute with; `None` for one on each processor.
    pub threads: Option<usize>,
    /// How the KV cache keeps its numbers.
    pub kv_type: KvType,
    /// How exactly products are computed.
    pub arithmetic: Arithmetic,
}

/// A model on the processor.
#[derive(Debug)]
pub struct CpuBackend {
    info: ModelInfo,
    decoder: Decoder,
    sequences: HashMap<SequenceId, Sequence>,
    opened: u64,
}

#[derive(Debug)]
struct Sequence {
    cache: KvCache,
    capacity_tokens: usize,
}

impl CpuBackend {
    /// Makes a model of its files, which may take seconds where it has to come from disk. Calls
    /// `progress` with the fraction that is done, from 0 to 1.
    ///
    /// # Errors
    /// When the model is not supported or broken, or the options do not fit it. Nothing of the
    /// size of the model is allocated before all of it is checked.
    pub fn load(
        files: &ModelFiles,
        options: &LoadOptions,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Self, LoadError> {
        progress(0.0);
        let (mut spec, weights) = files.decoder()?;
        let info = model_info(files, &spec, options)?;
        spec.context_length = info.context_length;
        let threads = options
            .threads
            .unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
        let compute =
            Compute::new(threads, Isa::detect(), options.arithmetic).map_err(|error| LoadError::Threads {
                threads,
                message: error.to_string(),
            })?;
        tracing::info!(isa = ?compute.isa(), threads = compute.threads(), "computing on the processor");
        files.prefetch(&mut |fraction| progress(CHECKED_FRACTION + (1.0 - CHECKED_FRACTION) * fraction));
        let decoder = Decoder::new(spec, weights, compute, options.kv_type);
        Ok(Self {
            info,
            decoder,
            sequences: HashMap::new(),
            opened: 0,
        })
    }
}

impl CpuBackend {
    fn insert(&mut self, cache: KvCache, capacity_tokens: usize) -> SequenceId {
        self.opened += 1;
        let id = SequenceId(self.opened);
        let sequence = Sequence {
            cache,
            capacity_tokens,
        };
        self.sequences.insert(id, sequence);
        id
    }

    /// Takes the sequences of a batch out of the map while they are computed, so that each can be borrowed for
    /// itself. Each is to grow by so many tokens.
    fn take(&mut self, batch: &[(SequenceId, usize)]) -> Result<Vec<Sequence>, BackendError> {
        for &(id, more) in batch {
            let sequence = self.sequences.get(&id).ok_or(BackendError::UnknownSequence(id))?;
            let tokens = sequence.cache.len() + more;
            if tokens > sequence.capacity_tokens {
                return Err(BackendError::SequenceFull {
                    sequence: id,
                    tokens,
                    capacity: sequence.capacity_tokens,
                });
            }
        }
        let taken: Vec<Sequence> = batch
            .iter()
            .filter_map(|(id, _)| self.sequences.remove(id))
            .collect();
        if taken.len() < batch.len() {
            return Err(BackendError::Device("a sequence is twice in a batch".to_owned()));
        }
        Ok(taken)
    }
}

pub(super) fn model_info(
    files: &ModelFiles,
    spec: &DecoderSpec,
    options: &LoadOptions,
) -> Result<ModelInfo, LoadError> {
    let description = files.description()?;
    let longest = spec.context_length;
    let context_length = options.context_length.unwrap_or(longest);
    if !(1..=longest).contains(&context_length) {
        return Err(LoadError::ContextLength {
            requested: context_length,
            longest,
        });
    }
    Ok(ModelInfo {
        architecture: spec.architecture.to_string(),
        name: description.name,
        quantization: description.quantization,
        vocab_size: spec.vocab_size,
        context_length,
        trained_context_length: longest,
        embedding_length: spec.width,
        layer_count: spec.layers.len(),
        parameter_count: description.parameter_count,
        weights_bytes: description.weights_bytes,
        pooling: files.pooling()?,
        kv_bytes_per_token: spec.kv_bytes(options.kv_type) as u64,
    })
}

impl Backend for CpuBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn open(&mut self, capacity_tokens: usize) -> Result<SequenceId, BackendError> {
        let cache = self.decoder.new_cache();
        Ok(self.insert(cache, capacity_tokens))
    }

    fn fork(
        &mut self,
        other: SequenceId,
        tokens: usize,
        capacity_tokens: usize,
    ) -> Result<SequenceId, BackendError> {
        let Sequence { cache, .. } = self
            .sequences
            .get(&other)
            .ok_or(BackendError::UnknownSequence(other))?;
        if cache.len() < tokens {
            return Err(BackendError::SequenceShort {
                sequence: other,
                tokens: cache.len(),
                wanted: tokens,
            });
        }
        let cache = cache.fork(tokens);
        Ok(self.insert(cache, capacity_tokens))
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence);
    }

    fn step(&mut self, batch: &mut [SequenceStep<'_>]) -> Result<(), BackendError> {
        let steps: Vec<(SequenceId, usize)> = batch
            .iter()
            .map(|step| (step.sequence, step.tokens.len()))
            .collect();
        let mut taken = self.take(&steps)?;
        let mut segments: Vec<Segment<'_>> = taken
            .iter_mut()
            .zip(&mut *batch)
            .map(|(sequence, step)| Segment {
                cache: &mut sequence.cache,
                tokens: step.tokens,
                logits: LogitsFor::from(&mut step.logits),
            })
            .collect();
        let result = self.decoder.forward(&mut segments);
        self.sequences
            .extend(batch.iter().map(|step| step.sequence).zip(taken));
        result
    }

    fn hidden(&mut self, batch: &mut [HiddenStep<'_>]) -> Result<(), BackendError> {
        let steps: Vec<(SequenceId, usize)> = batch
            .iter()
            .map(|step| (step.sequence, step.tokens.len()))
            .collect();
        let mut taken = self.take(&steps)?;
        let mut segments: Vec<Segment<'_>> = taken
            .iter_mut()
            .zip(&mut *batch)
            .map(|(sequence, step)| Segment {
                cache: &mut sequence.cache,
                tokens: step.tokens,
                logits: LogitsFor::Hidden(step.hidden),
            })
            .collect();
        let result = self.decoder.forward(&mut segments);
        self.sequences
            .extend(batch.iter().map(|step| step.sequence).zip(taken));
        result
    }

    fn sequence_bytes(&self, sequence: SequenceId) -> u64 {
        self.sequences
            .get(&sequence)
            .map_or(0, |sequence| sequence.cache.bytes())
    }

    fn bytes_for(&self, tokens: usize) -> u64 {
        KvCache::block_tokens(tokens) as u64 * self.info.kv_bytes_per_token
    }
}
