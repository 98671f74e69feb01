//! The tabs: one for each worker, whoever spawned it.

use serde::{Deserialize, Serialize};

use super::cluster::{ClusterView, Worker, WorkerKind, WorkerState};
use super::ids::{ModelId, WorkerId};

/// Closed tabs that are remembered, for reopening and so that they stay closed after the next start.
const REMEMBERED: usize = 64;

/// Whether a tab's worker is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Restored from the last time; the cluster has not told yet.
    Expected,
    /// The cluster knows it.
    Here,
    /// It was not there when the cluster told all, but may come back: not shown until then.
    Away,
    /// It left while the window was open.
    Gone(Departure),
}

/// How a worker left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// Somebody stopped it.
    Stopped,
    /// It failed: the reason and the words of its last failure.
    Failed {
        /// One of the project's error reasons.
        reason: String,
        /// What happened, for a person.
        message: String,
    },
}

/// A worker's tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tab {
    /// Whose.
    pub worker: WorkerId,
    /// What it makes.
    pub kind: WorkerKind,
    /// What it serves.
    pub model: ModelId,
    /// Pinned tabs are at the beginning and are not closed by accident.
    pub pinned: bool,
    /// Whether the worker is there.
    pub presence: Presence,
    /// The worker's last state, to tell how it left.
    last_state: WorkerState,
    /// Its last failure: reason and words.
    last_failure: Option<(String, String)>,
}

impl Tab {
    fn of(worker: &Worker) -> Self {
        let mut tab = Self {
            worker: worker.id.clone(),
            kind: worker.kind(),
            model: worker.model.clone(),
            pinned: false,
            presence: Presence::Here,
            last_state: worker.state,
            last_failure: None,
        };
        tab.refresh(worker);
        tab
    }

    fn refresh(&mut self, worker: &Worker) {
        self.kind = worker.kind();
        self.model = worker.model.clone();
        self.presence = Presence::Here;
        self.last_state = worker.state;
        self.last_failure = worker
            .failure
            .as_ref()
            .map(|failure| (failure.reason.clone(), failure.message.clone()));
    }

    fn depart(&mut self) {
        let orderly = matches!(
            self.last_state,
            WorkerState::Ready
                | WorkerState::Busy
                | WorkerState::Draining
                | WorkerState::Stopping
                | WorkerState::Stopped
        );
        self.presence = Presence::Gone(match self.last_failure.take() {
            Some((reason, message)) if !orderly => Departure::Failed { reason, message },
            _ => Departure::Stopped,
        });
    }

    /// Whether it is drawn.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.presence != Presence::Away
    }
}

/// A tab as it is written down for the next start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedTab {
    /// Whose.
    pub worker: WorkerId,
    /// What it makes.
    pub kind: WorkerKind,
    /// What it serves.
    pub model: ModelId,
    /// Whether it is pinned.
    #[serde(default)]
    pub pinned: bool,
}

/// All tabs in their order, pinned ones first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tabs {
    tabs: Vec<Tab>,
    /// Workers whose tabs were closed while they ran, the last one at the end.
    closed: Vec<WorkerId>,
    /// Workers that this window asked to stop: their tabs go with them.
    stopping: Vec<WorkerId>,
}

impl Tabs {
    /// Takes in what the cluster tells; answers the workers whose tabs appeared, in the order of the tabs.
    pub fn sync(&mut self, cluster: &ClusterView) -> Vec<WorkerId> {
        self.mark_absent(cluster);
        let mut appeared = Vec::new();
        for worker in cluster.workers.values() {
            if let Some(tab) = self.tabs.iter_mut().find(|tab| tab.worker == worker.id) {
                if !tab.is_shown() {
                    appeared.push(worker.id.clone());
                }
                tab.refresh(worker);
            } else if !self.closed.contains(&worker.id) {
                self.tabs.push(Tab::of(worker));
                appeared.push(worker.id.clone());
            }
        }
        appeared
    }

    /// What is not told of any more has left. Before all was told once, nothing can be said to be missing.
    fn mark_absent(&mut self, cluster: &ClusterView) {
        if !cluster.synced {
            return;
        }
        let is_absent = |id: &WorkerId| !cluster.workers.contains_key(id);
        self.closed.retain(|id| !is_absent(id));
        let stopping = std::mem::take(&mut self.stopping);
        let (left, still_here): (Vec<_>, Vec<_>) = stopping.into_iter().partition(is_absent);
        self.stopping = still_here;
        self.tabs.retain(|tab| !left.contains(&tab.worker));
        for tab in self.tabs.iter_mut().filter(|tab| is_absent(&tab.worker)) {
            match tab.presence {
                Presence::Expected => tab.presence = Presence::Away,
                Presence::Here => tab.depart(),
                Presence::Away | Presence::Gone(_) => {}
            }
        }
    }

    /// The tabs that are drawn, in order.
    pub fn shown(&self) -> impl DoubleEndedIterator<Item = &Tab> {
        self.tabs.iter().filter(|tab| tab.is_shown())
    }

    /// A worker's tab, if it is drawn.
    #[must_use]
    pub fn get(&self, worker: &WorkerId) -> Option<&Tab> {
        self.shown().find(|tab| &tab.worker == worker)
    }

    /// Closes a tab. Its worker goes on, and the tab can be reopened while it does.
    pub fn close(&mut self, worker: &WorkerId) {
        let Some(at) = self.tabs.iter().position(|tab| &tab.worker == worker) else {
            return;
        };
        let tab = self.tabs.remove(at);
        if !matches!(tab.presence, Presence::Gone(_)) {
            self.closed.retain(|id| id != worker);
            self.closed.push(tab.worker);
            let excess = self.closed.len().saturating_sub(REMEMBERED);
            self.closed.drain(..excess);
        }
    }

    /// This window asked the worker to stop: its tab goes when it does.
    pub fn expect_stop(&mut self, worker: &WorkerId) {
        if !self.stopping.contains(worker) {
            self.stopping.push(worker.clone());
        }
    }

    /// The worker did not stop after all.
    pub fn forget_stop(&mut self, worker: &WorkerId) {
        self.stopping.retain(|id| id != worker);
    }

    /// Opens the tab of the worker that was closed last; answers whose. It comes with the next [`Tabs::sync`].
    pub fn reopen(&mut self) -> Option<WorkerId> {
        self.closed.pop()
    }

    /// Lets a closed worker have its tab again, because somebody chose it from a list.
    pub fn reopen_of(&mut self, worker: &WorkerId) {
        self.closed.retain(|id| id != worker);
    }

    /// Whether a tab can be reopened.
    #[must_use]
    pub fn can_reopen(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Pins a tab, or unpins it: it goes to the end of the pinned ones, or to the beginning of the others.
    pub fn set_pinned(&mut self, worker: &WorkerId, pinned: bool) {
        let Some(at) = self.tabs.iter().position(|tab| &tab.worker == worker) else {
            return;
        };
        if self.tabs[at].pinned == pinned {
            return;
        }
        let mut tab = self.tabs.remove(at);
        tab.pinned = pinned;
        let border = self.pinned_count();
        self.tabs.insert(border, tab);
    }

    /// Moves a tab so that it stands before another, or at the end. Pinned tabs stay before the others.
    pub fn move_before(&mut self, worker: &WorkerId, before: Option<&WorkerId>) {
        if before == Some(worker) {
            return;
        }
        let Some(at) = self.tabs.iter().position(|tab| &tab.worker == worker) else {
            return;
        };
        let tab = self.tabs.remove(at);
        let wanted = before.and_then(|id| self.tabs.iter().position(|tab| &tab.worker == id));
        let border = self.pinned_count();
        let range = if tab.pinned {
            0..=border
        } else {
            border..=self.tabs.len()
        };
        let to = wanted
            .unwrap_or(self.tabs.len())
            .clamp(*range.start(), *range.end());
        self.tabs.insert(to, tab);
    }

    /// Moves a tab by one place among those that are drawn, for the keyboard.
    pub fn move_by_one(&mut self, worker: &WorkerId, towards_end: bool) {
        let shown: Vec<WorkerId> = self.shown().map(|tab| tab.worker.clone()).collect();
        let Some(at) = shown.iter().position(|id| id == worker) else {
            return;
        };
        if towards_end {
            if at + 1 < shown.len() {
                self.move_before(worker, shown.get(at + 2));
            }
        } else if at > 0 {
            self.move_before(worker, shown.get(at - 1));
        }
    }

    fn pinned_count(&self) -> usize {
        self.tabs.iter().take_while(|tab| tab.pinned).count()
    }

    /// What is written down: tabs of workers that may be there at the next start, and which ones were closed.
    #[must_use]
    pub fn saved(&self) -> (Vec<SavedTab>, Vec<WorkerId>) {
        let lasting = self
            .tabs
            .iter()
            .filter(|tab| !matches!(tab.presence, Presence::Gone(_)));
        let saved = lasting.map(|tab| SavedTab {
            worker: tab.worker.clone(),
            kind: tab.kind,
            model: tab.model.clone(),
            pinned: tab.pinned,
        });
        (saved.collect(), self.closed.clone())
    }

    /// What was written down, to be confirmed by the cluster.
    #[must_use]
    pub fn restored(saved: Vec<SavedTab>, closed: Vec<WorkerId>) -> Self {
        let mut tabs: Vec<Tab> = Vec::new();
        for saved in saved {
            if tabs.iter().any(|tab| tab.worker == saved.worker) {
                continue;
            }
            tabs.push(Tab {
                worker: saved.worker,
                kind: saved.kind,
                model: saved.model,
                pinned: saved.pinned,
                presence: Presence::Expected,
                last_state: WorkerState::Unknown,
                last_failure: None,
            });
        }
        tabs.sort_by_key(|tab| !tab.pinned);
        let closed = closed
            .into_iter()
            .filter(|id| tabs.iter().all(|tab| &tab.worker != id))
            .collect();
        Self {
            tabs,
            closed,
            stopping: Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "tabs/tests.rs"]
mod tests;
