//! Models.

use jiff::Timestamp;
use rbee_artifacts::{ModelEntry, ModelStatus, ModelType, Vendor};
use rbee_proto::types::v1 as wire;
use rbee_wire::{timestamp_to_wire, vendor_to_wire};

use crate::domain::entry::check_model;
use crate::domain::limits::{self, InvalidField};

/// Reads the entry that a client asks to create or change; the catalog sets `added_at`.
pub(in crate::grpc) fn model_from_wire(
    model: wire::Model,
    added_at: Timestamp,
) -> Result<ModelEntry, InvalidField> {
    let vendor = model.vendor;
    let model = wire::Model {
        added_at: Some(timestamp_to_wire(added_at)),
        files: limits::count("model.files", model.files, limits::MAX_FILES)?,
        ..model
    };
    let entry = rbee_wire::model_from_wire(model).map_err(|error| error.within("model"))?;
    check_vendor(entry.vendor(), vendor)?;
    let entry = within_bounds(entry)?;
    check_model(&entry)?;
    Ok(entry)
}

fn check_vendor(expected: Vendor, number: i32) -> Result<(), InvalidField> {
    match wire::Vendor::try_from(number) {
        Ok(wire::Vendor::Unspecified) => Ok(()),
        Ok(vendor) if vendor == vendor_to_wire(expected) => Ok(()),
        _ => Err(InvalidField::new(
            "model.vendor",
            format!("must be {expected}, as the id says"),
        )),
    }
}

/// Refuses texts that are too long; a failure's is shortened, so that it is not lost.
fn within_bounds(entry: ModelEntry) -> Result<ModelEntry, InvalidField> {
    let label = |field, text| limits::required_text(field, text, limits::MAX_LABEL_BYTES);
    Ok(ModelEntry {
        name: label("model.name", entry.name)?,
        status: match entry.status {
            ModelStatus::Failed { error } => ModelStatus::Failed {
                error: limits::shortened(error, limits::MAX_MESSAGE_BYTES),
            },
            status @ (ModelStatus::Available | ModelStatus::Downloading) => status,
        },
        model_type: match entry.model_type {
            ModelType::Llm { architecture } => ModelType::Llm {
                architecture: label("model.model_type.llm.architecture", architecture)?,
            },
            model_type @ (ModelType::StableDiffusion { .. } | ModelType::AddOn { .. }) => model_type,
        },
        quantization: entry
            .quantization
            .map(|text| label("model.quantization", text))
            .transpose()?,
        ..entry
    })
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::{ModelFile, Sha256, StableDiffusionVersion};
    use rbee_wire::model_to_wire;

    use super::*;

    fn entry(id: &str, model_type: ModelType, status: ModelStatus) -> ModelEntry {
        let sha256 = Sha256::digest(b"weights");
        ModelEntry {
            id: id.parse().unwrap(),
            name: "A model".into(),
            size_bytes: 7,
            status,
            added_at: "2026-11-23T06:30:00Z".parse().unwrap(),
            model_type,
            quantization: Some("Q4_K_M".into()),
            context_length: Some(32_768),
            parameter_count: Some(494_032_768),
            metadata: [("general.name".to_owned(), "Qwen".to_owned())].into(),
            files: vec![ModelFile {
                name: "weights/model.gguf".parse().unwrap(),
                size_bytes: 7,
                sha256,
            }],
        }
    }

    #[test]
    fn entries_are_read_as_they_were_written() {
        let llm = ModelType::Llm {
            architecture: "qwen2".into(),
        };
        let xl = ModelType::StableDiffusion {
            version: StableDiffusionVersion::Xl,
        };
        for entry in [
            entry("local:qwen", llm.clone(), ModelStatus::Available),
            entry("Qwen/Qwen2.5@main:qwen.gguf", llm, ModelStatus::Downloading),
            entry(
                "civitai:123456",
                xl,
                ModelStatus::Failed {
                    error: "the disk is full".into(),
                },
            ),
        ] {
            let wire = model_to_wire(&entry, 42);
            assert_eq!(wire.revision, 42);
            assert_eq!(wire.compatible_worker_types.len(), 3);
            assert_eq!(model_from_wire(wire, entry.added_at), Ok(entry));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let llm = ModelType::Llm {
            architecture: "qwen2".into(),
        };
        let good = model_to_wire(&entry("local:qwen", llm, ModelStatus::Available), 0);
        let broken = |change: fn(&mut wire::Model)| {
            let mut model = good.clone();
            change(&mut model);
            model_from_wire(model, Timestamp::UNIX_EPOCH).unwrap_err().field
        };
        assert_eq!(broken(|model| model.id = "nonsense".into()), "model.id");
        assert_eq!(
            broken(|model| model.vendor = wire::Vendor::Civitai.into()),
            "model.vendor"
        );
        assert_eq!(broken(|model| model.name.clear()), "model.name");
        assert_eq!(broken(|model| model.name = "x".repeat(300)), "model.name");
        assert_eq!(broken(|model| model.state = 0), "model.state");
        assert_eq!(broken(|model| model.state = 77), "model.state");
        assert_eq!(broken(|model| model.model_type = None), "model.model_type");
        assert_eq!(
            broken(|model| model.quantization = Some(String::new())),
            "model.quantization"
        );
        assert_eq!(
            broken(|model| model.files[0].name = "../x".into()),
            "model.files[0].name"
        );
        assert_eq!(
            broken(|model| model.files[0].sha256 = "ab".into()),
            "model.files[0].sha256"
        );
        assert_eq!(broken(|model| model.size_bytes = 8), "model.size_bytes");
        assert_eq!(
            broken(|model| model.files = vec![model.files[0].clone(); 3000]),
            "model.files"
        );
    }
}
