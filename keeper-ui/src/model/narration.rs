//! The lines that the cluster tells of what happens.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::ids::{JobId, WorkerId};

/// Lines that are kept; older ones go.
pub const KEPT_LINES: usize = 2000;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventLevel {
    /// The course of things.
    Info,
    /// Something to look at.
    Warning,
    /// Something failed.
    Error,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NarrationLine {
    /// Counts up in this window: a key for lists.
    pub number: u64,
    /// When.
    pub at: Option<Timestamp>,
    /// How much it matters.
    pub level: EventLevel,
    /// Which process tells it.
    pub service: String,
    /// What happened, in one line.
    pub message: String,
    /// The job that it belongs to.
    pub job: Option<JobId>,
    /// The worker that it is about.
    pub worker: Option<WorkerId>,
    /// Further facts by name.
    pub fields: BTreeMap<String, String>,
}

/// One step of what is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NarrationChange {
    /// A watch begins; it tells the last lines again.
    Began,
    /// A line (its number is given here).
    Told(Box<NarrationLine>),
    /// Lines that were missed because the window read too slowly.
    Missed(u64),
}

/// The last lines, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NarrationView {
    lines: VecDeque<NarrationLine>,
    told: u64,
    /// How many were missed since the window opened.
    pub missed: u64,
    /// What was known when the watch began, newest first, while it may be told again.
    repeated_until: Option<Timestamp>,
}

impl NarrationView {
    /// Takes in one step.
    pub fn apply(&mut self, change: NarrationChange) {
        match change {
            NarrationChange::Began => self.repeated_until = self.lines.back().and_then(|line| line.at),
            NarrationChange::Missed(count) => self.missed += count,
            NarrationChange::Told(line) => {
                if !self.is_repeated(&line) {
                    self.push(*line);
                }
            }
        }
    }

    /// After a reconnection the last lines come again: those that are here already are not taken twice.
    fn is_repeated(&self, line: &NarrationLine) -> bool {
        match (self.repeated_until, line.at) {
            (Some(until), Some(at)) if at <= until => {
                let same = |known: &&NarrationLine| known.at == line.at && known.message == line.message;
                self.lines.iter().rev().any(|known| same(&known))
            }
            _ => false,
        }
    }

    fn push(&mut self, mut line: NarrationLine) {
        line.number = self.told;
        self.told += 1;
        if self.lines.len() == KEPT_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &NarrationLine> + ExactSizeIterator {
        self.lines.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: i64, message: &str) -> NarrationChange {
        NarrationChange::Told(Box::new(NarrationLine {
            number: 0,
            at: Timestamp::from_second(second).ok(),
            level: EventLevel::Info,
            service: "rbee-hive".to_owned(),
            message: message.to_owned(),
            job: None,
            worker: None,
            fields: BTreeMap::new(),
        }))
    }

    #[test]
    fn lines_that_come_again_are_not_told_twice() {
        let mut view = NarrationView::default();
        view.apply(NarrationChange::Began);
        view.apply(line(1, "a"));
        view.apply(line(2, "b"));
        view.apply(line(2, "b"));
        assert_eq!(view.lines().len(), 3, "two things may happen alike");
        view.apply(NarrationChange::Began);
        for change in [
            line(1, "a"),
            line(2, "b"),
            line(2, "missed meanwhile"),
            line(3, "c"),
        ] {
            view.apply(change);
        }
        let words: Vec<_> = view.lines().map(|line| line.message.as_str()).collect();
        assert_eq!(words, ["a", "b", "b", "missed meanwhile", "c"]);
    }

    #[test]
    fn old_lines_go_and_numbers_stay() {
        let mut view = NarrationView::default();
        for second in 0..2500 {
            view.apply(line(second, "x"));
        }
        assert_eq!(view.lines().len(), KEPT_LINES);
        assert_eq!(view.lines().next().map(|line| line.number), Some(500));
    }
}
