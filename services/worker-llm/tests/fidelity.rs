//! The decoder against golden logits: tiny models with random weights, and the two real models.

// Helpers of tests say no by panicking, as tests do.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use llm_worker_rbee::kernels::{Arithmetic, Compute, Isa, KvType};
use llm_worker_rbee::model::{Decoder, DecoderSpec, LogitsFor, ModelFile, Segment, Weights};
use rayon::prelude::*;
use rbee_testkit::models;
use serde::Deserialize;

fn decoder(path: &Path, arithmetic: Arithmetic, kv_type: KvType) -> Decoder {
    let file = ModelFile::open(path).unwrap();
    let spec = DecoderSpec::read(file.header()).unwrap();
    let weights = Weights::bind(&file, &spec).unwrap();
    let threads = std::thread::available_parallelism().unwrap().get();
    Decoder::new(
        spec,
        weights,
        Compute::new(threads, Isa::detect(), arithmetic).unwrap(),
        kv_type,
    )
}

/// The logits after each of `ids`, computed `chunk` tokens at a time.
fn logits(decoder: &mut Decoder, ids: &[u32], chunk: usize) -> Vec<Vec<f32>> {
    let mut cache = decoder.new_cache();
    let mut rows = Vec::new();
    for tokens in ids.chunks(chunk) {
        let mut logits = Vec::new();
        let segment = Segment {
            cache: &mut cache,
            tokens,
            logits: LogitsFor::All(&mut logits),
        };
        decoder.forward(&mut [segment]).unwrap();
        rows.extend(logits.chunks(decoder.spec().vocab_size).map(<[f32]>::to_vec));
    }
    assert_eq!(cache.len(), ids.len());
    rows
}

fn largest_difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .flatten()
        .zip(b.iter().flatten())
        .fold(0.0, |largest: f32, (a, b)| largest.max((a - b).abs()))
}

#[derive(Deserialize)]
struct Tiny {
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
}

impl Tiny {
    fn read(folder: &Path) -> Self {
        serde_json::from_slice(&std::fs::read(folder.join("golden.json")).unwrap()).unwrap()
    }

    fn ids(&self) -> Vec<u32> {
        [
            &self.prompt_ids[..],
            &self.greedy_ids[..self.greedy_ids.len() - 1],
        ]
        .concat()
    }
}

fn tiny_folder(name: &str) -> PathBuf {
    models::fixture(&format!("llm/tiny/{name}"))
}

fn golden(folder: &Path, array: &str) -> Vec<Vec<f32>> {
    let arrays = candle_core::safetensors::load(folder.join("golden.safetensors"), &Device::Cpu).unwrap();
    let array: &Tensor = &arrays[array];
    array.to_vec2().unwrap()
}

/// Tiny models: exact arithmetic must be exact, and the fast one as near to llama.cpp's as both
/// are to it.
fn check_tiny(name: &str) {
    let folder = tiny_folder(name);
    let tiny = Tiny::read(&folder);
    let ids = tiny.ids();
    for kind in ["f16", "q8_0"] {
        let path = folder.join(format!("{name}-{kind}.gguf"));
        let exact = golden(&folder, &format!("exact.{kind}"));
        let mut reference = decoder(&path, Arithmetic::Reference, KvType::F32);
        let whole = logits(&mut reference, &ids, ids.len());
        let difference = largest_difference(&whole, &exact);
        assert!(
            difference <= 0.002,
            "{name} {kind}: {difference} from the exact logits"
        );
        for chunk in [1, 7] {
            let difference = largest_difference(&logits(&mut reference, &ids, chunk), &whole);
            assert!(
                difference <= 2e-5,
                "{name} {kind} in chunks of {chunk}: {difference}"
            );
        }

        let mut fast = decoder(&path, Arithmetic::Fast, KvType::F16);
        let by_llama_cpp = golden(&folder, &format!("llama_cpp.{kind}"));
        let (mean_limit, limit) = if kind == "f16" { (0.02, 0.05) } else { (0.12, 1.0) };
        for chunk in [1, 5, ids.len()] {
            let rows = logits(&mut fast, &ids, chunk);
            for (what, golden) in [("exact", &exact), ("llama.cpp's", &by_llama_cpp)] {
                let difference = largest_difference(&rows, golden);
                assert!(difference <= limit, "{name} {kind}: {difference} from {what}");
                let sum: f32 = rows
                    .iter()
                    .flatten()
                    .zip(golden.iter().flatten())
                    .map(|(a, b)| (a - b).abs())
                    .sum();
                let mean = sum / (rows.len() * rows[0].len()) as f32;
                assert!(mean <= mean_limit, "{name} {kind}: {mean} on average from {what}");
            }
        }
    }
}

#[test]
fn tiny_qwen2_is_right() {
    check_tiny("qwen2");
}

#[test]
fn tiny_qwen3_is_right() {
    check_tiny("qwen3");
}

#[test]
fn tiny_gemma3_is_right_past_its_window() {
    check_tiny("gemma3");
}

#[test]
fn a_sequence_decodes_the_same_alone_and_in_a_batch() {
    let folder = tiny_folder("gemma3");
    let ids = Tiny::read(&folder).ids();
    let mut decoder = decoder(&folder.join("gemma3-q8_0.gguf"), Arithmetic::Fast, KvType::F16);
    let alone = logits(&mut decoder, &ids, 1);
    let mut caches = [decoder.new_cache(), decoder.new_cache()];
    for (place, &id) in ids.iter().enumerate() {
        let mut outputs = [Vec::new(), Vec::new()];
        // The second sequence is another one, so that a mix-up shows.
        let tokens = [[id], [ids[ids.len() - 1 - place]]];
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
        decoder.forward(&mut batch).unwrap();
        assert_eq!(outputs[0], alone[place], "token {place}");
    }
}

#[derive(Deserialize)]
struct Real {
    prompts: Vec<Prompt>,
    teacher: Vec<Text>,
}

#[derive(Deserialize)]
struct Prompt {
    name: String,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    gap: f32,
    top5: Vec<(u32, f32)>,
}

#[derive(Deserialize)]
struct Text {
    name: String,
    ids: Vec<u32>,
    llama_cpp: Scores,
    fp32: Scores,
    agreement: Agreement,
}

#[derive(Deserialize)]
struct Scores {
    top1: Vec<u32>,
    logprob: Vec<f32>,
}

#[derive(Deserialize)]
struct Agreement {
    mean_abs_delta_logprob: f32,
}

/// What may be off, from the README of the golden data.
struct Limits {
    to_fp32: f32,
    to_llama_cpp: f32,
    gap: f32,
}

fn most_likely(logits: &[f32]) -> u32 {
    logits
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
        .unwrap()
        .0 as u32
}

fn log_probability(logits: &[f32], id: u32) -> f32 {
    let largest = logits.iter().fold(f32::MIN, |largest, &logit| largest.max(logit));
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    logits[id as usize] - largest - sum.ln() as f32
}

fn mean(numbers: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = numbers.len() as f32;
    numbers.sum::<f32>() / count
}

fn real(name: &str) -> Real {
    serde_json::from_slice(&std::fs::read(models::fixture(&format!("llm/logits/{name}.json"))).unwrap())
        .unwrap()
}

/// Follows a text token by token and compares what the model thinks of each.
fn check_teacher_forced(decoder: &mut Decoder, text: &Text, limits: &Limits) {
    let mut cache = decoder.new_cache();
    let mut top1 = Vec::new();
    let mut logprob = Vec::new();
    let positions = text.ids.len() - 1;
    // Few at a time: a row of logits is large.
    for start in (0..positions).step_by(64) {
        let end = (start + 64).min(positions);
        let mut logits = Vec::new();
        let tokens = &text.ids[start..end];
        let segment = Segment {
            cache: &mut cache,
            tokens,
            logits: LogitsFor::All(&mut logits),
        };
        decoder.forward(&mut [segment]).unwrap();
        let rows = logits
            .par_chunks(decoder.spec().vocab_size)
            .zip(&text.ids[start + 1..end + 1]);
        let scores: Vec<(u32, f32)> = rows
            .map(|(row, &next)| (most_likely(row), log_probability(row, next)))
            .collect();
        top1.extend(scores.iter().map(|score| score.0));
        logprob.extend(scores.iter().map(|score| score.1));
    }
    let compare = |golden: &Scores| {
        let same = top1.iter().zip(&golden.top1).filter(|(a, b)| a == b).count();
        let deltas = logprob.iter().zip(&golden.logprob).map(|(a, b)| (a - b).abs());
        let shift = mean(logprob.iter().copied()) - mean(golden.logprob.iter().copied());
        (same as f32 / positions as f32, mean(deltas), shift)
    };
    let (agreement, to_fp32, shift) = compare(&text.fp32);
    let (_, to_llama_cpp, _) = compare(&text.llama_cpp);
    let of_llama_cpp = text.agreement.mean_abs_delta_logprob;
    println!(
        "{}: top-1 {:.1} %, mean |d logprob| {to_fp32:.4} to fp32 (llama.cpp's own: {of_llama_cpp:.4}), \
         {to_llama_cpp:.4} to llama.cpp, mean shift {shift:.4}",
        text.name,
        agreement * 100.0
    );
    assert!(agreement >= 0.92, "{}: top-1 agrees on {agreement}", text.name);
    assert!(to_fp32 <= limits.to_fp32, "{}: {to_fp32} to fp32", text.name);
    assert!(
        to_fp32 <= of_llama_cpp,
        "{}: {to_fp32} to fp32, llama.cpp {of_llama_cpp}",
        text.name
    );
    assert!(
        to_llama_cpp <= limits.to_llama_cpp,
        "{}: {to_llama_cpp} to llama.cpp",
        text.name
    );
    assert!(
        shift.abs() <= 0.03,
        "{}: mean logprob is off by {shift}",
        text.name
    );
}

/// Goes on greedily from a prompt and compares ids, up to the first near tie that falls elsewhere.
fn check_greedy(decoder: &mut Decoder, prompt: &Prompt, limits: &Limits) {
    let mut cache = decoder.new_cache();
    let mut tokens = prompt.prompt_ids.clone();
    let mut logits = Vec::new();
    let (last, before) = tokens.split_last().unwrap();
    for chunk in before.chunks(128) {
        let segment = Segment {
            cache: &mut cache,
            tokens: chunk,
            logits: LogitsFor::None,
        };
        decoder.forward(&mut [segment]).unwrap();
    }
    tokens = vec![*last];
    for (place, (&golden, step)) in prompt.greedy_ids.iter().zip(&prompt.steps).enumerate() {
        let segment = Segment {
            cache: &mut cache,
            tokens: &tokens,
            logits: LogitsFor::Last(&mut logits),
        };
        decoder.forward(&mut [segment]).unwrap();
        let chosen = most_likely(&logits);
        if chosen != golden {
            assert!(
                step.gap < limits.gap && step.top5.iter().any(|&(id, _)| id == chosen),
                "{}, token {place}: {chosen} is not {golden}, gap {}",
                prompt.name,
                step.gap
            );
            println!("{}: a near tie (gap {}) at token {place}", prompt.name, step.gap);
            return;
        }
        tokens = vec![chosen];
    }
}

fn check_real(file: &str, prompts: &[&str], texts: &[&str], limits: &Limits) {
    let golden = real(file.strip_suffix(".gguf").unwrap());
    let mut decoder = decoder(&models::path(file), Arithmetic::Fast, KvType::F16);
    for name in texts {
        let text = golden.teacher.iter().find(|text| text.name == *name).unwrap();
        check_teacher_forced(&mut decoder, text, limits);
    }
    for name in prompts {
        let prompt = golden.prompts.iter().find(|prompt| prompt.name == *name).unwrap();
        check_greedy(&mut decoder, prompt, limits);
    }
}

#[test]
fn qwen_thinks_as_the_reference() {
    let limits = Limits {
        to_fp32: 0.06,
        to_llama_cpp: 0.08,
        gap: 0.4,
    };
    check_real(models::QWEN, &["capital", "chinese", "chat"], &["prose"], &limits);
}

#[test]
fn gemma_thinks_as_the_reference_past_its_window() {
    let limits = Limits {
        to_fp32: 0.12,
        to_llama_cpp: 0.16,
        gap: 0.5,
    };
    check_real(
        models::GEMMA,
        &["capital", "emoji", "rust"],
        &["prose", "ledger-long"],
        &limits,
    );
}
