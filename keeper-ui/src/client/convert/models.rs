//! Models of the catalog.

use rbee_proto::catalog::v1::WatchModelsResponse;
use rbee_proto::catalog::v1::watch_models_response::Event;
use rbee_proto::types::v1 as proto;
use rbee_proto::types::v1::model_type::Kind;

use super::cluster::worker_type;
use super::time::timestamp;
use crate::model::models::{
    AddOnKind, DiffusionVersion, Model, ModelFile, ModelState, ModelType, ModelsChange, Vendor,
};

/// A step of a watch; `None` for a kind of step that this window does not know.
#[must_use]
pub fn change(response: WatchModelsResponse) -> Option<ModelsChange> {
    Some(match response.event? {
        Event::Reset(_) => ModelsChange::Reset,
        Event::Upserted(told) => ModelsChange::Upserted(Box::new(model(told))),
        Event::DeletedId(id) => ModelsChange::Deleted(id.into()),
        Event::Synced(_) => ModelsChange::Synced,
    })
}

/// A model.
#[must_use]
pub fn model(told: proto::Model) -> Model {
    let state = match told.state() {
        proto::ModelState::Unspecified => ModelState::Unknown,
        proto::ModelState::Available => ModelState::Available,
        proto::ModelState::Downloading => ModelState::Downloading,
        proto::ModelState::Failed => ModelState::Failed(told.failure.clone()),
    };
    let files = told.files.into_iter().map(|file| ModelFile {
        name: file.name,
        size_bytes: file.size_bytes,
        sha256: file.sha256,
    });
    let worker_types = told.compatible_worker_types.iter();
    let worker_types = worker_types
        .filter_map(|&number| worker_type(number.try_into().ok()?))
        .collect();
    Model {
        vendor: vendor(proto::Vendor::try_from(told.vendor).unwrap_or_default()),
        id: told.id.into(),
        name: told.name,
        size_bytes: told.size_bytes,
        state,
        added_at: timestamp(told.added_at),
        model_type: model_type(told.model_type),
        quantization: told.quantization,
        metadata: told.metadata.into_iter().collect(),
        files: files.collect(),
        context_length: told.context_length,
        parameter_count: told.parameter_count,
        worker_types,
    }
}

/// Where a model comes from.
#[must_use]
pub fn vendor(told: proto::Vendor) -> Option<Vendor> {
    match told {
        proto::Vendor::Unspecified => None,
        proto::Vendor::Huggingface => Some(Vendor::HuggingFace),
        proto::Vendor::Civitai => Some(Vendor::CivitAi),
        proto::Vendor::Local => Some(Vendor::Local),
    }
}

/// What kind of model it is.
#[must_use]
pub fn model_type(told: Option<proto::ModelType>) -> ModelType {
    match told.and_then(|told| told.kind) {
        None => ModelType::Unknown,
        Some(Kind::Llm(llm)) => ModelType::Llm {
            architecture: llm.architecture,
        },
        Some(Kind::StableDiffusion(model)) => ModelType::Diffusion {
            version: version(model.version()),
        },
        Some(Kind::AddOn(add_on)) => ModelType::AddOn {
            kind: add_on_kind(add_on.kind()),
            base: version(add_on.base()),
        },
    }
}

/// A generation of Stable Diffusion.
#[must_use]
pub fn version(told: proto::StableDiffusionVersion) -> Option<DiffusionVersion> {
    match told {
        proto::StableDiffusionVersion::Unspecified => None,
        proto::StableDiffusionVersion::V15 => Some(DiffusionVersion::V1_5),
        proto::StableDiffusionVersion::V21 => Some(DiffusionVersion::V2_1),
        proto::StableDiffusionVersion::Xl => Some(DiffusionVersion::Xl),
        proto::StableDiffusionVersion::XlTurbo => Some(DiffusionVersion::XlTurbo),
        proto::StableDiffusionVersion::XlRefiner => Some(DiffusionVersion::XlRefiner),
    }
}

fn add_on_kind(told: proto::AddOnKind) -> Option<AddOnKind> {
    match told {
        proto::AddOnKind::Unspecified => None,
        proto::AddOnKind::Lora => Some(AddOnKind::Lora),
        proto::AddOnKind::Vae => Some(AddOnKind::Vae),
        proto::AddOnKind::PreviewVae => Some(AddOnKind::PreviewVae),
        proto::AddOnKind::Embedding => Some(AddOnKind::Embedding),
        proto::AddOnKind::Controlnet => Some(AddOnKind::ControlNet),
        proto::AddOnKind::TextEncoder => Some(AddOnKind::TextEncoder),
    }
}
