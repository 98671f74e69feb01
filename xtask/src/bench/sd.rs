//! `cargo xtask bench sd`: a denoising step and a decoding at SD 1.5's real shape, beside PyTorch.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::work_folder;
use crate::process;
use crate::workspace::Workspace;

const PYTHON: &str = include_str!("sd.py");

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// A Python that has torch and diffusers, to be timed in the same run.
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// How often each is timed; the fastest counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where the random model of 2.1 GB lies meanwhile.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Prints the report as JSON, too.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let build = [
        "--release",
        "--locked",
        "--package",
        "sd-worker-rbee",
        "--example",
        "sd_measure",
    ];
    process::run(workspace.cargo("build").args(build))?;
    let folder = work_folder(workspace, arguments.folder.as_deref())?;
    let manifest = workspace.root.join("fixtures/sd/manifests/sd15.json");
    let ours = report(
        Command::new(workspace.target.join("release/examples/sd_measure"))
            .arg("--folder")
            .arg(folder.path())
            .arg("--manifest")
            .arg(manifest)
            .arg("--rounds")
            .arg(arguments.rounds.to_string()),
    )?;
    let theirs = match &arguments.python {
        Some(python) => Some(report(
            Command::new(python)
                .args(["-c", PYTHON])
                .arg(arguments.rounds.to_string()),
        )?),
        None => None,
    };
    show(&ours, theirs.as_ref());
    if arguments.json {
        println!("{}", json!({"rbee": ours, "pytorch": theirs}));
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a measuring program that prints one JSON report.
fn report(command: &mut Command) -> Result<Value> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "the measuring program failed: {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).context("it printed no report")
}

/// The fastest round.
fn best(report: &Value, key: &str) -> Option<f64> {
    let rounds = report.get(key)?.as_array()?;
    rounds.iter().filter_map(Value::as_f64).reduce(f64::min)
}

fn show(ours: &Value, theirs: Option<&Value>) {
    println!(
        "SD 1.5, 512x512; a step has 2 rows; the fastest round, in seconds by the clock and of processors"
    );
    for (what, key) in [("step", "step"), ("decode", "decode")] {
        let clock = format!("{key}_seconds");
        let processors = format!("{key}_processor_seconds");
        let Some((time, processor)) = best(ours, &clock).zip(best(ours, &processors)) else {
            continue;
        };
        println!("{what:<8} rbee          {time:>8.2} {processor:>8.2}");
        for precision in ["f32", "bf16"] {
            let Some(report) = theirs.and_then(|theirs| theirs.get(precision)) else {
                continue;
            };
            if let Some((other, other_processor)) = best(report, &clock).zip(best(report, &processors)) {
                println!(
                    "{what:<8} PyTorch {precision:<5} {other:>8.2} {other_processor:>8.2}   rbee takes {:.2} times as long",
                    time / other
                );
            }
        }
    }
}
