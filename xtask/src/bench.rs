//! `cargo xtask bench`: measurements that a closing note cites, each with its own command.

mod catalog;
mod download;
mod proxy;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use fs_err as fs;
use tempfile::TempDir;

use crate::workspace::Workspace;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(clap::Subcommand, Debug)]
enum Subject {
    /// Start-up time and latencies of a catalog of 10,000 models.
    Catalog(catalog::Arguments),
    /// Downloads a large file from a hub on loopback, in turns with `curl | sha256sum`; then with a `kill -9` at half.
    Download(download::Arguments),
    /// What the hive adds to the latency of a worker's messages, and how many pass in a second of one core.
    Proxy(proxy::Arguments),
}

/// Measures, prints, and fails only if something ended wrong: what is fast enough is for people to say.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.subject {
        Subject::Catalog(arguments) => catalog::run(workspace, arguments),
        Subject::Download(arguments) => download::run(workspace, arguments),
        Subject::Proxy(arguments) => proxy::run(workspace, arguments),
    }
}

/// A folder for the time of a measurement: in `parent`, or in rbee's folder in the user's cache.
fn work_folder(workspace: &Workspace, parent: Option<&Path>) -> Result<TempDir> {
    let parent = parent.map_or_else(|| workspace.cache.join("bench"), Path::to_path_buf);
    fs::create_dir_all(&parent)?;
    tempfile::tempdir_in(&parent).with_context(|| format!("cannot write in {}", parent.display()))
}
