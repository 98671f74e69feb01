//! The tables of `ls` and `status`.

use prost_types::Timestamp;
use rbee_proto::provisioner::v1::Job;
use rbee_proto::types::v1::{Device, Hive, Model, Worker, WorkerBinary};

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

/// Hives.
pub(crate) fn hives(hives: &[Hive], workers: &[Worker], now: &Timestamp) -> Table {
    let mut table = Table::new([
        "NAME", "STATE", "ADDRESS", ">DEVICES", ">WORKERS", "VERSION", ">SEEN", "ID",
    ]);
    for hive in hives {
        let count = workers.iter().filter(|worker| worker.hive_id == hive.id).count();
        table.row([
            hive.name.as_str().into(),
            Cell::new(words::hive_state(hive.state), words::hive_tone(hive.state)),
            hive.address.as_str().into(),
            hive.devices.len().to_string().into(),
            count.to_string().into(),
            hive.version.as_str().into(),
            age(hive.last_seen_at.as_ref(), now).into(),
            hive.id.as_str().into(),
        ]);
    }
    table
}

/// Devices of all hives. How warm and how busy they are is shown where any of them tells.
pub(crate) fn devices(hives: &[Hive]) -> Table {
    let all = || hives.iter().flat_map(|hive| &hive.devices);
    let busy = all().any(|device| device.utilization_percent.is_some());
    let warm = all().any(|device| device.temperature_celsius.is_some());
    let columns = [
        "HIVE",
        "DEVICE",
        "NAME",
        ">CORES",
        ">MEMORY",
        ">FREE",
        ">AVAILABLE",
        ">WORKERS",
    ];
    let mut columns = columns.to_vec();
    columns.extend(busy.then_some(">BUSY"));
    columns.extend(warm.then_some(">TEMP"));
    let mut table = Table::new(columns);
    for hive in hives {
        for device in &hive.devices {
            let mut row: Vec<Cell> = vec![
                hive.name.as_str().into(),
                device_id(device).into(),
                device.name.as_str().into(),
                known(device.core_count.map(|cores| cores.to_string())),
                known(device.memory_total_bytes.map(size)),
                known(device.memory_free_bytes.map(size)),
                known(device.memory_available_bytes.map(size)),
                device.uses.len().to_string().into(),
            ];
            row.extend(busy.then(|| known(device.utilization_percent.map(|percent| format!("{percent}%")))));
            row.extend(
                warm.then(|| known(device.temperature_celsius.map(|degrees| format!("{degrees} °C")))),
            );
            table.row(row);
        }
    }
    table
}

/// A device's id, with a mark where it was declared and not found.
pub(crate) fn device_id(device: &Device) -> String {
    if device.declared {
        format!("{} (declared)", device.id)
    } else {
        device.id.clone()
    }
}

#[cfg(test)]
mod tests {
    use rbee_proto::types::v1::{DeviceUse, LlmModel, ModelState, ModelType, model_type};

    use super::super::paint::Paint;
    use super::*;

    const NOW: Timestamp = Timestamp {
        seconds: 1_000_000,
        nanos: 0,
    };

    fn hive() -> Hive {
        Hive {
            id: "h1".into(),
            name: "desk".into(),
            devices: vec![Device {
                id: "cpu:0".into(),
                name: "AMD EPYC".into(),
                memory_total_bytes: Some(8 << 30),
                ..Device::default()
            }],
            ..Hive::default()
        }
    }

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

    #[test]
    fn devices_read_like_this() {
        assert_eq!(
            devices(&[hive()]).render(Paint::OFF),
            "HIVE  DEVICE  NAME      CORES   MEMORY  FREE  AVAILABLE  WORKERS\n\
             desk  cpu:0   AMD EPYC      -  8.0 GiB     -          -        0\n"
        );
        let mut hive = hive();
        hive.devices.push(Device {
            id: "cuda:0".into(),
            name: "RTX 4090".into(),
            declared: true,
            memory_total_bytes: Some(24 << 30),
            memory_free_bytes: Some(20 << 30),
            memory_available_bytes: Some(18 << 30),
            utilization_percent: Some(55),
            temperature_celsius: Some(61),
            uses: vec![DeviceUse::default()],
            ..Device::default()
        });
        assert_eq!(
            devices(&[hive]).render(Paint::OFF),
            "HIVE  DEVICE             NAME      CORES    MEMORY      FREE  AVAILABLE  WORKERS  BUSY   TEMP\n\
             desk  cpu:0              AMD EPYC      -   8.0 GiB         -          -        0     -      -\n\
             desk  cuda:0 (declared)  RTX 4090      -  24.0 GiB  20.0 GiB   18.0 GiB        1   55%  61 °C\n"
        );
    }
}
