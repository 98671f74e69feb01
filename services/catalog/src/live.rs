//! The registry in use: the pure one behind a lock, with a clock, watchers, and a task that ends leases.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use parking_lot::Mutex;
use rbee_artifacts::{HiveId, ModelId, WorkerId};
use rbee_service_kit::{Lifecycle, narrate_warn};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use crate::domain::cluster::{Device, Hive, HiveFacts, HiveInstance, Worker};
use crate::domain::registry::{
    ClusterStep, LeaseTerms, NotHeard, Now, RegisterWorkerError, Registry, RegistryFull, Room,
    UpdateWorkerError,
};
use crate::news::News;

/// The live registry. Cheap to clone; all clones are the same registry.
#[derive(Debug, Clone)]
pub struct LiveRegistry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // Steps are sent while it is held, so that every watcher sees them in order and none twice.
    registry: Mutex<Narrated>,
    steps: broadcast::Sender<ClusterStep>,
    changed: Notify,
    /// Until when hives of an earlier start may not have been heard; set once.
    settled_at: OnceLock<Instant>,
}

#[derive(Debug)]
struct Narrated {
    registry: Registry,
    news: News,
}

/// Everything that is there, and what comes after it.
#[derive(Debug)]
pub struct ClusterWatch {
    /// Revision of what is there.
    pub revision: u64,
    /// The hives that are there.
    pub hives: Vec<Arc<Hive>>,
    /// Their workers.
    pub workers: Vec<Arc<Worker>>,
    /// What comes after it. Lags if it is read too slowly.
    pub steps: broadcast::Receiver<ClusterStep>,
}

impl LiveRegistry {
    /// An empty registry whose leases end while `lifecycle` lasts.
    ///
    /// A watcher that falls `watch_queue` steps behind is cut off.
    #[must_use]
    pub fn start(terms: LeaseTerms, room: Room, watch_queue: usize, lifecycle: &Lifecycle) -> Self {
        // A watcher that outlives a restart must not see revisions go back.
        let revision = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
        let registry = Self {
            shared: Arc::new(Shared {
                registry: Mutex::new(Narrated {
                    registry: Registry::new(terms, room, revision),
                    news: News::default(),
                }),
                steps: broadcast::channel(watch_queue.max(1)).0,
                changed: Notify::new(),
                settled_at: OnceLock::new(),
            }),
        };
        lifecycle.spawn(registry.clone().end_leases(lifecycle.clone()));
        registry
    }

    /// The terms of every lease.
    #[must_use]
    pub fn terms(&self) -> LeaseTerms {
        self.shared.registry.lock().registry.terms()
    }

    /// Says that there was an earlier start, whose hives will say within a heartbeat, less than half of a lease, that they
    /// are there.
    pub fn settle(&self) {
        let _ = self
            .shared
            .settled_at
            .set(Instant::now() + self.terms().lease / 2);
    }

    /// Whether hives that an earlier start knew may not have been heard yet.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        let settled_at = self.shared.settled_at.get();
        settled_at.is_some_and(|settled_at| Instant::now() < *settled_at)
    }

    /// See [`Registry::hives`].
    #[must_use]
    pub fn hives(&self) -> Vec<Arc<Hive>> {
        self.shared.registry.lock().registry.hives()
    }

    /// See [`Registry::workers`].
    #[must_use]
    pub fn workers(&self, model_id: Option<&ModelId>) -> Vec<Arc<Worker>> {
        self.shared.registry.lock().registry.workers(model_id)
    }

    /// Everything that is there, and what comes after it.
    #[must_use]
    pub fn watch(&self) -> ClusterWatch {
        let registry = &self.shared.registry.lock().registry;
        ClusterWatch {
            revision: registry.revision(),
            hives: registry.hives(),
            workers: registry.workers(None),
            steps: self.shared.steps.subscribe(),
        }
    }

    /// See [`Registry::register_hive`].
    ///
    /// # Errors
    /// If there is no room.
    pub fn register_hive(
        &self,
        facts: HiveFacts,
        workers: Vec<Worker>,
        instance: Option<HiveInstance>,
    ) -> Result<(), RegistryFull> {
        self.change(|registry| registry.register_hive(facts, workers, instance, now()))
    }

    /// See [`Registry::heartbeat`].
    ///
    /// # Errors
    /// If the hive is unknown, or another has its id.
    pub fn heartbeat(
        &self,
        hive_id: &HiveId,
        instance: Option<&HiveInstance>,
        devices: Vec<Device>,
        draining: bool,
    ) -> Result<(), NotHeard> {
        let heard = self.change(|registry| registry.heartbeat(hive_id, instance, devices, draining, now()));
        // A hive that does not have its id hears so first with a heartbeat, as a rule.
        if let Err(NotHeard::IdTaken {
            hive_id,
            address,
            first: true,
        }) = &heard
        {
            narrate_warn!(
                hive_id = %hive_id,
                "two hives have the id {hive_id}: the one at {address} registered last and has it, the other is \
                 refused; was a data folder copied?"
            );
        }
        heard
    }

    /// See [`Registry::deregister_hive`]. Answers whether the hive was removed.
    pub fn deregister_hive(&self, hive_id: &HiveId, instance: Option<&HiveInstance>) -> bool {
        self.remove(|registry| registry.deregister_hive(hive_id, instance))
    }

    /// See [`Registry::register_worker`].
    ///
    /// # Errors
    /// If the hive is unknown, another has its id, or there is no room.
    pub fn register_worker(
        &self,
        worker: Worker,
        instance: Option<&HiveInstance>,
    ) -> Result<(), RegisterWorkerError> {
        self.change(|registry| registry.register_worker(worker, instance, now()))
    }

    /// See [`Registry::update_worker`].
    ///
    /// # Errors
    /// If the hive is unknown or has no such worker, or another has its id.
    pub fn update_worker(
        &self,
        worker: Worker,
        instance: Option<&HiveInstance>,
    ) -> Result<(), UpdateWorkerError> {
        self.change(|registry| registry.update_worker(worker, instance, now()))
    }

    /// See [`Registry::deregister_worker`]. Answers whether the worker was removed.
    pub fn deregister_worker(
        &self,
        hive_id: &HiveId,
        instance: Option<&HiveInstance>,
        worker_id: &WorkerId,
    ) -> bool {
        self.remove(|registry| registry.deregister_worker(hive_id, instance, worker_id))
    }

    /// Makes a change and tells the watchers, then people.
    fn change<E>(
        &self,
        operation: impl FnOnce(&mut Registry) -> Result<Vec<ClusterStep>, E>,
    ) -> Result<(), E> {
        let mut narrated = self.shared.registry.lock();
        let steps = operation(&mut narrated.registry)?;
        let mut lines = Vec::new();
        for step in &steps {
            lines.extend(narrated.news.of(&step.change));
            // An error only says that nobody watches.
            let _ = self.shared.steps.send(step.clone());
        }
        drop(narrated);
        for line in lines {
            line.narrate();
        }
        if !steps.is_empty() {
            self.shared.changed.notify_one();
        }
        Ok(())
    }

    /// Makes a change that can't be refused, and answers whether there was anything to tell.
    fn remove(&self, operation: impl FnOnce(&mut Registry) -> Vec<ClusterStep>) -> bool {
        let mut removed = false;
        let Ok(()) = self.change(|registry| {
            let steps = operation(registry);
            removed = !steps.is_empty();
            Ok::<_, std::convert::Infallible>(steps)
        });
        removed
    }

    async fn end_leases(self, lifecycle: Lifecycle) {
        let shutdown = lifecycle.token();
        loop {
            let deadline = self.shared.registry.lock().registry.next_deadline();
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
                    self.remove(|registry| registry.expire(now().monotonic));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::cluster::HiveState;
    use crate::domain::registry::ClusterChange;

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
        let room = Room {
            hives: 4,
            workers: 4,
            workers_of_hive: 4,
        };
        LiveRegistry::start(terms, room, 16, lifecycle)
    }

    async fn next_hive(watch: &mut ClusterWatch) -> Arc<Hive> {
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
        registry.register_hive(facts("a"), vec![], None).unwrap();
        assert_eq!(next_hive(&mut watch).await.state, HiveState::Ready);
        tokio::time::sleep(Duration::from_secs(10)).await;
        registry
            .heartbeat(&"a".parse().unwrap(), None, vec![], false)
            .unwrap();
        registry.register_hive(facts("b"), vec![], None).unwrap();
        next_hive(&mut watch).await;

        let lost = next_hive(&mut watch).await;
        assert_eq!(
            (lost.facts.id.as_str(), lost.state),
            ("a", HiveState::Unreachable)
        );
        assert_eq!(began.elapsed().as_secs(), 25, "15 s after the heartbeat");
        assert_eq!(next_hive(&mut watch).await.facts.id.as_str(), "b");
        registry
            .heartbeat(&"b".parse().unwrap(), None, vec![], false)
            .unwrap();
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
        assert!(
            registry
                .heartbeat(&"a".parse().unwrap(), None, vec![], false)
                .is_err()
        );
        assert!(!registry.deregister_hive(&"a".parse().unwrap(), None));
        assert!(watch.steps.try_recv().is_err());
        assert_eq!(registry.watch().revision, watch.revision);
    }
}
