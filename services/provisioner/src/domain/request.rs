//! What a job is asked to do.

use std::path::PathBuf;

use rbee_artifacts::{ModelId, WorkerType};
use serde::{Deserialize, Serialize};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Imports a model file.
    ImportModel,
    /// Installs a worker program from a file.
    ImportWorkerBinary,
    /// Downloads a model.
    ProvisionModel,
    /// Installs a worker program from its package.
    InstallWorker,
    /// Reads models anew.
    VerifyModels,
}

/// How a file gets into the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportMode {
    /// Hard link where the file is on the store's file system, else copy.
    #[default]
    LinkOrCopy,
    /// Always copy.
    Copy,
    /// Hard link, or fail.
    HardLink,
    /// Use the file where it is.
    InPlace,
}

/// What a job is asked to do, whole: it can be written down and begun again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobRequest {
    /// Import a model file.
    ImportModel {
        /// The file: an absolute path, without symbolic links where it exists.
        source: PathBuf,
        /// What the user calls the file; a symbolic link's own name, not its target's.
        file_name: String,
        /// The id that the model gets.
        model_id: ModelId,
        /// How the file gets into the store.
        mode: ImportMode,
    },
    /// Install a worker program.
    ImportWorkerBinary {
        /// The program: an absolute path, without symbolic links where it exists.
        source: PathBuf,
        /// What it is installed as.
        worker_type: WorkerType,
        /// Where it came from, in words.
        origin: String,
    },
    /// Download a model.
    ProvisionModel {
        /// Its id; the canonical one, where the hub told it in time.
        model_id: ModelId,
    },
    /// Build a package and install the worker program in it.
    InstallWorker {
        /// Which worker it gives.
        worker_type: WorkerType,
        /// The package's name.
        package: String,
    },
    /// Read models anew.
    VerifyModels {
        /// Which, in order and each once; all, if empty.
        model_ids: Vec<ModelId>,
    },
}

impl JobRequest {
    /// What it does.
    #[must_use]
    pub fn kind(&self) -> JobKind {
        match self {
            Self::ImportModel { .. } => JobKind::ImportModel,
            Self::ImportWorkerBinary { .. } => JobKind::ImportWorkerBinary,
            Self::ProvisionModel { .. } => JobKind::ProvisionModel,
            Self::InstallWorker { .. } => JobKind::InstallWorker,
            Self::VerifyModels { .. } => JobKind::VerifyModels,
        }
    }

    /// What it is about: a model id, a worker type or a package; empty if it is about all models. At most one
    /// job of a kind at a time is about one subject.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::ImportModel { model_id, .. } => model_id.to_string(),
            Self::ImportWorkerBinary { worker_type, .. } => worker_type.to_string(),
            Self::ProvisionModel { model_id } => model_id.to_string(),
            Self::InstallWorker { package, .. } => package.clone(),
            Self::VerifyModels { model_ids } => {
                let ids: Vec<_> = model_ids.iter().map(ModelId::as_str).collect();
                ids.join(", ")
            }
        }
    }

    /// What the job does, to be read before "failed" or "was cancelled".
    #[must_use]
    pub fn in_words(&self) -> String {
        let subject = self.subject();
        match self {
            Self::ImportModel { .. } | Self::ImportWorkerBinary { .. } => format!("importing {subject}"),
            Self::ProvisionModel { .. } => format!("downloading {subject}"),
            Self::InstallWorker { .. } => format!("installing {subject}"),
            Self::VerifyModels { model_ids } if model_ids.is_empty() => "verifying all models".to_owned(),
            Self::VerifyModels { .. } => format!("verifying {subject}"),
        }
    }

    /// Whether both bring the same in from the same source, so that one job serves both.
    #[must_use]
    pub fn is_served_by(&self, other: &Self) -> bool {
        match (self, other) {
            // A file that must be linked is not served by a job that may copy it, nor the other way.
            (
                Self::ImportModel {
                    source,
                    model_id,
                    mode,
                    ..
                },
                Self::ImportModel {
                    source: other_source,
                    model_id: other_id,
                    mode: other_mode,
                    ..
                },
            ) => source == other_source && model_id == other_id && mode == other_mode,
            (
                Self::ImportWorkerBinary {
                    source, worker_type, ..
                },
                Self::ImportWorkerBinary {
                    source: other_source,
                    worker_type: other_type,
                    ..
                },
            ) => source == other_source && worker_type == other_type,
            (Self::ProvisionModel { .. } | Self::InstallWorker { .. } | Self::VerifyModels { .. }, other) => {
                self == other
            }
            (Self::ImportModel { .. } | Self::ImportWorkerBinary { .. }, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(source: &str, mode: ImportMode) -> JobRequest {
        let model_id = "local:qwen".parse().unwrap();
        JobRequest::ImportModel {
            source: source.into(),
            file_name: "a.gguf".into(),
            model_id,
            mode,
        }
    }

    #[test]
    fn the_same_request_shares_a_job_and_another_source_does_not() {
        let request = import("/models/a.gguf", ImportMode::Copy);
        assert!(request.is_served_by(&import("/models/a.gguf", ImportMode::Copy)));
        assert!(!request.is_served_by(&import("/models/b.gguf", ImportMode::Copy)));
        assert!(!request.is_served_by(&import("/models/a.gguf", ImportMode::HardLink)));
        assert_eq!(request.subject(), "local:qwen");
        assert_eq!(request.kind(), JobKind::ImportModel);
    }

    #[test]
    fn a_request_can_be_written_down() {
        let request = JobRequest::ImportWorkerBinary {
            source: "/usr/lib/rbee/llm-worker-rbee-cpu".into(),
            worker_type: WorkerType::CpuLlm,
            origin: "bundled".into(),
        };
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<JobRequest>(&text).unwrap(), request);
        assert_eq!(request.subject(), "cpu-llm");
    }
}
