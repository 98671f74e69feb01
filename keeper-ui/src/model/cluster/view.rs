//! The cluster as it is told: a snapshot, then changes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Device, Hive, Worker};
use crate::model::ids::{HiveId, WorkerId};

/// One step of what the catalog tells.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterChange {
    /// A watch begins: what is not told until `Synced` is gone.
    Began,
    /// A hive that is new or changed.
    Hive(Box<Hive>),
    /// A hive that left.
    HiveRemoved(HiveId),
    /// A worker that is new or changed.
    Worker(Box<Worker>),
    /// A worker that is gone.
    WorkerRemoved(WorkerId),
    /// All that there was when the watch began has been told.
    Synced,
}

/// Hives and workers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterView {
    /// Hives by id.
    pub hives: BTreeMap<HiveId, Hive>,
    /// Workers by id, which is by age.
    pub workers: BTreeMap<WorkerId, Worker>,
    /// Whether all has been told once.
    pub synced: bool,
    /// What has not been told again since the watch began.
    unseen: Option<(BTreeSet<HiveId>, BTreeSet<WorkerId>)>,
}

impl ClusterView {
    /// Takes in one step. What was known stays on the screen while a new watch tells it again.
    pub fn apply(&mut self, change: ClusterChange) {
        match change {
            ClusterChange::Began => {
                self.unseen = Some((
                    self.hives.keys().cloned().collect(),
                    self.workers.keys().cloned().collect(),
                ));
            }
            ClusterChange::Hive(hive) => {
                if let Some((hives, _)) = &mut self.unseen {
                    hives.remove(&hive.id);
                }
                self.hives.insert(hive.id.clone(), *hive);
            }
            ClusterChange::HiveRemoved(id) => {
                self.hives.remove(&id);
            }
            ClusterChange::Worker(worker) => {
                if let Some((_, workers)) = &mut self.unseen {
                    workers.remove(&worker.id);
                }
                self.workers.insert(worker.id.clone(), *worker);
            }
            ClusterChange::WorkerRemoved(id) => {
                self.workers.remove(&id);
            }
            ClusterChange::Synced => self.forget_unseen(),
        }
    }

    fn forget_unseen(&mut self) {
        if let Some((hives, workers)) = self.unseen.take() {
            self.hives.retain(|id, _| !hives.contains(id));
            self.workers.retain(|id, _| !workers.contains(id));
        }
        self.synced = true;
    }

    /// The device that a worker runs on.
    #[must_use]
    pub fn device_of(&self, worker: &Worker) -> Option<&Device> {
        let device = worker.device.as_ref()?;
        self.hives
            .get(&worker.hive)?
            .devices
            .iter()
            .find(|known| &known.id == device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hive(id: &str) -> Box<Hive> {
        Box::new(Hive {
            id: id.into(),
            name: id.to_owned(),
            address: String::new(),
            reachable: true,
            devices: Vec::new(),
            version: String::new(),
            platform: String::new(),
            last_seen_at: None,
            draining: false,
        })
    }

    #[test]
    fn a_new_watch_removes_what_it_does_not_tell_again() {
        let mut view = ClusterView::default();
        view.apply(ClusterChange::Began);
        view.apply(ClusterChange::Hive(hive("desk")));
        view.apply(ClusterChange::Hive(hive("attic")));
        view.apply(ClusterChange::Synced);
        assert!(view.synced);

        view.apply(ClusterChange::Began);
        assert_eq!(
            view.hives.len(),
            2,
            "nothing flickers while the watch tells it again"
        );
        view.apply(ClusterChange::Hive(hive("attic")));
        view.apply(ClusterChange::Synced);
        assert_eq!(
            view.hives.keys().map(HiveId::as_str).collect::<Vec<_>>(),
            ["attic"]
        );
    }

    #[test]
    fn what_comes_after_the_snapshot_stays() {
        let mut view = ClusterView::default();
        view.apply(ClusterChange::Began);
        view.apply(ClusterChange::Synced);
        view.apply(ClusterChange::Hive(hive("desk")));
        view.apply(ClusterChange::HiveRemoved("other".into()));
        assert_eq!(view.hives.len(), 1);
        view.apply(ClusterChange::HiveRemoved("desk".into()));
        assert!(view.hives.is_empty());
    }
}
