//! Models.

use rbee_artifacts::{
    AddOnKind, ModelEntry, ModelFile, ModelStatus, ModelType, StableDiffusionVersion, Vendor,
};
use rbee_proto::types::v1 as wire;
use rbee_proto::types::v1::model_type::Kind;

use crate::error::parsed;
use crate::timestamp::required_timestamp;
use crate::{InvalidField, timestamp_to_wire, worker_type_to_wire};

/// Writes an entry and the revision of the catalog at which it last changed (0 where that is not known).
#[must_use]
pub fn model_to_wire(entry: &ModelEntry, revision: u64) -> wire::Model {
    let (state, failure) = match &entry.status {
        ModelStatus::Available => (wire::ModelState::Available, String::new()),
        ModelStatus::Downloading => (wire::ModelState::Downloading, String::new()),
        ModelStatus::Failed { error } => (wire::ModelState::Failed, error.clone()),
    };
    wire::Model {
        id: entry.id.to_string(),
        name: entry.name.clone(),
        size_bytes: entry.size_bytes,
        state: state.into(),
        failure,
        added_at: Some(timestamp_to_wire(entry.added_at)),
        model_type: Some(model_type_to_wire(&entry.model_type)),
        vendor: vendor_to_wire(entry.vendor()).into(),
        quantization: entry.quantization.clone(),
        metadata: entry.metadata.clone(),
        files: entry
            .files
            .iter()
            .map(|file| wire::ModelFile {
                name: file.name.to_string(),
                size_bytes: file.size_bytes,
                sha256: file.sha256.to_string(),
            })
            .collect(),
        context_length: entry.context_length,
        parameter_count: entry.parameter_count,
        compatible_worker_types: entry
            .compatible_worker_types()
            .into_iter()
            .map(|worker_type| worker_type_to_wire(worker_type).into())
            .collect(),
        revision,
    }
}

/// Reads an entry. Its revision is the message's; its vendor and the worker types that serve it follow
/// from the id and the model type, so that what the message says of them is not looked at.
///
/// # Errors
/// If a field is missing or malformed.
pub fn model_from_wire(model: wire::Model) -> Result<ModelEntry, InvalidField> {
    Ok(ModelEntry {
        id: parsed("id", &model.id)?,
        name: model.name,
        size_bytes: model.size_bytes,
        status: status_from_wire(model.state, model.failure)?,
        added_at: required_timestamp("added_at", model.added_at)?,
        model_type: model_type_from_wire(model.model_type.and_then(|model_type| model_type.kind))?,
        quantization: model.quantization,
        context_length: model.context_length,
        parameter_count: model.parameter_count,
        metadata: model.metadata,
        files: model
            .files
            .iter()
            .enumerate()
            .map(|(index, file)| {
                file_from_wire(file).map_err(|error| error.within(&format!("files[{index}]")))
            })
            .collect::<Result<_, _>>()?,
    })
}

/// Writes where a model comes from.
#[must_use]
pub fn vendor_to_wire(vendor: Vendor) -> wire::Vendor {
    match vendor {
        Vendor::HuggingFace => wire::Vendor::Huggingface,
        Vendor::CivitAi => wire::Vendor::Civitai,
        Vendor::Local => wire::Vendor::Local,
    }
}

/// Reads where a model comes from; `None` where it is not said, or not known to this version.
#[must_use]
pub fn vendor_from_wire(vendor: i32) -> Option<Vendor> {
    match wire::Vendor::try_from(vendor) {
        Ok(wire::Vendor::Huggingface) => Some(Vendor::HuggingFace),
        Ok(wire::Vendor::Civitai) => Some(Vendor::CivitAi),
        Ok(wire::Vendor::Local) => Some(Vendor::Local),
        Ok(wire::Vendor::Unspecified) | Err(_) => None,
    }
}

fn status_from_wire(state: i32, failure: String) -> Result<ModelStatus, InvalidField> {
    match wire::ModelState::try_from(state) {
        Ok(wire::ModelState::Available) => Ok(ModelStatus::Available),
        Ok(wire::ModelState::Downloading) => Ok(ModelStatus::Downloading),
        Ok(wire::ModelState::Failed) => Ok(ModelStatus::Failed { error: failure }),
        Ok(wire::ModelState::Unspecified) => Err(InvalidField::missing("state")),
        Err(_) => Err(InvalidField::new("state", format!("{state} is not a state"))),
    }
}

/// Writes what kind of model it is.
#[must_use]
pub fn model_type_to_wire(model_type: &ModelType) -> wire::ModelType {
    let kind = match model_type {
        ModelType::Llm { architecture } => Kind::Llm(wire::LlmModel {
            architecture: architecture.clone(),
        }),
        ModelType::StableDiffusion { version } => Kind::StableDiffusion(wire::StableDiffusionModel {
            version: stable_diffusion_version_to_wire(*version).into(),
        }),
        ModelType::AddOn { add_on, base } => Kind::AddOn(wire::AddOn {
            kind: add_on_kind_to_wire(*add_on).into(),
            base: base
                .map_or(
                    wire::StableDiffusionVersion::Unspecified,
                    stable_diffusion_version_to_wire,
                )
                .into(),
        }),
    };
    wire::ModelType { kind: Some(kind) }
}

fn model_type_from_wire(kind: Option<Kind>) -> Result<ModelType, InvalidField> {
    match kind.ok_or_else(|| InvalidField::missing("model_type"))? {
        Kind::Llm(model) => Ok(ModelType::Llm {
            architecture: model.architecture,
        }),
        Kind::StableDiffusion(model) => {
            let version = stable_diffusion_version_from_wire(model.version)
                .ok_or_else(|| InvalidField::missing("model_type.stable_diffusion.version"))?;
            Ok(ModelType::StableDiffusion { version })
        }
        Kind::AddOn(model) => {
            let add_on = add_on_kind_from_wire(model.kind)
                .ok_or_else(|| InvalidField::missing("model_type.add_on.kind"))?;
            let base = stable_diffusion_version_from_wire(model.base);
            Ok(ModelType::AddOn { add_on, base })
        }
    }
}

/// Writes what kind of add-on it is.
#[must_use]
pub fn add_on_kind_to_wire(kind: AddOnKind) -> wire::AddOnKind {
    match kind {
        AddOnKind::Lora => wire::AddOnKind::Lora,
        AddOnKind::Vae => wire::AddOnKind::Vae,
        AddOnKind::PreviewVae => wire::AddOnKind::PreviewVae,
        AddOnKind::Embedding => wire::AddOnKind::Embedding,
        AddOnKind::ControlNet => wire::AddOnKind::Controlnet,
        AddOnKind::TextEncoder => wire::AddOnKind::TextEncoder,
    }
}

/// `None` where it is not said, or not known to this version.
fn add_on_kind_from_wire(kind: i32) -> Option<AddOnKind> {
    match wire::AddOnKind::try_from(kind) {
        Ok(wire::AddOnKind::Lora) => Some(AddOnKind::Lora),
        Ok(wire::AddOnKind::Vae) => Some(AddOnKind::Vae),
        Ok(wire::AddOnKind::PreviewVae) => Some(AddOnKind::PreviewVae),
        Ok(wire::AddOnKind::Embedding) => Some(AddOnKind::Embedding),
        Ok(wire::AddOnKind::Controlnet) => Some(AddOnKind::ControlNet),
        Ok(wire::AddOnKind::TextEncoder) => Some(AddOnKind::TextEncoder),
        Ok(wire::AddOnKind::Unspecified) | Err(_) => None,
    }
}

/// Writes a generation of Stable Diffusion.
#[must_use]
pub fn stable_diffusion_version_to_wire(version: StableDiffusionVersion) -> wire::StableDiffusionVersion {
    match version {
        StableDiffusionVersion::V1_5 => wire::StableDiffusionVersion::V15,
        StableDiffusionVersion::V2_1 => wire::StableDiffusionVersion::V21,
        StableDiffusionVersion::Xl => wire::StableDiffusionVersion::Xl,
        StableDiffusionVersion::XlTurbo => wire::StableDiffusionVersion::XlTurbo,
        StableDiffusionVersion::XlRefiner => wire::StableDiffusionVersion::XlRefiner,
    }
}

/// Reads a generation of Stable Diffusion; `None` where it is not said, or not known to this version.
#[must_use]
pub fn stable_diffusion_version_from_wire(version: i32) -> Option<StableDiffusionVersion> {
    match wire::StableDiffusionVersion::try_from(version) {
        Ok(wire::StableDiffusionVersion::V15) => Some(StableDiffusionVersion::V1_5),
        Ok(wire::StableDiffusionVersion::V21) => Some(StableDiffusionVersion::V2_1),
        Ok(wire::StableDiffusionVersion::Xl) => Some(StableDiffusionVersion::Xl),
        Ok(wire::StableDiffusionVersion::XlTurbo) => Some(StableDiffusionVersion::XlTurbo),
        Ok(wire::StableDiffusionVersion::XlRefiner) => Some(StableDiffusionVersion::XlRefiner),
        Ok(wire::StableDiffusionVersion::Unspecified) | Err(_) => None,
    }
}

/// A file name that would leave its folder does not come past this.
fn file_from_wire(file: &wire::ModelFile) -> Result<ModelFile, InvalidField> {
    Ok(ModelFile {
        name: parsed("name", &file.name)?,
        size_bytes: file.size_bytes,
        sha256: parsed("sha256", &file.sha256)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rbee_artifacts::Sha256;

    use super::*;
    use crate::arbitrary::any_model;

    fn entry(id: &str, model_type: ModelType, status: ModelStatus) -> ModelEntry {
        ModelEntry {
            id: id.parse().unwrap(),
            name: "A model".into(),
            size_bytes: 7,
            status,
            added_at: "2026-11-23T06:30:00.5Z".parse().unwrap(),
            model_type,
            quantization: Some("Q4_K_M".into()),
            context_length: Some(32_768),
            parameter_count: Some(494_032_768),
            metadata: [("general.name".to_owned(), "Qwen".to_owned())].into(),
            files: vec![ModelFile {
                name: "weights/model.gguf".parse().unwrap(),
                size_bytes: 7,
                sha256: Sha256::digest(b"weights"),
            }],
        }
    }

    fn llm() -> ModelType {
        ModelType::Llm {
            architecture: "qwen2".into(),
        }
    }

    #[test]
    fn entries_cross_the_wire_whole() {
        let add_ons = AddOnKind::ALL.iter().flat_map(|&add_on| {
            let bases = StableDiffusionVersion::ALL.iter().map(|&version| Some(version));
            bases
                .chain([None])
                .map(move |base| ModelType::AddOn { add_on, base })
        });
        for model_type in add_ons {
            let entry = entry("civitai:7", model_type, ModelStatus::Available);
            let wire = model_to_wire(&entry, 1);
            assert!(wire.compatible_worker_types.is_empty());
            assert_eq!(model_from_wire(wire), Ok(entry));
        }
        let checkpoints = StableDiffusionVersion::ALL
            .iter()
            .map(|&version| ModelType::StableDiffusion { version });
        for model_type in checkpoints {
            let error = "the disk is full".into();
            let entry = entry("civitai:123456", model_type, ModelStatus::Failed { error });
            assert_eq!(model_from_wire(model_to_wire(&entry, 1)), Ok(entry));
        }
        for (entry, vendor) in [
            (
                entry("local:qwen", llm(), ModelStatus::Available),
                wire::Vendor::Local,
            ),
            (
                entry("Qwen/Qwen2.5@main:qwen.gguf", llm(), ModelStatus::Downloading),
                wire::Vendor::Huggingface,
            ),
        ] {
            let wire = model_to_wire(&entry, 42);
            assert_eq!(wire.revision, 42);
            assert_eq!(wire.vendor(), vendor);
            assert_eq!(wire.compatible_worker_types.len(), 3);
            assert_eq!(model_from_wire(wire), Ok(entry));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = model_to_wire(&entry("local:qwen", llm(), ModelStatus::Available), 0);
        let broken = |change: &dyn Fn(&mut wire::Model)| {
            let mut model = good.clone();
            change(&mut model);
            model_from_wire(model).unwrap_err().field
        };
        let kind = |kind: Kind| {
            broken(&|model| {
                model.model_type = Some(wire::ModelType {
                    kind: Some(kind.clone()),
                });
            })
        };
        assert_eq!(broken(&|model| *model = wire::Model::default()), "id");
        assert_eq!(broken(&|model| model.id = "nonsense".into()), "id");
        assert_eq!(broken(&|model| model.state = 0), "state");
        assert_eq!(broken(&|model| model.state = 77), "state");
        assert_eq!(broken(&|model| model.added_at = None), "added_at");
        assert_eq!(broken(&|model| model.model_type = None), "model_type");
        assert_eq!(
            kind(Kind::StableDiffusion(wire::StableDiffusionModel { version: 77 })),
            "model_type.stable_diffusion.version"
        );
        assert_eq!(
            kind(Kind::AddOn(wire::AddOn { kind: 0, base: 0 })),
            "model_type.add_on.kind"
        );
        assert_eq!(
            broken(&|model| model.files[0].name = "../x".into()),
            "files[0].name"
        );
        assert_eq!(
            broken(&|model| model.files[0].sha256 = "ab".into()),
            "files[0].sha256"
        );
    }

    #[test]
    fn a_file_name_that_leaves_its_folder_is_not_read() {
        let file = wire::ModelFile {
            name: String::new(),
            size_bytes: 1,
            sha256: Sha256::digest(b"x").to_string(),
        };
        for name in ["../../etc/passwd", "/etc/passwd", "a/../b", ""] {
            let file = wire::ModelFile {
                name: name.into(),
                ..file.clone()
            };
            assert_eq!(file_from_wire(&file).unwrap_err().field, "name");
        }
    }

    proptest! {
        #[test]
        fn any_entry_crosses_the_wire(entry in any_model(), revision: u64) {
            let wire = model_to_wire(&entry, revision);
            prop_assert_eq!(wire.revision, revision);
            prop_assert_eq!(model_from_wire(wire), Ok(entry));
        }
    }
}
