//! The live registry: which hives and workers there are, held under leases.
//!
//! ```text
//!               register                    lease ends
//!   (unknown) ────────────►  Ready  ─────────────────────►  Unreachable
//!       ▲                      ▲                              │     │
//!       │ farewell             └───────── heard from ─────────┘     │
//!       └───────────────────────────────────── forgotten ───────────┘
//! ```
//!
//! A pure state machine: the time is passed in, and each operation answers with the steps that a
//! watcher must see. Steps applied in order to an empty mirror give what [`Registry::hives`] and
//! [`Registry::workers`] list; a worker never stands in it without its hive.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rbee_artifacts::{HiveId, ModelId, WorkerId};

use super::cluster::{Device, Hive, HiveFacts, HiveState, Worker};

/// A point in time, on both clocks: the monotonic one for leases, the wall's for people.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// What leases are measured by: never set back, and standing still while the host sleeps.
    pub monotonic: Instant,
    /// What is shown.
    pub wall: Timestamp,
}

/// How long silence is taken for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTerms {
    /// After this long without a word, a hive is unreachable.
    pub lease: Duration,
    /// After this long without a word, an unreachable hive is forgotten with its workers.
    pub forget_after: Duration,
}

/// Something that became different.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterChange {
    /// A hive that is new or changed.
    HiveUpserted(Hive),
    /// A hive that left or was forgotten. Its workers went before.
    HiveRemoved(HiveId),
    /// A worker that is new or changed.
    WorkerUpserted(Box<Worker>),
    /// A worker that is gone.
    WorkerRemoved(WorkerId),
}

/// A change with the revision that it makes.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterStep {
    /// Grows with every step.
    pub revision: u64,
    /// The change.
    pub change: ClusterChange,
}

/// The catalog doesn't know the hive: it must register again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the hive {hive_id} is not registered")]
pub struct HiveNotRegistered {
    /// The unknown hive.
    pub hive_id: HiveId,
}

/// Why a worker could not be updated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateWorkerError {
    /// Its hive is unknown.
    #[error(transparent)]
    HiveNotRegistered(#[from] HiveNotRegistered),
    /// The hive has no such worker.
    #[error("the hive {hive_id} has no worker {worker_id}")]
    WorkerNotFound {
        /// The hive.
        hive_id: HiveId,
        /// The worker that it doesn't have.
        worker_id: WorkerId,
    },
}

#[derive(Debug)]
struct HiveEntry {
    hive: Hive,
    heard_at: Instant,
}

/// The registry.
#[derive(Debug)]
pub struct Registry {
    terms: LeaseTerms,
    revision: u64,
    hives: BTreeMap<HiveId, HiveEntry>,
    // Keyed by worker alone: ids are unique in the cluster, and the last hive to claim one has it.
    workers: BTreeMap<WorkerId, Worker>,
}

impl Registry {
    /// An empty registry whose revisions follow `revision`.
    #[must_use]
    pub fn new(terms: LeaseTerms, revision: u64) -> Self {
        Self {
            terms,
            revision,
            hives: BTreeMap::new(),
            workers: BTreeMap::new(),
        }
    }

    /// The terms of every lease.
    #[must_use]
    pub fn terms(&self) -> LeaseTerms {
        self.terms
    }

    /// Revision of the last step.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// All hives, ordered by name and then id.
    #[must_use]
    pub fn hives(&self) -> Vec<Hive> {
        let mut hives: Vec<_> = self.hives.values().map(|entry| entry.hive.clone()).collect();
        hives.sort_by(|a, b| a.facts.name.cmp(&b.facts.name));
        hives
    }

    /// All workers, or those that serve `model_id`; oldest first.
    #[must_use]
    pub fn workers(&self, model_id: Option<&ModelId>) -> Vec<Worker> {
        let mut workers: Vec<_> = self
            .workers
            .values()
            .filter(|worker| model_id.is_none_or(|model_id| worker.model_id == *model_id))
            .cloned()
            .collect();
        workers.sort_by_key(|worker| worker.created_at);
        workers
    }

    /// Registers a hive with all its workers, replacing what was known of it.
    pub fn register_hive(&mut self, facts: HiveFacts, workers: Vec<Worker>, now: Now) -> Vec<ClusterStep> {
        let mut steps = Vec::new();
        let id = facts.id.clone();
        let address = facts.address.clone();
        let hive = Hive {
            facts,
            state: HiveState::Ready,
            last_seen_at: now.wall,
        };
        let known = self.hives.get(&id).map(|entry| &entry.hive);
        let differs = known.is_none_or(|known| known.facts != hive.facts || known.state != hive.state);
        self.hives.insert(
            id.clone(),
            HiveEntry {
                hive: hive.clone(),
                heard_at: now.monotonic,
            },
        );
        if differs {
            self.step(&mut steps, ClusterChange::HiveUpserted(hive));
        }

        let mut gone: Vec<WorkerId> = self.workers_of(&id);
        for mut worker in workers {
            gone.retain(|known| *known != worker.id);
            worker.hive_id = id.clone();
            worker.hive_address.clone_from(&address);
            self.put_worker(&mut steps, worker);
        }
        for worker_id in gone {
            self.remove_worker(&mut steps, &worker_id);
        }
        steps
    }

    /// Renews a hive's lease and takes its devices, and whether it is draining, as they are now.
    ///
    /// # Errors
    /// If the hive is unknown.
    pub fn heartbeat(
        &mut self,
        hive_id: &HiveId,
        devices: Vec<Device>,
        draining: bool,
        now: Now,
    ) -> Result<Vec<ClusterStep>, HiveNotRegistered> {
        let mut steps = Vec::new();
        let entry = self.hear_from(hive_id, now)?;
        let revived = std::mem::replace(&mut entry.hive.state, HiveState::Ready) != HiveState::Ready;
        let facts = &mut entry.hive.facts;
        if revived || facts.devices != devices || facts.draining != draining {
            facts.devices = devices;
            facts.draining = draining;
            let hive = entry.hive.clone();
            self.step(&mut steps, ClusterChange::HiveUpserted(hive));
        }
        Ok(steps)
    }

    /// Removes a hive and its workers. No steps if it was unknown.
    pub fn deregister_hive(&mut self, hive_id: &HiveId) -> Vec<ClusterStep> {
        let mut steps = Vec::new();
        if self.hives.contains_key(hive_id) {
            self.remove_hive(&mut steps, hive_id);
        }
        steps
    }

    /// Adds or replaces a worker of a registered hive.
    ///
    /// # Errors
    /// If the hive is unknown.
    pub fn register_worker(
        &mut self,
        worker: Worker,
        now: Now,
    ) -> Result<Vec<ClusterStep>, HiveNotRegistered> {
        let mut steps = Vec::new();
        let address = self.revive(&mut steps, &worker.hive_id, now)?;
        self.put_worker(
            &mut steps,
            Worker {
                hive_address: address,
                ..worker
            },
        );
        Ok(steps)
    }

    /// Replaces what is known of a worker.
    ///
    /// # Errors
    /// If the hive is unknown or has no such worker.
    pub fn update_worker(&mut self, worker: Worker, now: Now) -> Result<Vec<ClusterStep>, UpdateWorkerError> {
        if !self.hives.contains_key(&worker.hive_id) {
            return Err(HiveNotRegistered {
                hive_id: worker.hive_id,
            }
            .into());
        }
        if self
            .workers
            .get(&worker.id)
            .is_none_or(|known| known.hive_id != worker.hive_id)
        {
            let Worker {
                id: worker_id,
                hive_id,
                ..
            } = worker;
            return Err(UpdateWorkerError::WorkerNotFound { hive_id, worker_id });
        }
        Ok(self.register_worker(worker, now)?)
    }

    /// Removes a worker of a hive. No steps if the hive has no such worker.
    pub fn deregister_worker(&mut self, hive_id: &HiveId, worker_id: &WorkerId) -> Vec<ClusterStep> {
        let mut steps = Vec::new();
        if self
            .workers
            .get(worker_id)
            .is_some_and(|worker| worker.hive_id == *hive_id)
        {
            self.remove_worker(&mut steps, worker_id);
        }
        steps
    }

    /// Marks the hives whose lease has ended, and forgets those that were silent for long.
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
            } else if let Some(entry) = self.hives.get_mut(&hive_id)
                && entry.hive.state == HiveState::Ready
            {
                entry.hive.state = HiveState::Unreachable;
                let hive = entry.hive.clone();
                self.step(&mut steps, ClusterChange::HiveUpserted(hive));
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

    /// Renews the lease of a hive that has spoken, and answers with its address.
    fn revive(
        &mut self,
        steps: &mut Vec<ClusterStep>,
        hive_id: &HiveId,
        now: Now,
    ) -> Result<String, HiveNotRegistered> {
        let entry = self.hear_from(hive_id, now)?;
        let address = entry.hive.facts.address.clone();
        if entry.hive.state != HiveState::Ready {
            entry.hive.state = HiveState::Ready;
            let hive = entry.hive.clone();
            self.step(steps, ClusterChange::HiveUpserted(hive));
        }
        Ok(address)
    }

    fn hear_from(&mut self, hive_id: &HiveId, now: Now) -> Result<&mut HiveEntry, HiveNotRegistered> {
        let entry = self.hives.get_mut(hive_id).ok_or_else(|| HiveNotRegistered {
            hive_id: hive_id.clone(),
        })?;
        entry.heard_at = now.monotonic;
        entry.hive.last_seen_at = now.wall;
        Ok(entry)
    }

    fn workers_of(&self, hive_id: &HiveId) -> Vec<WorkerId> {
        self.workers
            .values()
            .filter(|worker| worker.hive_id == *hive_id)
            .map(|worker| worker.id.clone())
            .collect()
    }

    fn put_worker(&mut self, steps: &mut Vec<ClusterStep>, worker: Worker) {
        if self.workers.get(&worker.id) != Some(&worker) {
            self.workers.insert(worker.id.clone(), worker.clone());
            self.step(steps, ClusterChange::WorkerUpserted(Box::new(worker)));
        }
    }

    fn remove_worker(&mut self, steps: &mut Vec<ClusterStep>, worker_id: &WorkerId) {
        if self.workers.remove(worker_id).is_some() {
            self.step(steps, ClusterChange::WorkerRemoved(worker_id.clone()));
        }
    }

    fn remove_hive(&mut self, steps: &mut Vec<ClusterStep>, hive_id: &HiveId) {
        for worker_id in self.workers_of(hive_id) {
            self.remove_worker(steps, &worker_id);
        }
        self.hives.remove(hive_id);
        self.step(steps, ClusterChange::HiveRemoved(hive_id.clone()));
    }

    fn step(&mut self, steps: &mut Vec<ClusterStep>, change: ClusterChange) {
        self.revision += 1;
        steps.push(ClusterStep {
            revision: self.revision,
            change,
        });
    }
}

#[cfg(test)]
mod tests;
