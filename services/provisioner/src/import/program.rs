//! Asks a program for its version: once, in a clean environment, with little patience.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rbee_artifacts::WorkerType;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// A version takes a line; a program that says more than this is not listened to.
const MAX_OUTPUT_BYTES: u64 = 4096;
const MAX_VERSION_BYTES: usize = 64;
/// Somebody may still have the file open for writing, such as the build that has just made it.
const BUSY_ATTEMPTS: u32 = 20;
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// Runs `path --version`; answers with the version if the program says that it is this worker, or with
/// what is wrong in words. Dropping the future kills the program.
pub(crate) async fn version(
    path: &Path,
    worker_type: WorkerType,
    timeout: Duration,
) -> Result<String, String> {
    let mut program = Program::new(spawn(path).await.map_err(|error| cannot_start(&error))?);
    let asked = tokio::time::timeout(timeout, program.answer()).await;
    // Whatever it started goes with it, if it answered or not.
    program.kill_group();
    match asked {
        Err(_) => Err(format!(
            "`--version` did not answer within {}",
            humantime::format_duration(timeout)
        )),
        Ok(Err(error)) => Err(format!("its answer to `--version` cannot be read: {error}")),
        Ok(Ok(answer)) if !answer.status.success() => Err(format!(
            "`--version` ended with {}{}",
            answer.status,
            answer.complaint()
        )),
        Ok(Ok(answer)) => parse(&answer.stdout, worker_type),
    }
}

fn cannot_start(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "it is not executable (`chmod +x` makes it so)".to_owned(),
        _ => format!("it cannot be started: {error}"),
    }
}

async fn spawn(path: &Path) -> io::Result<Child> {
    let mut attempt = 0;
    loop {
        let mut command = Command::new(path);
        command
            .arg("--version")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && attempt < BUSY_ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(BUSY_WAIT).await;
            }
            spawned => return spawned,
        }
    }
}

/// A started program, killed with all that it started when this is dropped.
struct Program {
    child: Child,
    /// Kept here because a child that was waited for has no id any more.
    id: Option<u32>,
}

struct Answer {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Program {
    fn new(child: Child) -> Self {
        let id = child.id();
        Self { child, id }
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let (stdout, stderr, status) =
            tokio::try_join!(read_bounded(stdout), read_bounded(stderr), self.child.wait())?;
        Ok(Answer {
            status,
            stdout,
            stderr,
        })
    }

    #[cfg(unix)]
    fn kill_group(&mut self) {
        use nix::sys::signal::{Signal, killpg};
        use nix::unistd::Pid;
        // It leads its own group, where children may be left when it has ended itself. An error says
        // that nobody is; taking the id keeps the group from being killed a second time, when its
        // number may be somebody else's.
        if let Some(id) = self.id.take().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }

    #[cfg(not(unix))]
    fn kill_group(&mut self) {
        // An error says that it is gone.
        let _ = self.child.start_kill();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill_group();
    }
}

impl Answer {
    /// The last line of its complaint, such as a library that is missing.
    fn complaint(&self) -> String {
        self.stderr
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .map_or(String::new(), |line| {
                let line: String = line
                    .trim()
                    .chars()
                    .filter(|letter| !letter.is_control())
                    .take(300)
                    .collect();
                format!(": {line}")
            })
    }
}

/// Reads to the end, and keeps the beginning.
async fn read_bounded(stream: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let Some(mut stream) = stream else {
        return Ok(String::new());
    };
    let mut kept = Vec::new();
    (&mut stream)
        .take(MAX_OUTPUT_BYTES)
        .read_to_end(&mut kept)
        .await?;
    // A program that is cut off would die of it; let it finish into nothing.
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&kept).into_owned())
}

/// The version in `llm-worker-rbee-cpu 0.1.0`.
fn parse(stdout: &str, worker_type: WorkerType) -> Result<String, String> {
    let expected = worker_type.binary_name();
    let line = stdout.lines().next().unwrap_or_default().trim();
    let version = line
        .strip_prefix(expected)
        .and_then(|rest| rest.strip_prefix(' '))
        .map(str::trim);
    match version {
        Some(version)
            if (1..=MAX_VERSION_BYTES).contains(&version.len())
                && version.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(version.to_owned())
        }
        _ => {
            let said: String = line.chars().take(100).flat_map(char::escape_debug).collect();
            Err(format!(
                "to `--version` it must answer `{expected} VERSION`, but it said \"{said}\""
            ))
        }
    }
}

#[cfg(test)]
mod tests;
