//! The panes. Each stays mounted as long as its tab is among the last that were seen, wherever it moves: what is typed,
//! scrolled and streamed in it goes on.

use dioxus::prelude::*;

use super::drag::Dragging;
use super::pane::Pane;
use super::session::use_session;
use crate::components::{Orientation, Splitter};
use crate::model::ids::WorkerId;
use crate::model::layout::Axis;
use crate::model::layout::place::{Line, places};

/// Panes that stay mounted, those that are seen among them.
const MOUNTED: usize = 12;

/// The grid; hidden behind a page it goes on.
#[component]
pub(super) fn Grid(
    /// Whether a page is in front.
    hidden: bool,
) -> Element {
    let session = use_session();
    let stores = session.stores;
    let dragging: Dragging = use_context();
    let mut element = dragging.grid;
    let placed = use_memo(move || {
        let workspace = stores.workspace.read();
        workspace.layout.root().map(places).unwrap_or_default()
    });
    let mounted = use_mounted(stores);
    let shade = use_memo(move || dragging.shade(stores));
    let (panes, lines) = placed();
    let is_split = panes.len() > 1;
    let place_of = |worker: &WorkerId| panes.iter().find(|(id, _)| id == worker).map(|(_, area)| *area);
    rsx! {
        div {
            class: "grid",
            hidden,
            onmounted: move |event: MountedEvent| element.set(Some(event.data())),
            for worker in mounted() {
                Pane { key: "{worker}", worker: worker.clone(), place: place_of(&worker), is_split }
            }
            for line in lines {
                GridLine { key: "{line.path:?}", line }
            }
            if let Some((area, kind)) = shade() {
                div { class: "grid__shade", "data-kind": kind.word(), style: area.style() }
            }
        }
    }
}

/// The workers whose panes are mounted, in an order that does not change: moving an element would reset what it scrolled.
fn use_mounted(stores: crate::stores::Stores) -> Memo<Vec<WorkerId>> {
    let mut recent = use_signal(Vec::<WorkerId>::new);
    let now = use_memo(move || {
        let workspace = stores.workspace.read();
        let seen: Vec<WorkerId> = workspace.layout.workers().into_iter().cloned().collect();
        let mut kept = seen.clone();
        kept.extend(
            recent
                .peek()
                .iter()
                .filter(|id| !seen.contains(id) && workspace.tabs.get(id).is_some())
                .cloned(),
        );
        kept.truncate(MOUNTED);
        kept
    });
    use_effect(move || recent.set(now()));
    use_memo(move || {
        let mut sorted = now();
        sorted.sort();
        sorted
    })
}

/// A line between two parts, for pointer and keys.
#[component]
fn GridLine(line: Line) -> Element {
    let session = use_session();
    let mut workspace = session.stores.workspace;
    let dragging: Dragging = use_context();
    let mut measured = use_signal(|| None::<[f64; 4]>);
    let (orientation, word) = match line.axis {
        Axis::Row => (Orientation::Columns, "left and right"),
        Axis::Column => (Orientation::Rows, "upper and lower"),
    };
    let place = line.place();
    let axis = if line.axis == Axis::Row { "row" } else { "column" };
    let (path, share) = (line.path.clone(), line.share);
    let set = use_callback(move |wanted: f64| workspace.write().set_share(&path, wanted));
    rsx! {
        div { class: "grid__line", "data-axis": axis, style: place.style(),
            Splitter {
                label: "Between the {word} panes",
                orientation,
                ratio: share,
                onstart: move |()| {
                    let grid = dragging.grid.peek().clone();
                    spawn(async move {
                        if let Some(grid) = grid
                            && let Ok(rectangle) = grid.get_client_rect().await
                        {
                            measured.set(Some([rectangle.origin.x, rectangle.origin.y, rectangle.size.width, rectangle.size.height]));
                        }
                    });
                },
                ondrag: move |(x, y): (f64, f64)| {
                    if let Some([left, top, width, height]) = measured()
                        && width > 0.0 && height > 0.0
                    {
                        set.call(line.share_at(((x - left) / width, (y - top) / height)));
                    }
                },
                onnudge: move |by: f64| set.call(share + by),
                onreset: move |()| set.call(0.5),
            }
        }
    }
}
