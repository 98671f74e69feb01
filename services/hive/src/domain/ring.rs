//! The last lines of something that never ends.

use std::collections::VecDeque;

/// Keeps the last lines and forgets the ones before.
#[derive(Debug)]
pub struct LineRing {
    capacity: usize,
    lines: VecDeque<String>,
}

impl LineRing {
    /// Room for this many lines.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            lines: VecDeque::with_capacity(capacity),
        }
    }

    /// Adds a line.
    pub fn push(&mut self, line: String) {
        if self.lines.len() == self.capacity {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The last `count` lines, oldest first.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<String> {
        self.lines
            .iter()
            .skip(self.lines.len().saturating_sub(count))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_stay() {
        let mut ring = LineRing::new(3);
        assert!(ring.tail(5).is_empty());
        for line in ["a", "b", "c", "d"] {
            ring.push(line.to_owned());
        }
        assert_eq!(ring.tail(5), ["b", "c", "d"]);
        assert_eq!(ring.tail(1), ["d"]);
    }
}
