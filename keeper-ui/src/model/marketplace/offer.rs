//! One thing that can be had: a model on a hub, or a worker program.

use jiff::Timestamp;

use crate::model::cluster::{Hardware, WorkerType};
use crate::model::ids::ModelId;

/// What kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OfferKind {
    /// A large language model.
    Llm,
    /// A Stable Diffusion model.
    Diffusion,
    /// A LoRA or one of its relatives.
    Lora,
    /// A VAE.
    Vae,
    /// A textual-inversion embedding.
    Embedding,
    /// A ControlNet.
    ControlNet,
}

impl OfferKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Llm,
        Self::Diffusion,
        Self::Lora,
        Self::Vae,
        Self::Embedding,
        Self::ControlNet,
    ];

    /// The words for a person.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Llm => "Language model",
            Self::Diffusion => "Image model",
            Self::Lora => "LoRA",
            Self::Vae => "VAE",
            Self::Embedding => "Embedding",
            Self::ControlNet => "ControlNet",
        }
    }

    /// Its name in ids.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::Diffusion => "diffusion",
            Self::Lora => "lora",
            Self::Vae => "vae",
            Self::Embedding => "embedding",
            Self::ControlNet => "controlnet",
        }
    }

    /// The one of an id.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// The word for `data-kind`: which workers it is for.
    #[must_use]
    pub const fn accent(self) -> &'static str {
        match self {
            Self::Llm => "text",
            _ => "image",
        }
    }
}

/// Whether a hub asks for consent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gate {
    /// It does not.
    Open,
    /// Accepting the terms on its page is enough.
    Automatic,
    /// The owner decides on each request.
    Manual,
}

/// One of several versions or files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// What to ask for it by.
    pub id: String,
    /// Its name: a version's, or a quantization.
    pub name: String,
    /// Size in bytes, where known.
    pub size_bytes: Option<u64>,
}

/// A model on a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What to ask for it by.
    pub id: String,
    /// A name to show.
    pub name: String,
    /// Whose it is; empty where the hub does not say.
    pub author: String,
    /// What it is, where the hub says something that rbee knows.
    pub kind: Option<OfferKind>,
    /// What it is derived from, in the hub's words.
    pub base_model: String,
    /// Downloads, where the hub says.
    pub downloads: Option<u64>,
    /// Likes, where the hub says.
    pub likes: Option<u64>,
    /// Licence as the hub names it.
    pub licence: String,
    /// Whether the hub asks for consent.
    pub gate: Option<Gate>,
    /// Whether it is not safe for work.
    pub nsfw: bool,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// Size in bytes of what would be fetched, where the hub says.
    pub size_bytes: Option<u64>,
    /// Address of a small picture; empty if there is none.
    pub thumbnail_url: String,
    /// The hub's page about it.
    pub page_url: String,
    /// Words that describe it.
    pub tags: Vec<String>,
    /// The entry that the cluster has of it.
    pub local: Option<ModelId>,
    /// Whether the cluster has it, or a file of it.
    pub already_here: bool,
    /// Name of this version.
    pub version_name: String,
    /// Other versions, newest first.
    pub versions: Vec<Variant>,
}

/// What a download would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The id that the model will have.
    pub id: String,
    /// A name to show.
    pub name: String,
    /// Licence as the hub names it.
    pub licence: String,
    /// Whether the hub asks for consent.
    pub gate: Option<Gate>,
    /// Whether it can be had now, with the token that is kept.
    pub accessible: bool,
    /// Names and sizes of the files.
    pub files: Vec<(String, Option<u64>)>,
    /// Size of all of them.
    pub size_bytes: Option<u64>,
    /// What of it is still to be received.
    pub download_bytes: Option<u64>,
    /// What was chosen and why; empty if there was nothing to choose.
    pub choice: String,
    /// How its weights are stored.
    pub quantization: Option<String>,
    /// What else there is, best first.
    pub variants: Vec<Variant>,
    /// The hub's page about it.
    pub page_url: String,
    /// Whether the cluster has it.
    pub already_here: bool,
    /// What can still be written where it would go.
    pub disk_available_bytes: Option<u64>,
    /// Whether it fits there, where that can be told.
    pub fits_disk: Option<bool>,
}

/// Something that a program needs to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Whether it is missing.
    pub missing: bool,
    /// Where to get it.
    pub hint: String,
}

/// A worker program that can be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Which worker it gives.
    pub worker_type: Option<WorkerType>,
    /// Its version.
    pub version: String,
    /// What it is, in a line.
    pub description: String,
    /// Its licence.
    pub licence: String,
    /// Processor architectures that it can be built for.
    pub architectures: Vec<String>,
    /// Whether it can be built on the provisioner's host.
    pub supported: bool,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
    /// Whether it is the one that is taken for its worker type.
    pub preferred: bool,
    /// Why it cannot be used; empty if it can.
    pub problem: String,
    /// Versions of it that are installed, newest first.
    pub installed: Vec<String>,
}

impl Package {
    /// Whether each word is in its name or description, whatever the case, and it is for this hardware; any where it is `None`.
    #[must_use]
    pub fn matches(&self, text: &str, hardware: Option<Hardware>) -> bool {
        let own = format!("{} {}", self.name, self.description).to_lowercase();
        let found = text
            .to_lowercase()
            .split_whitespace()
            .all(|word| own.contains(word));
        let suits = hardware.is_none_or(|wanted| self.worker_type.is_some_and(|own| own.hardware == wanted));
        found && suits
    }

    /// Names of what is missing to build it.
    pub fn missing(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| dependency.missing)
    }
}
