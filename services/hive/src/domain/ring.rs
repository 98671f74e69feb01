//! The last lines of something that never ends.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use super::{LogLine, LogStream};

/// What a line takes besides its text, in bytes: empty lines must not be free.
const LINE_OVERHEAD: usize = 64;

/// Numbers lines, keeps the last ones and forgets those before. What is kept is one range of numbers without a gap.
#[derive(Debug)]
pub struct LineRing {
    limit_bytes: usize,
    kept_bytes: usize,
    next: u64,
    lines: VecDeque<LogLine>,
}

impl LineRing {
    /// Room for about this many bytes. The first line gets the number `next`.
    #[must_use]
    pub fn new(limit_bytes: usize, next: u64) -> Self {
        Self {
            limit_bytes,
            kept_bytes: 0,
            next,
            lines: VecDeque::new(),
        }
    }

    /// Adds a line. The newest line is always kept.
    pub fn push(&mut self, time: Timestamp, stream: LogStream, text: Arc<str>) {
        self.kept_bytes += text.len() + LINE_OVERHEAD;
        self.lines.push_back(LogLine {
            number: self.next,
            time,
            stream,
            text,
        });
        self.next += 1;
        while self.kept_bytes > self.limit_bytes && self.lines.len() > 1 {
            if let Some(line) = self.lines.pop_front() {
                self.kept_bytes -= line.text.len() + LINE_OVERHEAD;
            }
        }
    }

    /// Number of the oldest line that is kept; that of the next one if none is.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.next - self.lines.len() as u64
    }

    /// Number of the line to come.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The lines that are kept of those from this number on, oldest first.
    pub fn since(&self, number: u64) -> impl DoubleEndedIterator<Item = &LogLine> + ExactSizeIterator {
        let skipped = usize::try_from(number.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.lines.range(skipped.min(self.lines.len())..)
    }

    /// About how many bytes the lines from this number on take.
    #[must_use]
    pub fn bytes_since(&self, number: u64) -> usize {
        self.since(number)
            .map(|line| line.text.len() + LINE_OVERHEAD)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(limit_bytes: usize, next: u64, lines: &[&str]) -> LineRing {
        let mut ring = LineRing::new(limit_bytes, next);
        for line in lines {
            ring.push(Timestamp::UNIX_EPOCH, LogStream::Stdout, (*line).into());
        }
        ring
    }

    fn kept(ring: &LineRing, from: u64) -> Vec<(u64, &str)> {
        ring.since(from).map(|line| (line.number, &*line.text)).collect()
    }

    #[test]
    fn only_the_last_lines_stay_and_numbers_go_on() {
        let ring = ring(3 * (LINE_OVERHEAD + 1), 10, &["a", "b", "c", "d"]);
        assert_eq!((ring.first(), ring.next()), (11, 14));
        assert_eq!(kept(&ring, 0), [(11, "b"), (12, "c"), (13, "d")]);
        assert_eq!(kept(&ring, 13), [(13, "d")]);
        assert_eq!(kept(&ring, 14), []);
        assert_eq!(ring.bytes_since(12), 2 * (LINE_OVERHEAD + 1));
    }

    #[test]
    fn empty_lines_are_not_free_and_the_newest_stays() {
        let many = ring(10 * LINE_OVERHEAD, 0, &[""; 100]);
        assert_eq!(many.first(), 90);
        let long = ring(1, 0, &["a", "a line that is longer than the limit"]);
        assert_eq!(long.since(0).count(), 1);
    }

    #[test]
    fn an_empty_ring_has_no_lines() {
        let ring = LineRing::new(100, 5);
        assert_eq!((ring.first(), ring.next()), (5, 5));
        assert_eq!(kept(&ring, 0), []);
    }
}
