//! Between the contract's messages and the domain. Prost types stop here.

pub(super) mod hub;

use rbee_artifacts::WorkerBinary;
use rbee_proto::provisioner::v1 as wire;
use rbee_proto::provisioner::v1::job;
use rbee_proto::types::v1 as types;
use rbee_wire::{InvalidField, model_to_wire, timestamp_to_wire, worker_binary_to_wire};

use crate::domain::imported::{
    CatalogModel, FileProblem, FileProblemKind, ImportJob, Imported, Verification,
};
use crate::domain::job::{JobPhase, JobState};
use crate::domain::request::{ImportMode, JobKind};

/// Reads the mode of an import; `None` if it is none.
pub(super) fn import_mode_from_wire(number: i32) -> Option<ImportMode> {
    Some(match wire::ImportMode::try_from(number).ok()? {
        wire::ImportMode::Unspecified => ImportMode::LinkOrCopy,
        wire::ImportMode::Copy => ImportMode::Copy,
        wire::ImportMode::HardLink => ImportMode::HardLink,
        wire::ImportMode::InPlace => ImportMode::InPlace,
    })
}

/// Writes a job.
pub(super) fn job_to_wire(job: &ImportJob) -> wire::Job {
    let (state, phase) = match &job.state {
        JobState::Pending => (wire::JobState::Pending, wire::JobPhase::Unspecified),
        JobState::Running(phase) => (wire::JobState::Running, phase_to_wire(*phase)),
        JobState::Succeeded(_) => (wire::JobState::Succeeded, wire::JobPhase::Unspecified),
        JobState::Failed(_) => (wire::JobState::Failed, wire::JobPhase::Unspecified),
        JobState::Cancelled => (wire::JobState::Cancelled, wire::JobPhase::Unspecified),
    };
    let kind = match job.kind {
        JobKind::ImportModel => wire::JobKind::ImportModel,
        JobKind::ImportWorkerBinary => wire::JobKind::ImportWorkerBinary,
        JobKind::ProvisionModel => wire::JobKind::ProvisionModel,
        JobKind::InstallWorker => wire::JobKind::InstallWorker,
        JobKind::VerifyModels => wire::JobKind::VerifyModels,
    };
    wire::Job {
        id: job.id.to_string(),
        kind: kind.into(),
        subject: job.subject.clone(),
        state: state.into(),
        phase: phase.into(),
        done_bytes: job.progress.done_bytes,
        total_bytes: job.progress.total_bytes,
        bytes_per_second: job.progress.bytes_per_second,
        failure: match &job.state {
            JobState::Failed(failure) => Some(wire::JobFailure {
                reason: failure.reason.to_owned(),
                message: failure.message.clone(),
            }),
            _ => None,
        },
        created_at: Some(timestamp_to_wire(job.created_at)),
        ended_at: job.ended_at.map(timestamp_to_wire),
        result: match &job.state {
            JobState::Succeeded(Imported::Model(model)) => {
                Some(job::Result::Model(model_to_wire(&model.entry, model.revision)))
            }
            JobState::Succeeded(Imported::WorkerBinary(binary)) => {
                Some(job::Result::WorkerBinary(worker_binary_to_wire(binary)))
            }
            JobState::Succeeded(Imported::Verification(found)) => {
                Some(job::Result::Verification(verification_to_wire(found)))
            }
            _ => None,
        },
        remaining: job.progress.remaining().and_then(|left| left.try_into().ok()),
        file_name: job.file_name.clone(),
        note: job.note.clone(),
    }
}

fn verification_to_wire(found: &Verification) -> wire::Verification {
    let problem = |problem: &FileProblem| wire::FileProblem {
        model_id: problem.model_id.to_string(),
        file_name: problem.file_name.to_string(),
        kind: match problem.kind {
            FileProblemKind::Missing => wire::FileProblemKind::Missing,
            FileProblemKind::Damaged => wire::FileProblemKind::Damaged,
            FileProblemKind::Unreadable => wire::FileProblemKind::Unreadable,
        }
        .into(),
        message: problem.message.clone(),
    };
    wire::Verification {
        model_count: found.model_count,
        file_count: found.file_count,
        size_bytes: found.size_bytes,
        problems: found.problems.iter().map(problem).collect(),
    }
}

fn phase_to_wire(phase: JobPhase) -> wire::JobPhase {
    match phase {
        JobPhase::Inspecting => wire::JobPhase::Inspecting,
        JobPhase::Storing => wire::JobPhase::Storing,
        JobPhase::Registering => wire::JobPhase::Registering,
        JobPhase::Resolving => wire::JobPhase::Resolving,
        JobPhase::Downloading => wire::JobPhase::Downloading,
        JobPhase::FetchingSources => wire::JobPhase::FetchingSources,
        JobPhase::Building => wire::JobPhase::Building,
        JobPhase::Verifying => wire::JobPhase::Verifying,
    }
}

/// Reads a model that the catalog sent.
pub(super) fn model_from_wire(model: Option<types::Model>) -> Result<CatalogModel, InvalidField> {
    let model = model.ok_or_else(|| InvalidField::missing("model"))?;
    Ok(CatalogModel {
        revision: model.revision,
        entry: rbee_wire::model_from_wire(model)?,
    })
}

/// Reads a worker binary that the catalog sent.
pub(super) fn worker_binary_from_wire(
    binary: Option<types::WorkerBinary>,
) -> Result<WorkerBinary, InvalidField> {
    rbee_wire::worker_binary_from_wire(binary.ok_or_else(|| InvalidField::missing("worker_binary"))?)
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::{ModelEntry, ModelStatus, ModelType};

    use super::*;

    #[test]
    fn a_model_comes_with_its_revision() {
        let entry = ModelEntry {
            id: "local:qwen".parse().unwrap(),
            name: "A model".into(),
            size_bytes: 7,
            status: ModelStatus::Downloading,
            added_at: "2026-11-23T06:30:00.5Z".parse().unwrap(),
            model_type: ModelType::Llm {
                architecture: "qwen2".into(),
            },
            quantization: None,
            context_length: None,
            parameter_count: None,
            metadata: Default::default(),
            files: vec![],
        };
        let read = model_from_wire(Some(model_to_wire(&entry, 3))).unwrap();
        assert_eq!(read, CatalogModel { entry, revision: 3 });
    }

    #[test]
    fn an_answer_without_what_was_asked_for_is_told() {
        assert_eq!(model_from_wire(None).unwrap_err().field, "model");
        assert!(model_from_wire(Some(types::Model::default())).is_err());
        assert_eq!(worker_binary_from_wire(None).unwrap_err().field, "worker_binary");
        assert!(worker_binary_from_wire(Some(types::WorkerBinary::default())).is_err());
    }

    #[test]
    fn modes_that_are_none_are_told() {
        assert_eq!(import_mode_from_wire(0), Some(ImportMode::LinkOrCopy));
        assert_eq!(import_mode_from_wire(9), None);
    }
}
