//! `cargo xtask bench`: measurements that a closing note cites, each with its own command.

mod catalog;
mod download;
mod keeper;
mod llm;
mod proxy;
mod sd;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde_json::Value;
use tempfile::TempDir;

use crate::process;
use crate::workspace::Workspace;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(clap::Subcommand, Debug)]
enum Subject {
    /// Start-up time and latencies of a catalog of 10,000 models.
    Catalog(catalog::Arguments),
    /// Downloads a large file from a hub on loopback, in turns with `curl | sha256sum`; then with a `kill -9` at half.
    Download(download::Arguments),
    /// The window: first paint, frames of an idle page, of both panes streaming and of a long conversation, and what it takes.
    Keeper(keeper::Arguments),
    /// The text worker and llama.cpp in turns, on both real models.
    Llm(llm::Arguments),
    /// What the hive adds to the latency of a worker's messages, and how many pass in a second of one core.
    Proxy(proxy::Arguments),
    /// A denoising step and a decoding at SD 1.5's real shape on this processor, beside PyTorch and stable-diffusion.cpp.
    Sd(sd::Arguments),
}

/// Measures, prints, and fails only if something ended wrong: what is fast enough is for people to say.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.subject {
        Subject::Catalog(arguments) => catalog::run(workspace, arguments),
        Subject::Download(arguments) => download::run(workspace, arguments),
        Subject::Keeper(arguments) => keeper::run(workspace, arguments),
        Subject::Llm(arguments) => llm::run(workspace, arguments),
        Subject::Proxy(arguments) => proxy::run(workspace, arguments),
        Subject::Sd(arguments) => sd::run(workspace, arguments),
    }
}

/// A folder for the time of a measurement: in `parent`, or in rbee's folder in the user's cache.
fn work_folder(workspace: &Workspace, parent: Option<&Path>) -> Result<TempDir> {
    let parent = parent.map_or_else(|| workspace.cache.join("bench"), Path::to_path_buf);
    fs::create_dir_all(&parent)?;
    tempfile::tempdir_in(&parent).with_context(|| format!("cannot write in {}", parent.display()))
}

/// A measuring program: an example of a package, which prints one JSON report.
struct Program<'a> {
    package: &'a str,
    /// Features that both need, if any.
    features: Option<&'a str>,
    /// The package's own program, which is what is measured.
    binary: &'a str,
    example: &'a str,
    /// The option that names that program: `--hive`.
    measured: &'a str,
    /// Where it works, if that was said.
    folder: Option<&'a Path>,
    /// Whether the report is the last line of standard output.
    json: bool,
}

/// Builds a measuring program in release, runs it with these arguments, and shows its report.
fn measure(
    workspace: &Workspace,
    program: &Program<'_>,
    arguments: &[String],
    show: impl FnOnce(&Value),
) -> Result<ExitCode> {
    let build = [
        "--release",
        "--locked",
        "--package",
        program.package,
        "--bins",
        "--examples",
    ];
    let mut cargo = workspace.cargo("build");
    cargo.args(build);
    if let Some(features) = program.features {
        cargo.args(["--features", features]);
    }
    process::run(&mut cargo)?;
    let release = workspace.target.join("release");
    let folder = work_folder(workspace, program.folder)?;
    let output = Command::new(release.join("examples").join(program.example))
        .arg(program.measured)
        .arg(release.join(program.binary))
        .arg("--folder")
        .arg(folder.path())
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start the measuring program")?;
    ensure!(
        output.status.success(),
        "the measuring program failed: {}",
        output.status
    );
    let report: Value = serde_json::from_slice(&output.stdout).context("it printed no report")?;
    show(&report);
    if program.json {
        println!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}
