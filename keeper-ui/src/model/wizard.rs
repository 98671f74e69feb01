//! The spawn wizard: which kind, which model, which device, and then the six steps of the spawn as they happen.
//!
//! What fits is said by the hives (`CheckSpawn`); here it is ranked and put in words. From a model's row the wizard
//! goes as far by itself as the answers allow: to a running worker, if a device has room.

pub mod answer;
pub mod spawn;

pub use answer::{Answer, Fit, Place, Refusal, Verdict};
pub use spawn::{Spawn, SpawnEvent, SpawnStep, StepState};

use std::collections::BTreeMap;

use super::cluster::WorkerKind;
use super::ids::{DeviceId, HiveId, ModelId};
use super::models::{Model, ModelState, ModelsView};

/// A page of the wizard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    /// Text or pictures.
    Kind,
    /// The model.
    Model,
    /// The device.
    Device,
    /// It is being started.
    Starting,
}

/// A device of the cluster.
pub type PlaceId = (HiveId, DeviceId);

/// The wizard. `F` is what a failure is told by.
#[derive(Debug, Clone, PartialEq)]
pub struct Wizard<F> {
    /// The page that is shown.
    pub page: Page,
    /// What the worker is to make.
    pub kind: Option<WorkerKind>,
    /// The model.
    pub model: Option<ModelId>,
    /// What is typed to find a model.
    pub search: String,
    /// The device that the person chose; `None` for the best one.
    pub chosen: Option<PlaceId>,
    /// The spawn, once it was begun.
    pub spawn: Option<Spawn<F>>,
    /// Whether it begins by itself as soon as a device is known to have room.
    hurried: bool,
    answers: BTreeMap<ModelId, Answer<F>>,
}

impl<F> Default for Wizard<F> {
    fn default() -> Self {
        Self {
            page: Page::Kind,
            kind: None,
            model: None,
            search: String::new(),
            chosen: None,
            spawn: None,
            hurried: false,
            answers: BTreeMap::new(),
        }
    }
}

/// A model that can be chosen, with what the hives said of it.
#[derive(Debug, PartialEq)]
pub struct Choice<'a, F> {
    /// The model.
    pub model: &'a Model,
    /// Where it would go; `None` while the hives are asked.
    pub verdict: Option<Verdict<'a, F>>,
}

impl<F> Wizard<F> {
    /// The wizard for a model's row: it goes on by itself.
    #[must_use]
    pub fn for_model(model: &Model) -> Self {
        Self {
            page: Page::Device,
            kind: model.model_type.worker_kind(),
            model: Some(model.id.clone()),
            hurried: true,
            ..Self::default()
        }
    }

    /// Chooses what the worker is to make, and goes on to the models.
    pub fn choose_kind(&mut self, kind: WorkerKind) {
        if self.kind != Some(kind) {
            (self.model, self.chosen) = (None, None);
            self.search.clear();
        }
        self.kind = Some(kind);
        self.page = Page::Model;
    }

    /// Chooses the model, and goes on to the devices.
    pub fn choose_model(&mut self, model: ModelId) {
        if self.model.as_ref() != Some(&model) {
            self.chosen = None;
        }
        self.model = Some(model);
        self.page = Page::Device;
    }

    /// Goes one page back; from a spawn that failed to the devices. A spawn that runs is not left like this.
    pub fn back(&mut self) {
        self.hurried = false;
        self.page = match self.page {
            Page::Kind | Page::Model => Page::Kind,
            Page::Device => Page::Model,
            Page::Starting if self.spawn.as_ref().is_none_or(Spawn::has_failed) => {
                self.spawn = None;
                Page::Device
            }
            Page::Starting => Page::Starting,
        };
    }

    /// Models of the chosen kind that are searched for: those that fit first, then those of which it is not known, then
    /// the others; each group by name.
    #[must_use]
    pub fn choices<'a>(&'a self, models: &'a ModelsView) -> Vec<Choice<'a, F>> {
        let search = self.search.trim().to_lowercase();
        let wanted = |model: &&Model| {
            self.kind.is_some()
                && model.model_type.worker_kind() == self.kind
                && model.state == ModelState::Available
                && (model.name.to_lowercase().contains(&search)
                    || model.id.as_str().to_lowercase().contains(&search))
        };
        let mut choices: Vec<_> = models
            .models
            .values()
            .filter(wanted)
            .map(|model| Choice {
                model,
                verdict: self.answers.get(&model.id).map(Answer::verdict),
            })
            .collect();
        choices.sort_by_key(|choice| {
            let rank = choice.verdict.as_ref().map_or(1, Verdict::rank);
            (rank, choice.model.name.to_lowercase(), choice.model.id.clone())
        });
        choices
    }

    /// Takes what the hives said of a model. Answers whether the spawn is to be begun now, since it was asked for from
    /// a row and a device has room.
    pub fn answered(&mut self, model: ModelId, answer: Answer<F>) -> bool {
        let is_chosen = self.model.as_ref() == Some(&model);
        let fits = matches!(answer.verdict(), Verdict::Fits(_));
        self.answers.insert(model, answer);
        let goes_on = self.hurried && is_chosen && self.page == Page::Device;
        self.hurried &= !goes_on;
        goes_on && fits
    }

    /// What the hives said of a model.
    #[must_use]
    pub fn answer(&self, model: &ModelId) -> Option<&Answer<F>> {
        self.answers.get(model)
    }

    /// Where the worker goes: the chosen device, else the best one that has room, or makes it, or may have it.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        let answer = self.answers.get(self.model.as_ref()?)?;
        match &self.chosen {
            Some(id) => answer.places.iter().find(|place| place.id() == *id),
            None => answer.best(),
        }
    }

    /// Whether the spawn can be begun with what was chosen.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.page == Page::Device && self.place().is_some_and(|place| place.fit != Fit::NoProgram)
    }

    /// Begins the spawn. The caller asks the hive.
    pub fn begin(&mut self) {
        self.hurried = false;
        self.spawn = Some(Spawn::default());
        self.page = Page::Starting;
    }

    /// Takes what happened to the spawn.
    pub fn apply(&mut self, event: SpawnEvent<F>) {
        if let Some(spawn) = &mut self.spawn {
            spawn.apply(event);
        }
    }

    /// Whether a spawn runs, which goes on if the wizard is closed.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        self.spawn.as_ref().is_some_and(|spawn| spawn.outcome.is_none())
    }
}

#[cfg(test)]
mod tests;
