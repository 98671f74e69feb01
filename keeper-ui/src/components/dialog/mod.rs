//! A question or a small task in front of everything else.

use dioxus::prelude::*;

use super::button::IconButton;
use super::icon::IconName;
use super::identity::use_identity;

/// Makes the drawn dialog modal, which the webview alone can: everything behind it is inert, the Tab key stays in it, and
/// focus goes to its first control. Who had the focus gets it back when the dialog goes.
const OPEN: &str = r#"
const dialog = document.getElementById(await dioxus.recv());
if (dialog && !dialog.matches(":modal")) {
  (window.rbeeOpeners ??= []).push(document.activeElement);
  dialog.removeAttribute("open");
  dialog.showModal();
}
"#;

/// Gives the focus back.
const CLOSED: &str = r#"
const opener = (window.rbeeOpeners ?? []).pop();
if (opener?.isConnected) { opener.focus(); }
"#;

/// How wide a dialog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DialogSize {
    /// A question.
    #[default]
    Small,
    /// A form.
    Medium,
    /// A task with lists in it.
    Large,
}

impl DialogSize {
    const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// A dialog; draw it only while it is open. Escape, the cross and a press beside it ask for it to be closed.
#[component]
pub fn Dialog(
    /// What it is about.
    #[props(into)]
    title: String,
    /// How wide it is.
    #[props(default)]
    size: DialogSize,
    /// Somebody wants it closed.
    onclose: EventHandler<()>,
    /// The buttons at its end; absent for a dialog without any.
    #[props(default)]
    footer: Option<Element>,
    /// What is in it.
    children: Element,
) -> Element {
    let id = use_identity("dialog");
    let title_id = format!("{id}-title");
    use_drop(|| {
        document::eval(CLOSED);
    });
    rsx! {
        dialog {
            class: "dialog",
            id: "{id}",
            open: true,
            "aria-modal": "true",
            "aria-labelledby": "{title_id}",
            "data-size": size.name(),
            onmounted: {
                let id = id.clone();
                move |_| drop(document::eval(OPEN).send(id.clone()))
            },
            // The webview would close it by itself, and the state would not know.
            onkeydown: move |event| {
                if event.key() == Key::Escape {
                    event.prevent_default();
                    event.stop_propagation();
                    onclose.call(());
                }
            },
            // What is beside the sheet is still the dialog: the sheet keeps its own presses.
            onmousedown: move |_| onclose.call(()),
            div { class: "dialog__sheet", onmousedown: |event| event.stop_propagation(),
                header { class: "dialog__head",
                    h2 { class: "dialog__title", id: "{title_id}", "{title}" }
                    IconButton { icon: IconName::Close, label: "Close", onclick: move |_| onclose.call(()) }
                }
                div { class: "dialog__body", {children} }
                if let Some(footer) = footer {
                    footer { class: "dialog__foot", {footer} }
                }
            }
        }
    }
}
