//! The dialog with the calls behind it.

use std::collections::BTreeSet;

use dioxus::core::spawn_forever;
use dioxus::prelude::*;

use super::view::{Ask, WizardView};
use crate::app::{Session, use_session};
use crate::client::failure::Failure;
use crate::client::spawn::{check_models, spawn_worker};
use crate::model::cluster::WorkerKind;
use crate::model::ids::ModelId;
use crate::model::models::{Model, ModelState};
use crate::model::wizard::{Page, SpawnEvent, Wizard};
use crate::stores::Stores;

/// The dialog that starts a worker.
#[component]
pub fn SpawnWizard(
    /// What it is to make, if that is chosen already.
    kind: Option<WorkerKind>,
    /// The model, if that is chosen already: then it starts by itself where there is room.
    model: Option<ModelId>,
    /// Close the dialog.
    onclose: EventHandler<()>,
) -> Element {
    let session = use_session();
    let stores = session.stores;
    let mut wizard = use_signal(|| first(stores, kind, model.as_ref()));
    let begin = use_callback({
        let session = session.clone();
        move |()| begin(&session, wizard)
    });
    use_checks(stores, wizard, begin);
    let has_hive = use_memo(move || stores.cluster.read().hives.values().any(|hive| hive.reachable));
    let on = move |ask| match ask {
        Ask::Kind(kind) => wizard.write().choose_kind(kind),
        Ask::Model(model) => wizard.write().choose_model(model),
        Ask::Search(words) => wizard.write().search = words,
        Ask::Place(place) => wizard.write().chosen = Some(place),
        Ask::Back => wizard.write().back(),
        Ask::Begin => begin(()),
        Ask::Show => {
            let worker = wizard
                .peek()
                .spawn
                .as_ref()
                .and_then(|spawn| spawn.worker.clone());
            onclose.call(());
            if let Some(worker) = worker {
                session.reveal(&worker);
            }
        }
        Ask::Act(action) => {
            onclose.call(());
            session.act(action);
        }
        Ask::Close => onclose.call(()),
    };
    rsx! {
        WizardView { wizard, models: stores.models, has_hive: has_hive(), on }
    }
}

/// Where the dialog begins.
fn first(stores: Stores, kind: Option<WorkerKind>, model: Option<&ModelId>) -> Wizard<Failure> {
    let models = stores.models.peek();
    if let Some(model) = model.and_then(|id| models.models.get(id)) {
        return Wizard::for_model(model);
    }
    let mut wizard = Wizard::default();
    if let Some(kind) = kind {
        wizard.choose_kind(kind);
    }
    wizard
}

/// Asks the hives about the models that are shown, each once while the hives stay the same.
fn use_checks(stores: Stores, wizard: Signal<Wizard<Failure>>, begin: Callback<()>) {
    let mut asked = use_signal(BTreeSet::<ModelId>::new);
    let hives = use_memo(move || stores.cluster.read().hives.values().cloned().collect::<Vec<_>>());
    let wanted = use_memo(move || {
        let state = wizard.read();
        match (state.page, &state.model, state.kind) {
            (Page::Model, _, Some(kind)) => Some((Some(kind), None)),
            (Page::Device, Some(model), _) => Some((None, Some(model.clone()))),
            _ => None,
        }
    });
    use_effect(move || {
        let cluster = stores.client.read().clone();
        let (Some((kind, model)), Some(cluster)) = (wanted(), cluster) else {
            return;
        };
        let is_wanted = |known: &&Model| match (&kind, &model) {
            (Some(kind), _) => known.model_type.worker_kind() == Some(*kind),
            (None, model) => Some(&known.id) == model.as_ref(),
        };
        let models: Vec<_> = {
            let known = stores.models.read();
            let asked = asked.peek();
            let available = known
                .models
                .values()
                .filter(|known| known.state == ModelState::Available);
            // Before a worker is started, what the hives said a while ago is asked again.
            let fresh = available
                .filter(is_wanted)
                .filter(|known| model.is_some() || !asked.contains(&known.id));
            fresh.cloned().collect()
        };
        if models.is_empty() {
            return;
        }
        asked.write().extend(models.iter().map(|model| model.id.clone()));
        let hives = hives.peek().clone();
        spawn(async move {
            let mut wizard = wizard;
            let told = |model, answer| {
                if wizard.write().answered(model, answer) {
                    begin(());
                }
            };
            check_models(&cluster, models, &hives, told).await;
        });
    });
}

/// Starts the worker and follows it. The following outlives the dialog, as the spawn does.
fn begin(session: &Session, mut wizard: Signal<Wizard<Failure>>) {
    let chosen = {
        let state = wizard.peek();
        state.model.clone().zip(state.place().cloned())
    };
    let (Some((model, place)), Some(cluster)) = (chosen, session.stores.client.peek().clone()) else {
        return;
    };
    let session = session.clone();
    wizard.write().begin();
    spawn_forever(async move {
        let mut spawning = spawn_worker(cluster, model, place);
        while let Some(event) = spawning.next().await {
            let failure = match &event {
                SpawnEvent::Failed(failure) => Some(failure.clone()),
                _ => None,
            };
            // Once the dialog is gone, only a failure is still worth a word: a worker that is ready shows by itself.
            let told = wizard.try_write().map(|mut state| state.apply(event)).is_ok();
            if let Some(failure) = failure.filter(|_| !told) {
                session.complain(&failure);
            }
        }
    });
}
