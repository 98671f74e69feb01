//! The registry in use: the pure one behind a lock, with a clock, watchers, and a task that ends leases.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use rbee_artifacts::{HiveId, ModelId, WorkerId};
use rbee_service_kit::{Lifecycle, narrate, narrate_warn};
use tokio::sync::{Notify, broadcast};

use crate::domain::cluster::{Device, Hive, HiveFacts, HiveState, Worker};
use crate::domain::registry::{
    ClusterChange, ClusterStep, HiveNotRegistered, LeaseTerms, Now, Registry, UpdateWorkerError,
};

/// The live registry. Cheap to clone; all clones are the same registry.
#[derive(Debug, Clone)]
pub struct LiveRegistry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // Steps are sent while it is held, so that every watcher sees them in order and none twice.
    registry: Mutex<Registry>,
    steps: broadcast::Sender<ClusterStep>,
    changed: Notify,
}

/// Everything that is there, and what comes after it.
#[derive(Debug)]
pub struct ClusterWatch {
    /// Revision of what is there.
    pub revision: u64,
    /// The hives that are there.
    pub hives: Vec<Hive>,
    /// Their workers.
    pub workers: Vec<Worker>,
    /// What comes after it. Lags if it is read too slowly.
    pub steps: broadcast::Receiver<ClusterStep>,
}

impl LiveRegistry {
    /// An empty registry whose leases end while `lifecycle` lasts.
    ///
    /// A watcher that falls `watch_queue` steps behind is cut off.
    #[must_use]
    pub fn start(terms: LeaseTerms, watch_queue: usize, lifecycle: &Lifecycle) -> Self {
        // A watcher that outlives a restart must not see revisions go back.
        let revision = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
        let registry = Self {
            shared: Arc::new(Shared {
                registry: Mutex::new(Registry::new(terms, revision)),
                steps: broadcast::channel(watch_queue.max(1)).0,
                changed: Notify::new(),
            }),
        };
        lifecycle.spawn(registry.clone().end_leases(lifecycle.clone()));
        registry
    }

    /// The terms of every lease.
    #[must_use]
    pub fn terms(&self) -> LeaseTerms {
        self.shared.registry.lock().terms()
    }

    /// See [`Registry::hives`].
    #[must_use]
    pub fn hives(&self) -> Vec<Hive> {
        self.shared.registry.lock().hives()
    }

    /// See [`Registry::workers`].
    #[must_use]
    pub fn workers(&self, model_id: Option<&ModelId>) -> Vec<Worker> {
        self.shared.registry.lock().workers(model_id)
    }

    /// Everything that is there, and what comes after it.
    #[must_use]
    pub fn watch(&self) -> ClusterWatch {
        let registry = self.shared.registry.lock();
        ClusterWatch {
            revision: registry.revision(),
            hives: registry.hives(),
            workers: registry.workers(None),
            steps: self.shared.steps.subscribe(),
        }
    }

    /// See [`Registry::register_hive`].
    pub fn register_hive(&self, facts: HiveFacts, workers: Vec<Worker>) {
        self.change(|registry| registry.register_hive(facts, workers, now()));
    }

    /// See [`Registry::heartbeat`].
    ///
    /// # Errors
    /// If the hive is unknown.
    pub fn heartbeat(
        &self,
        hive_id: &HiveId,
        devices: Vec<Device>,
        draining: bool,
    ) -> Result<(), HiveNotRegistered> {
        self.try_change(|registry| registry.heartbeat(hive_id, devices, draining, now()))
    }

    /// See [`Registry::deregister_hive`]. Answers whether the hive was known.
    pub fn deregister_hive(&self, hive_id: &HiveId) -> bool {
        self.change(|registry| registry.deregister_hive(hive_id))
    }

    /// See [`Registry::register_worker`].
    ///
    /// # Errors
    /// If the hive is unknown.
    pub fn register_worker(&self, worker: Worker) -> Result<(), HiveNotRegistered> {
        self.try_change(|registry| registry.register_worker(worker, now()))
    }

    /// See [`Registry::update_worker`].
    ///
    /// # Errors
    /// If the hive is unknown or has no such worker.
    pub fn update_worker(&self, worker: Worker) -> Result<(), UpdateWorkerError> {
        self.try_change(|registry| registry.update_worker(worker, now()))
    }

    /// See [`Registry::deregister_worker`]. Answers whether the worker was known.
    pub fn deregister_worker(&self, hive_id: &HiveId, worker_id: &WorkerId) -> bool {
        self.change(|registry| registry.deregister_worker(hive_id, worker_id))
    }

    /// Makes a change and tells the watchers. Answers whether there was anything to tell.
    fn change(&self, operation: impl FnOnce(&mut Registry) -> Vec<ClusterStep>) -> bool {
        let mut registry = self.shared.registry.lock();
        let before = registry.hives();
        let steps = operation(&mut registry);
        for step in &steps {
            // An error only says that nobody watches.
            let _ = self.shared.steps.send(step.clone());
        }
        drop(registry);
        for step in &steps {
            tell(&before, &step.change);
        }
        if !steps.is_empty() {
            self.shared.changed.notify_one();
        }
        !steps.is_empty()
    }

    fn try_change<E>(
        &self,
        operation: impl FnOnce(&mut Registry) -> Result<Vec<ClusterStep>, E>,
    ) -> Result<(), E> {
        let mut refused = None;
        self.change(|registry| {
            operation(registry).unwrap_or_else(|error| {
                refused = Some(error);
                Vec::new()
            })
        });
        refused.map_or(Ok(()), Err)
    }

    async fn end_leases(self, lifecycle: Lifecycle) {
        let shutdown = lifecycle.token();
        loop {
            let deadline = self.shared.registry.lock().next_deadline();
            let lease_end = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            // Cancel safe: nothing is taken out of a channel, and a permit of `changed` that is
            // lost here is made up for by reading the deadline anew.
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.shared.changed.notified() => {}
                () = lease_end => {
                    self.change(|registry| registry.expire(now().monotonic));
                }
            }
        }
    }
}

fn now() -> Now {
    // Tokio's clock and not the system's: tests can pause it.
    Now {
        monotonic: tokio::time::Instant::now().into_std(),
        wall: Timestamp::now(),
    }
}

/// Tells of hives that come and go; workers are told of by their hives.
fn tell(before: &[Hive], change: &ClusterChange) {
    match change {
        ClusterChange::HiveUpserted(hive) => {
            let was = before
                .iter()
                .find(|known| known.facts.id == hive.facts.id)
                .map(|known| known.state);
            let HiveFacts {
                id, name, address, ..
            } = &hive.facts;
            match (was, hive.state) {
                (None, _) => narrate!(hive_id = %id, "hive {name} joined at {address}"),
                (Some(HiveState::Unreachable), HiveState::Ready) => {
                    narrate!(hive_id = %id, "hive {name} is back");
                }
                (Some(HiveState::Ready), HiveState::Unreachable) => {
                    narrate_warn!(hive_id = %id, "hive {name} has not been heard from and counts as unreachable");
                }
                _ => {}
            }
        }
        ClusterChange::HiveRemoved(id) => {
            let name = before
                .iter()
                .find(|known| known.facts.id == *id)
                .map(|known| known.facts.name.as_str());
            narrate!(hive_id = %id, "hive {} left", name.unwrap_or("(unknown)"));
        }
        ClusterChange::WorkerUpserted(_) | ClusterChange::WorkerRemoved(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn facts(id: &str) -> HiveFacts {
        HiveFacts {
            id: id.parse().unwrap(),
            name: id.to_owned(),
            address: "http://127.0.0.1:7220".into(),
            devices: vec![],
            version: "0.1.0".into(),
            platform: None,
            draining: false,
        }
    }

    fn start(lifecycle: &Lifecycle) -> LiveRegistry {
        let terms = LeaseTerms {
            lease: Duration::from_secs(15),
            forget_after: Duration::from_secs(3600),
        };
        LiveRegistry::start(terms, 16, lifecycle)
    }

    async fn next_hive(watch: &mut ClusterWatch) -> Hive {
        match watch.steps.recv().await.unwrap().change {
            ClusterChange::HiveUpserted(hive) => hive,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn leases_end_by_themselves_and_on_time() {
        let lifecycle = Lifecycle::new();
        let registry = start(&lifecycle);
        let mut watch = registry.watch();
        let began = tokio::time::Instant::now();
        registry.register_hive(facts("a"), vec![]);
        assert_eq!(next_hive(&mut watch).await.state, HiveState::Ready);
        tokio::time::sleep(Duration::from_secs(10)).await;
        registry.heartbeat(&"a".parse().unwrap(), vec![], false).unwrap();
        registry.register_hive(facts("b"), vec![]);
        next_hive(&mut watch).await;

        let lost = next_hive(&mut watch).await;
        assert_eq!(
            (lost.facts.id.as_str(), lost.state),
            ("a", HiveState::Unreachable)
        );
        assert_eq!(began.elapsed().as_secs(), 25, "15 s after the heartbeat");
        assert_eq!(next_hive(&mut watch).await.facts.id.as_str(), "b");
        registry.heartbeat(&"b".parse().unwrap(), vec![], false).unwrap();
        assert_eq!(next_hive(&mut watch).await.state, HiveState::Ready);

        let forgotten = watch.steps.recv().await.unwrap().change;
        assert!(
            matches!(&forgotten, ClusterChange::HiveUpserted(hive) if hive.state == HiveState::Unreachable)
        );
        let forgotten = watch.steps.recv().await.unwrap().change;
        assert_eq!(forgotten, ClusterChange::HiveRemoved("a".parse().unwrap()));
        assert!(
            lifecycle.finish(Duration::from_secs(5)).await,
            "its task ends at shutdown"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_change_is_no_step() {
        let registry = start(&Lifecycle::new());
        let mut watch = registry.watch();
        assert!(registry.heartbeat(&"a".parse().unwrap(), vec![], false).is_err());
        assert!(!registry.deregister_hive(&"a".parse().unwrap()));
        assert!(watch.steps.try_recv().is_err());
        assert_eq!(registry.watch().revision, watch.revision);
    }
}
