//! What is where in the window: its tabs, its panes, and the page in front of them.

use serde::{Deserialize, Serialize};

use super::cluster::ClusterView;
use super::ids::WorkerId;
use super::layout::{Arrangement, Layout, Path, Side};
use super::tabs::{Presence, SavedTab, Tabs};

/// A page of the bar. Pages are never in panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Page {
    /// All workers of the cluster.
    Workers,
    /// Models that are here or on their way.
    Models,
    /// What could be brought in.
    Marketplace,
    /// Hosts and devices.
    Hives,
    /// What happens.
    Activity,
    /// Servers, theme, folders, shortcuts.
    Settings,
}

impl Page {
    /// All, in the order of the bar.
    pub const ALL: [Self; 6] = [
        Self::Workers,
        Self::Models,
        Self::Marketplace,
        Self::Hives,
        Self::Activity,
        Self::Settings,
    ];

    /// The word in the bar.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Workers => "Workers",
            Self::Models => "Models",
            Self::Marketplace => "Marketplace",
            Self::Hives => "Hives",
            Self::Activity => "Activity",
            Self::Settings => "Settings",
        }
    }

    /// The word for it in `data-page`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Models => "models",
            Self::Marketplace => "marketplace",
            Self::Hives => "hives",
            Self::Activity => "activity",
            Self::Settings => "settings",
        }
    }
}

/// The window as it is written down for the next start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedWorkspace {
    tabs: Vec<SavedTab>,
    closed: Vec<WorkerId>,
    layout: Layout,
    page: Option<Page>,
}

/// Tabs, panes and page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Workspace {
    /// The tabs.
    pub tabs: Tabs,
    /// The panes.
    pub layout: Layout,
    /// The page in front of the panes, if one is.
    pub page: Option<Page>,
    /// A worker to show as soon as it is there, because somebody spawned it in this window.
    awaited: Option<WorkerId>,
}

impl Workspace {
    /// Takes in what the cluster tells.
    pub fn sync(&mut self, cluster: &ClusterView) {
        let appeared = self.tabs.sync(cluster);
        let seen: Vec<WorkerId> = self.layout.workers().into_iter().cloned().collect();
        let waiting = self.waiting();
        for worker in seen.iter().filter(|worker| self.tabs.get(worker).is_none()) {
            self.layout.remove(worker, &waiting);
        }
        for worker in &appeared {
            self.layout.appeared(worker);
        }
        self.fill_if_empty();
        if let Some(awaited) = self
            .awaited
            .clone()
            .filter(|awaited| self.tabs.get(awaited).is_some())
        {
            self.awaited = None;
            self.show(&awaited);
        }
    }

    /// Shows a worker's tab, and puts the page away.
    pub fn show(&mut self, worker: &WorkerId) {
        if self.tabs.get(worker).is_some() {
            self.layout.show(worker);
            self.page = None;
        }
    }

    /// Shows a worker as soon as it has a tab: it was spawned or chosen here. A closed one has its tab again.
    pub fn reveal(&mut self, worker: &WorkerId, cluster: &ClusterView) {
        self.tabs.reopen_of(worker);
        self.awaited = Some(worker.clone());
        self.sync(cluster);
    }

    /// Shows a page in front of the panes.
    pub fn open(&mut self, page: Page) {
        self.page = Some(page);
    }

    /// Puts the page away, so that the panes are seen.
    pub fn leave_page(&mut self) {
        self.page = None;
    }

    /// Closes a worker's tab; the worker goes on.
    pub fn close(&mut self, worker: &WorkerId) {
        self.tabs.close(worker);
        let waiting = self.waiting();
        self.layout.remove(worker, &waiting);
    }

    /// Opens the tab that was closed last.
    pub fn reopen(&mut self, cluster: &ClusterView) {
        if let Some(worker) = self.tabs.reopen() {
            self.awaited = Some(worker);
            self.sync(cluster);
        }
    }

    /// Shows the tab with this place in the strip, from 0.
    pub fn show_nth(&mut self, place: usize) {
        let wanted = self.tabs.shown().nth(place).map(|tab| tab.worker.clone());
        if let Some(worker) = wanted {
            self.show(&worker);
        }
    }

    /// Shows the tab after (or before) the one in focus, around the end.
    pub fn cycle(&mut self, forwards: bool) {
        let all: Vec<WorkerId> = self.tabs.shown().map(|tab| tab.worker.clone()).collect();
        if all.is_empty() {
            return;
        }
        let at = all
            .iter()
            .position(|worker| Some(worker) == self.layout.focused());
        let next = match (at, forwards) {
            (None, _) => 0,
            (Some(at), true) => (at + 1) % all.len(),
            (Some(at), false) => (at + all.len() - 1) % all.len(),
        };
        self.show(&all[next]);
    }

    /// Puts the worker in a pane beside the one in focus: the first that waits behind its tab. Where none waits, only
    /// the one in focus is seen, or all again.
    pub fn toggle_split(&mut self) {
        self.page = None;
        let Some(focused) = self.layout.focused().cloned() else {
            return;
        };
        let alone = self.layout.workers().len() == 1;
        match self.waiting().first().cloned() {
            Some(next) if alone && !self.layout.is_by_hand() => {
                self.layout.split(&next, &focused, Side::Right);
            }
            Some(_) if alone => self.arrange(Arrangement::Automatic),
            _ => self.arrange(Arrangement::Single),
        }
    }

    /// Arranges the panes in a way that somebody chose.
    pub fn arrange(&mut self, arrangement: Arrangement) {
        let all: Vec<WorkerId> = self.tabs.shown().map(|tab| tab.worker.clone()).collect();
        self.layout.arrange(arrangement, &all);
        self.page = None;
    }

    /// Puts a dragged tab to a side of a pane, or into it.
    pub fn drop_on(&mut self, worker: &WorkerId, target: &WorkerId, side: Option<Side>) {
        if self.tabs.get(worker).is_none() {
            return;
        }
        match side {
            Some(side) => self.layout.split(worker, target, side),
            None => self.layout.exchange(worker, target),
        }
        self.page = None;
    }

    /// Moves a splitter.
    pub fn set_share(&mut self, path: &Path, share: f64) {
        self.layout.set_share(path, share);
    }

    /// Where there are tabs, there are panes.
    fn fill_if_empty(&mut self) {
        if self.layout.root().is_none() {
            for worker in self.waiting() {
                self.layout.appeared(&worker);
            }
        }
    }

    /// Workers behind their tabs, in the tabs' order; those that are gone get no pane by themselves.
    fn waiting(&self) -> Vec<WorkerId> {
        let hidden = self.tabs.shown().filter(|tab| !self.layout.contains(&tab.worker));
        hidden
            .filter(|tab| !matches!(tab.presence, Presence::Gone(_)))
            .map(|tab| tab.worker.clone())
            .collect()
    }

    /// What is written down.
    #[must_use]
    pub fn saved(&self) -> SavedWorkspace {
        let (tabs, closed) = self.tabs.saved();
        SavedWorkspace {
            tabs,
            closed,
            layout: self.layout.clone(),
            page: self.page,
        }
    }

    /// What was written down.
    #[must_use]
    pub fn restored(saved: SavedWorkspace) -> Self {
        let tabs = Tabs::restored(saved.tabs, saved.closed);
        let mut layout = saved.layout.checked();
        let seen: Vec<WorkerId> = layout.workers().into_iter().cloned().collect();
        for worker in seen.iter().filter(|worker| tabs.get(worker).is_none()) {
            layout.remove(worker, &[]);
        }
        let mut workspace = Self {
            tabs,
            layout,
            page: saved.page,
            awaited: None,
        };
        workspace.fill_if_empty();
        workspace
    }
}

#[cfg(test)]
mod tests;
