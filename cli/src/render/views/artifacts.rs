//! Models and worker programs.

use std::collections::BTreeMap;

use rbee_proto::types::v1 as types;
use serde::Serialize;

use super::super::words;
use super::{some, time};

/// A model.
#[derive(Debug, Serialize)]
pub(crate) struct Model<'a> {
    id: &'a str,
    name: &'a str,
    state: String,
    failure: Option<&'a str>,
    kind: Option<String>,
    quantization: Option<&'a str>,
    size_bytes: u64,
    context_length: Option<u64>,
    parameter_count: Option<u64>,
    compatible_worker_types: Vec<String>,
    vendor: String,
    added_at: Option<String>,
    revision: u64,
    files: Vec<File<'a>>,
    metadata: &'a BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    name: &'a str,
    size_bytes: u64,
    sha256: &'a str,
}

impl<'a> From<&'a types::Model> for Model<'a> {
    fn from(model: &'a types::Model) -> Self {
        Self {
            id: &model.id,
            name: &model.name,
            state: words::model_state(model.state),
            failure: some(&model.failure),
            kind: words::model_kind(model.model_type.as_ref().and_then(|kind| kind.kind.as_ref())),
            quantization: model.quantization.as_deref(),
            size_bytes: model.size_bytes,
            context_length: model.context_length,
            parameter_count: model.parameter_count,
            compatible_worker_types: model
                .compatible_worker_types
                .iter()
                .map(|worker_type| words::worker_type(*worker_type))
                .collect(),
            vendor: words::vendor(model.vendor),
            added_at: time(model.added_at.as_ref()),
            revision: model.revision,
            files: model
                .files
                .iter()
                .map(|file| File {
                    name: &file.name,
                    size_bytes: file.size_bytes,
                    sha256: &file.sha256,
                })
                .collect(),
            metadata: &model.metadata,
        }
    }
}

/// A worker program.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerBinary<'a> {
    id: &'a str,
    worker_type: String,
    version: &'a str,
    platform: Option<Platform<'a>>,
    size_bytes: u64,
    sha256: &'a str,
    added_at: Option<String>,
    source: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Platform<'a> {
    os: &'a str,
    arch: &'a str,
}

impl<'a> From<&'a types::Platform> for Platform<'a> {
    fn from(platform: &'a types::Platform) -> Self {
        Self {
            os: &platform.os,
            arch: &platform.arch,
        }
    }
}

impl<'a> From<&'a types::WorkerBinary> for WorkerBinary<'a> {
    fn from(binary: &'a types::WorkerBinary) -> Self {
        Self {
            id: &binary.id,
            worker_type: words::worker_type(binary.worker_type),
            version: &binary.version,
            platform: binary.platform.as_ref().map(Platform::from),
            size_bytes: binary.size_bytes,
            sha256: &binary.sha256,
            added_at: time(binary.added_at.as_ref()),
            source: &binary.source,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_null() {
        let model = types::Model {
            id: "local:qwen".into(),
            state: types::ModelState::Available as i32,
            ..types::Model::default()
        };
        let value = serde_json::to_value(Model::from(&model)).unwrap();
        assert_eq!(value["state"], "available");
        assert_eq!(value["failure"], json!(null));
        assert_eq!(value["quantization"], json!(null));
        assert_eq!(value["added_at"], json!(null));
        assert_eq!(value["files"], json!([]));
    }
}
