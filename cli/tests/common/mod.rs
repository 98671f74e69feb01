//! A whole cluster for tests: the real `rbee up` as a process, on a free port, with a folder of
//! its own.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(unreachable_pub, reason = "a module of several test programs")]

pub mod client;
pub mod hives;
pub mod processes;
pub mod provisioner;
pub mod terminal;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rbee_testkit::models::fixture;
use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub const RBEE: &str = env!("CARGO_BIN_EXE_rbee");

/// How often conditions are looked at.
const POLL: Duration = Duration::from_millis(20);
/// How long `rbee up` may take to be ready, also on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to leave.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// A model of a few kilobytes that the worker can serve: random numbers.
pub const TINY: &str = "llm/tiny/qwen2/qwen2-q8_0.gguf";

/// `rbee` without anything that this user has set for a cluster of their own.
pub fn rbee_command() -> Command {
    let mut command = Command::new(RBEE);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("RBEE_")) {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Waits until `condition` holds.
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + deadline;
    while !condition() {
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        thread::sleep(POLL);
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Checks that the command worked.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// Checks that the command failed with an exit code.
    #[track_caller]
    pub fn failed(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// The one document on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The lines of a stream on stdout.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// The error on stderr.
    #[track_caller]
    pub fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_default();
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        value["error"].clone()
    }

    /// The error's reason.
    #[track_caller]
    pub fn reason(&self) -> String {
        self.error()["reason"]
            .as_str()
            .unwrap_or_else(|| panic!("no reason: {self:#?}"))
            .to_owned()
    }
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Said {
    let output = command.output().expect("rbee can be started");
    Said {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("results are UTF-8"),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A folder for a cluster's data, on the file system of the target folder.
pub fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder is writable")
}

/// A running cluster. Dropping it kills it.
#[derive(Debug)]
pub struct Cluster {
    process: Child,
    address: String,
    folder: PathBuf,
    // Removed last, when the process is gone.
    owned: Option<TempDir>,
}

impl Cluster {
    /// Starts a cluster in a new folder.
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts a cluster in a new folder, with changes to its command.
    pub fn start_with(change: impl FnOnce(&mut Command)) -> Self {
        let folder = folder();
        let mut cluster = Self::start_in(folder.path(), change);
        cluster.owned = Some(folder);
        cluster
    }

    /// Starts a cluster in a new folder with a model of a few kilobytes that a worker can serve, `local:tiny`:
    /// random numbers.
    pub fn start_tiny(change: impl FnOnce(&mut Command)) -> Self {
        assert_worker_is_built();
        let cluster = Self::start_with(change);
        let file = fixture(TINY);
        let file = file.to_str().expect("the checkout's path is UTF-8");
        // A copy: what a test does to the blob must not reach the fixture.
        cluster
            .rbee(&["model", "import", file, "--name", "tiny", "--copy"])
            .ok();
        cluster
    }

    /// Starts a cluster with its data and log in a folder, and waits until it is ready.
    pub fn start_in(folder: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = up_command(folder);
        change(&mut command);
        let out = folder.join("up.out");
        command.stdout(File::create(&out).expect("writable"));
        command.stderr(
            File::options()
                .create(true)
                .append(true)
                .open(folder.join("up.log"))
                .expect("writable"),
        );
        let process = command.spawn().expect("rbee can be started");
        let mut cluster = Self {
            process,
            address: String::new(),
            folder: folder.to_path_buf(),
            owned: None,
        };
        wait_until("rbee up is ready", READY_WITHIN, || {
            if let Some(status) = cluster.process.try_wait().expect("it is our child") {
                panic!("rbee up ended with {status}: {}", cluster.log());
            }
            let said = fs::read_to_string(&out).expect("we made it");
            let mut events = said
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let ready = events.find(|event| event["event"] == "ready");
            cluster.address = ready
                .and_then(|event| Some(event["address"].as_str()?.to_owned()))
                .unwrap_or_default();
            !cluster.address.is_empty()
        });
        cluster
    }

    /// Where it is reached.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process that serves.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The folder with its data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("up.log")).unwrap_or_default()
    }

    /// A command that talks to this cluster.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rbee_command();
        command.env("RBEE_SERVER", &self.address).args(arguments);
        command
    }

    /// Runs a command that talks to this cluster.
    pub fn rbee(&self, arguments: &[&str]) -> Said {
        run(self.command(arguments))
    }

    /// Imports a file and gives the model's id.
    pub fn import(&self, file: &Path, name: &str) -> String {
        let file = file.to_str().expect("test files have UTF-8 paths");
        self.rbee(&["model", "import", file, "--name", name]).ok();
        format!("local:{name}")
    }

    /// Starts a text worker on the CPU and gives its id.
    pub fn spawn(&self, model: &str) -> String {
        assert_worker_is_built();
        let said = self
            .rbee(&["worker", "spawn", model, "--type", "cpu-llm", "--device", "cpu:0"])
            .ok();
        said.stdout.trim().to_owned()
    }

    /// What `worker ls` tells.
    pub fn workers(&self) -> Vec<Value> {
        let said = self.rbee(&["worker", "ls", "--json"]).ok();
        said.json().as_array().expect("a list").clone()
    }

    /// Waits until `worker ls` lists so many workers. A hive answers a stop when the process is gone, and tells
    /// the catalog at the same time.
    #[track_caller]
    pub fn wait_for_workers(&self, count: usize) -> Vec<Value> {
        let mut workers = Vec::new();
        wait_until(&format!("{count} workers are listed"), READY_WITHIN, || {
            workers = self.workers();
            workers.len() == count
        });
        workers
    }

    /// What `worker show` tells of a worker.
    pub fn worker(&self, worker_id: &str) -> Value {
        self.rbee(&["worker", "show", worker_id, "--json"]).ok().json()
    }

    /// Waits until a worker is in a state.
    #[track_caller]
    pub fn wait_for_state(&self, worker_id: &str, state: &str) -> Value {
        let mut worker = Value::Null;
        wait_until(&format!("{worker_id} is {state}"), READY_WITHIN, || {
            worker = self.worker(worker_id);
            worker["state"] == state
        });
        worker
    }

    /// The process of a worker.
    pub fn worker_process_id(&self, worker_id: &str) -> u32 {
        let said = self.rbee(&["worker", "show", worker_id, "--json"]).ok();
        let id = said.json()["process_id"]
            .as_u64()
            .expect("a ready worker has a process");
        u32::try_from(id).expect("process ids are small")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        processes::signal(self.process_id(), signal);
    }

    /// Waits until the process has left.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("rbee up has left", GONE_WITHIN, || {
            status = self.process.try_wait().expect("it is our child");
            status.is_some()
        });
        status.expect("waited for")
    }

    /// Ends it as a user would, and checks that it leaves with success and leaves nobody behind.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.log());
        let left = processes::naming(&self.folder);
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Already gone after `stop`; then this does nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("--- log of rbee up ---\n{}", self.log());
        }
    }
}

/// `rbee up` for a folder, on a free port.
pub fn up_command(folder: &Path) -> Command {
    let mut command = rbee_command();
    command
        .args(["up", "--json", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.join("data"));
    command
}

/// Fails with the command that helps if the worker's program is missing.
pub fn assert_worker_is_built() {
    assert_program_is_built("llm-worker-rbee-cpu");
}

/// Fails with the command that builds it if a worker program is missing.
pub fn assert_program_is_built(name: &str) {
    let worker = Path::new(RBEE).with_file_name(name);
    assert!(
        worker.is_file(),
        "{} is missing: build it with `cargo build --workspace --bins`",
        worker.display()
    );
}
