//! A decoder on a text, and what it thinks of each token.

use std::path::Path;
use std::thread::available_parallelism;

use crate::engine::BackendError;
use crate::kernels::{Arithmetic, Compute, Isa, KvType};
use crate::model::{Decoder, LoadError, LogitsFor, ModelFiles, Segment};

/// Tokens of a prompt computed at once, as the engine does.
const PROMPT_CHUNK: usize = 128;

pub(super) fn decoder(path: &Path, arithmetic: Arithmetic, kv_type: KvType) -> Result<Decoder, LoadError> {
    let (spec, weights) = ModelFiles::open(path)?.decoder()?;
    let threads = available_parallelism().map_or(1, usize::from);
    let compute = Compute::new(threads, Isa::detect(), arithmetic).map_err(|error| LoadError::Threads {
        threads,
        message: error.to_string(),
    })?;
    Ok(Decoder::new(spec, weights, compute, kv_type))
}

/// The logits after each of `ids`, computed `chunk` tokens at a time.
pub(super) fn logits(
    decoder: &mut Decoder,
    ids: &[u32],
    chunk: usize,
) -> Result<Vec<Vec<f32>>, BackendError> {
    let vocab_size = decoder.spec().vocab_size;
    let mut cache = decoder.new_cache();
    let mut rows = Vec::with_capacity(ids.len());
    for tokens in ids.chunks(chunk) {
        let mut logits = Vec::new();
        decoder.forward(&mut [Segment {
            cache: &mut cache,
            tokens,
            logits: LogitsFor::All(&mut logits),
        }])?;
        rows.extend(logits.chunks(vocab_size).map(<[f32]>::to_vec));
    }
    Ok(rows)
}

/// The logits after each of `ids`, one at a time, while another sequence runs beside it.
pub(super) fn logits_in_company(decoder: &mut Decoder, ids: &[u32]) -> Result<Vec<Vec<f32>>, BackendError> {
    let mut caches = [decoder.new_cache(), decoder.new_cache()];
    let mut rows = Vec::with_capacity(ids.len());
    for (&own, &other) in ids.iter().zip(ids.iter().rev()) {
        let tokens = [[own], [other]];
        let mut outputs = [Vec::new(), Vec::new()];
        let mut batch: Vec<Segment<'_>> = caches
            .iter_mut()
            .zip(&tokens)
            .zip(&mut outputs)
            .map(|((cache, tokens), output)| Segment {
                cache,
                tokens,
                logits: LogitsFor::Last(output),
            })
            .collect();
        decoder.forward(&mut batch)?;
        let [own, _] = outputs;
        rows.push(own);
    }
    Ok(rows)
}

/// The logits after each of `ids` from `shared` on, by a sequence that has those before from another one,
/// which went on differently.
pub(super) fn logits_after_shared_beginning(
    decoder: &mut Decoder,
    ids: &[u32],
    shared: usize,
) -> Result<Vec<Vec<f32>>, BackendError> {
    let vocab_size = decoder.spec().vocab_size;
    let mut other = decoder.new_cache();
    let otherwise: Vec<u32> = ids[shared..].iter().rev().copied().collect();
    for tokens in [&ids[..shared], &otherwise] {
        decoder.forward(&mut [Segment {
            cache: &mut other,
            tokens,
            logits: LogitsFor::None,
        }])?;
    }
    let mut logits = Vec::new();
    decoder.forward(&mut [Segment {
        cache: &mut other.fork(shared),
        tokens: &ids[shared..],
        logits: LogitsFor::All(&mut logits),
    }])?;
    Ok(logits.chunks(vocab_size).map(<[f32]>::to_vec).collect())
}

/// The likeliest token after the prompt and after each of `golden` but the last, up to the first that is
/// another: what comes after it is another text.
pub(super) fn choices(
    decoder: &mut Decoder,
    prompt: &[u32],
    golden: &[u32],
) -> Result<Vec<u32>, BackendError> {
    let mut cache = decoder.new_cache();
    let mut logits = Vec::new();
    let mut chosen = Vec::new();
    let (before, last) = prompt.split_at(prompt.len().saturating_sub(1));
    for tokens in before.chunks(PROMPT_CHUNK) {
        decoder.forward(&mut [Segment {
            cache: &mut cache,
            tokens,
            logits: LogitsFor::None,
        }])?;
    }
    let mut next = last.to_vec();
    for &golden in golden {
        decoder.forward(&mut [Segment {
            cache: &mut cache,
            tokens: &next,
            logits: LogitsFor::Last(&mut logits),
        }])?;
        let choice = most_likely(&logits);
        chosen.push(choice);
        if choice != golden {
            break;
        }
        next = vec![choice];
    }
    Ok(chosen)
}

pub(super) fn most_likely(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(id, _)| id as u32)
}

pub(super) fn log_probability(logits: &[f32], id: u32) -> f32 {
    let largest = logits.iter().fold(f32::MIN, |largest, &logit| largest.max(logit));
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    logits[id as usize] - largest - sum.ln() as f32
}

/// The largest and the mean absolute difference. Where rows are missing or numbers are none, both are
/// infinite.
pub(super) fn difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> (f64, f64) {
    let lengths = |rows: &[Vec<f32>]| rows.iter().map(Vec::len).collect::<Vec<_>>();
    if lengths(a) != lengths(b) || a.is_empty() {
        return (f64::INFINITY, f64::INFINITY);
    }
    let (mut largest, mut sum, mut count) = (0.0f64, 0.0, 0.0);
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        let difference = f64::from((a - b).abs());
        let difference = if difference.is_nan() {
            f64::INFINITY
        } else {
            difference
        };
        largest = largest.max(difference);
        sum += difference;
        count += 1.0;
    }
    (largest, sum / count)
}
