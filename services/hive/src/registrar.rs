//! The one task that tells the catalog of this hive.
//!
//! It owns the connection and converges: whatever happened meanwhile, what it tells is the latest
//! state, and after the catalog was away all is right again with its first answer.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rbee_artifacts::WorkerId;
use rbee_service_kit::{narrate, narrate_warn, reason};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, CatalogError};
use crate::domain::{Backoff, Worker};
use crate::grpc::convert::Identity;
use crate::host::Host;
use crate::random::random_fraction;
use crate::worker::Workers;

/// First and longest wait before the catalog is tried again.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Heartbeats in a lease: two may be lost.
const HEARTBEATS: u32 = 3;

/// How long changes are gathered before the catalog is told: a worker that answers many short requests changes its
/// state with each.
const PACE: Duration = Duration::from_millis(20);

/// How long the farewell may take. Where the catalog ends with the hive, nobody hears it.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);

/// The workers that the catalog was told of. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    known: watch::Receiver<Option<BTreeSet<WorkerId>>>,
}

impl Told {
    /// Waits until the catalog knows this hive. Cancel safe.
    pub(crate) async fn registered(&self) {
        let mut known = self.known.clone();
        if known.wait_for(Option::is_some).await.is_err() {
            // The hive is shutting down: it will not be registered any more.
            std::future::pending::<()>().await;
        }
    }

    /// Whether the catalog knows this hive, as far as it has answered.
    pub(crate) fn is_registered(&self) -> bool {
        self.known.borrow().is_some()
    }

    /// Waits until the catalog was told that a worker has left, at most this long.
    pub(crate) async fn wait_until_gone(&self, id: &WorkerId, limit: Duration) {
        let mut known = self.known.clone();
        let gone = known.wait_for(|known| !known.as_ref().is_some_and(|workers| workers.contains(id)));
        let _ = tokio::time::timeout(limit, gone).await;
    }

    /// Waits until the catalog was told of a worker, at most this long, and answers whether it was.
    pub(crate) async fn wait_for(&self, id: &WorkerId, limit: Duration) -> bool {
        let mut known = self.known.clone();
        let told = known.wait_for(|known| known.as_ref().is_some_and(|workers| workers.contains(id)));
        matches!(tokio::time::timeout(limit, told).await, Ok(Ok(_)))
    }
}

/// Tells the catalog of this hive and its workers.
#[derive(Debug)]
pub(crate) struct Registrar {
    catalog: Catalog,
    identity: Identity,
    workers: Workers,
    host: Host,
    draining: watch::Receiver<bool>,
    /// What the catalog knows, as far as it answered; `None` while the hive is not registered.
    known: Option<HashMap<WorkerId, Worker>>,
    told: watch::Sender<Option<BTreeSet<WorkerId>>>,
    backoff: Backoff,
    heartbeat_due: Instant,
    away: bool,
}

impl Registrar {
    /// A registrar that has told nothing yet.
    #[must_use]
    pub(crate) fn new(
        catalog: Catalog,
        identity: Identity,
        workers: Workers,
        host: Host,
        draining: watch::Receiver<bool>,
    ) -> (Self, Told) {
        let (told, receiver) = watch::channel(None);
        let registrar = Self {
            catalog,
            identity,
            workers,
            host,
            draining,
            known: None,
            told,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            heartbeat_due: Instant::now(),
            away: false,
        };
        (registrar, Told { known: receiver })
    }

    /// Tells on and on until the hive shuts down; then waits for the workers to leave, at most
    /// `leaving_limit`, and says farewell.
    pub(crate) async fn run(mut self, shutdown: CancellationToken, leaving_limit: Duration) {
        let (_, _, mut changes) = self.workers.watch();
        loop {
            let wait = match self.converge().await {
                Ok(()) => {
                    self.catalog_answered();
                    self.heartbeat_due.saturating_duration_since(Instant::now())
                }
                Err(error) => self.catalog_failed(&error),
            };
            // Cancel safe: nothing is lost by starting to wait anew, since what is to be told is
            // looked up and not received.
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
                () = next_change(&mut changes), if !self.away => tokio::time::sleep(PACE).await,
                Ok(()) = self.draining.changed() => self.heartbeat_due = Instant::now(),
            }
        }
        self.leave(leaving_limit).await;
    }

    /// Brings the catalog up to date, with as few calls as it takes.
    async fn converge(&mut self) -> Result<(), CatalogError> {
        let wanted = self.wanted();
        if self.known.is_none() {
            let draining = *self.draining.borrow_and_update();
            let view = self.host.view().await;
            let lease = self
                .catalog
                .register_hive(&self.identity, &view, draining, wanted.values())
                .await?;
            self.set_lease(lease);
            self.set_known(wanted);
            return Ok(());
        }
        let result = self.tell(&wanted).await;
        if result
            .as_ref()
            .is_err_and(|error| error.is(reason::HIVE_NOT_REGISTERED))
        {
            // It was restarted, say. The next turn registers.
            self.known = None;
            self.told.send_replace(None);
        }
        result
    }

    async fn tell(&mut self, wanted: &HashMap<WorkerId, Worker>) -> Result<(), CatalogError> {
        if Instant::now() >= self.heartbeat_due || self.draining.has_changed().unwrap_or(false) {
            let draining = *self.draining.borrow_and_update();
            let view = self.host.view().await;
            let lease = self.catalog.heartbeat(&self.identity.id, &view, draining).await?;
            self.set_lease(lease);
        }
        let mut known = self.known.clone().unwrap_or_default();
        let mut uses_changed = false;
        let mut no_room = None;
        for (id, worker) in wanted {
            if known.get(id) == Some(worker) {
                continue;
            }
            match self.catalog.register_worker(worker, &self.identity).await {
                // It is told again and again until there is room; what else there is to tell does not wait for it.
                Err(error) if error.is(reason::REGISTRY_FULL) => no_room = Some(error),
                told => {
                    told?;
                    uses_changed |= !known.contains_key(id);
                    known.insert(id.clone(), worker.clone());
                    self.set_known(known.clone());
                }
            }
        }
        let gone: Vec<_> = known
            .keys()
            .filter(|id| !wanted.contains_key(*id))
            .cloned()
            .collect();
        for id in gone {
            self.catalog.deregister_worker(&id, &self.identity.id).await?;
            known.remove(&id);
            uses_changed = true;
            self.set_known(known.clone());
        }
        if uses_changed {
            // What is left of the devices is another now, which the next turn tells.
            self.heartbeat_due = Instant::now();
        }
        no_room.map_or(Ok(()), Err)
    }

    /// The workers that the catalog shall know: those that were ready once.
    fn wanted(&self) -> HashMap<WorkerId, Worker> {
        let workers = self.workers.list().into_iter().filter(|worker| worker.proven);
        workers.map(|worker| (worker.id.clone(), worker)).collect()
    }

    fn set_lease(&mut self, lease: Duration) {
        let wait = lease / HEARTBEATS;
        self.heartbeat_due = Instant::now() + wait;
        // All is to be right again within one heartbeat of the catalog's return.
        self.backoff = Backoff::new(FIRST_WAIT.min(wait), LONGEST_WAIT.min(wait));
    }

    fn set_known(&mut self, known: HashMap<WorkerId, Worker>) {
        self.told.send_replace(Some(known.keys().cloned().collect()));
        self.known = Some(known);
    }

    fn catalog_answered(&mut self) {
        if self.away {
            narrate!("the catalog is back");
        }
        self.away = false;
        self.backoff.reset();
    }

    fn catalog_failed(&mut self, error: &CatalogError) -> Duration {
        if error.is(reason::HIVE_NOT_REGISTERED) {
            // It answers again, and knows nothing: the whole registration is what is due, and not one more wait.
            self.backoff.reset();
            return FIRST_WAIT;
        }
        if !self.away {
            narrate_warn!(
                "the catalog can't be told of this hive ({error}); trying on, workers are not affected"
            );
        }
        self.away = true;
        self.backoff.next_wait(random_fraction())
    }

    async fn leave(self, limit: Duration) {
        let (_, _, mut changes) = self.workers.watch();
        let all_left = async {
            while !self.workers.list().is_empty() {
                next_change(&mut changes).await;
            }
        };
        let _ = tokio::time::timeout(limit, all_left).await;
        let farewell = self.catalog.deregister_hive(&self.identity.id);
        if !matches!(tokio::time::timeout(FAREWELL_LIMIT, farewell).await, Ok(Ok(()))) {
            tracing::info!("the catalog did not hear the farewell; the lease ends by itself");
        }
    }
}

/// Waits for some change of the table. Which one does not matter, nor how many were missed.
async fn next_change<T: Clone>(changes: &mut broadcast::Receiver<T>) {
    if matches!(changes.recv().await, Err(broadcast::error::RecvError::Closed)) {
        // The table is as old as the hive: it is not closed before this task ends.
        std::future::pending::<()>().await;
    }
    while changes.try_recv().is_ok() {}
}
