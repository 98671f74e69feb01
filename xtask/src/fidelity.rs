//! `cargo xtask fidelity llm`: whether the text worker says the same as the references.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::process;
use crate::workspace::Workspace;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(clap::Subcommand, Debug)]
enum Subject {
    /// The text worker: tokenizers, chat templates, block formats and logits. The tests run the same checks.
    Llm(LlmArguments),
}

#[derive(clap::Args, Debug)]
struct LlmArguments {
    /// A folder of golden data in the form of fixtures/llm [default: the repository's own].
    #[arg(long, value_name = "FOLDER")]
    fixtures: Option<PathBuf>,
    /// Only cases whose name holds this text, such as "tiny llama" or "chat".
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// For scripts: one JSON object in place of the table.
    #[arg(long)]
    json: bool,
}

/// Compares and prints a table. Exit status: 0 all agree; 1 something differs or failed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let Subject::Llm(arguments) = &arguments.subject;
    let package = [
        "--locked",
        "--package",
        "llm-worker-rbee",
        "--example",
        "fidelity",
    ];
    // The kernels are compiled with optimisation in the profile of tests, too.
    process::run(workspace.cargo("build").args(package))?;
    let fixtures = match &arguments.fixtures {
        Some(folder) => folder.clone(),
        None => workspace.root.join("fixtures/llm"),
    };
    let mut command = Command::new(workspace.target.join("debug/examples/fidelity"));
    command.arg(fixtures);
    command.args(
        models(&workspace.models.path)
            .iter()
            .flat_map(|models| [Path::new("--models"), models]),
    );
    command.args(arguments.only.iter().flat_map(|text| ["--only", text]));
    if arguments.json {
        command.arg("--json");
    }
    let status = command.status().context("cannot start the comparing program")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The folder of the real models, if it has been filled.
fn models(folder: &Path) -> Option<&Path> {
    folder.is_dir().then_some(folder)
}
