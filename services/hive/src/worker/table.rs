//! The table of this hive's workers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use rbee_artifacts::WorkerId;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::activity::{Activity, Answering};
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
    activity: Activity,
    link: Option<Link>,
}

/// How to reach a worker's process.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// One connection to its socket, shared by all calls.
    pub(crate) channel: Channel,
    /// What its server wants to see in `authorization`.
    pub(crate) authorization: http::HeaderValue,
    /// Cancelled once the process can't answer any more.
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
    /// It answers. While the other value is held it is busy.
    Ready(Link, Answering),
    /// It does not answer, because of where it is in its life.
    NotServing(Box<Worker>),
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
    pub(crate) fn enter(&self, worker: Worker) -> Option<Place> {
        let id = worker.id.clone();
        let mut table = self.shared.table.lock();
        if table.knows(&id) {
            return None;
        }
        let change = table.upserted(&worker);
        let entry = Entry {
            worker: watch::Sender::new(worker),
            activity: Activity::default(),
            link: None,
        };
        table.entries.insert(id.clone(), entry);
        // Sent under the lock, so that changes come in the order of their revisions.
        let _ = self.shared.changes.send(change);
        Some(Place {
            workers: self.clone(),
            id,
        })
    }

    /// Whether an id is taken, or still remembered.
    #[must_use]
    pub(crate) fn knows(&self, id: &WorkerId) -> bool {
        self.shared.table.lock().knows(id)
    }

    /// All workers, oldest first.
    #[must_use]
    pub(crate) fn list(&self) -> Vec<Worker> {
        self.shared.table.lock().list()
    }

    /// Those that answer nothing and may be stopped to make room, the one whose last request is longest ago first.
    #[must_use]
    pub(crate) fn idle(&self) -> Vec<WorkerId> {
        let mut idle = self.list();
        idle.retain(|worker| worker.state == State::Ready && !worker.keep.pinned);
        idle.sort_by_key(|worker| worker.state_since);
        idle.into_iter().map(|worker| worker.id).collect()
    }

    /// One worker.
    #[must_use]
    pub(crate) fn get(&self, id: &WorkerId) -> Option<Worker> {
        self.follow(id).map(|worker| worker.borrow().clone())
    }

    /// A worker and all that becomes of it; ends when it leaves the table.
    #[must_use]
    pub(crate) fn follow(&self, id: &WorkerId) -> Option<watch::Receiver<Worker>> {
        let table = self.shared.table.lock();
        table.entries.get(id).map(|entry| entry.worker.subscribe())
    }

    /// A worker that has left, as it was at the end.
    #[must_use]
    pub(crate) fn departed(&self, id: &WorkerId) -> Option<Worker> {
        let table = self.shared.table.lock();
        table.departed.iter().find(|worker| worker.id == *id).cloned()
    }

    /// All workers with the table's revision, and what changes from there on.
    #[must_use]
    pub(crate) fn watch(&self) -> (u64, Vec<Worker>, broadcast::Receiver<Change>) {
        let table = self.shared.table.lock();
        (table.revision, table.list(), self.shared.changes.subscribe())
    }

    /// How to reach a worker's process, for questions about it; `None` unless one runs that was ready.
    #[must_use]
    pub(crate) fn link(&self, id: &WorkerId) -> Option<Link> {
        self.shared.table.lock().entries.get(id)?.link.clone()
    }

    /// Where a call to a worker goes now. If it is `work`, it makes the worker busy; questions about it don't.
    #[must_use]
    pub(crate) fn route(&self, id: &WorkerId, work: bool) -> Route {
        let table = self.shared.table.lock();
        let Some(entry) = table.entries.get(id) else {
            return Route::Unknown;
        };
        let worker = entry.worker.borrow();
        match &entry.link {
            // Under the lock: a worker that is told to leave either counts this call or refuses it.
            Some(link) if worker.state.is_serving() => Route::Ready(link.clone(), entry.activity.begin(work)),
            _ => Route::NotServing(Box::new(worker.clone())),
        }
    }
}

impl Table {
    fn knows(&self, id: &WorkerId) -> bool {
        self.entries.contains_key(id) || self.departed.iter().any(|departed| departed.id == *id)
    }

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

    /// The worker as others see it now.
    #[must_use]
    pub(crate) fn worker(&self) -> Worker {
        self.entry(|entry| entry.worker.borrow().clone())
    }

    /// How many requests it is answering, and all changes of that.
    #[must_use]
    pub(crate) fn activity(&self) -> watch::Receiver<u32> {
        self.entry(|entry| entry.activity.follow())
    }

    /// Says how its process is reached, or that none is.
    pub(crate) fn set_link(&self, link: Option<Link>) {
        self.entry(|entry| entry.link = link);
    }

    /// Changes what others see of the worker, and tells them if that is a change.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Worker)) {
        let shared = &self.workers.shared;
        let mut table = shared.table.lock();
        let Some(entry) = table.entries.get(&self.id) else {
            return;
        };
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

    /// # Panics
    /// Never: the entry stays for as long as its place is held.
    fn entry<T>(&self, look: impl FnOnce(&mut Entry) -> T) -> T {
        let mut table = self.workers.shared.table.lock();
        let entry = table.entries.get_mut(&self.id);
        look(entry.expect("the entry stays for as long as its place is held"))
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
