//! The decoder over candle's tensors, which GPUs run, held against the reference arithmetic. Here it computes on the
//! processor: what differs on a GPU are the kernels of candle, not what is asked of them.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::path::PathBuf;

use candle_core::Device;
use llm_worker_rbee::engine::{Backend, BackendError, LogitsWanted, SequenceId, SequenceStep};
use llm_worker_rbee::kernels::{Arithmetic, KvType};
use llm_worker_rbee::model::{CpuBackend, DeviceBackend, LoadError, LoadOptions, ModelFiles};
use rbee_testkit::models::fixture;

/// Longer than the windows of the models that have one.
const PROMPT: usize = 40;
/// What may differ where weights are floats: all is computed in f32.
const FLOATS: f32 = 0.002;
/// What may differ where they are blocks, since candle rounds activations to 8 bits on a processor: the largest
/// difference and the mean, those of the fidelity tests.
const BLOCKS: (f32, f32) = (1.0, 0.12);
/// The same where a rounding may send a token to another expert.
const EXPERTS: (f32, f32) = (2.0, 0.15);

/// Every tiny model in every form.
fn models() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(fixture("llm/tiny")).unwrap() {
        for entry in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() || path.extension().is_some_and(|end| end == "gguf") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found
}

fn options(kv_type: KvType) -> LoadOptions {
    LoadOptions {
        threads: Some(1),
        kv_type,
        arithmetic: Arithmetic::Reference,
        ..LoadOptions::default()
    }
}

fn on_device(files: &ModelFiles, kv_type: KvType) -> Result<DeviceBackend, LoadError> {
    DeviceBackend::load(files, &options(kv_type), &Device::Cpu, &mut |_| {})
}

/// Ids that are in every vocabulary, none twice in a row.
fn prompt() -> Vec<u32> {
    (0..PROMPT as u32).map(|index| 5 + index * 37 % 300).collect()
}

/// The logits after the last of `tokens`.
fn step(backend: &mut dyn Backend, sequence: SequenceId, tokens: &[u32]) -> Vec<f32> {
    let mut logits = Vec::new();
    let step = SequenceStep {
        sequence,
        tokens,
        logits: LogitsWanted::Last(&mut logits),
    };
    backend.step(&mut [step]).unwrap();
    logits
}

fn differences(a: &[f32], b: &[f32]) -> (f32, f32) {
    assert_eq!(a.len(), b.len());
    let each = || a.iter().zip(b).map(|(a, b)| (a - b).abs());
    (each().fold(0.0, f32::max), each().sum::<f32>() / a.len() as f32)
}

#[test]
fn every_architecture_says_what_the_reference_says() {
    for path in models() {
        let files = ModelFiles::open(&path).unwrap();
        let mut reference = CpuBackend::load(&files, &options(KvType::F32), &mut |_| {}).unwrap();
        let mut device = on_device(&files, KvType::F32).unwrap();
        let prompt = prompt();
        let sequence = reference.open(64).unwrap();
        let expected = step(&mut reference, sequence, &prompt);
        let sequence = device.open(64).unwrap();
        let found = step(&mut device, sequence, &prompt);
        let (largest, mean) = differences(&found, &expected);
        let name = path.display().to_string();
        let (most, most_mean) = if name.ends_with("hf") || name.contains("f16") {
            (FLOATS, FLOATS)
        } else if name.contains("moe") || name.contains("mixtral") {
            EXPERTS
        } else {
            BLOCKS
        };
        println!("{name}: largest {largest}, mean {mean}");
        assert!(largest <= most && mean <= most_mean, "{name}: {largest}, {mean}");
    }
}

#[test]
fn portions_batches_and_forks_give_the_same() {
    for model in ["gemma3/hf", "phi3/hf", "qwen3moe/hf"] {
        let files = ModelFiles::open(&fixture(&format!("llm/tiny/{model}"))).unwrap();
        let mut device = on_device(&files, KvType::F32).unwrap();
        let prompt = prompt();
        let whole = device.open(64).unwrap();
        let expected = step(&mut device, whole, &prompt);

        let portions = device.open(64).unwrap();
        step(&mut device, portions, &prompt[..17]);
        let found = step(&mut device, portions, &prompt[17..]);
        assert!(differences(&found, &expected).0 < 1e-4, "{model} in portions");

        let fork = device.fork(whole, 9, 64).unwrap();
        // What the fork appends leaves the other as it is.
        step(&mut device, fork, &[7, 8, 9]);
        let fork = device.fork(whole, 9, 64).unwrap();
        let (mut forked, mut next) = (Vec::new(), Vec::new());
        let mut batch = [
            SequenceStep {
                sequence: fork,
                tokens: &prompt[9..],
                logits: LogitsWanted::Last(&mut forked),
            },
            SequenceStep {
                sequence: whole,
                tokens: &[11],
                logits: LogitsWanted::Last(&mut next),
            },
        ];
        device.step(&mut batch).unwrap();
        assert!(differences(&forked, &expected).0 < 1e-4, "{model} forked");
        let after = step(&mut device, portions, &[11]);
        assert!(differences(&next, &after).0 < 1e-4, "{model} in a batch");
    }
}

#[test]
fn a_cache_of_16_bits_grows_is_counted_and_given_back() {
    let files = ModelFiles::open(&fixture("llm/tiny/llama/hf")).unwrap();
    let mut exact = on_device(&files, KvType::F32).unwrap();
    let mut device = on_device(&files, KvType::F16).unwrap();
    let long: Vec<u32> = prompt().into_iter().cycle().take(300).collect();
    let (a, b) = (exact.open(512).unwrap(), device.open(512).unwrap());
    assert_eq!(device.sequence_bytes(b), 0);
    for portion in long.chunks(128) {
        let expected = step(&mut exact, a, portion);
        let found = step(&mut device, b, portion);
        assert!(differences(&found, &expected).0 < 0.05);
    }
    assert_eq!(device.sequence_bytes(b), device.bytes_for(300));
    assert_eq!(exact.bytes_for(300), 2 * device.bytes_for(300));
    device.close(b);
    assert_eq!(device.sequence_bytes(b), 0);
}

#[test]
fn what_cannot_be_is_refused() {
    let files = ModelFiles::open(&fixture("llm/tiny/llama/hf")).unwrap();
    assert!(matches!(
        on_device(&files, KvType::Q8_0),
        Err(LoadError::KvFormat)
    ));
    let mut device = on_device(&files, KvType::F16).unwrap();
    let unknown = SequenceId(99);
    assert_eq!(
        device.fork(unknown, 0, 1).unwrap_err(),
        BackendError::UnknownSequence(unknown)
    );
    let sequence = device.open(2).unwrap();
    assert!(matches!(
        device.fork(sequence, 1, 2),
        Err(BackendError::SequenceShort { .. })
    ));
    let mut logits = Vec::new();
    let step = SequenceStep {
        sequence,
        tokens: &[1, 2, 3],
        logits: LogitsWanted::Last(&mut logits),
    };
    assert!(matches!(
        device.step(&mut [step]),
        Err(BackendError::SequenceFull { .. })
    ));
}
