//! The mask brush. The pointer's way becomes strokes, drawn as SVG paths over the picture and rasterised by the model
//! when the request goes out: strokes can be taken back one by one, are sharp at every size, are drawn the same in tests,
//! and no bitmap travels between the webview and the program, as one of a canvas would have to.

use dioxus::prelude::*;

use super::panel::rounded;
use super::view::ImageSession;
use crate::components::{Button, ButtonVariant, ControlSize, IconButton, IconName, Slider};
use crate::model::image::{Mask, Point, Size, Stroke};

/// The brush's radius at first, in shares of the shorter edge.
const USUAL_RADIUS: f32 = 0.06;

/// The picture with the brush over it.
#[component]
pub(super) fn MaskEditor(session: Signal<ImageSession>, onclose: EventHandler<()>) -> Element {
    let mut session = session;
    let mut radius = use_signal(|| USUAL_RADIUS);
    let mut erases = use_signal(|| false);
    let source = use_memo(move || session.read().settings.source.clone());
    let source = source.read();
    let Some(source) = source.as_ref() else {
        return rsx! {};
    };
    let mask = &source.mask;
    let mut change = move |change: fn(&mut Mask)| {
        if let Some(source) = &mut session.write().settings.source {
            change(&mut source.mask);
        }
    };
    rsx! {
        div { class: "image-mask",
            div { class: "image-mask__bar", role: "toolbar", "aria-label": "Mask",
                IconButton {
                    icon: IconName::Brush,
                    label: "Paint what is made anew",
                    pressed: !erases(),
                    onclick: move |_| erases.set(false),
                }
                IconButton {
                    icon: IconName::Eraser,
                    label: "Paint what is kept",
                    pressed: erases(),
                    onclick: move |_| erases.set(true),
                }
                div { class: "image-mask__size",
                    Slider {
                        label: "Brush",
                        value: rounded(radius()),
                        min: 0.01,
                        max: 0.3,
                        step: 0.01,
                        text: format!("{:.0} px", 2.0 * radius() * source.size.shorter_edge() as f32),
                        oninput: move |value: f64| radius.set(value as f32),
                    }
                }
                IconButton {
                    icon: IconName::Undo,
                    label: "Take the last stroke back",
                    disabled: mask.is_empty(),
                    onclick: move |_| change(Mask::undo),
                }
                IconButton {
                    icon: IconName::Redo,
                    label: "Paint it again",
                    disabled: !mask.can_redo(),
                    onclick: move |_| change(Mask::redo),
                }
                IconButton {
                    icon: IconName::Compare,
                    label: "Swap what is made anew and what is kept",
                    pressed: mask.inverted,
                    disabled: mask.is_empty(),
                    onclick: move |_| change(|mask| mask.inverted = !mask.inverted),
                }
                IconButton {
                    icon: IconName::Trash,
                    label: "Take the whole mask away",
                    disabled: mask.is_empty(),
                    onclick: move |_| change(Mask::clear),
                }
                Button {
                    variant: ButtonVariant::Primary,
                    size: ControlSize::Small,
                    onclick: move |_| onclose.call(()),
                    "Done"
                }
            }
            Easel { session, radius: radius(), erases: erases() }
        }
    }
}

/// The picture, what was painted, and what hears the pointer.
#[component]
fn Easel(session: Signal<ImageSession>, radius: f32, erases: bool) -> Element {
    let mut session = session;
    // Width and height of the picture on the screen, told by the webview.
    let mut shown = use_signal(|| (1.0, 1.0));
    let mut held = use_signal(|| false);
    let source = use_memo(move || session.read().settings.source.clone());
    let source = source.read();
    let Some(source) = source.as_ref() else {
        return rsx! {};
    };
    let point = move |event: &PointerEvent| {
        let at = event.element_coordinates();
        let (width, height) = shown();
        Point {
            x: (at.x / width) as f32,
            y: (at.y / height) as f32,
        }
    };
    let mut with_mask = move |change: &dyn Fn(&mut Mask)| {
        if let Some(source) = &mut session.write().settings.source {
            change(&mut source.mask);
        }
    };
    let Size { width, height } = source.size;
    rsx! {
        div { class: "image-mask__stage",
            div { class: "image-mask__easel", style: "--width: {width}; --height: {height}",
                img { src: source.picture.address(), alt: "The picture to begin from", draggable: "false" }
                MaskOverlay { mask: source.mask.clone(), size: source.size }
                div {
                    class: "image-mask__pointer",
                    role: "application",
                    "aria-label": "Paint with the pointer what is made anew",
                    onresize: move |event| {
                        if let Ok(size) = event.get_border_box_size() {
                            shown.set((size.width.max(1.0), size.height.max(1.0)));
                        }
                    },
                    onpointerdown: move |event| {
                        event.prevent_default();
                        held.set(true);
                        let at = point(&event);
                        with_mask(&|mask| mask.begin(at, radius, erases));
                    },
                    onpointermove: move |event| {
                        if !held() {
                            return;
                        }
                        if event.held_buttons().is_empty() {
                            held.set(false);
                            return;
                        }
                        let at = point(&event);
                        with_mask(&|mask| mask.extend(at));
                    },
                    onpointerup: move |_| held.set(false),
                    onpointercancel: move |_| held.set(false),
                }
            }
        }
    }
}

/// What was painted, as SVG: white strokes and black ones are an SVG's own mask of one tinted field.
#[component]
fn MaskOverlay(mask: Mask, size: Size) -> Element {
    if mask.is_empty() {
        return rsx! {};
    }
    let (ground, paint) = if mask.inverted {
        ("white", "black")
    } else {
        ("black", "white")
    };
    let colour = |stroke: &Stroke| if stroke.erases { ground } else { paint };
    let Size { width, height } = size;
    rsx! {
        svg {
            class: "image-mask__overlay",
            view_box: "0 0 {width} {height}",
            preserve_aspect_ratio: "none",
            "aria-hidden": "true",
            mask { id: "image-mask",
                rect { width: "{width}", height: "{height}", fill: ground }
                for (index , stroke) in mask.strokes().iter().enumerate() {
                    path {
                        key: "{index}",
                        d: Mask::path(stroke, size),
                        fill: "none",
                        stroke: colour(stroke),
                        stroke_width: "{Mask::width(stroke, size):.1}",
                        stroke_linecap: "round",
                        stroke_linejoin: "round",
                    }
                }
            }
            rect { class: "image-mask__tint", width: "{width}", height: "{height}", mask: "url(#image-mask)" }
        }
    }
}
