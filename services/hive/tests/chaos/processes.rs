//! The catalog and the hive as processes that can be killed and started again.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rbee_hive::process::environment::FOLDER_MARK;

use crate::harness::DEADLINE;

/// A program that always listens at the same address.
pub(crate) struct Program {
    name: &'static str,
    path: PathBuf,
    pub(crate) listens: SocketAddr,
    arguments: Vec<String>,
    folder: PathBuf,
    starts: u32,
    child: Option<Child>,
}

impl Program {
    pub(crate) fn new(
        name: &'static str,
        path: PathBuf,
        listens: SocketAddr,
        arguments: Vec<String>,
        folder: &Path,
    ) -> Self {
        Self {
            name,
            path,
            listens,
            arguments,
            folder: folder.into(),
            starts: 0,
            child: None,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.child.is_some()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Starts it, if it is not running, and waits until it listens.
    pub(crate) async fn start(&mut self) {
        if self.child.is_some() {
            return;
        }
        self.starts += 1;
        let log = self.folder.join(format!("{}-{}.log", self.name, self.starts));
        let child = Command::new(&self.path)
            .args(["--listen", &self.listens.to_string()])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(File::create(log.with_extension("out")).unwrap())
            .stderr(File::create(&log).unwrap())
            .spawn();
        self.child = Some(child.unwrap());
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while tokio::net::TcpStream::connect(self.listens).await.is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert_eq!(ended, None, "{}: {}", self.name, self.log());
            assert!(
                tokio::time::Instant::now() < deadline,
                "{} does not listen: {}",
                self.name,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        if let Some(child) = &self.child {
            kill(pid(child), Signal::SIGKILL).unwrap();
        }
        self.ended().await;
    }

    /// Tells it to leave, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        let Some(child) = &self.child else { return };
        kill(pid(child), Signal::SIGTERM).unwrap();
        let status = self.ended().await.unwrap();
        assert!(status.success(), "{}: {status}: {}", self.name, self.log());
    }

    /// Asserts that it did not end by itself.
    pub(crate) fn check(&mut self) {
        if let Some(child) = &mut self.child {
            let ended = child.try_wait().unwrap();
            assert_eq!(ended, None, "{} ended by itself: {}", self.name, self.log());
        }
    }

    async fn ended(&mut self) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        let waiting = tokio::task::spawn_blocking(move || child.wait().unwrap());
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(status) => Some(status.unwrap()),
            Err(_) => panic!("{} does not end: {}", self.name, self.log()),
        }
    }

    /// The end of what it logged since it was started.
    pub(crate) fn log(&self) -> String {
        let path = self.folder.join(format!("{}-{}.log", self.name, self.starts));
        let log = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(80)..];
        format!("start {}, its log ends:\n{}", self.starts, tail.join("\n"))
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.id());
        std::fs::read_dir(folder).unwrap().count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// A free port that no outgoing connection takes meanwhile: below those that systems give out by themselves.
pub(crate) fn free_address() -> SocketAddr {
    let start = 20_000 + (std::process::id() % 4000) as u16;
    (start..start + 4000)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("one of 4000 ports is free")
}

/// The catalog's program, as it was built beside this test.
pub(crate) fn catalog_program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_rbee-hive")).with_file_name("rbee-catalog");
    assert!(
        path.is_file(),
        "run `cargo build -p rbee-catalog` first: {} is not built",
        path.display()
    );
    path
}

/// Processes that belong to workers below this folder, each with the id of its worker. Zombies have no mark.
pub(crate) fn worker_processes(workers: &Path) -> Vec<(u32, String)> {
    let mark = format!("{FOLDER_MARK}={}/", workers.display());
    let processes = std::fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let environment = std::fs::read(format!("/proc/{id}/environ")).ok()?;
            let mut variables = environment.split(|byte| *byte == 0);
            let worker = variables.find_map(|variable| {
                let text = std::str::from_utf8(variable).ok()?;
                text.strip_prefix(&mark)
            })?;
            Some((id, worker.to_owned()))
        })
        .collect()
}
