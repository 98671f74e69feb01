//! A worker's log: the last lines, those that match, and where some are missing.

use std::collections::VecDeque;

use jiff::Timestamp;

/// Lines that are kept; older ones go.
pub const KEPT_LINES: usize = 5_000;

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// The worker's standard output.
    Output,
    /// Its standard error.
    Error,
    /// The hive says it: that the process started, or how it ended.
    Hive,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number since the worker was spawned.
    pub number: u64,
    /// When the hive read it.
    pub at: Option<Timestamp>,
    /// Where it was written.
    pub stream: LogStream,
    /// Its text.
    pub text: String,
}

/// The last lines, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogView {
    lines: VecDeque<LogLine>,
}

impl LogView {
    /// Takes in lines. Those that are here already, as after a reconnection, are not taken twice.
    pub fn push(&mut self, lines: impl IntoIterator<Item = LogLine>) {
        for line in lines {
            if self.lines.back().is_some_and(|last| line.number <= last.number) {
                continue;
            }
            if self.lines.len() == KEPT_LINES {
                self.lines.pop_front();
            }
            self.lines.push_back(line);
        }
    }

    /// The lines in which a text occurs, in whatever case, each with how many lines are missing before it.
    #[must_use]
    pub fn matching(&self, query: &str) -> Vec<(u64, &LogLine)> {
        let query = query.trim().to_lowercase();
        let mut before: Option<u64> = None;
        let mut found = Vec::new();
        for line in &self.lines {
            let missing = before.map_or(0, |before| line.number.saturating_sub(before + 1));
            before = Some(line.number);
            if query.is_empty() || line.text.to_lowercase().contains(&query) {
                found.push((if query.is_empty() { missing } else { 0 }, line));
            }
        }
        found
    }

    /// The lines in which a text occurs, as one text.
    #[must_use]
    pub fn text(&self, query: &str) -> String {
        let lines: Vec<_> = self
            .matching(query)
            .into_iter()
            .map(|(_, line)| line.text.as_str())
            .collect();
        lines.join("\n")
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, text: &str) -> LogLine {
        LogLine {
            number,
            at: None,
            stream: LogStream::Error,
            text: text.to_owned(),
        }
    }

    #[test]
    fn gaps_show_and_repetitions_do_not() {
        let mut view = LogView::default();
        view.push([line(4, "a"), line(5, "b")]);
        view.push([line(5, "b"), line(9, "Error: c")]);
        let numbers: Vec<_> = view
            .matching("")
            .iter()
            .map(|(gap, line)| (*gap, line.number))
            .collect();
        assert_eq!(numbers, [(0, 4), (0, 5), (3, 9)]);
        assert_eq!(view.matching("ERROR").len(), 1);
        assert_eq!(view.text(""), "a\nb\nError: c");
    }

    #[test]
    fn it_is_bounded() {
        let mut view = LogView::default();
        view.push((0..6_000).map(|number| line(number, "x")));
        assert_eq!(view.matching("").len(), KEPT_LINES);
        assert_eq!(view.matching("")[0].1.number, 1_000);
    }
}
