//! The worker and llama.cpp side by side: `cargo xtask bench llm` builds and runs this.
//!
//! Both engines get the same file, the same threads, the same prompts and a cache of 16-bit floats, and take
//! turns; medians over the rounds count. `measure` and `llama-bench` tell what the engines do by
//! themselves, the worker and `llama-server` what a client sees of them.

mod ours;
mod peaks;
mod theirs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use rbee_artifacts::gguf::GgufHeader;
use serde::Serialize;

/// Chats at a time, and how many tokens each of them gets.
const CHATS: usize = 8;
const CHAT_TOKENS: u32 = 48;

#[derive(Parser)]
struct Arguments {
    /// The program `llm-worker-rbee-cpu`.
    #[arg(long)]
    worker: PathBuf,
    /// Where sockets and logs are made for the time of the run.
    #[arg(long)]
    folder: PathBuf,
    /// The folder of `llama-bench` and `llama-server`.
    #[arg(long)]
    llama: PathBuf,
    /// The models' GGUF files.
    #[arg(long, value_delimiter = ',', required = true)]
    models: Vec<PathBuf>,
    /// Threads to compute with.
    #[arg(long, value_delimiter = ',', required = true)]
    threads: Vec<usize>,
    /// How often the engines take turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[derive(Serialize)]
struct Report {
    peaks: BTreeMap<usize, peaks::Peaks>,
    rounds: usize,
    rows: Vec<Row>,
}

/// One measure of one model on so many threads.
#[derive(Serialize)]
struct Row {
    model: String,
    threads: usize,
    measure: &'static str,
    unit: &'static str,
    rbee: f64,
    llama_cpp: f64,
    /// Ours by theirs: of speeds the more the better, of times the less.
    ratio: f64,
    /// What a token needs by what the machine gives, in percent, where that is the limit.
    rbee_percent_of_peak: Option<f64>,
    llama_cpp_percent_of_peak: Option<f64>,
}

/// Where each number comes from, and its unit.
const MEASURES: [(&str, &str); 7] = [
    ("load to ready", "s"),
    ("prefill 128", "tok/s"),
    ("prefill 512", "tok/s"),
    ("decode", "tok/s"),
    ("first token, warm prefix", "ms"),
    ("8 chats", "tok/s"),
    ("8 chats, engine alone", "tok/s"),
];

/// The results of one engine by measure, a number for each round.
type Results = BTreeMap<&'static str, Vec<f64>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut report = Report {
        peaks: BTreeMap::new(),
        rounds: arguments.rounds,
        rows: Vec::new(),
    };
    for &threads in &arguments.threads {
        report.peaks.insert(threads, peaks::measure(threads));
        for model in &arguments.models {
            let (mut ours, mut theirs) = (Results::new(), Results::new());
            for round in 0..arguments.rounds {
                eprintln!("{}, {threads} threads, round {}", name(model), round + 1);
                // Who goes first has a cooler machine.
                if round % 2 == 0 {
                    measure_ours(&arguments, model, threads, &mut ours).await?;
                    measure_theirs(&arguments, model, threads, &mut theirs).await?;
                } else {
                    measure_theirs(&arguments, model, threads, &mut theirs).await?;
                    measure_ours(&arguments, model, threads, &mut ours).await?;
                }
            }
            let needs = Needs::of(model)?;
            let peaks = &report.peaks[&threads];
            report
                .rows
                .extend(rows(&name(model), threads, &needs, peaks, ours, theirs));
        }
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn name(model: &Path) -> String {
    model
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

async fn measure_ours(
    arguments: &Arguments,
    model: &Path,
    threads: usize,
    results: &mut Results,
) -> anyhow::Result<()> {
    for (measure, number) in ours::engine(&arguments.worker, model, threads)? {
        results.entry(measure).or_default().push(number);
    }
    let began = Instant::now();
    let worker = ours::Worker::start(&arguments.worker, &arguments.folder, model, threads, CHATS)?;
    add(results, "load to ready", began.elapsed().as_secs_f64());
    as_client(results, async |prompt: &str, tokens| {
        worker.complete(prompt, tokens).await
    })
    .await
}

async fn measure_theirs(
    arguments: &Arguments,
    model: &Path,
    threads: usize,
    results: &mut Results,
) -> anyhow::Result<()> {
    for (measure, number) in theirs::engine(&arguments.llama, model, threads)? {
        add(results, measure, number);
    }
    let began = Instant::now();
    let server = theirs::Server::start(&arguments.llama, model, threads, CHATS).await?;
    add(results, "load to ready", began.elapsed().as_secs_f64());
    as_client(results, async |prompt: &str, tokens| {
        server.complete(prompt, tokens).await
    })
    .await
}

fn add(results: &mut Results, measure: &'static str, number: f64) {
    results.entry(measure).or_default().push(number);
}

/// What a client sees. `complete` gives how many tokens the answer has.
async fn as_client(
    results: &mut Results,
    complete: impl AsyncFn(&str, u32) -> anyhow::Result<u32>,
) -> anyhow::Result<()> {
    let text = story(0, 400);
    complete(&text, 2).await?;
    for ending in [" One", " Two", " Three"] {
        let began = Instant::now();
        complete(&format!("{text}{ending}"), 1).await?;
        add(
            results,
            "first token, warm prefix",
            began.elapsed().as_secs_f64() * 1e3,
        );
    }
    let prompts: Vec<String> = (1..=CHATS).map(|chat| story(chat, 24)).collect();
    let began = Instant::now();
    let answers = prompts.iter().map(|prompt| complete(prompt, CHAT_TOKENS));
    let tokens: u32 = futures_util::future::try_join_all(answers).await?.iter().sum();
    add(
        results,
        "8 chats",
        f64::from(tokens) / began.elapsed().as_secs_f64(),
    );
    Ok(())
}

/// So many words, the same for the same number.
fn story(number: usize, words: usize) -> String {
    const WORDS: [&str; 16] = [
        "river", "stone", "walks", "under", "morning", "light", "seven", "doors", "open", "slowly",
        "because", "nobody", "counted", "them", "before", "winter",
    ];
    let mut place = number * 7919 + 1;
    let words: Vec<&str> = (0..words)
        .map(|_| {
            place = (place * 1_103_515_245 + 12_345) % (1 << 31);
            WORDS[place >> 16 & 15]
        })
        .collect();
    words.join(" ")
}

/// What a token costs at least.
struct Needs {
    /// Weights of the layers: each is multiplied once for each token of a prompt.
    layer_weights: f64,
    /// Bytes of the layers and of the output matrix: all are read for each token of an answer.
    bytes: f64,
}

impl Needs {
    fn of(model: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::open(model)?;
        let length = file.metadata()?.len();
        let header = GgufHeader::read(std::io::BufReader::new(file), length).context("not a GGUF file")?;
        let layers = || {
            header
                .tensors
                .iter()
                .filter(|tensor| tensor.name.starts_with("blk."))
        };
        let named = |name: &str| header.tensors.iter().find(|tensor| tensor.name == name);
        let output = named("output.weight").or_else(|| named("token_embd.weight"));
        let weights: u64 = layers()
            .map(|tensor| tensor.size_bytes / tensor.kind.block_bytes() * tensor.kind.block_items())
            .sum();
        let bytes: u64 = layers().chain(output).map(|tensor| tensor.size_bytes).sum();
        Ok(Self {
            layer_weights: weights as f64,
            bytes: bytes as f64,
        })
    }
}

fn rows(
    model: &str,
    threads: usize,
    needs: &Needs,
    peaks: &peaks::Peaks,
    mut ours: Results,
    mut theirs: Results,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (measure, unit) in MEASURES {
        let Some(rbee) = ours.remove(measure).map(median) else {
            continue;
        };
        let llama_cpp = theirs.remove(measure).map_or(f64::NAN, median);
        let limit = match measure {
            "prefill 128" | "prefill 512" => peaks
                .int8_products_per_second
                .map(|products| products / needs.layer_weights),
            "decode" => Some(peaks.read_bytes_per_second / needs.bytes),
            _ => None,
        };
        let percent = |rate: f64| limit.map(|limit| 100.0 * rate / limit);
        rows.push(Row {
            model: model.to_owned(),
            threads,
            measure,
            unit,
            rbee,
            llama_cpp,
            ratio: rbee / llama_cpp,
            rbee_percent_of_peak: percent(rbee),
            llama_cpp_percent_of_peak: percent(llama_cpp),
        });
    }
    rows
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len().is_multiple_of(2) {
        f64::midpoint(numbers[middle - 1], numbers[middle])
    } else {
        numbers[middle]
    }
}
