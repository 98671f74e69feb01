//! Which models of the list are wanted.

use std::collections::BTreeSet;
use std::fmt;

use rbee_artifacts::{
    AddOnKind, ModelEntry, ModelStatus, ModelType, StableDiffusionVersion, Vendor, WorkerType,
};

/// Bytes that the text of a filter may have.
pub const MAX_TEXT_BYTES: usize = 256;
/// Where the vendor's own word for what a model is derived from is kept, among an entry's metadata.
pub const BASE_MODEL: &str = "base_model";

/// The kinds of model, without their details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelKind {
    /// Language models.
    Llm,
    /// Stable Diffusion models.
    StableDiffusion,
    /// What is used with a Stable Diffusion model and not alone.
    AddOn,
}

impl ModelKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Llm, Self::StableDiffusion, Self::AddOn];

    /// The kind of a model.
    #[must_use]
    pub fn of(model_type: &ModelType) -> Self {
        match model_type {
            ModelType::Llm { .. } => Self::Llm,
            ModelType::StableDiffusion { .. } => Self::StableDiffusion,
            ModelType::AddOn { .. } => Self::AddOn,
        }
    }
}

/// The states of a model, without their details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelState {
    /// Complete and verified.
    Available,
    /// Being brought in.
    Downloading,
    /// Bringing it in failed.
    Failed,
}

impl ModelState {
    /// Every state.
    pub const ALL: &'static [Self] = &[Self::Available, Self::Downloading, Self::Failed];

    /// The state that a status is in.
    #[must_use]
    pub fn of(status: &ModelStatus) -> Self {
        match status {
            ModelStatus::Available => Self::Available,
            ModelStatus::Downloading => Self::Downloading,
            ModelStatus::Failed { .. } => Self::Failed,
        }
    }
}

/// Which models are wanted: those that every field lets pass. A set or a list that is empty lets all
/// pass, and so does what is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFilter {
    /// Of one of these kinds.
    pub kinds: BTreeSet<ModelKind>,
    /// From one of these vendors.
    pub vendors: BTreeSet<Vendor>,
    /// In one of these states.
    pub states: BTreeSet<ModelState>,
    /// Add-ons of one of these kinds.
    pub add_on_kinds: BTreeSet<AddOnKind>,
    /// Add-ons that go with this generation, or of which nothing tells what they go with.
    pub add_on_base: Option<StableDiffusionVersion>,
    /// Served by workers of this type.
    pub worker_type: Option<WorkerType>,
    /// Each of these words in one of the texts of the model.
    pub words: Words,
}

impl ModelFilter {
    /// Whether every model passes.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this model passes.
    #[must_use]
    pub fn matches(&self, model: &ModelEntry) -> bool {
        fn allows<T: Ord>(wanted: &BTreeSet<T>, found: &T) -> bool {
            wanted.is_empty() || wanted.contains(found)
        }
        allows(&self.kinds, &ModelKind::of(&model.model_type))
            && allows(&self.vendors, &model.vendor())
            && allows(&self.states, &ModelState::of(&model.status))
            && self
                .worker_type
                .is_none_or(|worker_type| model.is_compatible_with(worker_type))
            && self.allows_add_on(&model.model_type)
            && self.words.are_in(&searched_texts(model))
    }

    fn allows_add_on(&self, model_type: &ModelType) -> bool {
        if self.add_on_kinds.is_empty() && self.add_on_base.is_none() {
            return true;
        }
        let ModelType::AddOn { add_on, base } = model_type else {
            return false;
        };
        let goes_with = |wanted| base.is_none_or(|base| undistilled(base) == undistilled(wanted));
        (self.add_on_kinds.is_empty() || self.add_on_kinds.contains(add_on))
            && self.add_on_base.is_none_or(goes_with)
    }
}

/// The same filter always in the same words, and another one in others: page tokens are bound to it.
impl fmt::Display for ModelFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kinds,
            vendors,
            states,
            add_on_kinds,
            add_on_base,
            worker_type,
            words,
        } = self;
        write!(
            f,
            "kinds {kinds:?} vendors {vendors:?} states {states:?} add-ons {add_on_kinds:?} for {add_on_base:?} \
             worker {worker_type:?} words {words:?}"
        )
    }
}

/// The generation that a distilled one is built like: what goes with one goes with the other.
fn undistilled(version: StableDiffusionVersion) -> StableDiffusionVersion {
    match version {
        StableDiffusionVersion::XlTurbo => StableDiffusionVersion::Xl,
        StableDiffusionVersion::V1_5
        | StableDiffusionVersion::V2_1
        | StableDiffusionVersion::Xl
        | StableDiffusionVersion::XlRefiner => version,
    }
}

/// The texts of a model that a search looks at.
fn searched_texts(model: &ModelEntry) -> [&str; 5] {
    let kind = match &model.model_type {
        ModelType::Llm { architecture } => architecture,
        ModelType::StableDiffusion { version } => names_of(*version),
        ModelType::AddOn { base, .. } => base.map_or("", names_of),
    };
    [
        model.id.as_str(),
        &model.name,
        kind,
        model.quantization.as_deref().unwrap_or_default(),
        model.metadata.get(BASE_MODEL).map_or("", String::as_str),
    ]
}

/// The names that people and hubs have for a generation.
fn names_of(version: StableDiffusionVersion) -> &'static str {
    match version {
        StableDiffusionVersion::V1_5 => "Stable Diffusion 1.5, SD1.5, SD15",
        StableDiffusionVersion::V2_1 => "Stable Diffusion 2.1, SD2.1, SD21",
        StableDiffusionVersion::Xl => "Stable Diffusion XL, SDXL",
        StableDiffusionVersion::XlTurbo => "Stable Diffusion XL Turbo, SDXL Turbo, xl-turbo",
        StableDiffusionVersion::XlRefiner => "Stable Diffusion XL Refiner, SDXL Refiner, xl-refiner",
    }
}

/// Words to be found in texts, whatever the case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(BTreeSet<String>);

impl Words {
    /// The words of a text, which white space parts.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let lower_case = |word: &str| word.chars().flat_map(char::to_lowercase).collect();
        Self(text.split_whitespace().map(lower_case).collect())
    }

    /// Whether each word is part of one of the texts.
    fn are_in(&self, texts: &[&str]) -> bool {
        self.0.iter().all(|word| texts.iter().any(|text| has(text, word)))
    }
}

/// Whether `word`, in lower case, is part of the text in lower case. Almost every text is ASCII, and a
/// list of thousands is searched without an allocation for each.
fn has(text: &str, word: &str) -> bool {
    if text.is_ascii() {
        let word = word.as_bytes();
        text.as_bytes()
            .windows(word.len().max(1))
            .any(|part| part.eq_ignore_ascii_case(word))
    } else {
        let text: String = text.chars().flat_map(char::to_lowercase).collect();
        text.contains(word)
    }
}

#[cfg(test)]
mod tests;
