//! The live registry: which hives and workers there are, held under leases.
//!
//! ```text
//!               register                    lease ends
//!   (unknown) ────────────►  Ready  ─────────────────────►  Unreachable
//!       ▲                      ▲                              │     │
//!       │ farewell             └───────── heard from ─────────┘     │
//!       └──────────────────────────────── forgotten ────────────────┘
//! ```
//!
//! A hive is forgotten when it was silent for long, or earlier to make room for another. A worker is
//! reachable exactly when its hive is.
//!
//! A pure state machine: the time is passed in, and each operation answers with the steps that a
//! watcher must see. Steps applied in order to an empty mirror give what [`Registry::hives`] and
//! [`Registry::workers`] list; a worker never stands in it without its hive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rbee_artifacts::{HiveId, ModelId, WorkerId};

use super::cluster::{Device, Hive, HiveFacts, HiveInstance, HiveState, Worker};

mod lease;
mod refusals;
mod room;

pub use refusals::{Full, NotHeard, RegisterWorkerError, RegistryFull, UpdateWorkerError};
pub use room::Room;

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

/// Something that became different. What is new is shared with the registry: a step costs no copy for each watcher.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterChange {
    /// A hive that is new or changed.
    HiveUpserted(Arc<Hive>),
    /// A hive that left or was forgotten. Its workers went before.
    HiveRemoved(HiveId),
    /// A worker that is new or changed.
    WorkerUpserted(Arc<Worker>),
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

#[derive(Debug)]
struct HiveEntry {
    hive: Arc<Hive>,
    /// Which start of it has the id, if it said so.
    instance: Option<HiveInstance>,
    /// Other starts that were told that they don't have it.
    refused: Vec<HiveInstance>,
    heard_at: Instant,
}

/// The registry.
#[derive(Debug)]
pub struct Registry {
    terms: LeaseTerms,
    room: Room,
    revision: u64,
    hives: BTreeMap<HiveId, HiveEntry>,
    // Keyed by worker alone: ids are unique in the cluster, and the last hive to claim one has it.
    workers: BTreeMap<WorkerId, Arc<Worker>>,
}

impl Registry {
    /// An empty registry whose revisions follow `revision`.
    #[must_use]
    pub fn new(terms: LeaseTerms, room: Room, revision: u64) -> Self {
        Self {
            terms,
            room,
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
    pub fn hives(&self) -> Vec<Arc<Hive>> {
        let mut hives: Vec<_> = self.hives.values().map(|entry| entry.hive.clone()).collect();
        hives.sort_by(|a, b| a.facts.name.cmp(&b.facts.name));
        hives
    }

    /// All workers, or those that serve `model_id`; oldest first.
    #[must_use]
    pub fn workers(&self, model_id: Option<&ModelId>) -> Vec<Arc<Worker>> {
        let mut workers: Vec<_> = self
            .workers
            .values()
            .filter(|worker| model_id.is_none_or(|model_id| worker.model_id == *model_id))
            .cloned()
            .collect();
        workers.sort_by_key(|worker| worker.created_at);
        workers
    }

    /// Registers a hive with all its workers, replacing what was known of it. `instance` has the id from now on.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn register_hive(
        &mut self,
        facts: HiveFacts,
        workers: Vec<Worker>,
        instance: Option<HiveInstance>,
        now: Now,
    ) -> Result<Vec<ClusterStep>, RegistryFull> {
        let mut steps = Vec::new();
        let id = facts.id.clone();
        let address = facts.address.clone();
        self.make_room_for_hive(&mut steps, &id, &workers)?;
        let hive = Arc::new(Hive {
            facts,
            state: HiveState::Ready,
            last_seen_at: now.wall,
        });
        let known = self.hives.remove(&id);
        let differs = known
            .as_ref()
            .is_none_or(|known| known.hive.facts != hive.facts || known.hive.state != hive.state);
        let mut refused = known.map(|known| known.refused).unwrap_or_default();
        refused.retain(|refused| Some(refused) != instance.as_ref());
        let entry = HiveEntry {
            hive: hive.clone(),
            instance,
            refused,
            heard_at: now.monotonic,
        };
        self.hives.insert(id.clone(), entry);
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
        Ok(steps)
    }

    /// Renews a hive's lease and takes its devices, and whether it is draining, as they are now.
    ///
    /// # Errors
    /// If the hive is unknown, or another has its id.
    pub fn heartbeat(
        &mut self,
        hive_id: &HiveId,
        instance: Option<&HiveInstance>,
        devices: Vec<Device>,
        draining: bool,
        now: Now,
    ) -> Result<Vec<ClusterStep>, NotHeard> {
        let mut steps = Vec::new();
        let entry = self.admit(hive_id, instance)?;
        let differs = entry.hive.facts.devices != devices || entry.hive.facts.draining != draining;
        if differs {
            let facts = &mut Arc::make_mut(&mut entry.hive).facts;
            facts.devices = devices;
            facts.draining = draining;
        }
        self.hear(&mut steps, hive_id, differs, now);
        Ok(steps)
    }

    /// Removes a hive and its workers. No steps if it was unknown, or if it is another start of it that leaves.
    pub fn deregister_hive(&mut self, hive_id: &HiveId, instance: Option<&HiveInstance>) -> Vec<ClusterStep> {
        let mut steps = Vec::new();
        if self
            .hives
            .get(hive_id)
            .is_some_and(|entry| entry.is_spoken_for_by(instance))
        {
            self.remove_hive(&mut steps, hive_id);
        }
        steps
    }

    /// Adds or replaces a worker of a registered hive.
    ///
    /// # Errors
    /// If the hive is unknown, another has its id, or there is no room.
    pub fn register_worker(
        &mut self,
        worker: Worker,
        instance: Option<&HiveInstance>,
        now: Now,
    ) -> Result<Vec<ClusterStep>, RegisterWorkerError> {
        let mut steps = Vec::new();
        let hive_id = worker.hive_id.clone();
        let hive_address = self.admit(&hive_id, instance)?.hive.facts.address.clone();
        // Before anything is changed: a refusal makes no steps.
        self.make_room_for_worker(&mut steps, &worker)?;
        self.hear(&mut steps, &hive_id, false, now);
        self.put_worker(
            &mut steps,
            Worker {
                hive_address,
                ..worker
            },
        );
        Ok(steps)
    }

    /// Replaces what is known of a worker.
    ///
    /// # Errors
    /// If the hive is unknown or has no such worker, or another has its id.
    pub fn update_worker(
        &mut self,
        worker: Worker,
        instance: Option<&HiveInstance>,
        now: Now,
    ) -> Result<Vec<ClusterStep>, UpdateWorkerError> {
        let mut steps = Vec::new();
        let hive_id = worker.hive_id.clone();
        let hive_address = self.admit(&hive_id, instance)?.hive.facts.address.clone();
        if self
            .workers
            .get(&worker.id)
            .is_none_or(|known| known.hive_id != hive_id)
        {
            let worker_id = worker.id;
            return Err(UpdateWorkerError::WorkerNotFound { hive_id, worker_id });
        }
        self.hear(&mut steps, &hive_id, false, now);
        self.put_worker(
            &mut steps,
            Worker {
                hive_address,
                ..worker
            },
        );
        Ok(steps)
    }

    /// Removes a worker of a hive. No steps if the hive has no such worker, or if it is another start of it
    /// that says so.
    pub fn deregister_worker(
        &mut self,
        hive_id: &HiveId,
        instance: Option<&HiveInstance>,
        worker_id: &WorkerId,
    ) -> Vec<ClusterStep> {
        let mut steps = Vec::new();
        let speaks = |entry: &HiveEntry| entry.is_spoken_for_by(instance);
        if self.hives.get(hive_id).is_some_and(speaks)
            && self
                .workers
                .get(worker_id)
                .is_some_and(|worker| worker.hive_id == *hive_id)
        {
            self.remove_worker(&mut steps, worker_id);
        }
        steps
    }

    fn workers_of(&self, hive_id: &HiveId) -> Vec<WorkerId> {
        self.workers
            .values()
            .filter(|worker| worker.hive_id == *hive_id)
            .map(|worker| worker.id.clone())
            .collect()
    }

    fn put_worker(&mut self, steps: &mut Vec<ClusterStep>, mut worker: Worker) {
        let hive = self.hives.get(&worker.hive_id);
        worker.unreachable = hive.is_some_and(|entry| entry.hive.state == HiveState::Unreachable);
        if self.workers.get(&worker.id).is_none_or(|known| **known != worker) {
            let worker = Arc::new(worker);
            self.workers.insert(worker.id.clone(), worker.clone());
            self.step(steps, ClusterChange::WorkerUpserted(worker));
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
