//! `cargo xtask bench sd`: a denoising step and a decoding at SD 1.5's real shape, beside PyTorch and stable-diffusion.cpp.

mod peers;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use self::peers::Peers;
use super::work_folder;
use crate::process;
use crate::workspace::Workspace;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Times only this worker: nothing is installed.
    #[arg(long)]
    alone: bool,
    /// How often each is timed; the fastest counts. stable-diffusion.cpp, which takes long, makes one picture of as many steps.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
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
    let peers = match arguments.alone {
        true => None,
        false => Some(Peers::install(workspace)?),
    };
    let folder = work_folder(workspace, arguments.folder.as_deref())?;
    let manifest = workspace.root.join("fixtures/sd/manifests/sd15.json");
    let rounds = usize::from(arguments.rounds);
    let ours = report(
        Command::new(workspace.target.join("release/examples/sd_measure"))
            .arg("--folder")
            .arg(folder.path())
            .arg("--manifest")
            .arg(manifest)
            .args(["--rounds", &rounds.to_string()]),
    )?;
    let mut others = Vec::new();
    if let Some(peers) = peers {
        let threads = ours["threads"].as_u64().context("no count of threads")? as usize;
        let pytorch = report(&mut peers.pytorch(rounds, threads))?;
        let model = folder.path().join("model.safetensors");
        others.push(("PyTorch f32", pytorch["f32"].clone()));
        others.push(("PyTorch bf16", pytorch["bf16"].clone()));
        others.push((
            "stable-diffusion.cpp",
            report(&mut peers.sd_cpp(&model, rounds, threads))?,
        ));
    }
    show(&ours, &others);
    if arguments.json {
        let mut all = serde_json::Map::new();
        all.insert("rbee".to_owned(), ours);
        all.extend(others.into_iter().map(|(name, report)| (name.to_owned(), report)));
        println!("{}", json!(all));
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

fn show(ours: &Value, others: &[(&str, Value)]) {
    println!(
        "SD 1.5, 512x512, two rows a step, {} threads; the fastest round, in seconds by the clock and of processors",
        ours["threads"]
    );
    for what in ["step", "decode"] {
        let figures = |report: &Value| {
            best(report, &format!("{what}_seconds")).zip(best(report, &format!("{what}_processor_seconds")))
        };
        let Some((time, processors)) = figures(ours) else {
            continue;
        };
        println!("{what:<8} {:<22} {time:>8.2} {processors:>8.2}", "rbee");
        for (name, report) in others {
            if let Some((other, other_processors)) = figures(report) {
                let ratio = time / other;
                println!(
                    "{what:<8} {name:<22} {other:>8.2} {other_processors:>8.2}   rbee takes {ratio:.2} times as long"
                );
            }
        }
    }
    if let Some((single, double)) = best(ours, "step_seconds").zip(best(ours, "double_step_seconds")) {
        println!(
            "a step of two requests together takes {:.2} times as long as one after the other ({double:.2} s)",
            double / (2.0 * single)
        );
    }
}
