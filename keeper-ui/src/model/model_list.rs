//! The models as a page lists them: which, in which order, and who uses them.

use super::cluster::{ClusterView, Worker, WorkerKind};
use super::models::{Model, ModelState, ModelType, ModelsView, Vendor};

/// What is shown of all models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Shelf {
    /// All of them.
    #[default]
    All,
    /// Those for text.
    Text,
    /// Those for pictures.
    Image,
    /// What is used with one for pictures.
    AddOns,
}

impl Shelf {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::All, Self::Text, Self::Image, Self::AddOns];

    /// Its name in ids.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Text => "text",
            Self::Image => "image",
            Self::AddOns => "add-ons",
        }
    }

    /// The words for a person.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Text => "Text",
            Self::Image => "Image",
            Self::AddOns => "Add-ons",
        }
    }

    /// The one of an id.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shelf| shelf.id() == id)
    }

    fn holds(self, model: &Model) -> bool {
        match self {
            Self::All => true,
            Self::Text => model.model_type.worker_kind() == Some(WorkerKind::Text),
            Self::Image => model.model_type.worker_kind() == Some(WorkerKind::Image),
            Self::AddOns => matches!(model.model_type, ModelType::AddOn { .. }),
        }
    }
}

/// By what the models are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SortBy {
    /// By name.
    #[default]
    Name,
    /// By size.
    Size,
    /// By when they came.
    Added,
}

/// What a page shows of the models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelList {
    /// Which.
    pub shelf: Shelf,
    /// With these words in name, id, family, quantization or vendor, whatever the case.
    pub text: String,
    /// By what they are ordered.
    pub sort: SortBy,
    /// The most first.
    pub descending: bool,
}

impl ModelList {
    /// A heading was pressed: ordered by it, or the other way round if it was already.
    pub fn press(&mut self, sort: SortBy) {
        if self.sort == sort {
            self.descending = !self.descending;
        } else {
            self.sort = sort;
            // Of sizes and dates one looks for the greatest, of names for the first.
            self.descending = sort != SortBy::Name;
        }
    }

    /// The models to show, in order.
    #[must_use]
    pub fn shown<'a>(&self, models: &'a ModelsView) -> Vec<&'a Model> {
        let words: Vec<String> = self.text.split_whitespace().map(str::to_lowercase).collect();
        let mut shown: Vec<&Model> = models
            .models
            .values()
            // What is on its way is shown as a download.
            .filter(|model| model.state != ModelState::Downloading && self.shelf.holds(model))
            .filter(|model| {
                let text = searched(model);
                words.iter().all(|word| text.contains(word))
            })
            .collect();
        shown.sort_by(|one, other| {
            let order = match self.sort {
                SortBy::Name => std::cmp::Ordering::Equal,
                SortBy::Size => one.size_bytes.cmp(&other.size_bytes),
                SortBy::Added => one.added_at.cmp(&other.added_at),
            };
            let by_name = || {
                title(one)
                    .to_lowercase()
                    .cmp(&title(other).to_lowercase())
                    .then_with(|| one.id.cmp(&other.id))
            };
            let order = if self.sort == SortBy::Name {
                by_name()
            } else {
                order
            };
            let order = if self.descending { order.reverse() } else { order };
            order.then_with(by_name)
        });
        shown
    }

    /// How many models there are on a shelf, and how large they are together in bytes.
    #[must_use]
    pub fn total(models: &ModelsView, shelf: Shelf) -> (usize, u64) {
        let held = models
            .models
            .values()
            .filter(|model| model.state != ModelState::Downloading && shelf.holds(model));
        held.fold((0, 0), |(count, bytes), model| {
            (count + 1, bytes + model.size_bytes)
        })
    }
}

/// The name to show for a model.
#[must_use]
pub fn title(model: &Model) -> &str {
    if model.name.is_empty() {
        model.id.as_str()
    } else {
        &model.name
    }
}

/// What family it is of: an architecture, a generation, what it is used as.
#[must_use]
pub fn family(model: &Model) -> Option<String> {
    match &model.model_type {
        ModelType::Unknown => None,
        ModelType::Llm { architecture } => Some(architecture.clone()),
        ModelType::Diffusion { version } => version.map(|version| version.label().to_owned()),
        ModelType::AddOn { base, .. } => base.map(|base| format!("for {}", base.label())),
    }
}

/// What kind of model it is, for a person.
#[must_use]
pub fn kind_label(model_type: &ModelType) -> &'static str {
    use super::models::AddOnKind as Kind;
    match model_type {
        ModelType::Unknown => "Unknown",
        ModelType::Llm { .. } => "Text",
        ModelType::Diffusion { .. } => "Image",
        ModelType::AddOn { kind, .. } => match kind {
            Some(Kind::Lora) => "LoRA",
            Some(Kind::Vae) => "VAE",
            Some(Kind::PreviewVae) => "Preview VAE",
            Some(Kind::Embedding) => "Embedding",
            Some(Kind::ControlNet) => "ControlNet",
            Some(Kind::TextEncoder) => "Text encoder",
            None => "Add-on",
        },
    }
}

/// The vendor's name.
#[must_use]
pub const fn vendor_label(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::HuggingFace => "Hugging Face",
        Vendor::CivitAi => "CivitAI",
        Vendor::Local => "Local",
    }
}

/// The workers that serve a model, oldest first.
pub fn used_by<'a>(cluster: &'a ClusterView, model: &'a Model) -> impl Iterator<Item = &'a Worker> {
    cluster.workers.values().filter(|worker| worker.model == model.id)
}

/// All that words are looked for in.
fn searched(model: &Model) -> String {
    let parts = [
        model.name.as_str(),
        model.id.as_str(),
        &family(model).unwrap_or_default(),
        model.quantization.as_deref().unwrap_or_default(),
        kind_label(&model.model_type),
        model.vendor.map(vendor_label).unwrap_or_default(),
    ];
    parts.join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::models::{DiffusionVersion, ModelsChange};

    fn view() -> ModelsView {
        let model = |id: &str, name: &str, size_bytes, model_type, state| Model {
            id: id.into(),
            name: name.to_owned(),
            size_bytes,
            state,
            added_at: None,
            model_type,
            vendor: Some(Vendor::HuggingFace),
            quantization: Some("Q4_K_M".to_owned()),
            metadata: BTreeMap::new(),
            files: Vec::new(),
            context_length: None,
            parameter_count: None,
            worker_types: Vec::new(),
        };
        let llm = || ModelType::Llm {
            architecture: "qwen3".to_owned(),
        };
        let sdxl = ModelType::Diffusion {
            version: Some(DiffusionVersion::Xl),
        };
        let lora = ModelType::AddOn {
            kind: None,
            base: Some(DiffusionVersion::Xl),
        };
        let mut view = ModelsView::default();
        for model in [
            model("a/zebra", "zebra", 3, llm(), ModelState::Available),
            model("a/Ant", "Ant", 2, llm(), ModelState::Failed("no".to_owned())),
            model("a/base", "Base", 9, sdxl, ModelState::Available),
            model("a/style", "Style", 1, lora, ModelState::Available),
            model("a/coming", "Coming", 0, llm(), ModelState::Downloading),
        ] {
            view.apply(ModelsChange::Upserted(Box::new(model)));
        }
        view
    }

    fn names(list: &ModelList) -> Vec<String> {
        list.shown(&view())
            .iter()
            .map(|model| title(model).to_owned())
            .collect()
    }

    #[test]
    fn names_are_in_the_order_of_the_alphabet_and_sizes_from_the_largest() {
        let mut list = ModelList::default();
        assert_eq!(names(&list), ["Ant", "Base", "Style", "zebra"]);
        list.press(SortBy::Size);
        assert_eq!(names(&list), ["Base", "zebra", "Ant", "Style"]);
        list.press(SortBy::Size);
        assert_eq!(names(&list), ["Style", "Ant", "zebra", "Base"]);
        list.press(SortBy::Name);
        list.press(SortBy::Name);
        assert_eq!(names(&list), ["zebra", "Style", "Base", "Ant"]);
    }

    #[test]
    fn words_are_found_in_any_column() {
        let of = |text: &str| {
            names(&ModelList {
                text: text.to_owned(),
                ..ModelList::default()
            })
        };
        assert_eq!(of("QWEN3"), ["Ant", "zebra"]);
        assert_eq!(of("sdxl image"), ["Base"]);
        assert_eq!(of("hugging q4 ant"), ["Ant"]);
        assert!(of("nothing of this").is_empty());
    }

    #[test]
    fn a_shelf_holds_its_kind_and_nothing_that_is_on_its_way() {
        let of = |shelf| {
            names(&ModelList {
                shelf,
                ..ModelList::default()
            })
        };
        assert_eq!(of(Shelf::Text), ["Ant", "zebra"]);
        assert_eq!(of(Shelf::Image), ["Base"]);
        assert_eq!(of(Shelf::AddOns), ["Style"]);
        assert_eq!(ModelList::total(&view(), Shelf::All), (4, 15));
        assert!(
            Shelf::ALL
                .into_iter()
                .all(|shelf| Shelf::of(shelf.id()) == Some(shelf))
        );
    }
}
