//! What stands in front of everything: one at a time.

use super::cluster::WorkerKind;
use super::ids::{ModelId, WorkerId};

/// Something in front of the window's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// All that can be done, by its name.
    Palette,
    /// The keys that do things.
    Shortcuts,
    /// Starting a worker: what is chosen already.
    Spawn {
        /// The kind, if it is chosen.
        kind: Option<WorkerKind>,
        /// The model, if it is chosen.
        model: Option<ModelId>,
    },
    /// What can be done with a worker's tab.
    TabMenu {
        /// Whose.
        worker: WorkerId,
        /// The list's corner, in pixels from the window's left and top.
        at: (i32, i32),
    },
    /// Closing the tab of a worker that is at work.
    CloseTab(WorkerId),
    /// Stopping a worker.
    StopWorker(WorkerId),
}
