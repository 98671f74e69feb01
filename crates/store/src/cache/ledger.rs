//! What a cache holds, as plain data: what is there, who uses it, and what goes when room is needed.

use std::collections::HashMap;
use std::sync::Arc;

use rbee_artifacts::Sha256;

use super::flight::Flight;

/// What a cache holds, and how much that may be.
#[derive(Debug)]
pub(super) struct Ledger {
    limit_bytes: u64,
    used_bytes: u64,
    // Counts uses; the entry with the smallest was used longest ago.
    clock: u64,
    // Numbers entries: one that comes again is another one.
    next_entry: u64,
    entries: HashMap<Sha256, Entry>,
}

/// A blob that is there or on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) size_bytes: u64,
    pub(super) users: usize,
    last_use: u64,
    /// Whether it is only the beginning of a blob, which nobody fetches now.
    pub(super) is_part: bool,
    // While it is being fetched.
    pub(super) flight: Option<Arc<Flight>>,
}

/// How a blob stands for one who wants it, and is counted as its user now.
#[derive(Debug)]
pub(super) enum Claim {
    /// It is there.
    Present {
        /// The entry's number.
        number: u64,
    },
    /// Somebody fetches it.
    Coming {
        /// The entry's number.
        number: u64,
        /// Where that is seen.
        flight: Arc<Flight>,
    },
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// It is larger than the whole cache may be.
    TooLarge,
    /// What is there is in use; so many bytes.
    InUse(u64),
}

impl Ledger {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            used_bytes: 0,
            clock: 0,
            next_entry: 0,
            entries: HashMap::new(),
        }
    }

    /// Bytes of all that is there or on its way.
    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// Takes a blob in that is there already. Those used longest ago come first.
    pub(super) fn found(&mut self, sha256: Sha256, size_bytes: u64) {
        self.enter(sha256, size_bytes, 0, None);
    }

    /// Takes the beginning of a blob in, which is there for the next who wants it.
    pub(super) fn found_part(&mut self, sha256: Sha256, size_bytes: u64) {
        self.enter(sha256, size_bytes, 0, None);
        if let Some(entry) = self.entries.get_mut(&sha256) {
            entry.is_part = true;
        }
    }

    /// Bytes of what is in use or on its way.
    pub(super) fn in_use_bytes(&self) -> u64 {
        let used = self.entries.values().filter(|entry| !entry.is_idle());
        used.map(|entry| entry.size_bytes).sum()
    }

    /// Counts one more user of a blob, if it is there or on its way as a whole and of this size.
    pub(super) fn claim(&mut self, sha256: &Sha256, size_bytes: u64) -> Option<Claim> {
        self.clock += 1;
        let entry = self.entries.get_mut(sha256)?;
        if entry.is_part || entry.size_bytes != size_bytes {
            return None;
        }
        entry.users += 1;
        entry.last_use = self.clock;
        let number = entry.number;
        Some(match &entry.flight {
            None => Claim::Present { number },
            Some(flight) => Claim::Coming {
                number,
                flight: flight.clone(),
            },
        })
    }

    /// The blobs that have to go so that this many bytes fit: those used longest ago, none that has users, and no more
    /// than needed.
    pub(super) fn to_evict(&self, size_bytes: u64) -> Result<Vec<Sha256>, NoRoom> {
        if size_bytes > self.limit_bytes {
            return Err(NoRoom::TooLarge);
        }
        let excess = self
            .used_bytes
            .saturating_add(size_bytes)
            .saturating_sub(self.limit_bytes);
        let mut idle: Vec<_> = self.entries.iter().filter(|(_, entry)| entry.is_idle()).collect();
        idle.sort_by_key(|(_, entry)| entry.last_use);
        let mut freed = 0;
        let mut evicted = Vec::new();
        for (sha256, entry) in idle {
            if freed >= excess {
                break;
            }
            // An empty blob would go for nothing.
            if entry.size_bytes > 0 {
                freed += entry.size_bytes;
                evicted.push(*sha256);
            }
        }
        if freed < excess {
            return Err(NoRoom::InUse(self.used_bytes - freed));
        }
        Ok(evicted)
    }

    /// Takes in a blob that is to be fetched, with one user, and answers its entry's number.
    pub(super) fn begin(&mut self, sha256: Sha256, size_bytes: u64, flight: Arc<Flight>) -> u64 {
        self.enter(sha256, size_bytes, 1, Some(flight))
    }

    fn enter(&mut self, sha256: Sha256, size_bytes: u64, users: usize, flight: Option<Arc<Flight>>) -> u64 {
        self.clock += 1;
        self.next_entry += 1;
        let entry = Entry {
            number: self.next_entry,
            size_bytes,
            users,
            last_use: self.clock,
            is_part: false,
            flight,
        };
        self.used_bytes += size_bytes;
        if let Some(replaced) = self.entries.insert(sha256, entry) {
            self.used_bytes -= replaced.size_bytes;
        }
        self.next_entry
    }

    /// A blob is there now.
    pub(super) fn arrived(&mut self, sha256: &Sha256) {
        if let Some(entry) = self.entries.get_mut(sha256) {
            entry.flight = None;
        }
    }

    /// Forgets a blob.
    pub(super) fn remove(&mut self, sha256: &Sha256) {
        if let Some(entry) = self.entries.remove(sha256) {
            self.used_bytes -= entry.size_bytes;
        }
    }

    /// The blob's entry.
    pub(super) fn entry(&self, sha256: &Sha256) -> Option<&Entry> {
        self.entries.get(sha256)
    }

    /// How many blobs are on their way.
    #[cfg(test)]
    pub(super) fn flights(&self) -> usize {
        self.entries
            .values()
            .filter(|entry| entry.flight.is_some())
            .count()
    }

    /// One user less. Answers the flight of a blob that is on its way for nobody any more.
    pub(super) fn release(&mut self, sha256: &Sha256, number: u64) -> Option<Arc<Flight>> {
        self.clock += 1;
        let entry = self
            .entries
            .get_mut(sha256)
            .filter(|entry| entry.number == number)?;
        entry.users -= 1;
        entry.last_use = self.clock;
        entry.flight.clone().filter(|_| entry.users == 0)
    }
}

impl Entry {
    fn is_idle(&self) -> bool {
        self.users == 0 && self.flight.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u8) -> Sha256 {
        Sha256::from([number; 32])
    }

    /// A ledger of 100 bytes with three blobs of 30, used in their order.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(100);
        for number in 1..=3 {
            ledger.found(name(number), 30);
        }
        ledger
    }

    #[test]
    fn the_ones_used_longest_ago_go_and_no_more_than_needed() {
        let mut ledger = ledger();
        assert_eq!(ledger.used_bytes(), 90);
        assert_eq!(ledger.to_evict(10), Ok(vec![]));
        assert_eq!(ledger.to_evict(11), Ok(vec![name(1)]));
        assert_eq!(ledger.to_evict(41), Ok(vec![name(1), name(2)]));
        assert_eq!(ledger.to_evict(100), Ok(vec![name(1), name(2), name(3)]));
        let Some(Claim::Present { number }) = ledger.claim(&name(1), 30) else {
            panic!()
        };
        assert_eq!(ledger.to_evict(11), Ok(vec![name(2)]), "one in use stays");
        assert!(ledger.release(&name(1), number).is_none());
        assert_eq!(
            ledger.to_evict(71),
            Ok(vec![name(2), name(3), name(1)]),
            "its use was the last"
        );
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let mut ledger = ledger();
        assert_eq!(ledger.to_evict(101), Err(NoRoom::TooLarge));
        for number in 1..=2 {
            assert!(ledger.claim(&name(number), 30).is_some());
        }
        assert_eq!(ledger.to_evict(40), Ok(vec![name(3)]));
        assert_eq!(ledger.to_evict(41), Err(NoRoom::InUse(60)));
    }

    #[test]
    fn a_blob_of_another_size_is_another_matter() {
        let mut ledger = ledger();
        assert!(ledger.claim(&name(1), 29).is_none());
        assert!(ledger.claim(&name(9), 30).is_none());
        assert_eq!(ledger.entry(&name(1)).unwrap().users, 0);
    }

    #[test]
    fn one_that_comes_again_is_another_one() {
        let mut ledger = ledger();
        let Some(Claim::Present { number }) = ledger.claim(&name(1), 30) else {
            panic!()
        };
        ledger.remove(&name(1));
        ledger.found(name(1), 30);
        let _ = ledger.claim(&name(1), 30);
        assert!(ledger.release(&name(1), number).is_none());
        assert_eq!(ledger.entry(&name(1)).unwrap().users, 1);
    }
}
