//! `cargo xtask tidy`: the house rules that no other tool checks.
//!
//! Each check is a pure function from the files of the repository to findings, so each has tests that
//! show that it can fail. A finding reads `path:line: what is wrong; what to do`.

mod layout;
mod links;
mod manifests;
mod reasons;
mod sources;
mod tree;

use std::fmt;
use std::process::ExitCode;

use anyhow::{Result, bail};

use self::tree::Tree;
use crate::system::{self, Need};
use crate::workspace::Workspace;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// From 1; 0 when the finding is about the whole file.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, message } = self;
        if *line == 0 {
            write!(formatter, "{path}: {message}")
        } else {
            write!(formatter, "{path}:{line}: {message}")
        }
    }
}

/// Checks, and says so when all is well.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    system::ensure(&[Need::Git])?;
    check(workspace)?;
    println!("tidy");
    Ok(ExitCode::SUCCESS)
}

/// Prints what is not tidy; that there is something is the error.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let tree = Tree::read(workspace)?;
    let mut findings: Vec<Finding> = [
        reasons::check,
        sources::check,
        layout::check,
        manifests::check,
        links::check,
    ]
    .into_iter()
    .flat_map(|check| check(&tree))
    .collect();
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("1 thing is not tidy"),
        count => bail!("{count} things are not tidy"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_a_compilers() {
        assert_eq!(Finding::new("a.rs", 3, "no").to_string(), "a.rs:3: no");
        assert_eq!(Finding::new("a.rs", 0, "no").to_string(), "a.rs: no");
    }
}
