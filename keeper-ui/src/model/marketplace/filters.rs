//! What is looked for, and in which order.

use super::Fits;
use super::offer::{Offer, OfferKind};
use crate::model::models::DiffusionVersion;

/// Where there is something to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Hub {
    /// Hugging Face.
    #[default]
    HuggingFace,
    /// CivitAI.
    CivitAi,
    /// The worker programs.
    Workers,
}

impl Hub {
    /// All of them, as their tabs stand.
    pub const ALL: [Self; 3] = [Self::HuggingFace, Self::CivitAi, Self::Workers];

    /// Its name.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::HuggingFace => "Hugging Face",
            Self::CivitAi => "CivitAI",
            Self::Workers => "Workers",
        }
    }

    /// Its name in ids.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::HuggingFace => "huggingface",
            Self::CivitAi => "civitai",
            Self::Workers => "workers",
        }
    }

    /// The one of an id.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hub| hub.id() == id)
    }
}

/// In which order a hub lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sort {
    /// As the hub thinks best: by relevance if there is a text.
    #[default]
    Best,
    /// What many look at now first.
    Trending,
    /// Most downloads first.
    Downloads,
    /// Most likes first.
    Likes,
    /// Newest first.
    Newest,
}

impl Sort {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Best,
        Self::Trending,
        Self::Downloads,
        Self::Likes,
        Self::Newest,
    ];

    /// Its name in ids.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Trending => "trending",
            Self::Downloads => "downloads",
            Self::Likes => "likes",
            Self::Newest => "newest",
        }
    }

    /// The words for a person.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Best => "Best match",
            Self::Trending => "Trending",
            Self::Downloads => "Most downloads",
            Self::Likes => "Most likes",
            Self::Newest => "Newest",
        }
    }

    /// The one of an id.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.id() == id)
    }
}

/// Which kind of thing is wanted; any where it is `None`.
pub type KindFilter = Option<OfferKind>;

/// What is looked for on one hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filters {
    /// Words to look for.
    pub text: String,
    /// Only this kind.
    pub kind: KindFilter,
    /// Only what goes with this generation of Stable Diffusion.
    pub base: Option<DiffusionVersion>,
    /// Only of this architecture (`qwen3`), as names and tags tell it; empty for any.
    pub architecture: String,
    /// Only with this quantization in its name or tags (`Q4_K_M`); empty for any.
    pub quantization: String,
    /// No larger than this, in bytes.
    pub largest_bytes: Option<u64>,
    /// Only repositories with GGUF files.
    pub gguf_only: bool,
    /// Also what is not safe for work.
    pub include_nsfw: bool,
    /// Only what would fit this cluster's devices, as far as that can be told.
    pub fits_only: bool,
    /// In which order.
    pub sort: Sort,
}

impl Filters {
    /// What a hub shows first: on Hugging Face text models that a worker can load, on CivitAI checkpoints; nothing that is
    /// not safe for work.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self {
            text: String::new(),
            kind: match hub {
                Hub::HuggingFace => Some(OfferKind::Llm),
                Hub::CivitAi => Some(OfferKind::Diffusion),
                Hub::Workers => None,
            },
            base: None,
            architecture: String::new(),
            quantization: String::new(),
            largest_bytes: None,
            gguf_only: hub == Hub::HuggingFace,
            include_nsfw: false,
            fits_only: false,
            sort: if hub == Hub::HuggingFace {
                Sort::Trending
            } else {
                Sort::Downloads
            },
        }
    }

    /// The words that a hub is asked for: those of the person, and those by which an architecture or a quantization can be
    /// found where a hub has no filter for it.
    #[must_use]
    pub fn words(&self) -> String {
        let all = [
            self.text.trim(),
            self.architecture.trim(),
            self.quantization.trim(),
        ];
        all.into_iter()
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// How many filters are set beyond what a hub shows first.
    #[must_use]
    pub fn count(&self, hub: Hub) -> usize {
        let first = Self::new(hub);
        [
            self.kind != first.kind,
            self.base != first.base,
            self.architecture != first.architecture,
            self.quantization != first.quantization,
            self.largest_bytes != first.largest_bytes,
            self.gguf_only != first.gguf_only,
            self.include_nsfw != first.include_nsfw,
            self.fits_only != first.fits_only,
        ]
        .into_iter()
        .filter(|changed| *changed)
        .count()
    }

    /// Whether an offer passes those filters that the window applies itself. What is not known does not pass a filter on it,
    /// but for size: hubs that list repositories do not say sizes, and hiding all of them would help nobody.
    #[must_use]
    pub fn pass(&self, offer: &Offer, room_bytes: Option<u64>) -> bool {
        let small_enough = match (self.largest_bytes, offer.size_bytes) {
            (Some(largest), Some(size)) => size <= largest,
            _ => true,
        };
        let fits = !self.fits_only || Fits::judge(offer.size_bytes, room_bytes) != Fits::TooLarge;
        (self.include_nsfw || !offer.nsfw) && small_enough && fits
    }
}
