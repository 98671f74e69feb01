//! The tables of `ls` and `status`.

use prost_types::Timestamp;
use rbee_proto::provisioner::v1::Job;
use rbee_proto::types::v1::{Model, WorkerBinary};

use super::human::{UNKNOWN, age, count, rate, size};
use super::table::{Cell, Table};
use super::words;

fn known(text: Option<impl Into<String>>) -> Cell {
    text.map_or_else(|| Cell::from(UNKNOWN), |text| Cell::from(text.into()))
}

/// Models.
pub(crate) fn models(models: &[Model], now: &Timestamp) -> Table {
    let mut table = Table::new([
        "ID",
        "STATE",
        "KIND",
        "QUANT",
        ">PARAMETERS",
        ">CONTEXT",
        ">SIZE",
        ">AGE",
    ]);
    for model in models {
        table.row([
            model.id.as_str().into(),
            Cell::new(words::model_state(model.state), words::model_tone(model.state)),
            known(words::model_kind(
                model.model_type.as_ref().and_then(|kind| kind.kind.as_ref()),
            )),
            known(model.quantization.clone()),
            known(model.parameter_count.map(count)),
            known(model.context_length.map(|length| length.to_string())),
            size(model.size_bytes).into(),
            age(model.added_at.as_ref(), now).into(),
        ]);
    }
    table
}

/// Installed worker programs.
pub(crate) fn worker_binaries(binaries: &[WorkerBinary], now: &Timestamp) -> Table {
    let mut table = Table::new(["TYPE", "VERSION", "PLATFORM", "SOURCE", ">SIZE", ">AGE", "ID"]);
    for binary in binaries {
        let platform = binary
            .platform
            .as_ref()
            .map(|platform| format!("{}/{}", platform.os, platform.arch));
        table.row([
            words::worker_type(binary.worker_type).into(),
            binary.version.as_str().into(),
            known(platform),
            binary.source.as_str().into(),
            size(binary.size_bytes).into(),
            age(binary.added_at.as_ref(), now).into(),
            binary.id.as_str().into(),
        ]);
    }
    table
}

/// Jobs.
pub(crate) fn jobs(jobs: &[Job], now: &Timestamp) -> Table {
    let mut table = Table::new(["ID", "KIND", "SUBJECT", "STATE", ">DONE", ">RATE", ">AGE"]);
    for job in jobs {
        let mut state = words::job_state(job.state);
        if let Some(failure) = &job.failure {
            state = format!("{state}: {}", failure.reason);
        }
        let done = match job.total_bytes {
            Some(total) if total > 0 => format!("{} of {}", size(job.done_bytes), size(total)),
            _ => size(job.done_bytes),
        };
        table.row([
            job.id.as_str().into(),
            words::job_kind(job.kind).replace('_', " ").into(),
            job.subject.as_str().into(),
            Cell::new(state, words::job_tone(job.state)),
            done.into(),
            known(job.bytes_per_second.map(rate)),
            age(job.created_at.as_ref(), now).into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use rbee_proto::types::v1::{LlmModel, ModelState, ModelType, model_type};

    use super::super::paint::Paint;
    use super::*;

    const NOW: Timestamp = Timestamp {
        seconds: 1_000_000,
        nanos: 0,
    };

    #[test]
    fn models_read_like_this() {
        let model = Model {
            id: "local:qwen".into(),
            state: ModelState::Available as i32,
            model_type: Some(ModelType {
                kind: Some(model_type::Kind::Llm(LlmModel {
                    architecture: "qwen2".into(),
                })),
            }),
            quantization: Some("Q4_K_M".into()),
            parameter_count: Some(494_032_768),
            context_length: Some(32_768),
            size_bytes: 491_400_064,
            added_at: Some(Timestamp {
                seconds: NOW.seconds - 200,
                nanos: 0,
            }),
            ..Model::default()
        };
        assert_eq!(
            models(&[model], &NOW).render(Paint::OFF),
            "ID          STATE      KIND   QUANT   PARAMETERS  CONTEXT       SIZE  AGE\n\
             local:qwen  available  qwen2  Q4_K_M        494M    32768  468.6 MiB   3m\n"
        );
    }
}
