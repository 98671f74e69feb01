//! `cargo xtask fidelity`: whether the workers say and make the same as the references.

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
    /// The image worker: random numbers, schedules, tokens, single passes, and whole runs from prompt to picture.
    Sd(SdArguments),
}

#[derive(clap::Args, Debug)]
struct SdArguments {
    /// A folder of golden data in the form of fixtures/sd [default: the repository's own].
    #[arg(long, value_name = "FOLDER")]
    fixtures: Option<PathBuf>,
    /// Only cases whose name holds this text, such as "sdxl-tiny folder" or "schedule".
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// For scripts: one JSON object in place of the table.
    #[arg(long)]
    json: bool,
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

/// What a comparing program is called with.
struct Comparison<'a> {
    package: &'static str,
    example: &'static str,
    fixtures: PathBuf,
    models: Option<&'a Path>,
    only: Option<&'a str>,
    json: bool,
}

/// Compares and prints a table. Exit status: 0 all agree; 1 something differs or failed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let own = |fixtures: &Option<PathBuf>, name: &str| {
        let fixtures = fixtures.clone();
        fixtures.unwrap_or_else(|| workspace.root.join("fixtures").join(name))
    };
    let comparison = match &arguments.subject {
        Subject::Llm(llm) => Comparison {
            package: "llm-worker-rbee",
            example: "fidelity",
            fixtures: own(&llm.fixtures, "llm"),
            models: models(&workspace.models.path),
            only: llm.only.as_deref(),
            json: llm.json,
        },
        Subject::Sd(sd) => Comparison {
            package: "sd-worker-rbee",
            example: "sd_fidelity",
            fixtures: own(&sd.fixtures, "sd"),
            models: None,
            only: sd.only.as_deref(),
            json: sd.json,
        },
    };
    comparison.run(workspace)
}

impl Comparison<'_> {
    fn run(&self, workspace: &Workspace) -> Result<ExitCode> {
        let package = ["--locked", "--package", self.package, "--example", self.example];
        // The kernels are compiled with optimisation in the profile of tests, too.
        process::run(workspace.cargo("build").args(package))?;
        let program = workspace.target.join("debug/examples").join(self.example);
        let mut command = Command::new(program);
        command.arg(&self.fixtures);
        command.args(
            self.models
                .iter()
                .flat_map(|models| [Path::new("--models"), models]),
        );
        command.args(self.only.iter().flat_map(|text| ["--only", text]));
        if self.json {
            command.arg("--json");
        }
        let status = command.status().context("cannot start the comparing program")?;
        Ok(if status.success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// The folder of the real models, if it has been filled.
fn models(folder: &Path) -> Option<&Path> {
    folder.is_dir().then_some(folder)
}
