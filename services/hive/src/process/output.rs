//! What a worker writes: reports for the hive, and log.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::domain::{LineRing, LineSplitter, Report, report};

/// Longest line that is kept, in bytes.
const LINE_BYTES: usize = 4096;

/// Lines that are kept in memory.
const KEPT_LINES: usize = 200;

/// A log file is put aside at this size in bytes; of those put aside, one is kept.
const FILE_BYTES: u64 = 4 << 20;

/// Reports that may wait. A worker that reports faster waits for its hive.
const WAITING_REPORTS: usize = 64;

/// A worker's log: the last lines in memory, more of them in a bounded file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    inner: Arc<Mutex<LogInner>>,
}

#[derive(Debug)]
struct LogInner {
    ring: LineRing,
    // None after a write that failed: a full disk must not end a worker.
    file: Option<File>,
    path: PathBuf,
    written_bytes: u64,
}

impl Log {
    /// A log in memory and, where it can be created, in a file.
    #[must_use]
    pub fn create(path: &Path) -> Self {
        let file = match File::create(path) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a worker's log is kept in memory only");
                None
            }
        };
        let inner = LogInner {
            ring: LineRing::new(KEPT_LINES),
            file,
            path: path.into(),
            written_bytes: 0,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// The last `count` lines, oldest first.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<String> {
        self.inner.lock().ring.tail(count)
    }

    fn push(&self, line: String) {
        let mut inner = self.inner.lock();
        inner.write(&line);
        inner.ring.push(line);
    }
}

impl LogInner {
    fn write(&mut self, line: &str) {
        if self.written_bytes > FILE_BYTES {
            self.written_bytes = 0;
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
            self.file = File::create(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return };
        // One write a line: what was logged before a crash is in the file.
        match file.write_all(format!("{line}\n").as_bytes()) {
            Ok(()) => self.written_bytes += line.len() as u64 + 1,
            Err(_) => self.file = None,
        }
    }
}

/// What a worker writes, being read.
#[derive(Debug)]
pub struct Output {
    /// What the worker reports of itself.
    pub reports: mpsc::Receiver<Report>,
    /// Its log.
    pub log: Log,
    stdout: JoinHandle<()>,
    stderr: JoinHandle<()>,
}

/// Reads both streams until they end.
#[must_use]
pub fn capture(worker_id: &str, stdout: pipe::Receiver, stderr: pipe::Receiver, log_file: &Path) -> Output {
    let log = Log::create(log_file);
    let (sender, reports) = mpsc::channel(WAITING_REPORTS);
    let stdout = tokio::spawn(read(worker_id.to_owned(), stdout, log.clone(), Some(sender)));
    let stderr = tokio::spawn(read(worker_id.to_owned(), stderr, log.clone(), None));
    Output {
        reports,
        log,
        stdout,
        stderr,
    }
}

impl Output {
    /// Waits until everything that an ended process wrote is read, at most this long: a process
    /// that fled its group may hold the pipes open. Answers the reports that were still to come.
    pub async fn drain(&mut self, limit: Duration) -> Vec<Report> {
        let mut last = Vec::new();
        let all = async {
            // Ends when the reader of the standard output does.
            while let Some(report) = self.reports.recv().await {
                last.push(report);
            }
            let _ = (&mut self.stderr).await;
        };
        let _ = tokio::time::timeout(limit, all).await;
        last
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.stdout.abort();
        self.stderr.abort();
    }
}

async fn read(
    worker_id: String,
    mut stream: impl AsyncRead + Unpin,
    log: Log,
    reports: Option<mpsc::Sender<Report>>,
) {
    let mut splitter = LineSplitter::new(LINE_BYTES);
    let mut buffer = vec![0; 16 * 1024];
    let mut lines = Vec::new();
    loop {
        let count = match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        splitter.push(&buffer[..count], |line| lines.push(line));
        for line in lines.drain(..) {
            take_line(&worker_id, line, &log, reports.as_ref()).await;
        }
    }
    if let Some(line) = splitter.finish() {
        take_line(&worker_id, line, &log, reports.as_ref()).await;
    }
}

async fn take_line(worker_id: &str, line: String, log: &Log, reports: Option<&mpsc::Sender<Report>>) {
    if let Some(reports) = reports
        && let Some(report) = report::parse(&line)
    {
        // Nobody listens once the worker has failed or is leaving.
        let _ = reports.send(report).await;
        return;
    }
    tracing::debug!(target: "rbee_hive::worker_log", worker_id, "{line}");
    log.push(line);
}
