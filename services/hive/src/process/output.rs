//! What a worker writes: reports for the hive, and log.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::domain::{LineSplitter, LogStream, Report, report};
use crate::log::Log;

/// Longest line that is kept, in bytes.
const LINE_BYTES: usize = 4096;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 << 10;

/// Reports that may wait. A worker that reports faster waits for its hive.
const WAITING_REPORTS: usize = 64;

/// Output is taken in at this pace at most: 20 MiB/s, some 200,000 lines. A worker that writes faster waits for
/// its hive, which has other things to do.
const PACE_BYTES: usize = 1 << 20;
const PACE_TIME: Duration = Duration::from_millis(50);

/// What a worker writes, being read.
#[derive(Debug)]
pub struct Output {
    /// What the worker reports of itself.
    pub reports: mpsc::Receiver<Report>,
    /// Its log.
    pub log: Log,
    first_line: u64,
    stdout: JoinHandle<()>,
    stderr: JoinHandle<()>,
}

/// Reads both streams until they end.
#[must_use]
pub fn capture(worker_id: &str, stdout: pipe::Receiver, stderr: pipe::Receiver, log: Log) -> Output {
    let first_line = log.next_number();
    let (sender, reports) = mpsc::channel(WAITING_REPORTS);
    let reader = |stream, reports| Reader {
        worker_id: worker_id.to_owned(),
        stream,
        log: log.clone(),
        reports,
        lines: Vec::new(),
    };
    let out = reader(LogStream::Stdout, Some(sender));
    let err = reader(LogStream::Stderr, None);
    Output {
        reports,
        first_line,
        stdout: tokio::spawn(out.read(stdout)),
        stderr: tokio::spawn(err.read(stderr)),
        log,
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

    /// The last `count` lines that this process wrote, oldest first: not the hive's, and not those of a process that
    /// the worker had before.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<String> {
        self.log.worker_tail_since(self.first_line, count)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.stdout.abort();
        self.stderr.abort();
    }
}

/// Reads one of a worker's streams.
struct Reader {
    worker_id: String,
    stream: LogStream,
    log: Log,
    reports: Option<mpsc::Sender<Report>>,
    // Lines for the log; many of them go there at once.
    lines: Vec<String>,
}

impl Reader {
    async fn read(mut self, mut pipe: impl AsyncRead + Unpin) {
        let mut splitter = LineSplitter::new(LINE_BYTES);
        let mut buffer = vec![0; READ_BYTES];
        let mut split = Vec::new();
        let mut pace = Pace::start();
        loop {
            let count = match pipe.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            splitter.push(&buffer[..count], |line| split.push(line));
            for line in split.drain(..) {
                self.take(line).await;
            }
            self.keep();
            self.log.room().await;
            pace.keep(count).await;
        }
        if let Some(line) = splitter.finish() {
            self.take(line).await;
        }
        self.keep();
    }

    async fn take(&mut self, line: String) {
        let line = self.log.concealed(line);
        if let Some(reports) = &self.reports
            && let Some(report) = report::parse(&line)
        {
            // Before the report, so that who acts on it finds the lines that led to it.
            let reports = reports.clone();
            self.keep();
            // Nobody listens once the worker has failed or is leaving.
            let _ = reports.send(report).await;
            return;
        }
        tracing::debug!(target: "rbee_hive::worker_log", worker_id = self.worker_id, "{line}");
        self.lines.push(line);
    }

    fn keep(&mut self) {
        if !self.lines.is_empty() {
            self.log.push(self.stream, self.lines.drain(..));
        }
    }
}

/// Keeps a reader from being faster than it should.
struct Pace {
    since: Instant,
    bytes: usize,
}

impl Pace {
    fn start() -> Self {
        Self {
            since: Instant::now(),
            bytes: 0,
        }
    }

    async fn keep(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= PACE_BYTES {
            if let Some(early) = PACE_TIME.checked_sub(self.since.elapsed()) {
                tokio::time::sleep(early).await;
            }
            *self = Self::start();
        }
    }
}
