//! A file before it becomes a model.

use dioxus::prelude::*;

use crate::components::{Button, ButtonVariant, Choice, Dialog, Select, TextField};
use crate::model::import::{ImportDraft, ImportMode};

/// Asks under which name a file comes in, and how.
#[component]
pub fn ImportDialog(
    /// The import; `None` closes the dialog.
    draft: Signal<Option<ImportDraft>>,
    /// It is to begin.
    onimport: EventHandler<ImportDraft>,
) -> Element {
    let Some(import) = draft() else { return rsx! {} };
    let problem = import.problem();
    let modes: Vec<Choice> = ImportMode::ALL
        .into_iter()
        .map(|mode| Choice::new(mode.id(), mode.label()))
        .collect();
    let change = move |change: &dyn Fn(&mut ImportDraft)| {
        if let Some(draft) = draft.write().as_mut() {
            change(draft);
        }
    };
    let mut rename = change;
    let mut choose = change;
    let ready = import.clone();
    rsx! {
        Dialog {
            title: "Import a model",
            onclose: move |()| draft.set(None),
            footer: rsx! {
                Button { onclick: move |_| draft.set(None), "Cancel" }
                Button {
                    variant: ButtonVariant::Primary,
                    disabled: problem.is_some(),
                    onclick: move |_| onimport.call(ready.clone()),
                    "Import"
                }
            },
            div { class: "import",
                p { class: "import__path", dir: "auto", title: "{import.path}", "{import.path}" }
                TextField {
                    label: "Name",
                    value: import.name.clone(),
                    hint: format!("The model's id will be {}.", import.id()),
                    error: problem.map(str::to_owned),
                    oninput: move |name: String| rename(&|draft| draft.name.clone_from(&name)),
                }
                Select {
                    label: "Into the store",
                    value: import.mode.id(),
                    choices: modes,
                    hint: match import.mode {
                        ImportMode::LinkOrCopy => "Takes no room where the file is on the store's own file system.",
                        ImportMode::Copy => "The file can be moved or removed afterwards.",
                        ImportMode::InPlace => "The file must stay there unchanged.",
                    },
                    onchange: move |id: String| choose(&|draft| draft.mode = ImportMode::of(&id).unwrap_or_default()),
                }
                p { class: "field__hint", "The file must be on the host of the provisioner, in a folder that it may import from." }
            }
        }
    }
}
