//! Runs the functions of a PKGBUILD.

use std::process::ExitStatus;

use super::folder::BuildFolder;
use super::outside::Beside;
use super::shell::{May, Shell};
use crate::PackageError;
use crate::options::Options;
use crate::package::{Functions, Package, Version};
use crate::run::{Ended, Output, Patience, StandardOutput, run};
use crate::step::{BuildEvent, Step};

const SCRIPT: &str = include_str!("step.bash");
/// A version takes a line.
const MAX_PKGVER_BYTES: usize = 1024;

/// What the steps need, and whom they tell.
pub(crate) struct Steps<'a> {
    pub(crate) shell: &'a Shell,
    pub(crate) folder: &'a BuildFolder,
    pub(crate) options: &'a Options,
    pub(crate) package: &'a Package,
    pub(crate) patience: &'a Patience,
    pub(crate) tell: &'a (dyn Fn(BuildEvent) + Send + Sync),
}

impl Steps<'_> {
    /// Runs those functions that there are, in order; gives the version that was built.
    pub(crate) async fn run_all(&self) -> Result<Version, PackageError> {
        let mut version = self.package.version.clone();
        let mut printed = String::new();
        for step in Step::ALL {
            if !is_there(self.package.functions, step) {
                continue;
            }
            (self.tell)(BuildEvent::Entered(step));
            let before = (step == Step::Package).then(|| Beside::look(self.folder));
            let output = self.run(step, &printed).await?;
            if step == Step::Pkgver {
                String::from_utf8_lossy(&output).trim().clone_into(&mut printed);
                version = version.updated(&printed).map_err(|problem| {
                    self.failed(step, format!("did not print a version: {problem}"), vec![])
                })?;
            }
            if let Some(path) = before.and_then(|before| before.changed(self.folder)) {
                return Err(self.failed(step, format!("wrote outside $pkgdir: {}", path.display()), vec![]));
            }
        }
        Ok(version)
    }

    async fn run(&self, step: Step, pkgver: &str) -> Result<Vec<u8>, PackageError> {
        let may = May {
            write_sources: true,
            write_package: step == Step::Package,
            use_network: step == Step::Prepare,
        };
        let arguments = [step.function(), pkgver];
        let command = self
            .shell
            .command(self.folder, self.options, SCRIPT, &arguments, may);
        let output = match step {
            Step::Pkgver => StandardOutput::Kept(MAX_PKGVER_BYTES),
            _ => StandardOutput::Shown,
        };
        let mark = self.shell.mark(self.folder);
        let mut said = Output::default();
        let ended = run(command, mark.as_ref(), output, self.patience, &mut |line| {
            if let Some(line) = said.take(&line) {
                (self.tell)(BuildEvent::Line(line));
            }
        })
        .await;
        let (ended, kept) = ended.map_err(PackageError::io("cannot start", &self.shell.bash))?;
        let problem = match ended {
            Ended::Exited(status) if status.success() => return Ok(kept),
            Ended::Cancelled => return Err(PackageError::Cancelled),
            Ended::DiskFull => return Err(self.options.disk_full()),
            Ended::TimedOut => format!(
                "was ended, since the build took longer than {}",
                humantime::format_duration(self.options.build_timeout)
            ),
            Ended::Exited(status) => format!("failed with {}", in_words(status)),
        };
        Err(self.failed(step, problem, said.into_tail()))
    }

    fn failed(&self, step: Step, problem: String, tail: Vec<String>) -> PackageError {
        PackageError::BuildFailed {
            name: self.package.name.clone(),
            step,
            problem,
            tail,
        }
    }
}

fn is_there(functions: Functions, step: Step) -> bool {
    match step {
        Step::Prepare => functions.prepare,
        Step::Pkgver => functions.pkgver,
        Step::Build => functions.build,
        Step::Check => functions.check,
        Step::Package => true,
    }
}

fn in_words(status: ExitStatus) -> String {
    match status.code() {
        // bash adds 128 to the number of the signal that ended a program.
        Some(137) => "exit code 137 (killed: most often the machine ran out of memory)".to_owned(),
        Some(153) => "exit code 153 (a file grew larger than a build may write)".to_owned(),
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}
