//! Measures a model on this machine: time to load, speed of prompts and of answers.
//!
//! ```text
//! cargo run --release -p llm-worker-rbee --example measure -- MODEL.gguf [--threads N] [--runs N] [--json]
//! ```

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use llm_worker_rbee::engine::{Backend, LogitsWanted, SequenceStep};
use llm_worker_rbee::model::{CpuBackend, LoadOptions, ModelFiles};

/// Tokens of a prompt computed at once, as the engine does.
const CHUNK: usize = 128;
const DECODED: usize = 64;

#[derive(Parser)]
struct Arguments {
    /// A GGUF file, or a folder of safetensors.
    model: PathBuf,
    /// Threads to compute with [default: one on each processor].
    #[arg(long)]
    threads: Option<usize>,
    /// How often each is measured; medians count.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Also as many chats at a time.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 8])]
    chats: Vec<usize>,
    /// One JSON object in place of lines.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let began = Instant::now();
    let file = ModelFiles::open(&arguments.model)?;
    let options = LoadOptions {
        threads: arguments.threads,
        ..LoadOptions::default()
    };
    let mut backend = CpuBackend::load(&file, &options, &mut |_| {})?;
    let mut report = vec![("load_seconds".to_owned(), began.elapsed().as_secs_f64())];
    for prompt in [128, 512] {
        let rates = (0..arguments.runs)
            .map(|_| prefill(&mut backend, prompt))
            .collect::<anyhow::Result<Vec<_>>>()?;
        report.push((format!("prefill_{prompt}"), median(rates)));
    }
    for sequences in arguments.chats {
        let rates = (0..arguments.runs)
            .map(|_| decode(&mut backend, sequences))
            .collect::<anyhow::Result<Vec<_>>>()?;
        report.push((format!("decode_{sequences}"), median(rates)));
    }
    if arguments.json {
        let report: serde_json::Map<_, _> = report
            .into_iter()
            .map(|(name, number)| (name, number.into()))
            .collect();
        println!("{}", serde_json::Value::from(report));
    } else {
        for (name, number) in report {
            println!("{name:<14} {number:9.3}");
        }
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
            logits: if last {
                LogitsWanted::Last(&mut logits)
            } else {
                LogitsWanted::Nothing
            },
        }])?;
    }
    let rate = prompt as f64 / began.elapsed().as_secs_f64();
    backend.close(sequence);
    Ok(rate)
}

/// Tokens per second of all sequences together, from the first on.
fn decode(backend: &mut CpuBackend, sequences: usize) -> anyhow::Result<f64> {
    let ids = (0..sequences)
        .map(|_| backend.open(DECODED))
        .collect::<Result<Vec<_>, _>>()?;
    let mut logits = vec![Vec::new(); sequences];
    let began = Instant::now();
    for token in tokens(DECODED) {
        let mut batch: Vec<SequenceStep<'_>> = ids
            .iter()
            .zip(&mut logits)
            .map(|(&sequence, logits)| SequenceStep {
                sequence,
                tokens: std::slice::from_ref(&token),
                logits: LogitsWanted::Last(logits),
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
