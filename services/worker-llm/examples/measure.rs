//! Measures a model on this machine: time to load, speed of prompts and of answers.
//!
//! ```text
//! cargo run --release -p llm-worker-rbee --example measure -- MODEL.gguf [THREADS]
//! ```

use std::path::PathBuf;
use std::time::Instant;

use llm_worker_rbee::engine::{Backend, SequenceStep};
use llm_worker_rbee::model::{CpuBackend, LoadOptions, ModelFiles};

/// Tokens of a prompt computed at once, as the engine does.
const CHUNK: usize = 128;
const DECODED: usize = 64;
const RUNS: usize = 5;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(
        arguments
            .next()
            .ok_or_else(|| anyhow::anyhow!("name a GGUF file or a folder"))?,
    );
    let threads = arguments.next().map(|threads| threads.parse()).transpose()?;

    let began = Instant::now();
    let file = ModelFiles::open(&path)?;
    let options = LoadOptions {
        threads,
        ..LoadOptions::default()
    };
    let mut backend = CpuBackend::load(&file, &options, &mut |_| {})?;
    println!("load            {:8.3} s", began.elapsed().as_secs_f64());

    for prompt in [128, 512] {
        let rates = (0..RUNS)
            .map(|_| prefill(&mut backend, prompt))
            .collect::<anyhow::Result<Vec<_>>>()?;
        println!("prefill {prompt:4}    {:8.1} tok/s", median(rates));
    }
    for sequences in [1, 4, 8] {
        let rates = (0..RUNS)
            .map(|_| decode(&mut backend, sequences))
            .collect::<anyhow::Result<Vec<_>>>()?;
        println!("decode {sequences} chats  {:8.1} tok/s", median(rates));
    }
    Ok(())
}

/// Tokens that differ, and are no special ones in any vocabulary.
fn tokens(count: usize) -> Vec<u32> {
    (0..count as u32).map(|index| 300 + index * 7 % 500).collect()
}

fn prefill(backend: &mut CpuBackend, prompt: usize) -> anyhow::Result<f64> {
    let sequence = backend.open(prompt)?;
    let mut logits = Vec::new();
    let began = Instant::now();
    let tokens = tokens(prompt);
    for (index, tokens) in tokens.chunks(CHUNK).enumerate() {
        let last = (index + 1) * CHUNK >= prompt;
        backend.step(&mut [SequenceStep {
            sequence,
            tokens,
            logits: last.then_some(&mut logits),
        }])?;
    }
    let rate = prompt as f64 / began.elapsed().as_secs_f64();
    backend.close(sequence);
    Ok(rate)
}

/// Tokens per second of all sequences together, each after a prompt of 32.
fn decode(backend: &mut CpuBackend, sequences: usize) -> anyhow::Result<f64> {
    let ids = (0..sequences)
        .map(|_| backend.open(32 + DECODED))
        .collect::<Result<Vec<_>, _>>()?;
    for &sequence in &ids {
        backend.step(&mut [SequenceStep {
            sequence,
            tokens: &tokens(32),
            logits: None,
        }])?;
    }
    let mut logits = vec![Vec::new(); sequences];
    let began = Instant::now();
    for token in tokens(DECODED) {
        let mut batch: Vec<SequenceStep<'_>> = ids
            .iter()
            .zip(&mut logits)
            .map(|(&sequence, logits)| SequenceStep {
                sequence,
                tokens: std::slice::from_ref(&token),
                logits: Some(logits),
            })
            .collect();
        backend.step(&mut batch)?;
    }
    let rate = (sequences * DECODED) as f64 / began.elapsed().as_secs_f64();
    ids.into_iter().for_each(|sequence| backend.close(sequence));
    Ok(rate)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
