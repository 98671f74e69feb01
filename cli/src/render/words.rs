//! The contract's enums in one spelling for tables, JSON and the command line.

use rbee_proto::events::v1::EventLevel;
use rbee_proto::hive::v1::{LogStream, SpawnStep};
use rbee_proto::provisioner::v1::{
    CredentialSource, DependencyState, FileProblemKind, Gate, JobKind, JobPhase, JobState, SearchKind,
};
use rbee_proto::types::v1::{
    AddOnKind, DeviceKind, FailureCause, HiveState, ModelState, StableDiffusionVersion, Vendor, WorkerState,
    WorkerType, model_type,
};
use rbee_proto::worker::v1::{FinishReason, Pooling};

use super::paint::Tone;

/// What stands for a value that this program doesn't know.
const UNKNOWN: &str = "unknown";

/// A value's word: `WORKER_STATE_READY` with the prefix `WORKER_STATE_` gives `ready`.
fn word(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix) {
        None | Some("UNSPECIFIED") => UNKNOWN.to_owned(),
        Some(word) => word.to_ascii_lowercase(),
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $function:ident: $enumeration:ident, $prefix:literal;)*) => {
        $(
            $(#[$doc])*
            pub(crate) fn $function(value: i32) -> String {
                $enumeration::try_from(value)
                    .map_or_else(|_| UNKNOWN.to_owned(), |value| word(value.as_str_name(), $prefix))
            }
        )*
    };
}

words! {
    /// `available`, `downloading`, `failed`.
    model_state: ModelState, "MODEL_STATE_";
    /// `huggingface`, `civitai`, `local`.
    vendor: Vendor, "VENDOR_";
    /// `cpu`, `cuda`, `metal`.
    device_kind: DeviceKind, "DEVICE_KIND_";
    /// `ready`, `unreachable`.
    hive_state: HiveState, "HIVE_STATE_";
    /// `pending` … `crash_looping`.
    worker_state: WorkerState, "WORKER_STATE_";
    /// `pending` … `cancelled`.
    job_state: JobState, "JOB_STATE_";
    /// `resolving`, `downloading`, `building` …
    job_phase: JobPhase, "JOB_PHASE_";
    /// `provision_model`, `install_worker` …
    job_kind: JobKind, "JOB_KIND_";
    /// `out_of_memory` … `hung`; `unknown` where it can't be told.
    failure_cause: FailureCause, "FAILURE_CAUSE_";
    /// `stdout`, `stderr`, `hive`.
    log_stream: LogStream, "LOG_STREAM_";
    /// `model` … `register`.
    spawn_step: SpawnStep, "SPAWN_STEP_";
    /// `end_of_generation`, `stop_string`, `length`.
    finish_reason: FinishReason, "FINISH_REASON_";
    /// `mean`, `first`, `last`.
    pooling: Pooling, "POOLING_";
    /// `info`, `warning`, `error`.
    event_level: EventLevel, "EVENT_LEVEL_";
    /// `v1_5` … `xl_turbo`.
    stable_diffusion_version: StableDiffusionVersion, "STABLE_DIFFUSION_VERSION_";
    /// `lora`, `vae` … `text_encoder`.
    add_on_kind: AddOnKind, "ADD_ON_KIND_";
    /// `open`, `automatic`, `manual`.
    gate: Gate, "GATE_";
    /// `llm`, `stable_diffusion`, `lora` …
    search_kind: SearchKind, "SEARCH_KIND_";
    /// `stored`, `environment`.
    credential_source: CredentialSource, "CREDENTIAL_SOURCE_";
    /// `present`, `missing`, `not_checked`.
    dependency_state: DependencyState, "DEPENDENCY_STATE_";
    /// `missing`, `damaged`, `unreadable`.
    file_problem_kind: FileProblemKind, "FILE_PROBLEM_KIND_";
}

/// `cpu-llm` … `metal-sd`.
pub(crate) fn worker_type(value: i32) -> String {
    WorkerType::try_from(value)
        .map_or_else(
            |_| UNKNOWN.to_owned(),
            |value| word(value.as_str_name(), "WORKER_TYPE_"),
        )
        .replace('_', "-")
}

/// What kind of model: its architecture, or which Stable Diffusion.
pub(crate) fn model_kind(kind: Option<&model_type::Kind>) -> Option<String> {
    kind.map(|kind| match kind {
        model_type::Kind::Llm(llm) => llm.architecture.clone(),
        model_type::Kind::StableDiffusion(model) => {
            format!("sd-{}", stable_diffusion_version(model.version).replace('_', "-"))
        }
        model_type::Kind::AddOn(add_on) => {
            let kind = add_on_kind(add_on.kind).replace('_', "-");
            match StableDiffusionVersion::try_from(add_on.base) {
                Ok(StableDiffusionVersion::Unspecified) | Err(_) => kind,
                Ok(_) => format!(
                    "{kind} for sd-{}",
                    stable_diffusion_version(add_on.base).replace('_', "-")
                ),
            }
        }
    })
}

/// How good a model's state is.
pub(crate) fn model_tone(state: i32) -> Tone {
    match ModelState::try_from(state) {
        Ok(ModelState::Available) => Tone::Good,
        Ok(ModelState::Downloading) => Tone::Busy,
        Ok(ModelState::Failed) => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// How good a worker's state is.
pub(crate) fn worker_tone(state: i32) -> Tone {
    match WorkerState::try_from(state) {
        Ok(WorkerState::Ready | WorkerState::Busy) => Tone::Good,
        Ok(
            WorkerState::Pending
            | WorkerState::Validating
            | WorkerState::Fetching
            | WorkerState::Starting
            | WorkerState::Loading
            | WorkerState::Draining
            | WorkerState::Stopping,
        ) => Tone::Busy,
        Ok(WorkerState::Failed | WorkerState::CrashLooping) => Tone::Bad,
        Ok(WorkerState::Stopped) => Tone::Faint,
        Ok(WorkerState::Unspecified) | Err(_) => Tone::Plain,
    }
}

/// What made a worker's process end; absent where it can't be told.
pub(crate) fn cause(value: i32) -> Option<String> {
    (value != FailureCause::Unspecified as i32).then(|| failure_cause(value))
}

/// How good a hive's state is.
pub(crate) fn hive_tone(state: i32) -> Tone {
    match HiveState::try_from(state) {
        Ok(HiveState::Ready) => Tone::Good,
        Ok(HiveState::Unreachable) => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// How good a job's state is.
pub(crate) fn job_tone(state: i32) -> Tone {
    match JobState::try_from(state) {
        Ok(JobState::Succeeded) => Tone::Good,
        Ok(JobState::Pending | JobState::Running) => Tone::Busy,
        Ok(JobState::Failed) => Tone::Bad,
        Ok(JobState::Cancelled) => Tone::Faint,
        _ => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_words() {
        assert_eq!(worker_state(WorkerState::Ready as i32), "ready");
        assert_eq!(worker_type(WorkerType::MetalSd as i32), "metal-sd");
        assert_eq!(
            finish_reason(FinishReason::EndOfGeneration as i32),
            "end_of_generation"
        );
        assert_eq!(
            stable_diffusion_version(StableDiffusionVersion::V15 as i32),
            "v1_5"
        );
    }

    #[test]
    fn every_state_of_a_worker_has_a_tone_and_a_cause_is_named_where_it_is_known() {
        for state in 1..=12 {
            assert_ne!(worker_state(state), UNKNOWN);
            assert_ne!(worker_tone(state), Tone::Plain, "{}", worker_state(state));
        }
        assert_eq!(cause(1).unwrap(), "out_of_memory");
        assert_eq!(cause(0), None);
    }

    #[test]
    fn what_a_newer_server_says_is_unknown() {
        assert_eq!(worker_state(99), "unknown");
        assert_eq!(worker_state(0), "unknown");
        assert_eq!(worker_type(99), "unknown");
    }
}
