//! The S3 server that the store is tested against: s3s-fs, which is not ours.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use crate::process;
use crate::workspace::Workspace;

/// The newest that the workspace's Rust builds.
const VERSION: &str = "0.14.1";

/// The program, which is built when it is asked for the first time: minutes, so only `--all` does.
pub(crate) fn install(workspace: &Workspace) -> Result<PathBuf> {
    let tools = workspace.cache.join("tools");
    let folder = tools.join(format!("s3s-fs-{VERSION}"));
    let program = folder
        .join("bin")
        .join(format!("s3s-fs{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        return Ok(program);
    }
    eprintln!(
        "cargo xtask: building the S3 server s3s-fs {VERSION} into {}",
        folder.display()
    );
    fs::create_dir_all(&tools)?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo checks the archive against the registry's digest, and puts the program there when it is whole.
    command
        .args(["install", "s3s-fs", "--version", &format!("={VERSION}")])
        .args(["--locked", "--features", "binary", "--debug", "--root"])
        .arg(&folder)
        // Its dependencies are not ours: they would only fill the workspace's folder.
        .env("CARGO_TARGET_DIR", tools.join("s3s-fs-build"));
    process::run(&mut command).context("cannot build the S3 server of the store's tests")?;
    Ok(program)
}
