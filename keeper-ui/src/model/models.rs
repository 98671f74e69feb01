//! The models that the cluster has, as the catalog last told.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::cluster::{WorkerKind, WorkerType};
use super::ids::ModelId;

/// Where a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Vendor {
    /// Hugging Face.
    HuggingFace,
    /// CivitAI.
    CivitAi,
    /// A file of the user's own.
    Local,
}

/// Whether a model can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelState {
    /// Not said.
    Unknown,
    /// Complete and verified.
    Available,
    /// Being brought in.
    Downloading,
    /// Bringing it in failed, for this reason.
    Failed(String),
}

/// The generation of Stable Diffusion that a checkpoint belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DiffusionVersion {
    /// Stable Diffusion 1.5.
    V1_5,
    /// Stable Diffusion 2.1.
    V2_1,
    /// Stable Diffusion XL.
    Xl,
    /// Stable Diffusion XL Turbo.
    XlTurbo,
    /// The refiner of Stable Diffusion XL.
    XlRefiner,
}

impl DiffusionVersion {
    /// The name that people know it by.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::V1_5 => "SD 1.5",
            Self::V2_1 => "SD 2.1",
            Self::Xl => "SDXL",
            Self::XlTurbo => "SDXL Turbo",
            Self::XlRefiner => "SDXL refiner",
        }
    }
}

/// What is used with an image model and not alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddOnKind {
    /// A LoRA or one of its relatives.
    Lora,
    /// A VAE in place of the model's own.
    Vae,
    /// A small VAE for previews.
    PreviewVae,
    /// A textual-inversion embedding.
    Embedding,
    /// A ControlNet.
    ControlNet,
    /// A text encoder by itself.
    TextEncoder,
}

/// What kind of model it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelType {
    /// Not known.
    Unknown,
    /// A large language model of this architecture.
    Llm {
        /// As the file names it: `qwen2`.
        architecture: String,
    },
    /// A Stable Diffusion model.
    Diffusion {
        /// Which generation, where known.
        version: Option<DiffusionVersion>,
    },
    /// Something that is used with an image model.
    AddOn {
        /// What it is, where known.
        kind: Option<AddOnKind>,
        /// The generation it goes with, where known.
        base: Option<DiffusionVersion>,
    },
}

impl ModelType {
    /// The kind of worker that serves it; `None` for what no worker serves alone.
    #[must_use]
    pub fn worker_kind(&self) -> Option<WorkerKind> {
        match self {
            Self::Llm { .. } => Some(WorkerKind::Text),
            Self::Diffusion { .. } => Some(WorkerKind::Image),
            Self::AddOn { .. } | Self::Unknown => None,
        }
    }
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// Its name within the model.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the content, in hexadecimal digits.
    pub sha256: String,
}

/// A model that the cluster has, or is bringing in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its id, as people write it.
    pub id: ModelId,
    /// A name to show.
    pub name: String,
    /// Size of all files together in bytes.
    pub size_bytes: u64,
    /// Whether it can be used.
    pub state: ModelState,
    /// When the entry was created.
    pub added_at: Option<Timestamp>,
    /// What kind of model it is.
    pub model_type: ModelType,
    /// Where it comes from, where said.
    pub vendor: Option<Vendor>,
    /// `Q4_K_M`, `F16`; `None` where not known.
    pub quantization: Option<String>,
    /// Facts of the vendor or the file's header, by name.
    pub metadata: BTreeMap<String, String>,
    /// Its files; empty while it is being brought in.
    pub files: Vec<ModelFile>,
    /// Longest context that it was made for, in tokens.
    pub context_length: Option<u64>,
    /// Number of parameters.
    pub parameter_count: Option<u64>,
    /// Worker types that can serve it.
    pub worker_types: Vec<WorkerType>,
}

/// One step of what the catalog tells of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelsChange {
    /// What is known is out of date; a snapshot follows.
    Reset,
    /// A model that is new or changed.
    Upserted(Box<Model>),
    /// A model that was removed.
    Deleted(ModelId),
    /// All that there was has been told.
    Synced,
}

/// The models.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelsView {
    /// Models by id.
    pub models: BTreeMap<ModelId, Model>,
    /// Whether all has been told once.
    pub synced: bool,
    /// A snapshot that is being told, kept apart until it is whole.
    incoming: Option<BTreeMap<ModelId, Model>>,
}

impl ModelsView {
    /// Takes in one step. A snapshot replaces what was known when it is whole, so that nothing flickers.
    pub fn apply(&mut self, change: ModelsChange) {
        let models = self.incoming.as_mut().unwrap_or(&mut self.models);
        match change {
            ModelsChange::Reset => self.incoming = Some(BTreeMap::new()),
            ModelsChange::Upserted(model) => {
                models.insert(model.id.clone(), *model);
            }
            ModelsChange::Deleted(id) => {
                models.remove(&id);
            }
            ModelsChange::Synced => {
                if let Some(incoming) = self.incoming.take() {
                    self.models = incoming;
                }
                self.synced = true;
            }
        }
    }

    /// A name to show for a model: its own, or the id where it is not known (any more).
    #[must_use]
    pub fn name_of<'a>(&'a self, id: &'a ModelId) -> &'a str {
        self.models
            .get(id)
            .map(|model| model.name.as_str())
            .filter(|name| !name.is_empty())
            .unwrap_or(id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str, name: &str) -> ModelsChange {
        ModelsChange::Upserted(Box::new(Model {
            id: id.into(),
            name: name.to_owned(),
            size_bytes: 0,
            state: ModelState::Available,
            added_at: None,
            model_type: ModelType::Unknown,
            vendor: None,
            quantization: None,
            metadata: BTreeMap::new(),
            files: Vec::new(),
            context_length: None,
            parameter_count: None,
            worker_types: Vec::new(),
        }))
    }

    #[test]
    fn a_snapshot_replaces_what_was_known_when_it_is_whole() {
        let mut view = ModelsView::default();
        for change in [
            ModelsChange::Reset,
            model("a", "A"),
            model("b", "B"),
            ModelsChange::Synced,
        ] {
            view.apply(change);
        }
        view.apply(ModelsChange::Reset);
        view.apply(model("b", "B2"));
        assert_eq!(view.models.len(), 2);
        assert_eq!(view.name_of(&"b".into()), "B");
        view.apply(ModelsChange::Synced);
        assert_eq!(view.models.len(), 1);
        assert_eq!(view.name_of(&"b".into()), "B2");
        assert_eq!(
            view.name_of(&"a".into()),
            "a",
            "a model that is gone is shown by its id"
        );
    }

    #[test]
    fn a_resumed_watch_changes_only_what_changed() {
        let mut view = ModelsView::default();
        for change in [
            ModelsChange::Reset,
            model("a", "A"),
            model("b", "B"),
            ModelsChange::Synced,
        ] {
            view.apply(change);
        }
        view.apply(ModelsChange::Deleted("a".into()));
        view.apply(model("c", "C"));
        view.apply(ModelsChange::Synced);
        assert_eq!(
            view.models.keys().map(ModelId::as_str).collect::<Vec<_>>(),
            ["b", "c"]
        );
    }
}
