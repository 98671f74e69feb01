//! Which bytes of a file are there.

use std::ops::Range;

/// A set of offsets as ranges: sorted, not empty, and neither overlapping nor touching.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RangeSet(Vec<Range<u64>>);

impl RangeSet {
    /// The set of what is in any of these; nothing if one of them ends before it begins.
    pub(crate) fn from_pairs(pairs: &[(u64, u64)]) -> Option<Self> {
        let mut set = Self::default();
        for (start, end) in pairs {
            (start < end).then_some(())?;
            set.insert(*start..*end);
        }
        Some(set)
    }

    pub(crate) fn pairs(&self) -> Vec<(u64, u64)> {
        self.0.iter().map(|range| (range.start, range.end)).collect()
    }

    pub(crate) fn insert(&mut self, new: Range<u64>) {
        if new.is_empty() {
            return;
        }
        // The ranges that it meets or touches become one with it.
        let from = self.0.partition_point(|range| range.end < new.start);
        let to = self.0.partition_point(|range| range.start <= new.end);
        let met = &self.0[from..to];
        let start = met.first().map_or(new.start, |range| range.start.min(new.start));
        let end = met.last().map_or(new.end, |range| range.end.max(new.end));
        self.0.splice(from..to, std::iter::once(start..end));
    }

    /// Only what lies before `end`.
    pub(crate) fn cut(&mut self, end: u64) {
        self.0.retain(|range| range.start < end);
        if let Some(last) = self.0.last_mut() {
            last.end = last.end.min(end);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes are there.
    pub(crate) fn covered(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// Behind the last byte that is there.
    pub(crate) fn end(&self) -> u64 {
        self.0.last().map_or(0, |range| range.end)
    }

    /// The first offset that is missing.
    pub(crate) fn front(&self) -> u64 {
        self.end_of_run(0)
    }

    /// The first offset from `at` on that is missing.
    pub(crate) fn end_of_run(&self, at: u64) -> u64 {
        let next = self.0.partition_point(|range| range.end <= at);
        match self.0.get(next) {
            Some(range) if range.start <= at => range.end,
            _ => at,
        }
    }

    /// The first range that is missing of a file of `total` bytes, at most `most` long. Without a total the
    /// last range has no end but that.
    pub(crate) fn first_gap(&self, total: Option<u64>, most: u64) -> Option<Range<u64>> {
        let start = self.front();
        let next = self.0.iter().map(|range| range.start).find(|next| *next > start);
        let end = next.or(total).unwrap_or(u64::MAX).min(total.unwrap_or(u64::MAX));
        (start < end).then(|| start..end.min(start.saturating_add(most)))
    }

    /// Whether all bytes of a file of `total` bytes are there, and none behind its end.
    pub(crate) fn is_whole(&self, total: u64) -> bool {
        self.front() == total && self.end() == total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: usize = 64;

    /// The same set as a row of flags: slow and plain.
    fn flags(ranges: &[Range<u64>]) -> [bool; SIZE] {
        std::array::from_fn(|at| ranges.iter().any(|range| range.contains(&(at as u64))))
    }

    fn any_ranges() -> impl Strategy<Value = Vec<Range<u64>>> {
        prop::collection::vec((0..SIZE as u64, 0..SIZE as u64), 0..12)
            .prop_map(|pairs| pairs.into_iter().map(|(a, b)| a.min(b)..a.max(b)).collect())
    }

    proptest! {
        #[test]
        fn is_the_set_of_its_bytes(ranges in any_ranges(), at in 0..SIZE) {
            let mut set = RangeSet::default();
            ranges.iter().for_each(|range| set.insert(range.clone()));
            let flags = flags(&ranges);
            prop_assert_eq!(self::flags(&set.0), flags);
            prop_assert_eq!(set.covered(), flags.iter().filter(|flag| **flag).count() as u64);
            prop_assert!(set.0.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert!(set.0.iter().all(|range| !range.is_empty()));
            prop_assert_eq!(RangeSet::from_pairs(&set.pairs()), Some(set.clone()));
            let front = flags.iter().position(|flag| !flag).unwrap_or(SIZE);
            prop_assert_eq!(set.front(), front as u64);
            let run = (at..SIZE).find(|at| !flags[*at]).unwrap_or(SIZE);
            prop_assert_eq!(set.end_of_run(at as u64), run as u64);
            set.cut(at as u64);
            prop_assert!(set.end() <= at as u64);
            prop_assert_eq!(&self::flags(&set.0)[..at], &flags[..at]);
        }

        #[test]
        fn gaps_fill_it_up(ranges in any_ranges(), most in 1..20_u64) {
            let total = SIZE as u64;
            let mut set = RangeSet::default();
            ranges.iter().for_each(|range| set.insert(range.clone()));
            let mut rounds = 0;
            while let Some(gap) = set.first_gap(Some(total), most) {
                prop_assert!(gap.end - gap.start <= most && gap.end <= total);
                prop_assert!(gap.clone().all(|at| set.end_of_run(at) == at), "all of it was missing");
                set.insert(gap);
                rounds += 1;
                prop_assert!(rounds <= SIZE);
            }
            prop_assert!(set.is_whole(total));
        }
    }

    #[test]
    fn edges() {
        assert_eq!(RangeSet::from_pairs(&[(3, 3)]), None);
        assert_eq!(RangeSet::from_pairs(&[(4, 3)]), None);
        let empty = RangeSet::default();
        assert_eq!(empty.first_gap(Some(0), 9), None);
        assert!(empty.is_whole(0) && !empty.is_whole(1));
        assert_eq!(empty.first_gap(None, u64::MAX), Some(0..u64::MAX));
        let set = RangeSet::from_pairs(&[(0, 5), (8, 9)]).unwrap();
        assert_eq!(set.first_gap(None, 100), Some(5..8));
        assert!(!set.is_whole(5), "bytes behind the end are wrong too");
        assert_eq!(set.first_gap(Some(5), 100), None);
    }
}
