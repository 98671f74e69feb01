//! `rbee up` as a child process: started, waited for until it is ready, stopped, and checked to be gone.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde::Deserialize;

use crate::interrupt::{Interrupt, POLL, stop};
use crate::process;

/// How long `rbee up` may take until it is ready: it hashes its worker binaries first.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to leave: its workers have a grace of their own.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// A running cluster. Dropping it ends it without asking.
#[derive(Debug)]
pub(super) struct Cluster {
    process: Child,
    rbee: PathBuf,
    address: String,
    folder: PathBuf,
}

impl Cluster {
    /// Starts a cluster whose data, result lines and log are in `folder`, and waits until it is ready.
    pub(super) fn start(interrupt: &Interrupt, rbee: &Path, folder: &Path) -> Result<Self> {
        let mut command = command(rbee, folder);
        command.args(["up", "--listen", "127.0.0.1:0", "--json"]);
        // A group of its own: Ctrl-C reaches the demo alone, which then stops the cluster once, in order.
        command.process_group(0).stdin(Stdio::null());
        command.stdout(fs::File::create(folder.join("up.out"))?.into_parts().0);
        command.stderr(fs::File::create(folder.join("up.log"))?.into_parts().0);
        let process = command
            .spawn()
            .with_context(|| format!("cannot start {}", process::show(&command)))?;
        let mut cluster = Self {
            process,
            rbee: rbee.into(),
            address: String::new(),
            folder: folder.into(),
        };
        let deadline = Instant::now() + READY_WITHIN;
        while cluster.address.is_empty() {
            interrupt.check()?;
            let said = fs::read_to_string(folder.join("up.out"))?;
            cluster.address = said.lines().find_map(ready_address).unwrap_or_default();
            if let Some(status) = cluster.process.try_wait().context("cannot wait for rbee up")? {
                bail!(
                    "rbee up ended before it was ready: {status}; its log ends with:\n{}",
                    cluster.log_tail()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "rbee up was not ready within {READY_WITHIN:?}; its log ends with:\n{}",
                    cluster.log_tail()
                );
            }
            thread::sleep(POLL);
        }
        Ok(cluster)
    }

    /// Where clients reach it.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// An `rbee` command that talks to this cluster.
    pub(super) fn rbee<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = command(&self.rbee, &self.folder);
        command.env("RBEE_SERVER", &self.address).args(arguments);
        command
    }

    /// The window onto this cluster, with a folder of its own beside the cluster's data.
    pub(super) fn keeper(&self) -> Command {
        let mut command = command(&self.rbee.with_file_name("rbee-keeper"), &self.folder);
        command.arg("--server").arg(&self.address);
        command.arg("--folder").arg(self.folder.join("keeper"));
        command
    }

    /// The last lines of its log.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.join("up.log")).unwrap_or_else(|error| error.to_string());
        process::tail(&log, 20)
    }

    /// Stops it, and checks that it left by itself, with success, and left no process behind.
    pub(super) fn stop(mut self) -> Result<()> {
        match stop(&mut self.process, GONE_WITHIN)? {
            None => bail!("rbee up did not leave within {GONE_WITHIN:?}; it was killed"),
            Some(status) if !status.success() => {
                bail!(
                    "rbee up left with {status}; its log ends with:\n{}",
                    self.log_tail()
                )
            }
            Some(_) => {}
        }
        match processes_of(&self.folder)?.as_slice() {
            [] => Ok(()),
            left => bail!("rbee up left processes behind: {}", left.join("; ")),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Already waited for after `stop`; then this does nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program with its data in the folder, whatever the user has set for a cluster of their own; how much is
/// logged, and where traces go, stays theirs to say.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let is_theirs = name == "RBEE_LOG" || name == "RBEE_OTLP_ENDPOINT";
        if name.to_str().is_some_and(|name| name.starts_with("RBEE_")) && !is_theirs {
            command.env_remove(name);
        }
    }
    command.env("RBEE_DATA_DIR", folder.join("data"));
    command
}

/// The address in the line that says that the cluster is ready.
fn ready_address(line: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Event {
        event: String,
        address: String,
    }
    let event: Event = serde_json::from_str(line).ok()?;
    (event.event == "ready").then_some(event.address)
}

/// The command lines of the processes that have the folder among their arguments or in their environment:
/// that is so for all that a cluster starts, and for what those start.
fn processes_of(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.to_string_lossy();
    let processes = match fs::read_dir("/proc") {
        Ok(processes) => processes,
        // Not Linux; the exit status has to do.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for process in processes {
        let process = process?.path();
        // A process may leave while it is looked at, and those of other users keep their environment to themselves.
        let read = |file| fs::read(process.join(file)).unwrap_or_default();
        let (arguments, environment) = (read("cmdline"), read("environ"));
        let mentions = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(folder.as_ref());
        if mentions(&arguments) || mentions(&environment) {
            found.push(
                String::from_utf8_lossy(&arguments)
                    .replace('\0', " ")
                    .trim_end()
                    .to_owned(),
            );
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_found_among_others() {
        assert_eq!(ready_address("starting"), None);
        assert_eq!(ready_address(r#"{"event":"loading","address":"x"}"#), None);
        let line = r#"{"event":"ready","address":"http://127.0.0.1:7220","more":1}"#;
        assert_eq!(ready_address(line).as_deref(), Some("http://127.0.0.1:7220"));
    }

    #[test]
    fn a_process_that_names_the_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(processes_of(folder.path()).unwrap(), [""; 0]);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let mut child = Command::new("tail").arg("-f").arg(&file).spawn().unwrap();
        // A process that has only just begun has no command line yet.
        let deadline = Instant::now() + Duration::from_secs(10);
        let found = loop {
            let found = processes_of(folder.path()).unwrap();
            if !found.is_empty() || Instant::now() > deadline {
                break found;
            }
            thread::sleep(Duration::from_millis(5));
        };
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
    }

    /// A stand-in for `rbee up`: a script, in the folder that it gets as its cluster's.
    fn start(script: &str) -> (tempfile::TempDir, Result<Cluster>) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("rbee");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let cluster = Cluster::start(&Interrupt::listen(&[]).unwrap(), &program, folder.path());
        (folder, cluster)
    }

    const READY: &str = r#"echo '{"event":"ready","address":"http://127.0.0.1:7220"}'"#;
    const UNTIL_STOPPED: &str = "while :; do sleep 0.02; done";

    #[test]
    fn a_cluster_that_does_not_start_says_why() {
        let (_folder, cluster) = start("echo 'the port is taken' >&2; exit 4");
        let error = cluster.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 4") && error.contains("the port is taken"),
            "{error}"
        );
    }

    #[test]
    fn a_cluster_that_leaves_cleanly_is_fine() {
        let (_folder, cluster) = start(&format!("trap 'exit 0' TERM; {READY}; {UNTIL_STOPPED}"));
        let cluster = cluster.unwrap();
        assert_eq!(cluster.address(), "http://127.0.0.1:7220");
        cluster.stop().unwrap();
    }

    #[test]
    fn a_cluster_that_leaves_with_an_error_is_found() {
        let script = format!("trap 'echo no >&2; exit 3' TERM; {READY}; {UNTIL_STOPPED}");
        let error = start(&script).1.unwrap().stop().unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("no"),
            "{error}"
        );
    }

    #[test]
    fn a_process_that_a_cluster_leaves_behind_is_found() {
        let left = "sh -c 'sleep 2; :' worker \"$RBEE_DATA_DIR\" &";
        let script = format!("{left} trap 'exit 0' TERM; {READY}; {UNTIL_STOPPED}");
        let (_folder, cluster) = start(&script);
        let error = cluster.unwrap().stop().unwrap_err().to_string();
        assert!(
            error.contains("left processes behind") && error.contains("worker"),
            "{error}"
        );
    }
}
