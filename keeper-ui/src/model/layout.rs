//! Which workers are seen at once, and where: a tree of splits with a worker in each pane.
//!
//! As long as nobody arranged it otherwise, one worker fills the window, two stand side by side, and three or four make a
//! grid. A worker is in one pane at most, and every pane has one.

use serde::{Deserialize, Serialize};

use super::ids::WorkerId;

mod node;
pub mod place;

pub use node::{Axis, Node, Path, Side, Step};

/// Panes that the window makes by itself; further workers wait behind their tabs.
pub const AUTOMATIC_PANES: usize = 4;

/// Panes that fit at all.
pub const MOST_PANES: usize = 9;

/// A way to arrange the panes that somebody chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arrangement {
    /// As many as there are, as the window does by itself.
    Automatic,
    /// Only the one in focus.
    Single,
    /// Side by side.
    Columns,
    /// One above the other.
    Rows,
    /// A grid.
    Grid,
}

impl Arrangement {
    /// All, in the order of the menu.
    pub const ALL: [Self; 5] = [
        Self::Automatic,
        Self::Single,
        Self::Columns,
        Self::Rows,
        Self::Grid,
    ];

    /// The words for it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Automatic => "Automatic",
            Self::Single => "One",
            Self::Columns => "Side by side",
            Self::Rows => "One above the other",
            Self::Grid => "Grid",
        }
    }
}

/// The panes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    root: Option<Node>,
    focused: Option<WorkerId>,
    /// Whether somebody arranged it: then the window does not by itself.
    by_hand: bool,
}

impl Layout {
    /// The tree; `None` where no worker is seen.
    #[must_use]
    pub fn root(&self) -> Option<&Node> {
        self.root.as_ref()
    }

    /// The worker that the keyboard is about.
    #[must_use]
    pub fn focused(&self) -> Option<&WorkerId> {
        self.focused.as_ref()
    }

    /// Whether somebody arranged it.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        self.by_hand
    }

    /// The workers that are seen, from left to right and top to bottom.
    #[must_use]
    pub fn workers(&self) -> Vec<&WorkerId> {
        self.root.as_ref().map(Node::workers).unwrap_or_default()
    }

    /// Whether a worker is seen.
    #[must_use]
    pub fn contains(&self, worker: &WorkerId) -> bool {
        self.workers().contains(&worker)
    }

    /// Puts the keyboard to a worker that is seen.
    pub fn focus(&mut self, worker: &WorkerId) {
        if self.contains(worker) {
            self.focused = Some(worker.clone());
        }
    }

    /// A worker came: where the window arranges by itself it gets a pane while there is room.
    pub fn appeared(&mut self, worker: &WorkerId) {
        if self.contains(worker) {
            return;
        }
        let count = self.workers().len();
        if count == 0 || (!self.by_hand && count < AUTOMATIC_PANES) {
            let mut workers: Vec<WorkerId> = self.workers().into_iter().cloned().collect();
            workers.push(worker.clone());
            self.place(Node::automatic(&workers));
        }
    }

    /// Shows a worker: where it is, if it is seen, else in the pane in focus.
    pub fn show(&mut self, worker: &WorkerId) {
        if !self.contains(worker) {
            match (&mut self.root, &self.focused) {
                (Some(root), Some(focused)) => root.replace(focused, worker),
                _ => self.root = Some(Node::Pane(worker.clone())),
            }
        }
        self.focused = Some(worker.clone());
    }

    /// Puts a worker to a side of another's pane, from wherever it was.
    pub fn split(&mut self, worker: &WorkerId, target: &WorkerId, side: Side) {
        if worker == target || !self.contains(target) {
            return;
        }
        if !self.contains(worker) && self.workers().len() >= MOST_PANES {
            return self.show(worker);
        }
        self.root = self.root.take().and_then(|root| root.without(worker));
        if let Some(root) = &mut self.root {
            root.split(target, worker, side);
        }
        self.focused = Some(worker.clone());
        self.by_hand = true;
    }

    /// Exchanges two workers, or puts one into another's pane if it is not seen itself.
    pub fn exchange(&mut self, worker: &WorkerId, target: &WorkerId) {
        if worker == target || !self.contains(target) {
            return;
        }
        let was_seen = self.contains(worker);
        if let Some(root) = &mut self.root {
            // Marks the target's place while the worker's is overwritten: no worker has an empty id.
            let place = WorkerId::from("");
            root.replace(target, &place);
            if was_seen {
                root.replace(worker, target);
            }
            root.replace(&place, worker);
        }
        self.focused = Some(worker.clone());
    }

    /// Takes a worker away. `waiting` are those behind their tabs: where the window arranges by itself the first of
    /// them gets the room.
    pub fn remove(&mut self, worker: &WorkerId, waiting: &[WorkerId]) {
        if !self.contains(worker) {
            return;
        }
        let at = self
            .workers()
            .iter()
            .position(|seen| *seen == worker)
            .unwrap_or(0);
        let next = waiting.iter().find(|id| *id != worker && !self.contains(id));
        match (next, &mut self.root) {
            (Some(next), Some(root)) if !self.by_hand || root.workers().len() == 1 => {
                root.replace(worker, next);
            }
            (_, root) => {
                *root = root.take().and_then(|root| root.without(worker));
                if !self.by_hand {
                    let left: Vec<WorkerId> = self.workers().into_iter().cloned().collect();
                    self.place(Node::automatic(&left));
                }
            }
        }
        if self.root.is_none() {
            self.by_hand = false;
        }
        if self.focused.as_ref() == Some(worker) {
            let workers = self.workers();
            self.focused = workers
                .get(at.min(workers.len().saturating_sub(1)))
                .map(|id| (*id).clone());
        }
    }

    /// Arranges `workers` (all that have tabs, in their order) in a way that somebody chose.
    pub fn arrange(&mut self, arrangement: Arrangement, workers: &[WorkerId]) {
        let mut chosen: Vec<WorkerId> = self.workers().into_iter().cloned().collect();
        let hidden: Vec<_> = workers
            .iter()
            .filter(|id| !chosen.contains(id))
            .cloned()
            .collect();
        chosen.extend(hidden);
        let first = self.focused.clone().or_else(|| chosen.first().cloned());
        chosen.truncate(AUTOMATIC_PANES);
        let root = match arrangement {
            Arrangement::Automatic | Arrangement::Grid => Node::automatic(&chosen),
            Arrangement::Single => first.map(Node::Pane),
            Arrangement::Columns => Node::in_line(&chosen, Axis::Row),
            Arrangement::Rows => Node::in_line(&chosen, Axis::Column),
        };
        self.place(root);
        self.by_hand = arrangement != Arrangement::Automatic && self.root.is_some();
    }

    /// Moves a splitter: `share` is what the first of the two has, from 0 to 1.
    pub fn set_share(&mut self, path: &Path, share: f64) {
        if let Some(root) = &mut self.root {
            root.set_share(path, share);
        }
    }

    /// The worker after (or before) the one in focus, around the end.
    #[must_use]
    pub fn neighbour(&self, forwards: bool) -> Option<WorkerId> {
        let workers = self.workers();
        let at = workers.iter().position(|id| Some(*id) == self.focused.as_ref())?;
        let step = if forwards { 1 } else { workers.len() - 1 };
        workers.get((at + step) % workers.len()).map(|id| (*id).clone())
    }

    /// Takes a new tree. Where its first split is like the one before, the splitter stays where it was.
    fn place(&mut self, root: Option<Node>) {
        let share = self.root.as_ref().and_then(Node::first_share);
        self.root = root;
        if let (Some((axis, share)), Some(root)) = (share, &mut self.root)
            && root.first_share().is_some_and(|(now, _)| now == axis)
        {
            root.set_share(&Path::default(), share);
        }
        let workers = self.workers();
        let stays = self
            .focused
            .as_ref()
            .is_some_and(|focused| workers.contains(&focused));
        if !stays {
            self.focused = workers.first().map(|id| (*id).clone());
        }
    }

    /// What was written down, if it makes sense: a file may have been changed by hand.
    #[must_use]
    pub fn checked(self) -> Self {
        let mut workers: Vec<WorkerId> = self.workers().into_iter().cloned().collect();
        let count = workers.len();
        workers.sort();
        workers.dedup();
        if workers.len() != count || count > MOST_PANES {
            return Self::default();
        }
        let mut layout = self;
        if let Some(root) = &mut layout.root {
            root.bound_shares();
        }
        let root = layout.root.take();
        layout.place(root);
        layout.by_hand &= layout.root.is_some();
        layout
    }
}

#[cfg(test)]
mod tests;
