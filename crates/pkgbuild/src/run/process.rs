//! One program of a build, from its start until nothing of it is left.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lines::LineSplitter;
use super::marked::{self, Mark};
use super::room::{self, Room};

/// After the end of a program, and of all that it started, its pipes are empty at once.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// How a program ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Exited(ExitStatus),
    TimedOut,
    DiskFull,
    Cancelled,
}

/// What is done with a program's standard output. Its standard error is always shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandardOutput {
    /// Shown line by line.
    Shown,
    /// Kept, up to this many bytes; what is beyond makes the answer too long, which the reader sees.
    Kept(usize),
}

/// How long a program may run, and what ends it before.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    pub(crate) until: Instant,
    pub(crate) cancel: CancellationToken,
    pub(crate) room: Room,
}

impl Patience {
    /// The same, but not longer than `most` from now.
    pub(crate) fn at_most(&self, most: Duration) -> Self {
        Self {
            until: self.until.min(Instant::now() + most),
            cancel: self.cancel.clone(),
            room: self.room.clone(),
        }
    }
}

/// Runs a command until it has ended and nothing of it is left: neither in its process group nor, where
/// programs carry `mark`, elsewhere. Dropping the future ends it too.
///
/// # Errors
/// If it can't be started.
pub(crate) async fn run(
    mut command: Command,
    mark: Option<&Mark>,
    output: StandardOutput,
    patience: &Patience,
    show: &mut (dyn FnMut(String) + Send),
) -> io::Result<(Ended, Vec<u8>)> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(command, mark)?;
    let mut stdout = Pipe::new(running.child.stdout.take());
    let mut stderr = Pipe::new(running.child.stderr.take());
    let mut kept = Vec::new();
    let mut drain_until = None;
    let mut ended = None;
    let mut disk = tokio::time::interval(room::ASKED_EVERY);
    while !(stdout.is_closed() && stderr.is_closed() && ended.is_some()) {
        let deadline = drain_until.unwrap_or(patience.until);
        // Cancel safe: a read that was not taken has taken nothing, and waiting for a child can be
        // taken up again.
        tokio::select! {
            biased;
            () = patience.cancel.cancelled(), if !matches!(ended, Some(Ended::Cancelled)) => {
                ended = Some(Ended::Cancelled);
            }
            () = tokio::time::sleep_until(deadline) => {
                if ended.is_some() {
                    break;
                }
                ended = Some(Ended::TimedOut);
            }
            _ = disk.tick(), if ended.is_none() => {
                if patience.room.is_short() {
                    ended = Some(Ended::DiskFull);
                }
            }
            status = running.child.wait(), if ended.is_none() => ended = Some(Ended::Exited(status?)),
            bytes = stdout.read() => match output {
                StandardOutput::Shown => stdout.show(bytes, show),
                // One more than it may be, so that the reader notices.
                StandardOutput::Kept(most) => kept.extend_from_slice(
                    &stdout.buffer[..bytes.min((most + 1).saturating_sub(kept.len()))],
                ),
            },
            bytes = stderr.read() => stderr.show(bytes, show),
        }
        if ended.is_some() && drain_until.is_none() {
            running.end_now();
            drain_until = Some(Instant::now() + DRAIN_PATIENCE);
        }
    }
    stdout.finish(show);
    stderr.finish(show);
    // Who isn't killed with the group is killed here; only then has it ended.
    running.end_everything().await;
    Ok((ended.unwrap_or(Ended::Cancelled), kept))
}

/// A program that was started. Its end is the end of all that it started.
struct Running<'a> {
    child: Child,
    /// Kept here because a child that was waited for has no id any more.
    leader: Option<u32>,
    mark: Option<&'a Mark>,
}

impl<'a> Running<'a> {
    fn start(mut command: Command, mark: Option<&'a Mark>) -> io::Result<Self> {
        let child = command.spawn()?;
        let leader = child.id();
        Ok(Self { child, leader, mark })
    }

    /// Kills its process group, which is that of bubblewrap if it is confined. An error says that nobody is
    /// left in it; taking the id keeps it from being killed when the number is somebody else's.
    fn end_group(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader.take().and_then(|id| i32::try_from(id).ok()) {
            use nix::sys::signal::{Signal, killpg};
            let _ = killpg(nix::unistd::Pid::from_raw(leader), Signal::SIGKILL);
        }
        #[cfg(not(unix))]
        {
            self.leader = None;
            let _ = self.child.start_kill();
        }
    }

    fn end_now(&mut self) {
        self.end_group();
        if let Some(mark) = self.mark {
            marked::end_once(mark);
        }
    }

    async fn end_everything(&mut self) {
        self.end_group();
        // It was killed, so this does not take long; an error says that it was waited for before.
        let _ = self.child.wait().await;
        if let Some(mark) = self.mark {
            marked::end_all(mark).await;
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.end_now();
    }
}

/// One of a program's streams.
struct Pipe<R> {
    stream: Option<R>,
    lines: LineSplitter,
    buffer: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(stream: Option<R>) -> Self {
        Self {
            stream,
            lines: LineSplitter::default(),
            buffer: vec![0; 16 << 10].into(),
        }
    }

    fn is_closed(&self) -> bool {
        self.stream.is_none()
    }

    /// Reads into the buffer. Never ends once the stream is closed.
    async fn read(&mut self) -> usize {
        let Some(stream) = &mut self.stream else {
            return std::future::pending().await;
        };
        match stream.read(&mut self.buffer).await {
            // An error is an end: there is nothing more to be had.
            Ok(0) | Err(_) => {
                self.stream = None;
                0
            }
            Ok(bytes) => bytes,
        }
    }

    fn show(&mut self, bytes: usize, show: &mut (dyn FnMut(String) + Send)) {
        self.lines.push(&self.buffer[..bytes], show);
    }

    fn finish(self, show: &mut (dyn FnMut(String) + Send)) {
        self.lines.finish(show);
    }
}
