//! The table of this hive's workers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use rbee_artifacts::WorkerId;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::domain::{State, Worker};

/// Changes that a watcher may be behind before it has to begin anew.
const CHANGES: usize = 1024;

/// Workers that have left and are still remembered, so that stopping one twice answers the same.
const REMEMBERED: usize = 64;

/// The workers of this hive. Cheap to clone; all clones are the same table.
#[derive(Debug, Clone)]
pub(crate) struct Workers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug, Default)]
struct Table {
    revision: u64,
    entries: HashMap<WorkerId, Entry>,
    departed: VecDeque<Worker>,
}

#[derive(Debug)]
struct Entry {
    worker: watch::Sender<Worker>,
    stop: CancellationToken,
    link: Link,
}

/// How to reach a worker.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// One connection to its socket, shared by all calls.
    pub(crate) channel: Channel,
    /// What its server wants to see in `authorization`.
    pub(crate) authorization: http::HeaderValue,
    /// Cancelled once the worker can't answer any more.
    pub(crate) gone: CancellationToken,
}

/// What became of a worker.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// It is new or changed.
    Upserted {
        /// The table's revision after it.
        revision: u64,
        /// The worker as it is now.
        worker: Box<Worker>,
    },
    /// It left.
    Removed {
        /// The table's revision after it.
        revision: u64,
        /// Who.
        id: WorkerId,
    },
}

/// Where a call to a worker goes.
#[derive(Debug)]
pub(crate) enum Route {
    /// It answers.
    Ready(Link),
    /// It does not answer, because of where it is in its life.
    NotServing(State),
    /// There is no such worker.
    Unknown,
}

impl Default for Workers {
    fn default() -> Self {
        let (changes, _) = broadcast::channel(CHANGES);
        Self {
            shared: Arc::new(Shared {
                table: Mutex::default(),
                changes,
            }),
        }
    }
}

impl Workers {
    /// Takes a new worker in. It leaves the table when the place is dropped. `None` if the id is
    /// taken, or still remembered.
    #[must_use]
    pub(crate) fn enter(&self, worker: Worker, stop: CancellationToken, link: Link) -> Option<Place> {
        let id = worker.id.clone();
        let mut table = self.shared.table.lock();
        if table.entries.contains_key(&id) || table.departed.iter().any(|departed| departed.id == id) {
            return None;
        }
        let change = table.upserted(&worker);
        table.entries.insert(
            id.clone(),
            Entry {
                worker: watch::Sender::new(worker),
                stop,
                link,
            },
        );
        // Sent under the lock, so that changes come in the order of their revisions.
        let _ = self.shared.changes.send(change);
        Some(Place {
            workers: self.clone(),
            id,
        })
    }

    /// All workers, oldest first.
    #[must_use]
    pub(crate) fn list(&self) -> Vec<Worker> {
        self.shared.table.lock().list()
    }

    /// One worker.
    #[must_use]
    pub(crate) fn get(&self, id: &WorkerId) -> Option<Worker> {
        self.shared
            .table
            .lock()
            .entries
            .get(id)
            .map(|entry| entry.worker.borrow().clone())
    }

    /// All workers with the table's revision, and what changes from there on.
    #[must_use]
    pub(crate) fn watch(&self) -> (u64, Vec<Worker>, broadcast::Receiver<Change>) {
        let table = self.shared.table.lock();
        (table.revision, table.list(), self.shared.changes.subscribe())
    }

    /// Where a call to a worker goes now.
    #[must_use]
    pub(crate) fn route(&self, id: &WorkerId) -> Route {
        match self.shared.table.lock().entries.get(id) {
            None => Route::Unknown,
            Some(entry) => match &entry.worker.borrow().state {
                State::Ready => Route::Ready(entry.link.clone()),
                state => Route::NotServing(state.clone()),
            },
        }
    }

    /// How to reach a worker that answers now, to look at it. `None` for others.
    #[must_use]
    pub(crate) fn link(&self, id: &WorkerId) -> Option<Link> {
        let table = self.shared.table.lock();
        let entry = table.entries.get(id)?;
        matches!(entry.worker.borrow().state, State::Ready).then(|| entry.link.clone())
    }

    /// Tells a worker to leave, waits until it is gone with all it had, and answers it as it was
    /// at the end. `None` if there is no such worker. Cancelling this does not cancel the leaving.
    pub(crate) async fn stop(&self, id: &WorkerId) -> Option<Worker> {
        let mut worker = {
            let table = self.shared.table.lock();
            let Some(entry) = table.entries.get(id) else {
                return table.departed.iter().find(|departed| departed.id == *id).cloned();
            };
            entry.stop.cancel();
            entry.worker.subscribe()
        };
        while worker.changed().await.is_ok() {}
        let last = worker.borrow().clone();
        Some(last)
    }
}

impl Table {
    fn list(&self) -> Vec<Worker> {
        let mut workers: Vec<_> = self
            .entries
            .values()
            .map(|entry| entry.worker.borrow().clone())
            .collect();
        workers.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        workers
    }

    fn upserted(&mut self, worker: &Worker) -> Change {
        self.revision += 1;
        Change::Upserted {
            revision: self.revision,
            worker: Box::new(worker.clone()),
        }
    }
}

/// A worker's place in the table, held by the task that owns the worker.
#[derive(Debug)]
pub(crate) struct Place {
    workers: Workers,
    id: WorkerId,
}

impl Place {
    /// The worker's id.
    #[must_use]
    pub(crate) fn id(&self) -> &WorkerId {
        &self.id
    }

    /// The worker and all that becomes of it; ends when it leaves the table.
    ///
    /// # Panics
    /// Never: the entry stays for as long as its place is held.
    #[must_use]
    pub(crate) fn follow(&self) -> watch::Receiver<Worker> {
        let table = self.workers.shared.table.lock();
        table
            .entries
            .get(&self.id)
            .expect("the entry stays for as long as its place is held")
            .worker
            .subscribe()
    }

    /// The worker as others see it now.
    ///
    /// # Panics
    /// Never, as [`follow`](Self::follow).
    #[must_use]
    pub(crate) fn worker(&self) -> Worker {
        self.follow().borrow().clone()
    }

    /// Changes what others see of the worker, and tells them if that is a change.
    ///
    /// # Panics
    /// Never, as [`follow`](Self::follow).
    pub(crate) fn change(&self, change: impl FnOnce(&mut Worker)) {
        let shared = &self.workers.shared;
        let mut table = shared.table.lock();
        let entry = table
            .entries
            .get(&self.id)
            .expect("the entry stays for as long as its place is held");
        let mut worker = entry.worker.borrow().clone();
        change(&mut worker);
        let changed = entry.worker.send_if_modified(|known| {
            let changed = *known != worker;
            known.clone_from(&worker);
            changed
        });
        if changed {
            let change = table.upserted(&worker);
            let _ = shared.changes.send(change);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let shared = &self.workers.shared;
        let mut table = shared.table.lock();
        let Some(entry) = table.entries.remove(&self.id) else {
            return;
        };
        table.revision += 1;
        let removed = Change::Removed {
            revision: table.revision,
            id: self.id.clone(),
        };
        if table.departed.len() == REMEMBERED {
            table.departed.pop_front();
        }
        table.departed.push_back(entry.worker.borrow().clone());
        let _ = shared.changes.send(removed);
    }
}
