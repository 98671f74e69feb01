//! The tabs: one for each worker.

use dioxus::prelude::*;

use super::drag::{Dragging, Drop};
use super::session::use_session;
use crate::components::{Dot, Icon, IconName, Menu, MenuItem, StateDot};
use crate::model::cluster::{Worker, WorkerKind, WorkerState};
use crate::model::ids::WorkerId;
use crate::model::layout::Arrangement;
use crate::model::overlay::Overlay;
use crate::model::tabs::{Departure, Presence, Tab};

/// What a tab shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TabView {
    /// Whose.
    pub(super) worker: WorkerId,
    /// What it makes.
    pub(super) kind: WorkerKind,
    /// The model's name.
    pub(super) title: String,
    /// The device; empty where not known.
    pub(super) device: String,
    /// The worker's state, as a dot and in words.
    pub(super) state: (Dot, String),
    /// Whether it is pinned.
    pub(super) pinned: bool,
    /// Whether its pane is seen.
    pub(super) seen: bool,
    /// Whether its pane has the focus and no page is in front.
    pub(super) selected: bool,
}

/// The strip; nothing where there are no tabs.
#[component]
pub fn Strip() -> Element {
    let session = use_session();
    let stores = session.stores;
    let views = use_memo(move || {
        let workspace = stores.workspace.read();
        let (cluster, models) = (stores.cluster.read(), stores.models.read());
        let view = |tab: &Tab| TabView {
            worker: tab.worker.clone(),
            kind: tab.kind,
            title: short_name(models.name_of(&tab.model)),
            device: cluster
                .workers
                .get(&tab.worker)
                .and_then(|worker| worker.device.as_ref())
                .map(ToString::to_string)
                .unwrap_or_default(),
            state: state(tab, cluster.workers.get(&tab.worker)),
            pinned: tab.pinned,
            seen: workspace.layout.contains(&tab.worker),
            selected: workspace.page.is_none() && workspace.layout.focused() == Some(&tab.worker),
        };
        workspace.tabs.shown().map(view).collect::<Vec<_>>()
    });
    let by_hand = use_memo(move || stores.workspace.read().layout.is_by_hand());
    let lost = use_memo(move || !stores.connection.read().is_connected());
    let mut workspace = stores.workspace;
    if views.read().is_empty() {
        return rsx! {};
    }
    rsx! {
        div { class: "strip", "data-state": if lost() { "lost" } else { "told" },
            div { class: "strip__tabs", role: "tablist", "aria-label": "Workers",
                for view in views() {
                    StripTab { key: "{view.worker}", view }
                }
            }
            Menu {
                label: if by_hand() { "Arrange panes (arranged by hand)" } else { "Arrange panes" },
                icon: IconName::Columns,
                items: Arrangement::ALL.map(|one| MenuItem { icon: Some(arrangement_icon(one)), ..MenuItem::new(one.label(), one.label()) }).to_vec(),
                onselect: move |chosen: String| {
                    if let Some(one) = Arrangement::ALL.into_iter().find(|one| one.label() == chosen) {
                        workspace.write().arrange(one);
                    }
                },
            }
        }
    }
}

/// One tab: a press shows its pane, a drag moves it, the middle button closes it.
#[component]
fn StripTab(view: TabView) -> Element {
    let session = use_session();
    let stores = session.stores;
    let mut workspace = stores.workspace;
    let dragging: Dragging = use_context();
    let mut tabs = dragging.tabs;
    let worker = view.worker.clone();
    use_drop({
        let worker = worker.clone();
        move || drop(tabs.write().remove(&worker))
    });
    let insert = use_memo({
        let worker = worker.clone();
        move || matches!(dragging.drag.read().as_ref().and_then(|drag| drag.drop.as_ref()), Some(Drop::Before(Some(before))) if *before == worker)
    });
    let is_dragged = use_memo({
        let worker = worker.clone();
        move || {
            dragging
                .drag
                .read()
                .as_ref()
                .is_some_and(|drag| drag.moved && drag.worker == worker)
        }
    });
    let (state, words) = view.state.clone();
    let icon = kind_icon(view.kind);
    let name = format!(
        "{}, {}, {words}",
        view.title,
        if view.device.is_empty() {
            "no device yet"
        } else {
            &view.device
        }
    );
    rsx! {
        div {
            class: "strip__tab",
            "data-kind": view.kind.word(),
            "data-worker": "{worker}",
            "data-seen": view.seen.to_string(),
            "data-selected": view.selected.to_string(),
            "data-insert": insert().to_string(),
            "data-dragged": is_dragged().to_string(),
            onmounted: {
                let worker = worker.clone();
                move |event: MountedEvent| { tabs.write().insert(worker.clone(), event.data()); }
            },
            onpointerdown: {
                let worker = worker.clone();
                move |event: PointerEvent| {
                    let at = event.client_coordinates();
                    if event.trigger_button() == Some(dioxus::html::input_data::MouseButton::Primary) {
                        dragging.start(worker.clone(), (at.x, at.y), stores);
                    }
                }
            },
            oncontextmenu: {
                let worker = worker.clone();
                let mut overlay = stores.overlay;
                move |event: MouseEvent| {
                    event.prevent_default();
                    let at = event.client_coordinates().to_i32().to_tuple();
                    overlay.set(Some(Overlay::TabMenu { worker: worker.clone(), at }));
                }
            },
            onauxclick: {
                let (session, worker) = (session.clone(), worker.clone());
                move |event: PointerEvent| {
                    if event.trigger_button() == Some(dioxus::html::input_data::MouseButton::Auxiliary) {
                        session.close_tab(&worker);
                    }
                }
            },
            button {
                class: "strip__name",
                r#type: "button",
                role: "tab",
                "aria-selected": view.selected.to_string(),
                "aria-label": "{name}",
                title: "{name}",
                onclick: {
                    let worker = worker.clone();
                    move |_| {
                        // A press that was over before the cover was there.
                        dragging.cancel();
                        workspace.write().show(&worker);
                    }
                },
                span { class: "strip__kind", Icon { name: icon } }
                if view.pinned {
                    span { class: "strip__pin", Icon { name: IconName::Pin, size: 12 } }
                }
                span { class: "strip__title truncate", "{view.title}" }
                if !view.device.is_empty() {
                    span { class: "strip__device", "{view.device}" }
                }
                StateDot { state, label: words }
            }
            if !view.pinned {
                button {
                    class: "strip__close",
                    r#type: "button",
                    "aria-label": "Close the tab of {view.title}",
                    title: "Close (Ctrl+W)",
                    onpointerdown: |event| event.stop_propagation(),
                    onclick: { let (session, worker) = (session.clone(), worker.clone()); move |_| session.close_tab(&worker) },
                    Icon { name: IconName::Close, size: 14 }
                }
            }
        }
    }
}

/// Follows a drag over the whole window, and carries out what it ends with.
#[component]
pub(super) fn DragCover() -> Element {
    let session = use_session();
    let stores = session.stores;
    let dragging: Dragging = use_context();
    let mut workspace = stores.workspace;
    let drag = dragging.drag.read().clone();
    let Some(drag) = drag else { return rsx! {} };
    let title = {
        let workspace = stores.workspace.peek();
        let models = stores.models.peek();
        workspace
            .tabs
            .get(&drag.worker)
            .map(|tab| (short_name(models.name_of(&tab.model)), tab.kind))
    };
    rsx! {
        // Over everything, so that the pointer is heard wherever it goes.
        div {
            class: "drag",
            "data-state": if drag.moved { "moved" } else { "pressed" },
            onpointermove: move |event| {
                let at = event.client_coordinates();
                if event.held_buttons().is_empty() { dragging.cancel() } else { dragging.moved((at.x, at.y), stores) }
            },
            onpointerup: move |_| {
                match dragging.end() {
                    // It was a press after all, which the tab itself does not hear under this cover.
                    Some((worker, None)) if !drag.moved => workspace.write().show(&worker),
                    Some((worker, Some(Drop::Before(before)))) => workspace.write().tabs.move_before(&worker, before.as_ref()),
                    Some((worker, Some(Drop::Pane(target, side)))) => workspace.write().drop_on(&worker, &target, side),
                    Some((_, None)) | None => {}
                }
            },
            onpointercancel: move |_| dragging.cancel(),
            if let Some((title, kind)) = title.filter(|_| drag.moved) {
                div { class: "drag__tab", "data-kind": kind.word(), style: "left:{drag.at.0}px;top:{drag.at.1}px",
                    Icon { name: kind_icon(kind) }
                    span { class: "truncate", "{title}" }
                }
            }
        }
    }
}

/// The icon of what a worker makes.
pub(super) fn kind_icon(kind: WorkerKind) -> IconName {
    match kind {
        WorkerKind::Text => IconName::Text,
        WorkerKind::Image => IconName::Image,
    }
}

fn arrangement_icon(arrangement: Arrangement) -> IconName {
    match arrangement {
        Arrangement::Automatic => IconName::Spark,
        Arrangement::Single => IconName::Expand,
        Arrangement::Columns => IconName::Columns,
        Arrangement::Rows => IconName::Rows,
        Arrangement::Grid => IconName::Grid,
    }
}

/// The state of a tab's worker.
pub(super) fn state(tab: &Tab, worker: Option<&Worker>) -> (Dot, String) {
    match (&tab.presence, worker) {
        (Presence::Gone(Departure::Stopped), _) => (Dot::Off, "stopped".to_owned()),
        (Presence::Gone(Departure::Failed { .. }), _) => (Dot::Bad, "failed".to_owned()),
        (_, None) => (Dot::Off, "not known yet".to_owned()),
        (_, Some(worker)) if worker.unreachable => (Dot::Warn, "its hive can't be reached".to_owned()),
        (_, Some(worker)) => (dot(worker.state), worker.state.label().to_owned()),
    }
}

fn dot(state: WorkerState) -> Dot {
    match state.tone() {
        "ready" => Dot::Ready,
        "busy" => Dot::Busy,
        "failed" => Dot::Bad,
        "coming" => Dot::Waiting,
        _ => Dot::Off,
    }
}

/// The last part of a name that is a path: `org/repo:file.gguf` is `file.gguf` on a tab.
pub(super) fn short_name(name: &str) -> String {
    let end = name
        .trim_end_matches('/')
        .rsplit(['/', ':'])
        .next()
        .unwrap_or(name);
    let end = end
        .strip_suffix(".gguf")
        .or_else(|| end.strip_suffix(".safetensors"))
        .unwrap_or(end);
    if end.is_empty() {
        name.to_owned()
    } else {
        end.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_has_the_telling_end_of_a_name() {
        assert_eq!(
            short_name("Qwen/Qwen3-0.6B-GGUF:Qwen3-0.6B-Q8_0.gguf"),
            "Qwen3-0.6B-Q8_0"
        );
        assert_eq!(short_name("local:tiny"), "tiny");
        assert_eq!(short_name("DreamShaper 8"), "DreamShaper 8");
        assert_eq!(short_name("local:"), "local:");
    }
}
