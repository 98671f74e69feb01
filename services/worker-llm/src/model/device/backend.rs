//! Sequences over a decoder on a device: the [`Backend`] of GPUs.

use std::collections::HashMap;

use candle_core::{DType, Device};

use super::cache::{BLOCK, DeviceCache};
use super::decoder::{DeviceDecoder, DeviceSegment, PassError};
use crate::engine::{Backend, BackendError, SequenceId, SequenceStep};
use crate::kernels::KvType;
use crate::model::backend::{LoadOptions, model_info};
use crate::model::decoder::LogitsFor;
use crate::model::error::LoadError;
use crate::model::files::ModelFiles;
use crate::model::info::ModelInfo;

/// A model on a device of candle's.
#[derive(Debug)]
pub struct DeviceBackend {
    info: ModelInfo,
    decoder: DeviceDecoder,
    sequences: HashMap<SequenceId, Sequence>,
    opened: u64,
}

#[derive(Debug)]
struct Sequence {
    cache: DeviceCache,
    capacity_tokens: usize,
}

impl DeviceBackend {
    /// Copies a model to a device. Calls `progress` with the fraction that is done, from 0 to 1. Of the options the
    /// context and the format of the KV cache count, which is of floats here.
    ///
    /// # Errors
    /// When the model is not supported or broken, the options do not fit it, or the device has no room for it.
    pub fn load(
        files: &ModelFiles,
        options: &LoadOptions,
        device: &Device,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Self, LoadError> {
        progress(0.0);
        let (mut spec, weights) = files.decoder()?;
        let info = ModelInfo {
            // Vectors of texts come from the processor alone so far.
            pooling: None,
            ..model_info(files, &spec, options)?
        };
        spec.context_length = info.context_length;
        let kv_dtype = match options.kv_type {
            KvType::F16 => DType::F16,
            KvType::F32 => DType::F32,
            KvType::Q8_0 => return Err(LoadError::KvFormat),
        };
        let decoder = DeviceDecoder::new(spec, weights, device, kv_dtype, progress)
            .map_err(|error| LoadError::Device(error.to_string()))?;
        Ok(Self {
            info,
            decoder,
            sequences: HashMap::new(),
            opened: 0,
        })
    }

    fn insert(&mut self, cache: DeviceCache, capacity_tokens: usize) -> SequenceId {
        self.opened += 1;
        let id = SequenceId(self.opened);
        let sequence = Sequence {
            cache,
            capacity_tokens,
        };
        self.sequences.insert(id, sequence);
        id
    }

    fn sequence(&self, id: SequenceId) -> Result<&Sequence, BackendError> {
        self.sequences.get(&id).ok_or(BackendError::UnknownSequence(id))
    }
}

impl Backend for DeviceBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn open(&mut self, capacity_tokens: usize) -> Result<SequenceId, BackendError> {
        let cache = DeviceCache::new(self.decoder.cache_shape());
        Ok(self.insert(cache, capacity_tokens))
    }

    fn fork(
        &mut self,
        other: SequenceId,
        tokens: usize,
        capacity_tokens: usize,
    ) -> Result<SequenceId, BackendError> {
        let cache = &self.sequence(other)?.cache;
        if cache.len() < tokens {
            return Err(BackendError::SequenceShort {
                sequence: other,
                tokens: cache.len(),
                wanted: tokens,
            });
        }
        let cache = cache.fork(tokens).map_err(|error| device_error(&error))?;
        Ok(self.insert(cache, capacity_tokens))
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence);
    }

    fn step(&mut self, batch: &mut [SequenceStep<'_>]) -> Result<(), BackendError> {
        for step in &*batch {
            let sequence = self.sequence(step.sequence)?;
            let tokens = sequence.cache.len() + step.tokens.len();
            if tokens > sequence.capacity_tokens {
                return Err(BackendError::SequenceFull {
                    sequence: step.sequence,
                    tokens,
                    capacity: sequence.capacity_tokens,
                });
            }
        }
        // Out of the map while they are computed, so that each can be borrowed for itself.
        let mut taken: Vec<Sequence> = batch
            .iter()
            .filter_map(|step| self.sequences.remove(&step.sequence))
            .collect();
        if taken.len() < batch.len() {
            return Err(BackendError::Device("a sequence is twice in a batch".to_owned()));
        }
        let mut segments: Vec<DeviceSegment<'_>> = taken
            .iter_mut()
            .zip(&mut *batch)
            .map(|(sequence, step)| DeviceSegment {
                cache: &mut sequence.cache,
                tokens: step.tokens,
                logits: LogitsFor::from(&mut step.logits),
            })
            .collect();
        let result = self.decoder.forward(&mut segments);
        self.sequences
            .extend(batch.iter().map(|step| step.sequence).zip(taken));
        result.map_err(|error| match error {
            PassError::NotFinite => BackendError::NotFinite,
            PassError::Device(error) => device_error(&error),
        })
    }

    fn sequence_bytes(&self, sequence: SequenceId) -> u64 {
        self.sequences
            .get(&sequence)
            .map_or(0, |sequence| sequence.cache.bytes())
    }

    fn bytes_for(&self, tokens: usize) -> u64 {
        tokens.next_multiple_of(BLOCK) as u64 * self.decoder.cache_shape().bytes_per_position()
    }
}

fn device_error(error: &candle_core::Error) -> BackendError {
    BackendError::Device(error.to_string())
}
