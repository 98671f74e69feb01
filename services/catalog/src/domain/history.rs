//! The last changes, so that a watcher that was away for a moment need not start anew.

use std::collections::VecDeque;

/// A bounded run of changes, each with the revision that it made.
#[derive(Debug)]
pub struct History<C> {
    capacity: usize,
    /// Everything after this revision is known.
    known_after: u64,
    changes: VecDeque<(u64, C)>,
}

impl<C: Clone> History<C> {
    /// An empty history that begins after `revision` and keeps the last `capacity` changes.
    #[must_use]
    pub fn new(revision: u64, capacity: usize) -> Self {
        Self {
            capacity,
            known_after: revision,
            changes: VecDeque::new(),
        }
    }

    /// Adds a change. Its revision is greater than that of every change before it.
    pub fn push(&mut self, revision: u64, change: C) {
        debug_assert!(revision > self.revision(), "revisions grow");
        self.changes.push_back((revision, change));
        while self.changes.len() > self.capacity {
            if let Some((dropped, _)) = self.changes.pop_front() {
                self.known_after = dropped;
            }
        }
    }

    /// Revision of the last change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.changes
            .back()
            .map_or(self.known_after, |(revision, _)| *revision)
    }

    /// The changes after `revision`, oldest first. `None` if they are not all known, or if the
    /// revision lies in the future: it is then another catalog's.
    #[must_use]
    pub fn since(&self, revision: u64) -> Option<Vec<(u64, C)>> {
        if revision < self.known_after || revision > self.revision() {
            return None;
        }
        let first = self.changes.partition_point(|(known, _)| *known <= revision);
        Some(self.changes.range(first..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_revision_of_another_life_is_not_resumed() {
        let mut history = History::new(100, 2);
        assert_eq!(history.since(100), Some(vec![]));
        assert_eq!(history.since(99), None);
        assert_eq!(history.since(101), None);
        history.push(105, 'a');
        assert_eq!(history.since(100), Some(vec![(105, 'a')]));
        assert_eq!(history.since(105), Some(vec![]));
    }

    proptest! {
        #[test]
        fn what_is_answered_is_complete(
            gaps in prop::collection::vec(1..5_u64, 0..40),
            capacity in 0..10_usize,
            ask in 0..220_u64,
        ) {
            let start = 50;
            let mut revision = start;
            let mut all = Vec::new();
            let mut history = History::new(start, capacity);
            for gap in gaps {
                revision += gap;
                all.push((revision, revision));
                history.push(revision, revision);
            }
            prop_assert_eq!(history.revision(), revision);
            let expected: Vec<_> = all.iter().copied().filter(|(known, _)| *known > ask).collect();
            match history.since(ask) {
                Some(changes) => {
                    prop_assert!((start..=revision).contains(&ask));
                    prop_assert_eq!(changes, expected);
                }
                None => prop_assert!(ask < start || ask > revision || expected.len() > capacity),
            }
        }
    }
}
