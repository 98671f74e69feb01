//! A reader of a log.

use super::reader::{SegmentReader, start_of_tail};
use super::ring::{Log, Readable, TailStart};
use crate::domain::LogLine;

/// A reader of a log: the number of the line to read next. It reads at its own pace, and nobody waits for it; what has
/// left the log before it was read shows as a gap in the numbers.
#[derive(Debug)]
pub struct Cursor {
    log: Log,
    next: u64,
    // None while it reads, and after a read that was cancelled: it begins anew then.
    segments: Option<SegmentReader>,
}

impl Cursor {
    pub(super) async fn at_tail(log: Log, count: usize) -> Self {
        let next = tail_start(&log, count).await;
        Self {
            log,
            next,
            segments: None,
        }
    }

    /// The next lines that are there already, oldest first: at most `limit`, at least one unless all are read.
    /// Cancel safe: lines that were not handed out are read again.
    pub async fn read(&mut self, limit: usize) -> Vec<LogLine> {
        loop {
            let (firsts, before) = match self.log.shared.readable(self.next, limit) {
                Readable::Memory(lines) => return self.passed(lines),
                Readable::Disk { firsts, before } => (firsts, before),
            };
            let folder = self.log.shared.folder.clone();
            let mut segments = self.segments.take().unwrap_or_default();
            let range = self.next..before;
            let read = tokio::task::spawn_blocking(move || {
                let lines = segments.read(&folder, &firsts, range, limit);
                (segments, lines)
            });
            // Fails only where the runtime is ending, and then nobody wants to know.
            let Ok((segments, lines)) = read.await else {
                return Vec::new();
            };
            self.segments = Some(segments);
            if !lines.is_empty() {
                return self.passed(lines);
            }
            // They have left, or never came to disk.
            self.next = self.next.max(before);
        }
    }

    /// The next lines, once there are any; `None` when all are read and none will come. Cancel safe.
    pub async fn next(&mut self, limit: usize) -> Option<Vec<LogLine>> {
        let mut progress = self.log.shared.subscribe();
        loop {
            let closed = progress.borrow_and_update().closed;
            let lines = self.read(limit).await;
            if !lines.is_empty() {
                return Some(lines);
            }
            if closed {
                return None;
            }
            let next = self.next;
            // Fails only if the log is gone, and this holds it.
            progress
                .wait_for(|progress| progress.closed || progress.next > next)
                .await
                .ok()?;
        }
    }

    fn passed(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        if let Some(last) = lines.last() {
            self.next = last.number + 1;
        }
        lines
    }
}

/// The number of the line with which the last `count` lines begin.
async fn tail_start(log: &Log, count: usize) -> u64 {
    match log.shared.tail_start(count) {
        TailStart::Memory(number) => number,
        TailStart::Disk {
            firsts,
            before,
            missing,
        } => {
            let folder = log.shared.folder.clone();
            let find = move || start_of_tail(&folder, &firsts, before, missing);
            // Fails only where the runtime is ending.
            tokio::task::spawn_blocking(find).await.unwrap_or(before)
        }
    }
}
