//! How smoothly the window draws, on a screen of its own without hardware.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use super::Program;
use crate::system::{self, Need};
use crate::workspace::Workspace;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Minutes that both panes stream: 200 tokens and 10 previews of 512 × 512 a second.
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0)]
    minutes: f64,
    /// Messages of the conversation that is scrolled.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    messages: usize,
    /// Where the window's own folder is for the time of the run [default: rbee's folder in the user's cache].
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// For scripts: the last line of standard output is one JSON object.
    #[arg(long)]
    json: bool,
}

/// Measures. Exit status: 0 measured; 1 something failed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    system::ensure(&[Need::CCompiler, Need::Webview, Need::Screen])?;
    let program = Program {
        package: "rbee-keeper",
        features: Some("test-hook"),
        binary: "rbee-keeper",
        example: "frames",
        measured: "--keeper",
        folder: arguments.folder.as_deref(),
        json: arguments.json,
    };
    let options = [
        format!("--minutes={}", arguments.minutes.max(0.1)),
        format!("--messages={}", arguments.messages.max(2)),
    ];
    super::measure(workspace, &program, &options, show)
}

fn show(report: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    println!(
        "\nfrom start to first paint: {:.0} ms",
        number(&report["first_paint_ms"])
    );
    println!(
        "{:<34} {:>10} {:>10} {:>10} {:>10}",
        "", "frames/s", "p50 ms", "p99 ms", "longest"
    );
    let scrolled = format!("scrolling {} messages", report["messages"]);
    for (name, key) in [
        ("an idle window", "idle"),
        ("both panes streaming", "streaming"),
        (&scrolled, "scrolling"),
    ] {
        let frames = &report[key];
        println!(
            "{name:<34} {:>10.1} {:>10.1} {:>10.1} {:>10.1}",
            number(&frames["frames_per_second"]),
            number(&frames["p50_ms"]),
            number(&frames["p99_ms"]),
            number(&frames["longest_ms"])
        );
    }
    let streaming = &report["streaming"];
    let mebibytes = |key: &str| number(&streaming["memory_bytes"][key]) / f64::from(1 << 20);
    println!(
        "\nstreaming for {:.0} s: {:.0} % of a core; memory {:.0} MiB once settled, {:.0} MiB at most, {:.0} MiB at the end ({:+.0})",
        number(&streaming["seconds"]),
        number(&streaming["processor_percent"]),
        mebibytes("settled"),
        mebibytes("most"),
        mebibytes("end"),
        mebibytes("end") - mebibytes("settled"),
    );
}
