//! `cargo xtask keeper-shots`: pictures of the real window in its states, light and dark, on a screen of its own.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use fs_err as fs;

use crate::process;
use crate::system::{self, Need};
use crate::workspace::Workspace;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Where the pictures go [default: keeper-shots in the target folder]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Takes the pictures; each one's path is a line on standard output. Exit status: 0 taken; 1 something failed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    system::ensure(&[Need::CCompiler, Need::Webview, Need::Screen])?;
    // The cluster that is photographed: `rbee`, a real image worker, and the scripted text worker.
    let programs = [
        "--package",
        "rbee",
        "--package",
        "sd-worker-rbee",
        "--package",
        "rbee-testkit",
        "--bins",
    ];
    process::run(workspace.cargo("build").arg("--locked").args(programs))?;
    let window = [
        "--package",
        "rbee-keeper",
        "--features",
        "test-hook",
        "--bins",
        "--examples",
    ];
    process::run(workspace.cargo("build").arg("--locked").args(window))?;
    let output = match &arguments.output {
        Some(folder) => folder.clone(),
        None => workspace.target.join("keeper-shots"),
    };
    fs::create_dir_all(&output)?;
    let folder = tempfile::tempdir().context("there is no folder for temporary files")?;
    let debug = workspace.target.join("debug");
    let mut shots = Command::new(debug.join("examples/shots"));
    shots
        .arg("--keeper")
        .arg(debug.join("rbee-keeper"))
        .arg("--folder")
        .arg(folder.path())
        .arg("--pictures")
        .arg(&output);
    process::run(&mut shots)?;
    Ok(ExitCode::SUCCESS)
}
