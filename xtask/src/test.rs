//! `cargo xtask test`: all that has to hold before a change lands, in the order in which it is quickest to fail.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::interrupt::{self, Interrupt};
use crate::system::{self, Need};
use crate::tools::Tools;
use crate::workspace::Workspace;
use crate::{docker, fixtures, kubernetes, process, s3_server, tidy};

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Run only this step (may be repeated).
    #[arg(long, value_enum, value_name = "STEP")]
    only: Vec<Step>,
    /// Run the steps as well that take minutes (docker, s3).
    #[arg(long)]
    all: bool,
    /// Run the cluster of three hosts in containers as well (docker): minutes, and a Docker engine.
    #[arg(long)]
    docker: bool,
    /// Go on after a step that failed; the command fails all the same.
    #[arg(long)]
    keep_going: bool,
}

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// rustfmt has nothing to change.
    Fmt,
    /// The house rules (`cargo xtask tidy`).
    Tidy,
    /// The contract lints with buf.
    Buf,
    /// Dependencies: duplicate versions, licences, sources.
    Deny,
    /// clippy without a warning, on every target.
    Clippy,
    /// rustdoc without a warning.
    Doc,
    /// The real models are in the cache.
    Fixtures,
    /// Every program and test, in the dev profile.
    Build,
    /// The examples in the documentation.
    Doctest,
    /// The manifests of Kubernetes against its published schemas.
    Kubernetes,
    /// Three hosts in containers, and their failures; only with --docker, --all or --only.
    Docker,
    /// The store's contract on an S3 server that is not ours; only with --all or --only.
    S3,
    /// All other tests.
    Nextest,
}

impl Arguments {
    fn runs(&self, step: Step) -> bool {
        match self.only.is_empty() {
            true => match step {
                Step::S3 => self.all,
                Step::Docker => self.all || self.docker,
                _ => true,
            },
            false => self.only.contains(&step),
        }
    }
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(|| format!("{self:?}"), |value| value.get_name().to_owned())
    }
}

/// All packages, Keeper with its window and with what lets a test look into it. The same for every step: with one
/// set of features nothing is compiled twice.
pub(crate) const ALL: [&str; 4] = ["--workspace", "--features", "rbee-keeper/test-hook", "--locked"];

/// One line of the table at the end.
#[derive(Debug)]
struct Outcome {
    step: Step,
    took: Duration,
    error: Option<anyhow::Error>,
}

/// Installs what is needed and runs the steps.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    // The children get Ctrl-C too, and nextest has tests to end; they are waited for.
    let interrupt = Interrupt::listen(interrupt::CTRL_C)?;
    system::ensure(&[Need::CCompiler, Need::Pip, Need::Git])?;
    // There are none for other systems.
    if cfg!(target_os = "linux") {
        system::ensure(&[Need::Bubblewrap, Need::Webview, Need::Screen])?;
    }
    system::ensure_rust_components()?;
    let tools = Tools::install(workspace)?;
    let mut runner = Runner {
        workspace,
        tools,
        summary: None,
    };
    let mut outcomes = Vec::new();
    for step in Step::value_variants() {
        if !arguments.runs(*step) {
            continue;
        }
        println!("==> {}", step.name());
        let begun = Instant::now();
        let error = runner.run(*step).err();
        interrupt.check()?;
        let failed = error.is_some();
        if let Some(error) = &error {
            println!("==> {} failed: {error:#}", step.name());
        }
        outcomes.push(Outcome {
            step: *step,
            took: begun.elapsed(),
            error,
        });
        if failed && !arguments.keep_going {
            break;
        }
    }
    print!("{}", table(&outcomes, started.elapsed()));
    if let Some(summary) = runner.summary {
        println!("{summary}");
    }
    let failed: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| outcome.error.is_some())
        .collect();
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<String> = failed.iter().map(|outcome| outcome.step.name()).collect();
    let again: Vec<String> = names.iter().map(|name| format!("--only {name}")).collect();
    bail!(
        "failed: {} (again with: cargo xtask test {})",
        names.join(", "),
        again.join(" ")
    )
}

struct Runner<'a> {
    workspace: &'a Workspace,
    tools: Tools,
    /// nextest's closing line, repeated at the very end.
    summary: Option<String>,
}

impl Runner<'_> {
    fn run(&mut self, step: Step) -> Result<()> {
        let workspace = self.workspace;
        // `--locked` everywhere: a Cargo.lock that does not fit is an error, not a silent update.
        match step {
            Step::Fmt => process::run(workspace.cargo("fmt").args(["--all", "--check"])),
            Step::Tidy => tidy::check(workspace),
            // `buf breaking` has nothing to compare with before the first release; from then on it belongs here.
            Step::Buf => process::run(workspace.tool(self.tools.program("buf")).arg("lint")),
            // No `advisories`: that database is fetched from the network, and a test must give the same answer offline.
            Step::Deny => process::run(workspace.tool(self.tools.program("cargo-deny")).args([
                "--locked",
                "--workspace",
                "--all-features",
                "check",
                "--hide-inclusion-graph",
                "bans",
                "licenses",
                "sources",
            ])),
            Step::Clippy => {
                let strict = ["--", "-D", "warnings"];
                process::run(
                    workspace
                        .cargo("clippy")
                        .args(ALL)
                        .arg("--all-targets")
                        .args(strict),
                )?;
                // What is tested with the window is to be built without one, too.
                let windowless = ["--package", "rbee-keeper", "--lib", "--locked"];
                process::run(workspace.cargo("clippy").args(windowless).args(strict))
            }
            Step::Doc => process::run(
                workspace
                    .cargo("doc")
                    .args(ALL)
                    .arg("--no-deps")
                    .env("RUSTDOCFLAGS", "-D warnings"),
            ),
            Step::Fixtures => fixtures::run(workspace, &fixtures::Arguments::default()).map(|_| ()),
            // Programs and tests in one go: the same features, so nothing is compiled twice, and the
            // tests find each other's programs beside their own.
            Step::Build => process::run(workspace.cargo("build").args(ALL).args(["--bins", "--tests"])),
            Step::Doctest => process::run(workspace.cargo("test").args(ALL).args(["--doc", "--quiet"])),
            Step::Kubernetes => kubernetes::check(workspace),
            Step::Docker => {
                if let Some(why) = docker::test(workspace)? {
                    println!("==> docker skipped: {why}");
                }
                Ok(())
            }
            Step::S3 => {
                let server = s3_server::install(workspace)?;
                let mut command = workspace.tool(self.tools.program("cargo-nextest"));
                command
                    .args([
                        "nextest",
                        "run",
                        "--package",
                        "rbee-store",
                        "--features",
                        "s3-contract",
                    ])
                    .args(["--test", "contract", "--locked", "--profile", "ci"])
                    .env("RBEE_S3_SERVER", server);
                process::run(&mut command)
            }
            Step::Nextest => {
                let mut command = workspace.tool(self.tools.program("cargo-nextest"));
                command
                    .args(["nextest", "run"])
                    .args(ALL)
                    .args(["--profile", "ci"]);
                command.env("RBEE_MODELS_DIR", &workspace.models.path);
                if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
                    // It goes through a pipe of ours.
                    command.args(["--color", "always"]);
                }
                process::run_watching_stderr(&mut command, |line| {
                    if line.contains("Summary") && line.contains("run: ") {
                        self.summary = Some(line.trim_end().to_owned());
                    }
                })
            }
        }
    }
}

fn table(outcomes: &[Outcome], total: Duration) -> String {
    let mut lines = vec![String::new()];
    for Outcome { step, took, error } in outcomes {
        let result = if error.is_some() { "FAILED" } else { "ok" };
        lines.push(format!("{:<10} {result:<7} {:>8}", step.name(), humane(*took)));
    }
    lines.push(format!("{:<18} {:>8}\n", "total", humane(total)));
    lines.join("\n")
}

/// `1m 05s`, `12.3s`.
fn humane(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1}s", duration.as_secs_f64())
    } else {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_what_failed_and_how_long_it_took() {
        let outcomes = [
            Outcome {
                step: Step::Fmt,
                took: Duration::from_millis(1_250),
                error: None,
            },
            Outcome {
                step: Step::Nextest,
                took: Duration::from_secs(65),
                error: Some(anyhow::anyhow!("no")),
            },
        ];
        let expected =
            "\nfmt        ok          1.2s\nnextest    FAILED    1m 05s\ntotal                1m 06s\n";
        assert_eq!(table(&outcomes, Duration::from_millis(66_250)), expected);
    }

    #[test]
    fn what_takes_minutes_to_prepare_runs_when_asked_for() {
        let arguments = |only: &[Step], all| Arguments {
            only: only.to_vec(),
            all,
            docker: false,
            keep_going: false,
        };
        let with_docker = Arguments {
            docker: true,
            ..arguments(&[], false)
        };
        assert!(with_docker.runs(Step::Docker) && with_docker.runs(Step::Fmt));
        assert!(!arguments(&[], false).runs(Step::Docker) && arguments(&[], true).runs(Step::Docker));
        assert!(arguments(&[], false).runs(Step::Kubernetes));
        assert!(!arguments(&[], false).runs(Step::S3) && arguments(&[], false).runs(Step::Nextest));
        assert!(arguments(&[], true).runs(Step::S3) && arguments(&[], true).runs(Step::Fmt));
        assert!(arguments(&[Step::S3], false).runs(Step::S3));
        assert!(!arguments(&[Step::S3], true).runs(Step::Fmt));
    }

    #[test]
    fn the_tests_come_last_so_that_their_summary_closes_the_run() {
        assert_eq!(Step::value_variants().last(), Some(&Step::Nextest));
    }
}
