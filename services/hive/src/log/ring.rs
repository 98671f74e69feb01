//! One worker's log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;

use super::cursor::Cursor;
use super::segments::Segments;
use crate::domain::{LineRing, LogLine, LogStream};

/// Lines that are kept in memory, in bytes.
const MEMORY_BYTES: usize = 512 << 10;

/// A reader of a worker's output goes on while less than this waits for the disk, in bytes.
const BACKLOG_BYTES: usize = MEMORY_BYTES / 2;

/// Lines that go to disk at once.
const FLUSH_LINES: usize = 4096;

/// How long a worker that writes faster than the disk waits for it. After that the disk is taken for hung, and nobody
/// waits for it until it is back.
const DISK_PATIENCE: Duration = Duration::from_millis(250);

/// What stands for a secret.
const CONCEALED: &str = "[token]";

/// A worker's log. Cheap to clone; all clones are the same log.
#[derive(Debug, Clone)]
pub struct Log {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    state: Mutex<State>,
    // Locked while something is written. Where both are taken, this one first.
    segments: Mutex<Segments>,
    progress: watch::Sender<Progress>,
}

/// How far a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Number of the line to come.
    pub(super) next: u64,
    /// Number of the first line that did not go to disk yet.
    pub(super) flushed: u64,
    /// Nothing will come.
    pub(super) closed: bool,
}

#[derive(Debug)]
struct State {
    ring: LineRing,
    flushed: u64,
    flushing: bool,
    disk_hangs: bool,
    disk_failed: bool,
    missing: u64,
    closed: bool,
    // Numbers of the lines with which the segments on disk begin.
    firsts: Vec<u64>,
    secret: Option<SecretString>,
}

/// What can be read at one moment.
#[derive(Debug)]
pub(super) enum Readable {
    /// These lines. None if there is nothing new.
    Memory(Vec<LogLine>),
    /// It may be in the segments that begin with these lines, up to the line `before`.
    Disk {
        /// First lines of the segments.
        firsts: Vec<u64>,
        /// Number of the first line in memory.
        before: u64,
    },
}

/// Where the last lines begin.
#[derive(Debug)]
pub(super) enum TailStart {
    /// At this line, which is in memory.
    Memory(u64),
    /// So many lines before the line `before`, in the segments that begin with these lines.
    Disk {
        /// First lines of the segments.
        firsts: Vec<u64>,
        /// Number of the first line in memory.
        before: u64,
        /// Lines that memory lacks.
        missing: usize,
    },
}

impl Log {
    /// The log in a folder, which need not be there.
    pub(super) fn open(folder: &Path, limit_bytes: u64) -> Self {
        let (segments, next) = Segments::recover(folder, limit_bytes).unwrap_or_else(|error| {
            tracing::warn!(folder = %folder.display(), %error, "a worker's earlier log can't be read");
            (Segments::empty(folder, limit_bytes), 0)
        });
        let state = State {
            ring: LineRing::new(MEMORY_BYTES, next),
            flushed: next,
            flushing: false,
            disk_hangs: false,
            disk_failed: false,
            missing: 0,
            closed: false,
            firsts: segments.firsts(),
            secret: None,
        };
        let progress = watch::Sender::new(Progress {
            next,
            flushed: next,
            closed: false,
        });
        Self {
            shared: Arc::new(Shared {
                folder: folder.into(),
                state: Mutex::new(state),
                segments: Mutex::new(segments),
                progress,
            }),
        }
    }

    /// From now on this never stands in the log: a worker's token, should it write that.
    pub fn conceal(&self, secret: &SecretString) {
        self.shared.state.lock().secret = Some(secret.clone());
    }

    /// Replaces what is to be concealed.
    pub(crate) fn concealed(&self, text: String) -> String {
        let state = self.shared.state.lock();
        match &state.secret {
            Some(secret) if !secret.expose_secret().is_empty() && text.contains(secret.expose_secret()) => {
                text.replace(secret.expose_secret(), CONCEALED)
            }
            _ => text,
        }
    }

    /// Adds a line of the hive: that a process started, or how it ended.
    pub fn hive_line(&self, text: &str) {
        // A line is a line, whatever an error's text holds.
        let text = text.replace(['\n', '\r'], " ");
        self.push(LogStream::Hive, std::iter::once(text));
    }

    /// Adds lines, without line ends. Never waits: the disk gets them later, on a thread for blocking work.
    pub(crate) fn push(&self, stream: LogStream, lines: impl IntoIterator<Item = String>) {
        let time = Timestamp::now();
        let flush = {
            let mut state = self.shared.state.lock();
            if state.closed {
                return;
            }
            for line in lines {
                state.ring.push(time, stream, line.into());
            }
            self.shared.publish(&state);
            !std::mem::replace(&mut state.flushing, true)
        };
        if flush {
            let shared = self.shared.clone();
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(move || shared.flush())),
                Err(_) => shared.flush(),
            }
        }
    }

    /// Waits while much waits for the disk, a quarter of a second at most, so that a flood of lines reaches the disk
    /// and not only memory. Cancel safe.
    pub(crate) async fn room(&self) {
        let mut progress = self.shared.progress.subscribe();
        {
            let state = self.shared.state.lock();
            if state.disk_hangs || state.ring.bytes_since(state.flushed) < BACKLOG_BYTES {
                return;
            }
            progress.mark_unchanged();
        }
        let flushed = tokio::time::timeout(DISK_PATIENCE, async {
            while progress.changed().await.is_ok() {
                let state = self.shared.state.lock();
                if state.ring.bytes_since(state.flushed) < BACKLOG_BYTES {
                    return;
                }
            }
        });
        if flushed.await.is_err() {
            self.shared.state.lock().disk_hangs = true;
        }
    }

    /// Waits until everything that was added is on disk, or can't get there. Cancel safe.
    pub async fn flushed(&self) {
        let mut progress = self.shared.progress.subscribe();
        // Fails only if the log is gone, and this is one.
        let _ = progress
            .wait_for(|progress| progress.closed || progress.flushed == progress.next)
            .await;
    }

    /// Number of the line to come.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.shared.state.lock().ring.next()
    }

    /// How many lines could not be brought to disk since the hive started.
    #[must_use]
    pub fn missing_lines(&self) -> u64 {
        self.shared.state.lock().missing
    }

    /// The last `count` lines that are in memory, oldest first; at least 50 of the longest.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<LogLine> {
        self.tail_since(0, count, |_| true)
    }

    /// The last `count` of the lines that the worker itself wrote, from this number on, oldest first.
    #[must_use]
    pub fn worker_tail_since(&self, number: u64, count: usize) -> Vec<String> {
        self.tail_since(number, count, |line| line.stream != LogStream::Hive)
            .into_iter()
            .map(|line| line.text.to_string())
            .collect()
    }

    fn tail_since(&self, number: u64, count: usize, taken: impl Fn(&LogLine) -> bool) -> Vec<LogLine> {
        let state = self.shared.state.lock();
        let mut lines: Vec<_> = state
            .ring
            .since(number)
            .rev()
            .filter(|line| taken(line))
            .take(count)
            .cloned()
            .collect();
        lines.reverse();
        lines
    }

    /// A reader that begins with the last `count` lines, on disk too.
    pub async fn read_tail(&self, count: usize) -> Cursor {
        Cursor::at_tail(self.clone(), count).await
    }

    /// Nothing is added any more, and the files are removed. Readers get what is in memory and end.
    pub(super) fn close(&self) -> io::Result<()> {
        {
            let mut state = self.shared.state.lock();
            state.closed = true;
            state.firsts.clear();
            self.shared.publish(&state);
        }
        self.shared.segments.lock().remove()
    }
}

impl Shared {
    pub(super) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// What there is to read from this line on, at most `limit` lines.
    pub(super) fn readable(&self, number: u64, limit: usize) -> Readable {
        let state = self.state.lock();
        if number >= state.ring.first() || state.firsts.is_empty() {
            return Readable::Memory(state.ring.since(number).take(limit).cloned().collect());
        }
        Readable::Disk {
            firsts: state.firsts.clone(),
            before: state.ring.first(),
        }
    }

    /// Where the last `count` lines begin.
    pub(super) fn tail_start(&self, count: usize) -> TailStart {
        let state = self.state.lock();
        let before = state.ring.first();
        let kept = state.ring.since(before).len();
        match count.checked_sub(kept) {
            Some(missing) if missing > 0 && !state.firsts.is_empty() => TailStart::Disk {
                firsts: state.firsts.clone(),
                before,
                missing,
            },
            _ => TailStart::Memory(state.ring.next() - count.min(kept) as u64),
        }
    }

    /// Tells those who wait. Called with the state locked, so that what is told never goes back.
    fn publish(&self, state: &State) {
        let progress = Progress {
            next: state.ring.next(),
            flushed: state.flushed,
            closed: state.closed,
        };
        self.progress
            .send_if_modified(|known| std::mem::replace(known, progress) != progress);
    }

    /// Brings to disk what is in memory only. One at a time: `flushing` is set for whoever runs this.
    fn flush(&self) {
        let mut segments = self.segments.lock();
        loop {
            let lines: Vec<_> = {
                let mut state = self.state.lock();
                let lost = state.ring.first().saturating_sub(state.flushed);
                state.missing += lost;
                state.flushed += lost;
                let lines: Vec<_> = state
                    .ring
                    .since(state.flushed)
                    .take(FLUSH_LINES)
                    .cloned()
                    .collect();
                if lines.is_empty() || state.closed {
                    state.flushing = false;
                    self.publish(&state);
                    return;
                }
                lines
            };
            let (written, result) = segments.append(&lines);
            let mut state = self.state.lock();
            state.flushed += lines.len() as u64;
            state.missing += (lines.len() - written) as u64;
            state.disk_hangs = false;
            if !state.closed {
                state.firsts = segments.firsts();
            }
            self.tell_trouble(&mut state, result);
            self.publish(&state);
        }
    }

    /// Says once that lines are lost, and once that it is over.
    fn tell_trouble(&self, state: &mut State, result: io::Result<()>) {
        let folder = self.folder.display();
        match result {
            Err(error) if !state.disk_failed => {
                tracing::warn!(%folder, %error, "a worker's log can't be written: lines are lost");
                state.disk_failed = true;
            }
            Ok(()) if state.disk_failed => {
                tracing::info!(%folder, missing_lines = state.missing, "a worker's log is written again");
                state.disk_failed = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
