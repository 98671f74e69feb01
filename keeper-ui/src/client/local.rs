//! A cluster on this machine: finding `rbee up`, and starting it as a child of this window.
//!
//! The child's standard input is a pipe whose other end this process holds. When the window ends, however it ends, the
//! system closes the pipe, and `rbee up --until-stdin-closes` stops its workers and leaves.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rbee_proto::catalog::v1::ListHivesRequest;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::cluster::Cluster;
use super::failure::{Action, Failure};
use super::server::{DEFAULT_ADDRESS, Server};

/// Where a cluster that a window starts listens: where it is looked for.
pub const LISTEN: &str = "127.0.0.1:7220";

/// How long a cluster may take to say that it is ready: the first start measures the programs that it installs.
const READY_PATIENCE: Duration = Duration::from_secs(60);

/// How long a server that is looked for may take to answer.
const PROBE_PATIENCE: Duration = Duration::from_millis(1500);

/// Lines that are kept of what a cluster writes, to say why it did not start.
const KEPT_LINES: usize = 20;

/// What was found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A cluster answers at this address, and lets this window in.
    Running(String),
    /// One answers and wants a token.
    Locked(String),
    /// None answers; this program would start one.
    Startable(PathBuf),
    /// None answers, and no program is here that would start one.
    Nothing,
}

/// Looks whether a cluster runs on this machine, and else whether one could be started.
pub async fn find(program: Option<&Path>) -> Found {
    let server = Server::at(DEFAULT_ADDRESS, None);
    match tokio::time::timeout(PROBE_PATIENCE, probe(&server)).await {
        Ok(Ok(())) => Found::Running(server.address),
        Ok(Err(failure)) if failure.is_refusal() => Found::Locked(server.address),
        _ => find_program(program).map_or(Found::Nothing, Found::Startable),
    }
}

/// Asks a server something small.
async fn probe(server: &Server) -> Result<(), Failure> {
    let cluster = Cluster::connect(server).await?;
    cluster.registry().list_hives(ListHivesRequest {}).await?;
    Ok(())
}

/// The `rbee` program: the one that was named, else the one beside this program, else one of the search path.
#[must_use]
pub fn find_program(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(named) = named {
        return named.is_file().then(|| named.to_path_buf());
    }
    let name = format!("rbee{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(&name));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(&name));
    beside
        .into_iter()
        .chain(in_path)
        .find(|candidate| candidate.is_file())
}

/// A cluster that this window started. It ends when this is dropped.
#[derive(Debug)]
pub struct LocalCluster {
    /// Where it answers.
    pub address: String,
    /// Held open: its end tells the cluster to leave.
    _until: ChildStdin,
    _child: Child,
}

/// Starts a cluster on this machine, which listens at `listen` (port 0 takes a free one), and waits until it is ready.
///
/// # Errors
/// If the program can't be started, or ends before it is ready; what it wrote last is then in the detail.
pub async fn start(program: &Path, data_dir: Option<&Path>, listen: &str) -> Result<LocalCluster, Failure> {
    let mut command = Command::new(program);
    command.args(["up", "--json", "--until-stdin-closes", "--listen", listen]);
    if let Some(data_dir) = data_dir {
        command.arg("--data-dir").arg(data_dir);
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A key that interrupts the window in a terminal is not for the cluster: it ends when the window has.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| {
        Failure::new(format!("{} can't be started.", program.display()))
            .because(error.to_string())
            .with(Action::OpenSettings)
    })?;
    let (Some(until), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Failure::new("The cluster can't be started."));
    };
    let last_lines = Arc::new(Mutex::new(VecDeque::new()));
    tokio::spawn(keep_last_lines(BufReader::new(stderr), Arc::clone(&last_lines)));
    match tokio::time::timeout(READY_PATIENCE, ready(BufReader::new(stdout))).await {
        Ok(Some(address)) => Ok(LocalCluster {
            address,
            _until: until,
            _child: child,
        }),
        outcome => {
            // Lets it leave in order; it has not been ready, so that no worker runs.
            drop(until);
            let _ = tokio::time::timeout(Duration::from_secs(5), child.wait()).await;
            let lines = last_lines.lock().unwrap_or_else(PoisonError::into_inner);
            let words: Vec<&str> = lines.iter().map(String::as_str).collect();
            let sentence = if outcome.is_err() {
                "The cluster did not become ready."
            } else {
                "The cluster did not start."
            };
            Err(Failure::new(sentence)
                .because(words.join("\n"))
                .with(Action::Retry))
        }
    }
}

/// Reads until the cluster says where it answers; then goes on reading in the background, so that it never waits for a
/// reader. `None` if it ends before.
async fn ready(stdout: BufReader<tokio::process::ChildStdout>) -> Option<String> {
    let mut lines = stdout.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if event["event"] == "ready" {
            let address = event["address"].as_str()?.to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some(address);
        }
    }
    None
}

async fn keep_last_lines(stderr: BufReader<tokio::process::ChildStderr>, kept: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = stderr.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}
