//! The programs under test, each a process with a log.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::{DEADLINE, POLL};

/// The catalog's program, as it was built beside these tests.
pub(crate) fn catalog_program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_rbee-hive")).with_file_name("rbee-catalog");
    assert!(
        program.is_file(),
        "{} is missing: build it with `cargo build -p rbee-catalog`",
        program.display()
    );
    program
}

/// A program that runs. Dropping it kills it; a test that fails shows its log.
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Program {
    pub(crate) fn start(name: &'static str, mut command: Command, log: PathBuf) -> Self {
        let file = File::options().create(true).append(true).open(&log).unwrap();
        // What is set here for other clusters does not count.
        for (variable, _) in std::env::vars_os() {
            if variable
                .to_str()
                .is_some_and(|variable| variable.starts_with("RBEE_"))
            {
                command.env_remove(variable);
            }
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { name, child, log }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it as an operator would, and checks that it leaves in order.
    pub(crate) async fn stop(mut self) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        let status = self.left().await;
        assert!(status.success(), "{}: {status}", self.name);
    }

    async fn left(&mut self) -> ExitStatus {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "{} does not leave", self.name);
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.name, self.log());
        }
    }
}
