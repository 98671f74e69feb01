//! `cargo xtask bench catalog`: start-up and latencies of a catalog of many models.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use super::Program;
use crate::workspace::Workspace;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Number of models.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    models: usize,
    /// Number of calls of each kind.
    #[arg(long, value_name = "N", default_value_t = 500)]
    calls: usize,
    /// Where the store is made for the time of the run [default: rbee's folder in the user's cache].
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// For scripts: the last line of standard output is one JSON object.
    #[arg(long)]
    json: bool,
}

/// Measures. Exit status: 0 measured; 1 something failed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let program = Program {
        package: "rbee-catalog",
        features: None,
        binary: "rbee-catalog",
        example: "scale",
        measured: "--program",
        folder: arguments.folder.as_deref(),
        json: arguments.json,
    };
    let options = [
        format!("--models={}", arguments.models),
        format!("--calls={}", arguments.calls),
    ];
    super::measure(workspace, &program, &options, show)
}

fn show(report: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let starts: Vec<String> = report["start_seconds"]
        .as_array()
        .map(|all| all.iter().map(|one| format!("{:.2}", number(one))).collect())
        .unwrap_or_default();
    println!("models            {}", report["models"]);
    println!("creating them     {:.1} s", number(&report["create_seconds"]));
    println!(
        "start-up          {} s (reading the documents alone: {:.2} s)",
        starts.join(", "),
        number(&report["plain_read_seconds"])
    );
    println!(
        "resident          {:.1} MiB",
        number(&report["resident_bytes"]) / f64::from(1 << 20)
    );
    println!(
        "{:<34} {:>10} {:>10} {:>16}",
        "", "p50 ms", "p99 ms", "by health check"
    );
    for (name, latency) in report["latencies"].as_object().into_iter().flatten() {
        println!(
            "{name:<34} {:>10.3} {:>10.3} {:>16.1}",
            number(&latency["p50_ms"]),
            number(&latency["p99_ms"]),
            number(&latency["by_health_check"])
        );
    }
}
