//! All entries in memory: what reads and watches are answered from.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use rbee_artifacts::Artifact;
use tokio::sync::broadcast;

use super::entry::Recorded;
use crate::domain::history::History;
use crate::domain::requests::RecentRequests;

/// Something that became different.
#[derive(Debug, Clone)]
pub enum Change<T: Artifact> {
    /// An entry that is new or changed.
    Upserted(Arc<Recorded<T>>),
    /// An entry that was removed.
    Deleted(T::Id),
}

/// What a watcher gets: what is there or what it missed, and what comes after.
#[derive(Debug)]
pub struct Watch<T: Artifact> {
    /// Whether the watcher must forget what it holds: `first` is then everything there is.
    pub reset: bool,
    /// What is there or what was missed, with the revisions of the changes.
    pub first: Vec<(u64, Change<T>)>,
    /// Revision at which the watcher is after `first`.
    pub revision: u64,
    /// What comes after. Lags if it is read too slowly.
    pub changes: broadcast::Receiver<(u64, Change<T>)>,
}

/// Some of the entries, in the order of their ids.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries of the page.
    pub entries: Vec<Arc<Recorded<T>>>,
    /// Whether there are wanted ones after them.
    pub more: bool,
    /// How many are wanted on all pages together.
    pub total_count: usize,
}

/// The entries, their history, and who made them.
#[derive(Debug)]
pub(super) struct Index<T: Artifact> {
    entries: BTreeMap<T::Id, Arc<Recorded<T>>>,
    history: History<Change<T>>,
    pub(super) requests: RecentRequests<Arc<Recorded<T>>>,
    changes: broadcast::Sender<(u64, Change<T>)>,
}

impl<T: Artifact> Index<T> {
    /// An index whose next revision follows `revision`.
    pub(super) fn new(
        entries: BTreeMap<T::Id, Arc<Recorded<T>>>,
        revision: u64,
        history: usize,
        requests: usize,
        watch_queue: usize,
    ) -> Self {
        Self {
            entries,
            history: History::new(revision, history),
            requests: RecentRequests::new(requests),
            changes: broadcast::channel(watch_queue.max(1)).0,
        }
    }

    pub(super) fn revision(&self) -> u64 {
        self.history.revision()
    }

    pub(super) fn get(&self, id: &T::Id) -> Option<&Arc<Recorded<T>>> {
        self.entries.get(id)
    }

    pub(super) fn after(&self, id: Option<&T::Id>) -> impl Iterator<Item = &Arc<Recorded<T>>> {
        let start = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries
            .range((start, Bound::Unbounded))
            .map(|(_, entry)| entry)
    }

    /// Up to `limit` of the wanted entries, from the one after `id` on; `None` wants all. Only those of the
    /// page are cloned, and all are looked at only to count those that are wanted.
    pub(super) fn page(
        &self,
        id: Option<&T::Id>,
        limit: usize,
        wanted: Option<&dyn Fn(&T) -> bool>,
    ) -> Page<T> {
        let wants = |entry: &&Arc<Recorded<T>>| wanted.is_none_or(|wanted| wanted(&entry.entry));
        let mut found = self.after(id).filter(wants);
        let entries: Vec<_> = found.by_ref().take(limit).cloned().collect();
        let rest = if wanted.is_some() {
            found.count()
        } else {
            usize::from(found.next().is_some())
        };
        let total_count = match wanted {
            None => self.entries.len(),
            Some(_) => {
                let before = id.map_or(0, |id| {
                    let before = self.entries.range((Bound::Unbounded, Bound::Included(id)));
                    before.filter(|(_, entry)| wants(entry)).count()
                });
                before + entries.len() + rest
            }
        };
        Page {
            more: rest > 0,
            entries,
            total_count,
        }
    }

    /// Makes a committed change visible. Its revision follows the current one.
    pub(super) fn commit(&mut self, revision: u64, change: Change<T>) {
        match &change {
            Change::Upserted(entry) => {
                self.entries.insert(entry.id().clone(), entry.clone());
            }
            Change::Deleted(id) => {
                self.entries.remove(id);
            }
        }
        self.history.push(revision, change.clone());
        // An error only says that nobody watches.
        let _ = self.changes.send((revision, change));
    }

    pub(super) fn watch(&self, resume_revision: Option<u64>) -> Watch<T> {
        let missed = resume_revision.and_then(|revision| self.history.since(revision));
        let reset = missed.is_none();
        let first = missed.unwrap_or_else(|| {
            self.entries
                .values()
                .map(|entry| (entry.revision, Change::Upserted(entry.clone())))
                .collect()
        });
        Watch {
            reset,
            first,
            revision: self.revision(),
            changes: self.changes.subscribe(),
        }
    }
}
