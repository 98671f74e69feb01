//! Embeddings with their words, and the VAE.

use dioxus::prelude::*;

use super::loras::choices;
use super::view::{AddOnChoice, ImageSession};
use crate::components::{Choice, ControlSize, IconButton, IconName, Select, TextField};
use crate::model::ids::ModelId;
use crate::model::image::from_picture::short_name;
use crate::model::models::AddOnKind;

/// The embeddings. Where there are none, nothing is said of them.
#[component]
pub(super) fn Embeddings(session: Signal<ImageSession>, add_ons: Vec<AddOnChoice>) -> Element {
    let mut session = session;
    let used = use_memo(move || session.read().settings.embeddings.clone());
    let known = || add_ons.iter().filter(|known| known.kind == AddOnKind::Embedding);
    let unused = known().filter(|known| used.read().iter().all(|used| used.model_id != known.id));
    let choices = choices(unused, "Add an embedding…");
    if used.read().is_empty() && choices.len() < 2 {
        return rsx! {};
    }
    rsx! {
        section { class: "image-panel__section",
            h4 { class: "image-panel__title", "Embeddings" }
            for embedding in used() {
                EmbeddingRow {
                    key: "{embedding.model_id}",
                    session,
                    name: name_of(&add_ons, &embedding.model_id),
                    id: embedding.model_id.clone(),
                }
            }
            if choices.len() > 1 {
                Select {
                    label: "Add an embedding",
                    hide_label: true,
                    value: "",
                    choices,
                    onchange: move |id: String| {
                        if !id.is_empty() {
                            session.write().settings.add_embedding(id.into());
                        }
                    },
                }
            }
        }
    }
}

/// What an add-on is called.
pub(super) fn name_of(add_ons: &[AddOnChoice], id: &ModelId) -> String {
    let known = add_ons.iter().find(|known| known.id == *id);
    known.map_or_else(|| short_name(id).to_owned(), |known| known.name.clone())
}

#[component]
fn EmbeddingRow(session: Signal<ImageSession>, id: ModelId, name: String) -> Element {
    let mut session = session;
    let id = use_signal(|| id);
    // Its word, and whether a prompt has it: without that it does nothing.
    let word = use_memo(move || {
        let settings = &session.read().settings;
        let mut embeddings = settings.embeddings.iter();
        let word = embeddings.find(|used| used.model_id == *id.read())?.word.clone();
        let said = settings.prompt.contains(&word) || settings.negative_prompt.contains(&word);
        Some((word, said))
    });
    let Some((word, said)) = word() else {
        return rsx! {};
    };
    rsx! {
        div { class: "image-embedding",
            TextField {
                label: name.clone(),
                value: word.clone(),
                placeholder: "Its word",
                error: word.trim().is_empty().then(|| "It needs a word.".to_owned()),
                hint: (!said && !word.trim().is_empty()).then(|| format!("Write {word} into one of the prompts.")),
                oninput: move |text: String| {
                    let mut state = session.write();
                    let found = state.settings.embeddings.iter_mut().find(|used| used.model_id == *id.peek());
                    if let Some(used) = found {
                        used.word = text.trim().to_owned();
                    }
                },
            }
            IconButton {
                icon: IconName::Close,
                label: "Take {name} out",
                size: ControlSize::Small,
                onclick: move |_| {
                    let gone = id.peek().clone();
                    session.write().settings.embeddings.retain(|used| used.model_id != gone);
                },
            }
        }
    }
}

/// Which VAE. Where there is none to choose, nothing is said of it.
#[component]
pub(super) fn VaeField(session: Signal<ImageSession>, add_ons: Vec<AddOnChoice>) -> Element {
    let mut session = session;
    let vae = use_memo(move || session.read().settings.vae.clone());
    let known: Vec<_> = add_ons
        .iter()
        .filter(|known| known.kind == AddOnKind::Vae)
        .collect();
    let mut all = vec![Choice::new("", "The model's own")];
    all.extend(
        known
            .iter()
            .map(|known| Choice::new(known.id.as_str(), &known.name)),
    );
    if let Some(vae) = vae.read().as_ref()
        && known.iter().all(|known| known.id != *vae)
    {
        // One of before that is not here any more.
        all.push(Choice::new(vae.as_str(), short_name(vae)));
    }
    if all.len() < 2 {
        return rsx! {};
    }
    rsx! {
        Select {
            label: "VAE",
            value: vae().map(|vae| vae.to_string()).unwrap_or_default(),
            choices: all,
            onchange: move |id: String| {
                session.write().settings.vae = (!id.is_empty()).then(|| id.into());
            },
        }
    }
}
