//! Models as the catalog knows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model_id::{ModelId, Vendor};
use crate::names::named_enum;
use crate::relative_path::RelativePath;
use crate::sha256::Sha256;
use crate::worker::{ModelCategory, WorkerType};

named_enum! {
    /// The generation of Stable Diffusion that a model belongs to.
    pub enum StableDiffusionVersion ("version of Stable Diffusion") {
        /// Stable Diffusion 1.5.
        V1_5 = "1.5",
        /// Stable Diffusion 2.1.
        V2_1 = "2.1",
        /// Stable Diffusion XL.
        Xl = "xl",
        /// Stable Diffusion XL Turbo.
        XlTurbo = "xl-turbo",
        /// The refiner of Stable Diffusion XL.
        XlRefiner = "xl-refiner",
    }
}

named_enum! {
    /// What is used with a Stable Diffusion model and not alone.
    pub enum AddOnKind ("kind of add-on") {
        /// A LoRA or one of its relatives: a change to the weights.
        Lora = "lora",
        /// A VAE in place of the model's own.
        Vae = "vae",
        /// A small VAE for previews (TAESD).
        PreviewVae = "preview-vae",
        /// A textual-inversion embedding: new words for prompts.
        Embedding = "embedding",
        /// A ControlNet.
        ControlNet = "controlnet",
        /// A text encoder by itself.
        TextEncoder = "text-encoder",
    }
}

/// What kind of model it is, read from its header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelType {
    /// A large language model.
    Llm {
        /// The architecture as the file names it: `qwen2`, `gemma3`, …
        architecture: String,
    },
    /// A Stable Diffusion model.
    StableDiffusion {
        /// Which generation.
        version: StableDiffusionVersion,
    },
    /// Something that is used with a Stable Diffusion model. No worker serves it alone.
    AddOn {
        /// What it is.
        add_on: AddOnKind,
        /// The generation it goes with; absent where nothing tells. Never a distilled one: what goes
        /// with XL goes with XL Turbo.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<StableDiffusionVersion>,
    },
}

impl ModelType {
    /// The kind of model, as far as choosing a worker goes; for an add-on, that of the models it goes
    /// with.
    #[must_use]
    pub fn category(&self) -> ModelCategory {
        match self {
            Self::Llm { .. } => ModelCategory::Llm,
            Self::StableDiffusion { .. } | Self::AddOn { .. } => ModelCategory::StableDiffusion,
        }
    }

    /// The worker types that serve models of this kind. Whether a worker knows the architecture is for
    /// the worker to say.
    #[must_use]
    pub fn compatible_worker_types(&self) -> Vec<WorkerType> {
        WorkerType::ALL
            .iter()
            .copied()
            .filter(|&worker_type| self.is_compatible_with(worker_type))
            .collect()
    }

    /// Whether workers of this type serve models of this kind.
    #[must_use]
    pub fn is_compatible_with(&self, worker_type: WorkerType) -> bool {
        let serves_alone = !matches!(self, Self::AddOn { .. });
        serves_alone && worker_type.model_type_category() == self.category()
    }
}

/// Whether a model can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ModelStatus {
    /// Complete and verified.
    Available,
    /// Being brought in.
    Downloading,
    /// Bringing it in failed.
    Failed {
        /// Why, for a person.
        error: String,
    },
}

/// One file of a model. Its bytes are a blob of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// The name within the model.
    pub name: RelativePath,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Digest of the content, and the name of the blob.
    pub sha256: Sha256,
}

/// A model that the cluster has, or is bringing in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// Its id.
    pub id: ModelId,
    /// A name to show.
    pub name: String,
    /// Size of all files together in bytes.
    pub size_bytes: u64,
    /// Whether it can be used.
    pub status: ModelStatus,
    /// When the entry was created.
    pub added_at: Timestamp,
    /// What kind of model it is.
    pub model_type: ModelType,
    /// How the weights are stored, such as `Q4_K_M`; absent where not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// Longest context the model was made for, in tokens; absent where not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_length: Option<u64>,
    /// Number of parameters; absent where not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_count: Option<u64>,
    /// Facts of the vendor or of the file's header, by name.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Its files. Empty while it is being brought in.
    #[serde(default)]
    pub files: Vec<ModelFile>,
}

impl ModelEntry {
    /// Where it comes from; its id tells.
    #[must_use]
    pub fn vendor(&self) -> Vendor {
        self.id.vendor()
    }

    /// The worker types that can serve it.
    #[must_use]
    pub fn compatible_worker_types(&self) -> Vec<WorkerType> {
        self.model_type.compatible_worker_types()
    }

    /// Whether workers of this type can serve it.
    #[must_use]
    pub fn is_compatible_with(&self, worker_type: WorkerType) -> bool {
        self.model_type.is_compatible_with(worker_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_goes_with_the_workers_of_its_kind() {
        let llm = ModelType::Llm {
            architecture: "qwen2".to_owned(),
        };
        assert_eq!(
            llm.compatible_worker_types(),
            [WorkerType::CpuLlm, WorkerType::CudaLlm, WorkerType::MetalLlm]
        );
        for &version in StableDiffusionVersion::ALL {
            let model = ModelType::StableDiffusion { version };
            for &worker_type in WorkerType::ALL {
                assert_ne!(
                    model.is_compatible_with(worker_type),
                    llm.is_compatible_with(worker_type)
                );
            }
        }
    }

    #[test]
    fn an_add_on_goes_with_no_worker_alone() {
        for &add_on in AddOnKind::ALL {
            let model = ModelType::AddOn { add_on, base: None };
            assert_eq!(model.compatible_worker_types(), []);
            assert_eq!(model.category(), ModelCategory::StableDiffusion);
        }
    }

    #[test]
    fn kinds_and_states_are_tagged_on_disk() {
        fn json(value: &impl Serialize) -> String {
            serde_json::to_string(value).unwrap()
        }
        assert_eq!(
            json(&ModelType::StableDiffusion {
                version: StableDiffusionVersion::XlTurbo
            }),
            r#"{"kind":"stable-diffusion","version":"xl-turbo"}"#
        );
        assert_eq!(
            json(&ModelType::AddOn {
                add_on: AddOnKind::Lora,
                base: Some(StableDiffusionVersion::Xl)
            }),
            r#"{"kind":"add-on","add_on":"lora","base":"xl"}"#
        );
        assert_eq!(json(&ModelStatus::Available), r#"{"state":"available"}"#);
        assert_eq!(
            json(&ModelStatus::Failed {
                error: "gone".to_owned()
            }),
            r#"{"state":"failed","error":"gone"}"#
        );
    }
}
