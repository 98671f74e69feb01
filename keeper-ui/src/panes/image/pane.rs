//! One worker's image pane: the drawn part with the stores and the calls behind it.

use std::time::{Duration, Instant};

use dioxus::html::FileData;
use dioxus::prelude::*;

use super::files;
use super::store::ImageStore;
use super::view::{AddOnChoice, Drop, ImageSession, ImageView, Painter, Wish};
use crate::client::failure::Action;
use crate::client::image as calls;
use crate::model::cluster::Worker;
use crate::model::ids::{ModelId, WorkerId};
use crate::model::image::from_picture::{read, read_file};
use crate::model::image::{Family, Picture, PictureId, Source};
use crate::model::models::{AddOnKind, DiffusionVersion, ModelState, ModelType, ModelsView};
use crate::stores::{Stores, use_stores};

/// How often the time that is left is drawn anew.
const TICK: Duration = Duration::from_millis(500);
/// How often what is set is kept.
const KEEP_EVERY: Duration = Duration::from_secs(2);

/// A worker's image pane.
#[component]
pub fn ImagePane(
    /// The worker.
    worker: WorkerId,
    /// What helps against a failure, where it is not this pane's to do.
    #[props(default)]
    onaction: EventHandler<Action>,
) -> Element {
    let stores = use_stores();
    let known = use_memo(use_reactive!(|worker| stores
        .cluster
        .read()
        .workers
        .get(&worker)
        .cloned()));
    let Some(found) = known() else {
        return rsx! {};
    };
    rsx! {
        Known { key: "{worker}", worker: found, onaction }
    }
}

#[component]
fn Known(worker: ReadSignal<Worker>, onaction: EventHandler<Action>) -> Element {
    let stores = use_stores();
    let store = stores.image;
    let id = use_hook(|| worker.peek().id.clone());
    let session = use_hook(|| store.session(&id, &worker.peek().model));
    let mut now = use_signal(Instant::now);
    use_future(move || async move {
        loop {
            tokio::time::sleep(TICK).await;
            if session.peek().running() > 0 {
                now.set(Instant::now());
            }
        }
    });
    use_keeping(store, id.clone(), session);
    use_facts(stores, worker, session);
    let add_ons = use_memo(move || {
        let family = session.read().facts.as_ref().map(|facts| facts.family);
        add_ons(&stores.models.read(), family)
    });
    let painter = use_memo(move || {
        let worker = worker.read();
        Painter {
            model: stores.models.read().name_of(&worker.model).to_owned(),
            serves: worker.state.serves(),
        }
    });
    rsx! {
        ImageView {
            session,
            painter: painter(),
            add_ons: add_ons(),
            now,
            on: move |wish| grant(wish, Granting { stores, worker, session, onaction }),
        }
    }
}

/// Keeps what is set now and then, and when the pane goes.
fn use_keeping(store: ImageStore, id: WorkerId, session: Signal<ImageSession>) {
    let last = use_signal(|| session.peek().settings.clone());
    let keep = use_callback(move |()| {
        let mut last = last;
        store.keep_settings(&id, &mut last.write());
    });
    use_future(move || async move {
        loop {
            tokio::time::sleep(KEEP_EVERY).await;
            keep(());
        }
    });
    use_drop(move || keep(()));
}

/// Asks the worker what it is, each time that it comes to serve.
fn use_facts(stores: Stores, worker: ReadSignal<Worker>, session: Signal<ImageSession>) {
    let serves = use_memo(move || worker.read().state.serves());
    use_effect(move || {
        let client = stores.client.read().clone();
        let (true, Some(cluster)) = (serves(), client) else {
            return;
        };
        let painter = painter_of(&worker.peek());
        let mut session = session;
        spawn(async move {
            let answer = calls::read_facts(&cluster, &painter).await;
            let mut state = session.write();
            match answer {
                Ok(facts) => (state.facts, state.trouble) = (Some(facts), None),
                Err(failure) => state.trouble = Some(failure),
            }
        });
    });
}

fn painter_of(worker: &Worker) -> calls::Painter {
    calls::Painter {
        worker: worker.id.clone(),
        hive_address: worker.hive_address.clone(),
    }
}

/// LoRAs, VAEs and embeddings of the catalog, with whether they go with a family.
fn add_ons(models: &ModelsView, family: Option<Family>) -> Vec<AddOnChoice> {
    let choice = |model: &crate::model::models::Model| match model.model_type {
        ModelType::AddOn {
            kind: Some(kind @ (AddOnKind::Lora | AddOnKind::Vae | AddOnKind::Embedding)),
            base,
        } if model.state == ModelState::Available => Some(AddOnChoice {
            kind,
            id: model.id.clone(),
            name: model.name.clone(),
            suits: base.zip(family).and_then(|(base, family)| suits(base, family)),
        }),
        _ => None,
    };
    models.models.values().filter_map(choice).collect()
}

/// Whether an add-on for a generation goes with a family. What goes with XL goes with what was made of it.
fn suits(base: DiffusionVersion, family: Family) -> Option<bool> {
    let is_xl = |base| matches!(base, DiffusionVersion::Xl | DiffusionVersion::XlTurbo);
    Some(match family {
        Family::V1 => base == DiffusionVersion::V1_5,
        Family::V2 => base == DiffusionVersion::V2_1,
        Family::Xl | Family::XlTurbo => is_xl(base),
        Family::XlRefiner => base == DiffusionVersion::XlRefiner,
        Family::Other => return None,
    })
}

/// All that granting a wish needs.
#[derive(Clone, Copy)]
struct Granting {
    stores: Stores,
    worker: ReadSignal<Worker>,
    session: Signal<ImageSession>,
    onaction: EventHandler<Action>,
}

fn grant(wish: Wish, mut with: Granting) {
    let id = with.worker.peek().id.clone();
    let store = with.stores.image;
    match wish {
        Wish::Paint => match with.stores.client.peek().clone() {
            Some(cluster) => store.begin(cluster, painter_of(&with.worker.peek())),
            None => with.onaction.call(Action::Reconnect),
        },
        Wish::Cancel(run) => store.cancel(&id, run),
        Wish::Remove(picture) => store.remove(&id, picture),
        Wish::UseSettings(picture) => with.use_settings(picture),
        Wish::BeginFrom(picture) => drop(spawn(async move { with.begin_from(picture).await })),
        Wish::Save(picture) => drop(spawn(async move { with.save(picture).await })),
        Wish::PickSource => drop(spawn(async move {
            if let Some((name, bytes)) = files::pick().await {
                with.take_source(name, bytes);
            }
        })),
        Wish::Dropped(dropped, purpose) => drop(spawn(async move { with.dropped(dropped, purpose).await })),
        Wish::Act(action) => with.onaction.call(action),
    }
}

impl Granting {
    fn note(&mut self, note: String) {
        self.session.write().notes.push(note);
    }

    fn picture(&self, id: PictureId) -> Option<Picture> {
        self.session
            .peek()
            .gallery
            .item(id)
            .map(|item| item.picture.clone())
    }

    fn loras(&self) -> Vec<ModelId> {
        let models = self.stores.models.peek();
        add_ons(&models, None)
            .into_iter()
            .filter(|known| known.kind == AddOnKind::Lora)
            .map(|lora| lora.id)
            .collect()
    }

    fn use_settings(&mut self, id: PictureId) {
        let loras = self.loras();
        let mut state = self.session.write();
        let Some(item) = state.gallery.item(id).cloned() else {
            return;
        };
        state.gallery.close();
        match item.settings {
            Some(settings) => state.settings = settings,
            None if item.parameters.is_empty() => {
                state
                    .notes
                    .push("This picture does not say how it was made.".to_owned());
            }
            None => {
                let read = read(&item.parameters, &loras);
                (state.settings, state.notes) = (read.settings, read.notes);
            }
        }
    }

    async fn begin_from(&mut self, id: PictureId) {
        let Some(picture) = self.picture(id) else {
            return;
        };
        match files::bytes(&picture).await {
            Ok(bytes) => self.take_source(format!("Picture of this pane.{}", picture.extension()), bytes),
            Err(error) => self.note(format!("The picture can't be read: {error}.")),
        }
    }

    fn take_source(&mut self, name: String, bytes: Vec<u8>) {
        let picture = self.stores.image.shelf().put(bytes);
        let source = match picture {
            Some(picture) => Source::new(picture, name),
            None => Err("A picture to begin from is a PNG, JPEG or WebP file.".to_owned()),
        };
        let mut state = self.session.write();
        match source {
            Ok(source) => {
                let facts = state.facts.clone();
                state.settings.set_source(source, facts.as_ref());
                state.gallery.close();
            }
            Err(sentence) => state.notes.push(sentence),
        }
    }

    async fn dropped(&mut self, dropped: Vec<FileData>, purpose: Drop) {
        let Some(file) = dropped.first() else {
            return;
        };
        let Ok(bytes) = file.read_bytes().await else {
            self.note(format!("{} can't be read.", file.name()));
            return;
        };
        match purpose {
            Drop::Source => self.take_source(file.name(), bytes.to_vec()),
            Drop::Settings => match read_file(&bytes, &self.loras()) {
                Ok(read) => {
                    let mut state = self.session.write();
                    (state.settings, state.notes) = (read.settings, read.notes);
                }
                Err(error) => self.note(error.to_string()),
            },
        }
    }

    async fn save(&mut self, id: PictureId) {
        let Some(picture) = self.picture(id) else {
            return;
        };
        let seed = self.session.peek().gallery.item(id).and_then(|item| item.seed);
        let name = seed.map_or_else(|| "picture".to_owned(), |seed| format!("picture-{seed}"));
        if let Err(error) = files::save(&picture, &format!("{name}.{}", picture.extension())).await {
            self.note(format!("The picture could not be saved: {error}."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_ons_go_with_the_models_they_were_made_for() {
        assert_eq!(suits(DiffusionVersion::Xl, Family::XlTurbo), Some(true));
        assert_eq!(suits(DiffusionVersion::Xl, Family::V1), Some(false));
        assert_eq!(suits(DiffusionVersion::V1_5, Family::V1), Some(true));
        assert_eq!(suits(DiffusionVersion::V1_5, Family::Other), None);
    }
}
