//! A tab that is being dragged: within the strip, to a side of a pane, or into one.

use std::collections::BTreeMap;
use std::rc::Rc;

use dioxus::prelude::*;

use crate::model::cluster::WorkerKind;
use crate::model::ids::WorkerId;
use crate::model::layout::Side;
use crate::model::layout::place::{Area, places, target};
use crate::stores::Stores;

/// How far the pointer must go before a press is a drag, in pixels.
const THRESHOLD: f64 = 6.0;

/// What letting go would do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Drop {
    /// The tab stands before this one, or at the end.
    Before(Option<WorkerId>),
    /// It goes to a pane: to a side of it, or into it.
    Pane(WorkerId, Option<Side>),
}

/// A tab under the pointer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drag {
    /// Whose.
    pub(super) worker: WorkerId,
    /// Where it was pressed.
    from: (f64, f64),
    /// Where the pointer is.
    pub(super) at: (f64, f64),
    /// Whether it went far enough to be a drag.
    pub(super) moved: bool,
    /// What letting go would do now.
    pub(super) drop: Option<Drop>,
}

/// A rectangle of the window in pixels: left, top, width, height.
pub(super) type Rectangle = [f64; 4];

/// What the drag knows of the window. Copied freely.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Dragging {
    /// The tab under the pointer, if one is.
    pub(super) drag: Signal<Option<Drag>>,
    /// The grid's element.
    pub(super) grid: Signal<Option<Rc<MountedData>>>,
    /// The tabs' elements.
    pub(super) tabs: Signal<BTreeMap<WorkerId, Rc<MountedData>>>,
    measured_grid: Signal<Option<Rectangle>>,
    measured_tabs: Signal<Vec<(WorkerId, Rectangle)>>,
}

impl Dragging {
    /// Nothing is dragged.
    pub(super) fn new() -> Self {
        Self {
            drag: Signal::new(None),
            grid: Signal::new(None),
            tabs: Signal::new(BTreeMap::new()),
            measured_grid: Signal::new(None),
            measured_tabs: Signal::new(Vec::new()),
        }
    }

    /// A tab was pressed: the window is measured once.
    pub(super) fn start(mut self, worker: WorkerId, at: (f64, f64), stores: Stores) {
        self.drag.set(Some(Drag {
            worker,
            from: at,
            at,
            moved: false,
            drop: None,
        }));
        let order: Vec<WorkerId> = stores
            .workspace
            .peek()
            .tabs
            .shown()
            .map(|tab| tab.worker.clone())
            .collect();
        spawn(async move {
            let grid = self.grid.peek().clone();
            self.measured_grid.set(match grid {
                Some(grid) => rectangle(&grid).await,
                None => None,
            });
            let mut measured = Vec::new();
            for worker in order {
                let element = self.tabs.peek().get(&worker).cloned();
                if let Some(element) = element
                    && let Some(rectangle) = rectangle(&element).await
                {
                    measured.push((worker, rectangle));
                }
            }
            self.measured_tabs.set(measured);
        });
    }

    /// The pointer is here now.
    pub(super) fn moved(mut self, at: (f64, f64), stores: Stores) {
        let Some(mut drag) = self.drag.peek().clone() else {
            return;
        };
        drag.at = at;
        drag.moved |= (at.0 - drag.from.0).hypot(at.1 - drag.from.1) > THRESHOLD;
        drag.drop = drag.moved.then(|| self.under(at, &drag.worker, stores)).flatten();
        self.drag.set(Some(drag));
    }

    /// It was let go: answers whose tab it is, and what is to be done.
    pub(super) fn end(mut self) -> Option<(WorkerId, Option<Drop>)> {
        let drag = self.drag.take()?;
        Some((drag.worker, drag.drop))
    }

    /// It was given up.
    pub(super) fn cancel(mut self) {
        if self.drag.peek().is_some() {
            self.drag.set(None);
        }
    }

    fn under(self, at: (f64, f64), dragged: &WorkerId, stores: Stores) -> Option<Drop> {
        let tabs = self.measured_tabs.peek();
        if let Some(drop) = in_strip(&tabs, at) {
            return Some(drop);
        }
        let [left, top, width, height] = (*self.measured_grid.peek())?;
        if width <= 0.0 || height <= 0.0 {
            return None;
        }
        let workspace = stores.workspace.peek();
        let (panes, _) = places(workspace.layout.root()?);
        let (worker, side) = target(&panes, ((at.0 - left) / width, (at.1 - top) / height))?;
        (&worker != dragged).then_some(Drop::Pane(worker, side))
    }

    /// Where the dragged tab would go and what its worker makes, for the shade that shows it.
    pub(super) fn shade(self, stores: Stores) -> Option<(Area, WorkerKind)> {
        let drag = self.drag.read();
        let drag = drag.as_ref()?;
        let Some(Drop::Pane(worker, side)) = &drag.drop else {
            return None;
        };
        let workspace = stores.workspace.read();
        let kind = workspace.tabs.get(&drag.worker)?.kind;
        let (panes, _) = places(workspace.layout.root()?);
        let (_, area) = panes.into_iter().find(|(id, _)| id == worker)?;
        Some((side.map_or(area, |side| area.half(side)), kind))
    }
}

/// Before which tab a point is, if it is at the height of the strip.
fn in_strip(tabs: &[(WorkerId, Rectangle)], (x, y): (f64, f64)) -> Option<Drop> {
    let (_, [_, top, _, height]) = tabs.first()?;
    if !(top - 4.0..top + height + 4.0).contains(&y) {
        return None;
    }
    let before = tabs
        .iter()
        .find(|(_, [left, _, width, _])| x < left + width / 2.0);
    Some(Drop::Before(before.map(|(worker, _)| worker.clone())))
}

async fn rectangle(element: &MountedData) -> Option<Rectangle> {
    let rectangle = element.get_client_rect().await.ok()?;
    Some([
        rectangle.origin.x,
        rectangle.origin.y,
        rectangle.size.width,
        rectangle.size.height,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_stands_before_the_one_whose_first_half_is_under_the_pointer() {
        let tabs = [
            ("a".into(), [0.0, 40.0, 100.0, 32.0]),
            ("b".into(), [100.0, 40.0, 100.0, 32.0]),
        ];
        assert_eq!(
            in_strip(&tabs, (10.0, 50.0)),
            Some(Drop::Before(Some("a".into())))
        );
        assert_eq!(
            in_strip(&tabs, (80.0, 50.0)),
            Some(Drop::Before(Some("b".into())))
        );
        assert_eq!(in_strip(&tabs, (400.0, 50.0)), Some(Drop::Before(None)));
        assert_eq!(in_strip(&tabs, (80.0, 300.0)), None);
        assert_eq!(in_strip(&[], (80.0, 50.0)), None);
    }
}
