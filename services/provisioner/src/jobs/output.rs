//! What a job's programs print: the last lines, and a mark for each reader of how far it is.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::watch;

/// Lines that are kept for readers; a slower one misses the oldest.
const KEPT_LINES: usize = 200;
/// A line is cut behind this; no person reads further.
const MAX_LINE_BYTES: usize = 4096;

/// The lines of one job.
#[derive(Debug)]
pub(crate) struct Output {
    lines: Mutex<VecDeque<String>>,
    /// How many lines there were in all.
    count: watch::Sender<u64>,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            lines: Mutex::default(),
            count: watch::channel(0).0,
        }
    }
}

impl Output {
    /// Adds a line, without the control characters that would move a terminal's cursor.
    pub(crate) fn line(&self, line: &str) {
        let cut = &line[..line.floor_char_boundary(MAX_LINE_BYTES)];
        let line = cut
            .chars()
            .filter(|letter| *letter == '\t' || !letter.is_control())
            .collect();
        let mut lines = self.lines.lock();
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        self.count.send_modify(|count| *count += 1);
    }

    /// How many lines there were, as it grows.
    pub(crate) fn count(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    /// The lines behind the first `read`, as far as they are kept; moves `read` behind them.
    pub(crate) fn take(&self, read: &mut u64) -> Vec<String> {
        let lines = self.lines.lock();
        let count = *self.count.borrow();
        let missing = usize::try_from(count.saturating_sub(*read)).unwrap_or(usize::MAX);
        *read = count;
        lines
            .iter()
            .skip(lines.len().saturating_sub(missing))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_each_line_once_and_a_late_one_the_last() {
        let output = Output::default();
        let mut read = 0;
        assert!(output.take(&mut read).is_empty());
        output.line("a\x1b[2J");
        output.line("b");
        assert_eq!(output.take(&mut read), ["a[2J", "b"]);
        assert!(output.take(&mut read).is_empty());
        for number in 0..300 {
            output.line(&number.to_string());
        }
        let lines = output.take(&mut read);
        assert_eq!(
            (lines.len(), lines[0].as_str(), lines[199].as_str()),
            (200, "100", "299")
        );
        output.line(&"é".repeat(5000));
        assert_eq!(output.take(&mut read)[0].len(), MAX_LINE_BYTES);
    }
}
