//! `cargo xtask bench proxy`: what the way through the hive costs a message, in time and in processor time.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use super::Program;
use crate::workspace::Workspace;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// How often each way takes its turn; medians over the rounds count.
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: usize,
    /// Messages of one stream's round, 2 ms apart, whose latencies are measured.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    messages: u64,
    /// Seconds that messages flow as fast as they go.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.5)]
    seconds: f64,
    /// How many streams they flow on at a time.
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 16])]
    streams: Vec<usize>,
    /// Where the hive lives for the time of the run [default: rbee's folder in the user's cache].
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// For scripts: the last line of standard output is one JSON object.
    #[arg(long)]
    json: bool,
}

/// Measures. Exit status: 0 measured; 1 something failed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let program = Program {
        package: "rbee-hive",
        features: None,
        binary: "rbee-hive",
        example: "proxy",
        measured: "--hive",
        folder: arguments.folder.as_deref(),
        json: arguments.json,
    };
    let streams: Vec<String> = arguments.streams.iter().map(usize::to_string).collect();
    let options = [
        format!("--rounds={}", arguments.rounds.max(1)),
        format!("--messages={}", arguments.messages.max(1)),
        format!("--seconds={}", arguments.seconds),
        format!("--streams={}", streams.join(",")),
    ];
    super::measure(workspace, &program, &options, show)
}

fn show(report: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    println!(
        "\n{} messages a round, each alone, {} rounds in turns:",
        report["messages_a_round"], report["rounds"]
    );
    println!(
        "{:<24} {:>10} {:>10} {:>26}",
        "", "p50 µs", "p99 µs", "processor µs a message"
    );
    let direct = &report["direct"];
    println!(
        "{:<24} {:>10.1} {:>10.1}",
        "on the worker's socket",
        number(&direct["p50_us"]),
        number(&direct["p99_us"])
    );
    for (way, name) in [
        ("hive", "the hive adds"),
        ("naive", "decode + encode adds"),
        ("pump", "a copy of bytes adds"),
    ] {
        let added = &report[way];
        println!(
            "{name:<24} {:>10.1} {:>10.1} {:>26.1}",
            number(&added["p50_us"]),
            number(&added["p99_us"]),
            number(&added["processor_us_per_message"])
        );
    }
    for flood in report["floods"].as_array().into_iter().flatten() {
        println!("\nas many messages as go, streams: {}", flood["streams"]);
        println!("{:<24} {:>14} {:>22}", "", "messages/s", "by second of its core");
        let row = |name: &str, way: &str| {
            let per_core = flood[format!("{way}_per_core_second")].as_f64();
            println!(
                "{name:<24} {:>14.0} {:>22}",
                number(&flood[format!("{way}_per_second")]),
                per_core.map_or_else(String::new, |messages| format!("{messages:.0}"))
            );
        };
        row("on the worker's socket", "direct");
        row("through the hive", "hive");
        row("decode + encode", "naive");
        row("a copy of bytes", "pump");
    }
}
