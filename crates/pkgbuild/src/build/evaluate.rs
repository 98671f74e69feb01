//! Asks bash what a PKGBUILD says.

use std::time::Duration;

use rbee_artifacts::Platform;

use super::folder::BuildFolder;
use super::shell::{May, Shell};
use crate::PackageError;
use crate::options::Options;
use crate::package::{ASKED, FUNCTIONS, PER_ARCHITECTURE, Package, PackageName, Variables, architecture};
use crate::run::{Ended, Output, Patience, StandardOutput, run};

const SCRIPT: &str = include_str!("evaluate.bash");
/// Assigning variables takes no time; one that downloads something at this place has no business to.
const LONGEST: Duration = Duration::from_secs(20);
const MAX_OUTPUT_BYTES: usize = 1 << 20;

/// Evaluates the PKGBUILD in `folder`, confined like the build itself and without the network: to evaluate is
/// to run it.
pub(crate) async fn evaluate(
    shell: &Shell,
    folder: &BuildFolder,
    options: &Options,
    name: &PackageName,
    patience: &Patience,
) -> Result<Package, PackageError> {
    let platform = Platform::current();
    let arch = architecture(&platform);
    let own: Vec<String> = PER_ARCHITECTURE
        .iter()
        .map(|field| format!("{field}_{arch}"))
        .collect();
    let mut arguments: Vec<&str> = FUNCTIONS.to_vec();
    arguments.push("--");
    arguments.extend(ASKED);
    arguments.extend(own.iter().map(String::as_str));
    let command = shell.command(folder, options, SCRIPT, &arguments, May::default());
    let mark = shell.mark(folder);
    let mut complaints = Output::default();
    let ended = run(
        command,
        mark.as_ref(),
        StandardOutput::Kept(MAX_OUTPUT_BYTES),
        &patience.at_most(LONGEST),
        &mut |line| {
            complaints.take(&line);
        },
    )
    .await;
    let invalid = |problem: String| PackageError::Invalid {
        name: name.clone(),
        problem,
    };
    let (ended, output) = ended.map_err(PackageError::io("cannot start", &shell.bash))?;
    match ended {
        Ended::Cancelled => return Err(PackageError::Cancelled),
        Ended::DiskFull => return Err(options.disk_full()),
        Ended::TimedOut => {
            return Err(invalid(format!(
                "its evaluation took longer than {}",
                humantime::format_duration(LONGEST)
            )));
        }
        Ended::Exited(status) if !status.success() => {
            let said = complaints.into_tail().join("; ");
            return Err(invalid(format!("bash can't evaluate it ({status}): {said}")));
        }
        Ended::Exited(_) => {}
    }
    if output.len() > MAX_OUTPUT_BYTES {
        return Err(invalid("what it says is longer than 1 MiB".to_owned()));
    }
    let package = Variables::parse(&output)
        .and_then(|variables| Package::new(&variables, arch))
        .map_err(invalid)?;
    if package.name != *name {
        let problem = format!("it says that it is {}, not {name}", package.name);
        return Err(PackageError::Invalid {
            name: name.clone(),
            problem,
        });
    }
    Ok(package)
}
