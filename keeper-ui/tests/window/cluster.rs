//! A real `rbee up` with a folder of its own: a text worker that speaks at a given pace, and the real image worker with a
//! tiny model.
//!
//! A tiny language model of random numbers ends its answer when it likes, and within a third of a second. So the text
//! comes from the scripted worker behind the real hive: what the window sees is the same contract.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rbee_testkit::models::fixture;
use rbee_testkit::scripted_worker::Script;
use serde_json::Value;
use tempfile::TempDir;

/// How long the cluster may take to be ready, also on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// The text model.
pub const SPEAKER: &str = "local:speaker";
/// The image model.
pub const PAINTER: &str = "local:painter";

/// A program beside the one that runs.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program has a file");
    let program = own.ancestors().nth(2).expect("<profile>/deps/<test>").join(name);
    assert!(
        program.is_file(),
        "{} is not built: cargo build --workspace --bins",
        program.display()
    );
    program
}

/// A command without anything that this user has set for a cluster of their own.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("RBEE_")) {
            command.env_remove(name);
        }
    }
    command
}

/// A cluster that runs, or did. Dropping it ends it.
#[derive(Debug)]
pub struct Cluster {
    process: Child,
    address: String,
    variables: Vec<(String, String)>,
    // Removed last, when the process is gone.
    folder: TempDir,
}

impl Cluster {
    /// Starts one without models, with these variables.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder for temporary files");
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).expect("writable");
        // What lies beside `rbee` is what it installs.
        for (built, name) in [
            ("rbee", "rbee"),
            ("sd-worker-rbee-cpu", "sd-worker-rbee-cpu"),
            ("scripted-worker", "llm-worker-rbee-cpu"),
        ] {
            let (from, to) = (program(built), programs.join(name));
            if std::fs::hard_link(&from, &to).is_err() {
                std::fs::copy(&from, &to).expect("there is room for a copy");
            }
        }
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (process, address) = up(folder.path(), "127.0.0.1:0", &variables);
        Self {
            process,
            address,
            variables,
            folder,
        }
    }

    /// Where it is reached.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it at once, as the loss of its machine would.
    pub fn kill(&mut self) {
        self.process.kill().expect("it is our child");
        self.process.wait().expect("it is our child");
    }

    /// Starts it again at the same address.
    pub fn start_again(&mut self) {
        let listen = self.address.strip_prefix("http://").expect("plain").to_owned();
        (self.process, self.address) = up(self.folder.path(), &listen, &self.variables);
    }

    /// Runs `rbee` with these arguments; what it said, as JSON if it is that.
    pub fn rbee(&self, arguments: &[&str]) -> Value {
        let mut rbee = command(&self.folder.path().join("bin/rbee"));
        rbee.args(arguments).env("RBEE_SERVER", &self.address);
        let output = rbee.output().expect("rbee can be started");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "rbee {}: {said}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_str(&said).unwrap_or_else(|_| said.trim().into())
    }

    /// Brings the text model in, whose worker says so many tokens, this far apart; gives the worker's id.
    pub fn spawn_speaker(&self, tokens: u32, token_ms: u64) -> String {
        let script = Script {
            tokens,
            token_ms,
            ..Script::default()
        };
        let model = std::fs::read(fixture("llm/tiny/qwen2/qwen2-q8_0.gguf")).expect("a fixture");
        let file = self.folder.path().join("speaker.gguf");
        std::fs::write(&file, script.behind(&model)).expect("writable");
        self.import(&file, "speaker");
        self.spawn(SPEAKER, "cpu-llm")
    }

    /// Brings the image model in; gives the worker's id.
    pub fn spawn_painter(&self) -> String {
        self.import_painter();
        self.spawn_imported_painter()
    }

    /// Brings the image model in.
    pub fn import_painter(&self) {
        self.import(&fixture("sd/sd15-tiny/model.safetensors"), "painter");
    }

    /// Starts a worker of the image model that is there.
    pub fn spawn_imported_painter(&self) -> String {
        self.spawn(PAINTER, "cpu-sd")
    }

    fn import(&self, file: &Path, name: &str) {
        let file = file.to_str().expect("a UTF-8 path");
        self.rbee(&["model", "import", file, "--name", name, "--copy"]);
    }

    fn spawn(&self, model: &str, kind: &str) -> String {
        let said = self.rbee(&["worker", "spawn", model, "--type", kind, "--device", "cpu:0"]);
        said.as_str().expect("the worker's id").to_owned()
    }

    /// What `rbee worker show` tells.
    pub fn worker(&self, id: &str) -> Value {
        self.rbee(&["worker", "show", id, "--json"])
    }
}

fn up(folder: &Path, listen: &str, variables: &[(String, String)]) -> (Child, String) {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let mut up = command(&folder.join("bin/rbee"));
        up.args([
            "up",
            "--json",
            "--until-stdin-closes",
            "--listen",
            listen,
            "--data-dir",
        ])
        .arg(folder.join("data"))
        .envs(variables.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("up.log"))
            .expect("writable");
        let mut process = up.stderr(log).spawn().expect("rbee can be started");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let ready = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let event: Value = serde_json::from_str(&line).ok()?;
            let address = event["address"].as_str()?.to_owned();
            (event["event"] == "ready").then_some(address)
        });
        if let Some(address) = ready {
            // It never waits for a reader.
            std::thread::spawn(move || lines.for_each(drop));
            return (process, address);
        }
        // The port of one that was killed may be taken for a moment yet.
        let status = process.wait().expect("it is our child");
        assert!(
            Instant::now() < deadline,
            "rbee up ended with {status}:\n{}",
            std::fs::read_to_string(folder.join("up.log")).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its standard input ends: it stops its workers and leaves.
        drop(self.process.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
