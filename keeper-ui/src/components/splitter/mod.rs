//! Two parts side by side or one above the other, and the line between them that can be moved.

use std::rc::Rc;

use dioxus::prelude::*;

/// How far one press of an arrow key moves the line, of the whole.
const NUDGE: f64 = 0.02;
/// How far with Shift.
const STRIDE: f64 = 0.10;

/// How the two parts lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// Side by side.
    #[default]
    Columns,
    /// One above the other.
    Rows,
}

impl Orientation {
    const fn name(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::Rows => "rows",
        }
    }

    /// The line's own direction, as ARIA says it.
    const fn line(self) -> &'static str {
        match self {
            Self::Columns => "vertical",
            Self::Rows => "horizontal",
        }
    }
}

/// The line alone: tells where it is dragged to in the window, and how far keys move it.
#[component]
pub fn Splitter(
    /// What it is between.
    #[props(into)]
    label: String,
    /// How the parts lie that it is between.
    #[props(default)]
    orientation: Orientation,
    /// The share of the first part, from 0 to 1.
    ratio: f64,
    /// The pointer took hold of it.
    #[props(default)]
    onstart: EventHandler<()>,
    /// The pointer is here now: pixels from the window's left and top.
    ondrag: EventHandler<(f64, f64)>,
    /// Move it by this share of the whole.
    onnudge: EventHandler<f64>,
    /// Back to the middle.
    #[props(default)]
    onreset: EventHandler<()>,
) -> Element {
    let mut held = use_signal(|| false);
    let onkeydown = move |event: KeyboardEvent| {
        let far = if event.modifiers().shift() { STRIDE } else { NUDGE };
        let Some(by) = moved(&event.key(), orientation, far) else {
            return;
        };
        event.prevent_default();
        event.stop_propagation();
        onnudge.call(by);
    };
    rsx! {
        div {
            class: "splitter",
            role: "separator",
            tabindex: "0",
            "aria-label": "{label}",
            "aria-orientation": orientation.line(),
            "aria-valuemin": "0",
            "aria-valuemax": "100",
            "aria-valuenow": format!("{:.0}", ratio.clamp(0.0, 1.0) * 100.0),
            "data-orientation": orientation.name(),
            "data-state": if held() { "held" } else { "still" },
            onkeydown,
            ondoubleclick: move |_| onreset.call(()),
            onpointerdown: move |event| {
                event.prevent_default();
                held.set(true);
                onstart.call(());
            },
        }
        if held() {
            // Over everything, so that the pointer is heard wherever it goes.
            div {
                class: "splitter__cover",
                "data-orientation": orientation.name(),
                onpointermove: move |event| {
                    if event.held_buttons().is_empty() {
                        held.set(false);
                    } else {
                        let at = event.client_coordinates();
                        ondrag.call((at.x, at.y));
                    }
                },
                onpointerup: move |_| held.set(false),
                onpointercancel: move |_| held.set(false),
            }
        }
    }
}

/// Two parts and the line between them; what is in them stays mounted while it moves.
#[component]
pub fn SplitPane(
    /// What is split, for those who listen.
    #[props(into)]
    label: String,
    /// How the parts lie.
    #[props(default)]
    orientation: Orientation,
    /// The share of the first part, from 0 to 1.
    ratio: f64,
    /// The least share that either may have.
    #[props(default = 0.15)]
    least: f64,
    /// The line was moved: the share of the first part now.
    onchange: EventHandler<f64>,
    /// The first part.
    first: Element,
    /// The second part.
    second: Element,
) -> Element {
    let mut container = use_signal(|| None::<Rc<MountedData>>);
    // Left, top, width and height of the container, measured when the line is taken hold of.
    let mut measured = use_signal(|| None::<[f64; 4]>);
    let measure = move |()| {
        measured.set(None);
        let Some(container) = container.peek().clone() else {
            return;
        };
        spawn(async move {
            if let Ok(rect) = container.get_client_rect().await {
                measured.set(Some([
                    rect.origin.x,
                    rect.origin.y,
                    rect.size.width,
                    rect.size.height,
                ]));
            }
        });
    };
    let set = move |ratio: f64| onchange.call(ratio.clamp(least, 1.0 - least));
    rsx! {
        div {
            class: "split",
            "data-orientation": orientation.name(),
            onmounted: move |event| container.set(Some(event.data())),
            div { class: "split__part", style: "flex-grow: {ratio:.4}", {first} }
            Splitter {
                label,
                orientation,
                ratio,
                onstart: measure,
                ondrag: move |at| {
                    if let Some(ratio) = measured().and_then(|area| share(at, area, orientation)) {
                        set(ratio);
                    }
                },
                onnudge: move |by| set(ratio + by),
                onreset: move |()| set(0.5),
            }
            div { class: "split__part", style: "flex-grow: {1.0 - ratio:.4}", {second} }
        }
    }
}

/// How far a key moves the line, if it is one that does.
fn moved(key: &Key, orientation: Orientation, far: f64) -> Option<f64> {
    match (orientation, key) {
        (Orientation::Columns, Key::ArrowLeft) | (Orientation::Rows, Key::ArrowUp) => Some(-far),
        (Orientation::Columns, Key::ArrowRight) | (Orientation::Rows, Key::ArrowDown) => Some(far),
        (_, Key::Home) => Some(-1.0),
        (_, Key::End) => Some(1.0),
        _ => None,
    }
}

/// The share of the first part if the line is at a point of an area.
fn share(at: (f64, f64), area: [f64; 4], orientation: Orientation) -> Option<f64> {
    let [left, top, width, height] = area;
    let (offset, length) = match orientation {
        Orientation::Columns => (at.0 - left, width),
        Orientation::Rows => (at.1 - top, height),
    };
    (length > 0.0).then(|| offset / length)
}

#[cfg(test)]
mod tests {
    use dioxus::prelude::Key;

    use super::{Orientation, moved, share};

    #[test]
    fn keys_along_the_line_do_not_move_it() {
        assert_eq!(moved(&Key::ArrowLeft, Orientation::Columns, 0.02), Some(-0.02));
        assert_eq!(moved(&Key::ArrowUp, Orientation::Columns, 0.02), None);
        assert_eq!(moved(&Key::ArrowDown, Orientation::Rows, 0.02), Some(0.02));
    }

    #[test]
    fn the_share_is_measured_in_the_container() {
        let area = [100.0, 50.0, 400.0, 200.0];
        assert_eq!(share((200.0, 0.0), area, Orientation::Columns), Some(0.25));
        assert_eq!(share((0.0, 150.0), area, Orientation::Rows), Some(0.5));
        assert_eq!(share((0.0, 0.0), [0.0; 4], Orientation::Rows), None);
    }
}
