//! How much the registry holds, so that hives that come anew again and again can't fill the catalog's memory.

use std::collections::BTreeSet;
use std::time::Instant;

use rbee_artifacts::{HiveId, WorkerId};

use super::{ClusterStep, Full, Registry, RegistryFull};
use crate::domain::cluster::{HiveState, Worker};

/// How many hives and workers there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Hives of the cluster.
    pub hives: usize,
    /// Workers of the cluster.
    pub workers: usize,
    /// Workers of one hive.
    pub workers_of_hive: usize,
}

impl Registry {
    /// Makes room for a hive that has these workers and no others.
    pub(super) fn make_room_for_hive(
        &mut self,
        steps: &mut Vec<ClusterStep>,
        hive_id: &HiveId,
        workers: &[Worker],
    ) -> Result<(), RegistryFull> {
        let forgotten = self.to_forget(hive_id, &workers.iter().map(|worker| &worker.id).collect())?;
        self.forget(steps, &forgotten);
        Ok(())
    }

    /// Makes room for a worker, besides those that its hive has.
    pub(super) fn make_room_for_worker(
        &mut self,
        steps: &mut Vec<ClusterStep>,
        worker: &Worker,
    ) -> Result<(), RegistryFull> {
        let known = self.workers.get(&worker.id);
        if known.is_some_and(|known| known.hive_id == worker.hive_id) {
            // Most words about workers are about known ones.
            return Ok(());
        }
        let own = self.workers.values();
        let own = own.filter(|known| known.hive_id == worker.hive_id);
        let will_have = own.map(|known| &known.id).chain([&worker.id]).collect();
        let forgotten = self.to_forget(&worker.hive_id, &will_have)?;
        self.forget(steps, &forgotten);
        Ok(())
    }

    /// The hives to forget so that there is room for a hive that will have these workers: only unreachable ones,
    /// those that were silent for the longest first, and no more than it takes.
    fn to_forget(
        &self,
        hive_id: &HiveId,
        will_have: &BTreeSet<&WorkerId>,
    ) -> Result<Vec<HiveId>, RegistryFull> {
        let full = |full, limit| RegistryFull { full, limit };
        if will_have.len() > self.room.workers_of_hive {
            return Err(full(Full::WorkersOfHive, self.room.workers_of_hive));
        }
        let stays = |worker: &Worker| worker.hive_id != *hive_id && !will_have.contains(&worker.id);
        let mut workers = will_have.len() + self.workers.values().filter(|worker| stays(worker)).count();
        let mut hives = 1 + self.hives.keys().filter(|known| *known != hive_id).count();
        let mut silent: Vec<(Instant, &HiveId)> = self
            .hives
            .iter()
            .filter(|(id, entry)| *id != hive_id && entry.hive.state == HiveState::Unreachable)
            .map(|(id, entry)| (entry.heard_at, id))
            .collect();
        silent.sort();
        let mut silent = silent.into_iter();
        let mut forgotten = Vec::new();
        while hives > self.room.hives || workers > self.room.workers {
            let Some((_, id)) = silent.next() else {
                return Err(if hives > self.room.hives {
                    full(Full::Hives, self.room.hives)
                } else {
                    full(Full::Workers, self.room.workers)
                });
            };
            let leaving = self.workers.values();
            workers -= leaving
                .filter(|worker| worker.hive_id == *id && stays(worker))
                .count();
            hives -= 1;
            forgotten.push(id.clone());
        }
        Ok(forgotten)
    }

    fn forget(&mut self, steps: &mut Vec<ClusterStep>, hives: &[HiveId]) {
        for hive_id in hives {
            self.remove_hive(steps, hive_id);
        }
    }
}
