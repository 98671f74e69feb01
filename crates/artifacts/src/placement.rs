//! Which device of a cluster a worker should go to.
//!
//! ```text
//! fits ──▶ not known whether it fits ──▶ does not fit
//!   └─ among equals: the host has the model's files ──▶ it would have to fetch them
//!        └─ among equals: most memory left afterwards ──▶ least
//!             └─ among equals: by host and device, so that the answer is always the same
//! ```
//!
//! Files come before free memory: free memory is hardly ever equal, so that files would never count if it came
//! first, and a fetch of gigabytes costs more than a somewhat fuller device.

use std::cmp::{Ordering, Reverse};

use crate::DeviceId;

/// A device on which a worker could run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The host, by its hive's id.
    pub host: String,
    /// The device.
    pub device: DeviceId,
    /// What the worker needs there, in bytes.
    pub needed_bytes: u64,
    /// What it can count on, in bytes; `None` where not known.
    pub available_bytes: Option<u64>,
    /// Whether the host has the model's files already.
    pub files_present: bool,
}

impl Candidate {
    /// Whether the worker fits; `None` where not known.
    #[must_use]
    pub fn fits(&self) -> Option<bool> {
        self.available_bytes
            .map(|available| self.needed_bytes <= available)
    }

    fn rank(&self) -> impl Ord + '_ {
        let doubt = match self.fits() {
            Some(true) => 0,
            None => 1,
            Some(false) => 2,
        };
        let left = self
            .available_bytes
            .map(|available| i128::from(available) - i128::from(self.needed_bytes));
        (
            doubt,
            !self.files_present,
            Reverse(left),
            &self.host,
            self.device,
            self.needed_bytes,
        )
    }
}

/// Which of two is better: the better one is less.
#[must_use]
pub fn compare(one: &Candidate, other: &Candidate) -> Ordering {
    one.rank().cmp(&other.rank())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        // Few hosts and sizes, so that ties come up.
        fn any_candidate()(
            host in 0..4_u8,
            device in prop::sample::select(&["cpu:0", "cuda:0", "cuda:1"][..]),
            needed_bytes in 0..4_u64,
            available_bytes in prop::option::of(0..6_u64),
            files_present in any::<bool>(),
        ) -> Candidate {
            Candidate {
                host: format!("hive-{host}"),
                device: device.parse().unwrap(),
                needed_bytes,
                available_bytes,
                files_present,
            }
        }
    }

    proptest! {
        #[test]
        fn the_first_is_at_least_as_good_as_every_other(
            mut candidates in prop::collection::vec(any_candidate(), 1..12),
        ) {
            candidates.sort_by(compare);
            let best = &candidates[0];
            let grade = |fits| match fits { Some(true) => 0, None => 1, Some(false) => 2 };
            for other in &candidates {
                prop_assert!(grade(best.fits()) <= grade(other.fits()), "one that fits comes first");
                if best.fits() != other.fits() {
                    continue;
                }
                prop_assert!(best.files_present || !other.files_present, "then one with the files");
                if best.files_present == other.files_present && let (Some(best_has), Some(other_has)) =
                    (best.available_bytes, other.available_bytes)
                {
                    prop_assert!(
                        i128::from(best_has) - i128::from(best.needed_bytes)
                            >= i128::from(other_has) - i128::from(other.needed_bytes),
                        "then the one with the most left"
                    );
                }
            }
        }

        #[test]
        fn the_order_in_which_hosts_answer_does_not_matter(
            candidates in prop::collection::vec(any_candidate(), 0..12)
                .prop_flat_map(|candidates| (Just(candidates.clone()), Just(candidates).prop_shuffle())),
        ) {
            let (mut one, mut other) = candidates;
            one.sort_by(compare);
            other.sort_by(compare);
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn what_is_known_to_fit_comes_before_what_may() {
        let candidate = |host: &str, available_bytes, files_present| Candidate {
            host: host.into(),
            device: DeviceId::CPU,
            needed_bytes: 10,
            available_bytes,
            files_present,
        };
        let mut candidates = [
            candidate("full", Some(9), true),
            candidate("silent", None, true),
            candidate("roomy", Some(90), false),
            candidate("has-files", Some(20), true),
        ];
        candidates.sort_by(compare);
        let hosts: Vec<_> = candidates.iter().map(|candidate| &*candidate.host).collect();
        assert_eq!(hosts, ["has-files", "roomy", "silent", "full"]);
    }
}
