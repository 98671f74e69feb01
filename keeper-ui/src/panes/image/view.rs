//! The drawn part of the pane.

use std::time::Instant;

use dioxus::html::{FileData, HasFileData as _};
use dioxus::prelude::*;

use super::composer::Composer;
use super::gallery_view::GalleryView;
use super::mask_editor::MaskEditor;
use super::panel::Panel;
use super::stage::Stage;
use super::strip::Strip;
use crate::client::failure::{Action, Failure};
use crate::components::{ControlSize, Icon, IconButton, IconName, use_identity};
use crate::model::ids::ModelId;
use crate::model::image::{PictureId, RunId, Session};
use crate::model::models::AddOnKind;

/// A worker's session, with failures as this window tells them.
pub type ImageSession = Session<Failure>;

/// The worker that the pane belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Painter {
    /// Its model's name.
    pub model: String,
    /// Whether it takes requests. Why it does not is said above the pane.
    pub serves: bool,
}

/// A LoRA, VAE or embedding of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddOnChoice {
    /// What it is.
    pub kind: AddOnKind,
    /// Which.
    pub id: ModelId,
    /// Its name.
    pub name: String,
    /// Whether it goes with the worker's model; `None` where nothing tells.
    pub suits: Option<bool>,
}

/// What becomes of a file that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// It is the picture to begin from.
    Source,
    /// Its settings are read.
    Settings,
}

/// What the person wants that the session alone can't do.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Pictures with what is set.
    Paint,
    /// No more of this run.
    Cancel(RunId),
    /// A picture as a file.
    Save(PictureId),
    /// A picture thrown away, its file, too.
    Remove(PictureId),
    /// A picture to begin from.
    BeginFrom(PictureId),
    /// The settings of a picture.
    UseSettings(PictureId),
    /// A file to begin from, chosen in the system's dialog.
    PickSource,
    /// Files that were dropped.
    Dropped(Vec<FileData>, Drop),
    /// What helps against a failure.
    Act(Action),
}

/// Puts the picture of a button into the clipboard. The webview allows that only while it handles the press itself.
const COPY: &str = r#"
const pane = document.getElementById(await dioxus.recv());
pane?.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const picture = fetch(button.dataset.copy).then((answer) => answer.blob());
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
    button.dataset.done = "true";
    setTimeout(() => { delete button.dataset.done; }, 1500);
  } catch (error) {
    dioxus.send(String(error));
  }
});
await new Promise(() => {});
"#;

/// The pane.
#[component]
pub fn ImageView(
    /// What is set, runs and was made.
    session: Signal<ImageSession>,
    /// The worker.
    painter: Painter,
    /// What can be used beside the model.
    add_ons: Vec<AddOnChoice>,
    /// What time it is, for how long it will take.
    now: ReadSignal<Instant>,
    /// Whether all settings show where there is no room for them beside the picture.
    #[props(default)]
    start_open: bool,
    /// Whether the mask brush shows from the start.
    #[props(default)]
    start_masking: bool,
    /// A wish.
    on: EventHandler<Wish>,
) -> Element {
    let mut open = use_signal(|| start_open);
    let mut masking = use_signal(|| start_masking);
    let mut hovering = use_signal(|| false);
    let id = use_identity("image-pane");
    use_copying(id.clone(), session);
    let has_source = use_memo(move || session.read().settings.source.is_some());
    let large = use_memo(move || session.read().gallery.view().is_some());
    let serves = painter.serves;
    rsx! {
        section {
            class: "image-pane",
            id: "{id}",
            "data-kind": "image",
            "data-panel": if open() { "open" } else { "closed" },
            "aria-label": "Pictures by {painter.model}",
            ondragenter: move |event| {
                event.prevent_default();
                hovering.set(true);
            },
            ondragover: move |event| event.prevent_default(),
            div { class: "image-pane__main",
                if masking() && has_source() {
                    MaskEditor { session, onclose: move |()| masking.set(false) }
                } else {
                    Stage { session, serves, now, on }
                    Strip { session }
                }
                Notes { session }
                Composer {
                    session,
                    serves,
                    panel_open: open(),
                    ontoggle: move |()| open.toggle(),
                    on,
                }
            }
            div { class: "image-pane__veil", onclick: move |_| open.set(false) }
            Panel {
                session,
                add_ons,
                onclose: move |()| open.set(false),
                onmask: move |()| {
                    masking.set(true);
                    open.set(false);
                },
                on,
            }
            if hovering() {
                DropZones {
                    ondrop: move |(files, drop)| {
                        hovering.set(false);
                        on.call(Wish::Dropped(files, drop));
                    },
                    onleave: move |()| hovering.set(false),
                }
            }
            if large() {
                GalleryView { session, on }
            }
        }
    }
}

/// Listens to the buttons that copy, and tells where that did not work.
fn use_copying(id: String, mut session: Signal<ImageSession>) {
    use_future(move || {
        let id = id.clone();
        async move {
            let mut script = document::eval(COPY);
            if script.send(id).is_err() {
                return;
            }
            while let Ok(trouble) = script.recv::<String>().await {
                let note = format!("The picture could not be copied ({trouble}). It can be saved instead.");
                session.write().notes.push(note);
            }
        }
    });
}

/// What there is to tell, until it was read.
#[component]
fn Notes(session: Signal<ImageSession>) -> Element {
    let mut session = session;
    let notes = use_memo(move || session.read().notes.clone());
    if notes.read().is_empty() {
        return rsx! {};
    }
    rsx! {
        div { class: "image-notes", role: "status",
            Icon { name: IconName::Info }
            ul {
                for note in notes() {
                    li { "{note}" }
                }
            }
            IconButton {
                icon: IconName::Close,
                label: "Dismiss",
                size: ControlSize::Small,
                onclick: move |_| session.write().notes.clear(),
            }
        }
    }
}

/// Where a picture that is dragged over the pane can be dropped.
#[component]
fn DropZones(ondrop: EventHandler<(Vec<FileData>, Drop)>, onleave: EventHandler<()>) -> Element {
    let zones = [
        (
            Drop::Source,
            "Begin from this picture",
            "It is made anew, wholly or where you paint.",
        ),
        (
            Drop::Settings,
            "Use its settings",
            "Prompt, seed and all else that its file tells.",
        ),
    ];
    rsx! {
        div { class: "image-drop",
            for (drop , title , text) in zones {
                div {
                    key: "{title}",
                    class: "image-drop__zone",
                    ondragover: |event| event.prevent_default(),
                    ondrop: move |event| {
                        event.prevent_default();
                        event.stop_propagation();
                        ondrop.call((event.files(), drop));
                    },
                    strong { "{title}" }
                    span { "{text}" }
                }
            }
            button { class: "image-drop__leave", r#type: "button", onclick: move |_| onleave.call(()), "Neither" }
        }
    }
}
