//! The one thread from which workers are forked.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::unix::{self, WorkerProcess};

/// A process to start.
#[derive(Debug)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Its working folder.
    pub folder: PathBuf,
    /// The token that calls to it must show: the first line of its standard input.
    pub token: SecretString,
    /// What it enters its control group by, see [`WorkerCgroup::entrance`](super::WorkerCgroup::entrance). If it can't,
    /// it is not started: its limits would not hold.
    pub cgroup: Option<File>,
}

/// A process that was started, and what it writes.
#[derive(Debug)]
pub struct Launched {
    /// The process.
    pub process: WorkerProcess,
    /// Its standard output.
    pub stdout: pipe::Receiver,
    /// Its standard error.
    pub stderr: pipe::Receiver,
}

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The system would not start it.
    #[error("cannot start {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It runs, but its standard streams can't be used.
    #[error("cannot use the pipes of {}", program.display())]
    Pipes {
        /// The program.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The hive is ending.
    #[error("the hive is shutting down")]
    Closed,
}

type Reply = oneshot::Sender<Result<unix::Forked, LaunchError>>;

/// Starts processes, all from one thread that lives as long as the launcher.
///
/// Linux kills a process with a parent-death signal when the *thread* that forked it ends, and
/// threads of a runtime's pool come and go. For the same reason the processes of a launcher that
/// is dropped are killed.
#[derive(Debug)]
pub struct Launcher {
    requests: mpsc::Sender<(WorkerCommand, Reply)>,
}

/// A program that another process still has open for writing can't be executed. That process is
/// a child of ours between fork and exec, so the wait is short.
const BUSY_ATTEMPTS: u32 = 50;
const BUSY_WAIT: Duration = Duration::from_millis(10);

impl Launcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start() -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<(WorkerCommand, Reply)>();
        std::thread::Builder::new()
            .name("rbee-launcher".into())
            .spawn(move || {
                for (command, reply) in inbox {
                    // If nobody waits any more the process is dropped here, and killed by that.
                    let _ = reply.send(start(command));
                }
            })?;
        Ok(Self { requests })
    }

    /// Starts a process. If the caller gives up waiting, the process is killed.
    ///
    /// # Errors
    /// If the system doesn't start it.
    pub async fn launch(&self, command: WorkerCommand) -> Result<Launched, LaunchError> {
        let program = command.program.clone();
        let (reply, answer) = oneshot::channel();
        self.requests
            .send((command, reply))
            .map_err(|_| LaunchError::Closed)?;
        let forked = answer.await.map_err(|_| LaunchError::Closed)??;
        // The pipes are given to the caller's runtime; the thread that forked has none.
        let receiver = |pipe| {
            pipe::Receiver::from_owned_fd(pipe).map_err(|source| LaunchError::Pipes {
                program: program.clone(),
                source,
            })
        };
        Ok(Launched {
            stdout: receiver(forked.stdout)?,
            stderr: receiver(forked.stderr)?,
            process: forked.process,
        })
    }
}

fn start(command: WorkerCommand) -> Result<unix::Forked, LaunchError> {
    let mut attempt = 0;
    loop {
        match unix::fork(&command) {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && attempt < BUSY_ATTEMPTS => {
                attempt += 1;
                std::thread::sleep(BUSY_WAIT);
            }
            Err(source) => {
                return Err(LaunchError::Start {
                    program: command.program,
                    source,
                });
            }
            Ok(forked) => return Ok(forked),
        }
    }
}
