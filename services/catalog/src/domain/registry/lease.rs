//! Leases: who is listened to, and what silence makes of a hive and its workers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rbee_artifacts::HiveId;

use super::{ClusterChange, ClusterStep, HiveEntry, LeaseTerms, NotHeard, Now, Registry};
use crate::domain::cluster::{HiveInstance, HiveState, Worker};

/// Starts of one hive that are remembered as refused. There are as many as hosts that a folder was copied to.
const REMEMBERED_REFUSED: usize = 16;

impl Registry {
    /// Marks the hives whose lease has ended, with their workers, and forgets those that were silent for long.
    pub fn expire(&mut self, now: Instant) -> Vec<ClusterStep> {
        let mut steps = Vec::new();
        let silent: Vec<(HiveId, Duration)> = self
            .hives
            .iter()
            .map(|(id, entry)| (id.clone(), now.saturating_duration_since(entry.heard_at)))
            .filter(|(_, silence)| *silence >= self.terms.lease)
            .collect();
        for (hive_id, silence) in silent {
            if silence >= self.terms.lease.saturating_add(self.terms.forget_after) {
                self.remove_hive(&mut steps, &hive_id);
            } else {
                self.put_state(&mut steps, &hive_id, HiveState::Unreachable, false);
            }
        }
        steps
    }

    /// When [`expire`](Self::expire) will next have something to do, if nobody speaks until then.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let LeaseTerms { lease, forget_after } = self.terms;
        self.hives
            .values()
            .filter_map(|entry| {
                let silence = match entry.hive.state {
                    HiveState::Ready => lease,
                    HiveState::Unreachable => lease.saturating_add(forget_after),
                };
                entry.heard_at.checked_add(silence)
            })
            .min()
    }

    /// The hive that speaks, if it is known and has its id for itself.
    pub(super) fn admit(
        &mut self,
        hive_id: &HiveId,
        instance: Option<&HiveInstance>,
    ) -> Result<&mut HiveEntry, NotHeard> {
        let not_registered = || NotHeard::NotRegistered {
            hive_id: hive_id.clone(),
        };
        let entry = self.hives.get_mut(hive_id).ok_or_else(not_registered)?;
        if entry.is_spoken_for_by(instance) {
            return Ok(entry);
        }
        if entry.hive.state == HiveState::Unreachable {
            // The one that took the id is gone: this one may register with it again.
            return Err(not_registered());
        }
        Err(NotHeard::IdTaken {
            hive_id: hive_id.clone(),
            address: entry.hive.facts.address.clone(),
            first: entry.note_refused(instance),
        })
    }

    /// Renews the lease of a hive that has spoken. `differs` tells whether what is known of it became different.
    pub(super) fn hear(&mut self, steps: &mut Vec<ClusterStep>, hive_id: &HiveId, differs: bool, now: Now) {
        if let Some(entry) = self.hives.get_mut(hive_id) {
            entry.heard_at = now.monotonic;
            Arc::make_mut(&mut entry.hive).last_seen_at = now.wall;
        }
        self.put_state(steps, hive_id, HiveState::Ready, differs);
    }

    /// Sets a hive's state and tells of it, where it or something else of it differs; and where it does, of its
    /// workers too.
    fn put_state(&mut self, steps: &mut Vec<ClusterStep>, hive_id: &HiveId, state: HiveState, differs: bool) {
        let Some(entry) = self.hives.get_mut(hive_id) else {
            return;
        };
        let turns = entry.hive.state != state;
        if turns {
            Arc::make_mut(&mut entry.hive).state = state;
        }
        if turns || differs {
            let hive = entry.hive.clone();
            self.step(steps, ClusterChange::HiveUpserted(hive));
        }
        if turns {
            for worker_id in self.workers_of(hive_id) {
                if let Some(worker) = self.workers.get(&worker_id).map(|worker| Worker::clone(worker)) {
                    self.put_worker(steps, worker);
                }
            }
        }
    }
}

impl HiveEntry {
    /// Whether this start of a hive is the one that has the id. One that does not say which it is, is.
    pub(super) fn is_spoken_for_by(&self, instance: Option<&HiveInstance>) -> bool {
        match (&self.instance, instance) {
            (Some(known), Some(speaking)) => known == speaking,
            _ => true,
        }
    }

    /// Notes that a start was refused, and answers whether it was the first time.
    fn note_refused(&mut self, instance: Option<&HiveInstance>) -> bool {
        let Some(instance) = instance else { return false };
        let first = !self.refused.contains(instance);
        if first {
            if self.refused.len() == REMEMBERED_REFUSED {
                self.refused.remove(0);
            }
            self.refused.push(instance.clone());
        }
        first
    }
}
