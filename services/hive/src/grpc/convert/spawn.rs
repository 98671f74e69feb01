//! Spawns.

use std::sync::Arc;

use rbee_artifacts::estimate::{Estimate, KvFormat, Room};
use rbee_artifacts::{DeviceIdError, ModelCategory};
use rbee_proto::hive::v1 as hive;
use rbee_service_kit::Fault;
use rbee_wire::required_worker_type;

use super::{Identity, device_to_wire, worker_to_wire};
use crate::domain::{Fit, LlmSettings, SdSettings, SpawnRequest, SpawnStep, fit_words};
use crate::grpc::status;
use crate::spawn::{Check, SpawnError, SpawnEvent};

/// Reads what a client wants spawned.
pub(crate) fn spawn_from_wire(request: &hive::SpawnWorkerRequest) -> Result<SpawnRequest, Fault> {
    use hive::spawn_worker_request::Settings as Given;
    let settings = request.settings.as_ref().map(|settings| match settings {
        Given::Llm(llm) => Settings::Llm(llm),
        Given::Sd(sd) => Settings::Sd(sd),
    });
    Ok(SpawnRequest {
        force: request.force,
        evict: request.evict,
        ..wanted(
            &request.model_id,
            request.worker_type,
            &request.device_id,
            settings,
        )?
    })
}

/// Reads what a client wants checked.
pub(crate) fn check_from_wire(request: &hive::CheckSpawnRequest) -> Result<SpawnRequest, Fault> {
    use hive::check_spawn_request::Settings as Given;
    let settings = request.settings.as_ref().map(|settings| match settings {
        Given::Llm(llm) => Settings::Llm(llm),
        Given::Sd(sd) => Settings::Sd(sd),
    });
    wanted(
        &request.model_id,
        request.worker_type,
        &request.device_id,
        settings,
    )
}

/// The settings of either request.
#[derive(Clone, Copy)]
enum Settings<'a> {
    Llm(&'a hive::LlmWorkerSettings),
    Sd(&'a hive::SdWorkerSettings),
}

impl Settings<'_> {
    fn field(&self) -> (&'static str, ModelCategory) {
        match self {
            Self::Llm(_) => ("llm", ModelCategory::Llm),
            Self::Sd(_) => ("sd", ModelCategory::StableDiffusion),
        }
    }
}

fn wanted(
    model_id: &str,
    worker_type: i32,
    device_id: &str,
    settings: Option<Settings<'_>>,
) -> Result<SpawnRequest, Fault> {
    let worker_type = required_worker_type("worker_type", worker_type)
        .map_err(|error| Fault::invalid(error.field, "is not a worker type; `cpu-llm` is one"))?;
    if let Some((field, category)) = settings.as_ref().map(Settings::field)
        && worker_type.model_type_category() != category
    {
        return Err(Fault::invalid(
            field,
            format!("are not settings of a {worker_type} worker"),
        ));
    }
    let (mut llm, mut sd) = (LlmSettings::default(), SdSettings::default());
    match settings {
        Some(Settings::Llm(settings)) => llm = settings_from_wire(settings)?,
        Some(Settings::Sd(settings)) => sd = sd_from_wire(settings)?,
        None => {}
    }
    let device_id = (!device_id.is_empty())
        .then(|| device_id.parse())
        .transpose()
        .map_err(|error: DeviceIdError| Fault::invalid("device_id", error.to_string()))?;
    Ok(SpawnRequest {
        model_id: model_id
            .parse()
            .map_err(|error| status::invalid_model_id(&error))?,
        worker_type,
        device_id,
        llm,
        sd,
        force: false,
        evict: false,
    })
}

/// Writes how a worker would fit. The estimate is that for the best device.
pub(crate) fn check_to_wire(check: &Check) -> hive::CheckSpawnResponse {
    hive::CheckSpawnResponse {
        estimate: check.fits.first().map(|fit| estimate_to_wire(&fit.estimate)),
        devices: check.fits.iter().map(|fit| fit_to_wire(fit, check)).collect(),
        files_present: check.files_present,
    }
}

fn estimate_to_wire(estimate: &Estimate) -> hive::MemoryEstimate {
    let (context_length, slot_count, picture_edge) = match estimate.room {
        Room::Text {
            context_length,
            slot_count,
        } => (Some(context_length), Some(slot_count), None),
        Room::Picture { edge } => (None, None, Some(edge)),
    };
    hive::MemoryEstimate {
        weights_bytes: estimate.weights_bytes,
        kv_cache_bytes: estimate.kv_cache_bytes,
        activations_bytes: estimate.activations_bytes,
        overhead_bytes: estimate.overhead_bytes,
        total_bytes: estimate.total_bytes(),
        loaded_bytes: estimate.loaded_bytes(),
        context_length,
        slot_count,
        picture_edge,
    }
}

fn fit_to_wire(fit: &Fit, check: &Check) -> hive::DeviceFit {
    let evictable = check.evictable.get(&fit.device.id);
    hive::DeviceFit {
        device: Some(device_to_wire(&fit.device, &check.reservations)),
        fits: fit.fits(),
        fitting_context_length: fit.fitting_context_length,
        sentence: fit_words::sentence(fit),
        evictable_worker_ids: evictable.into_iter().flatten().map(ToString::to_string).collect(),
    }
}

fn settings_from_wire(llm: &hive::LlmWorkerSettings) -> Result<LlmSettings, Fault> {
    in_range(&[
        ("llm.context_length", llm.context_length, u32::MAX),
        ("llm.slot_count", llm.slot_count, 1024),
        ("llm.queue_length", llm.queue_length, 1 << 20),
        ("llm.thread_count", llm.thread_count, 4096),
    ])?;
    if llm.kv_limit_bytes == Some(0) {
        return Err(Fault::invalid("llm.kv_limit_bytes", "must be at least 1"));
    }
    let kv_format = match hive::KvFormat::try_from(llm.kv_format) {
        Ok(hive::KvFormat::Unspecified) => None,
        Ok(hive::KvFormat::F16) => Some(KvFormat::F16),
        Ok(hive::KvFormat::Q80) => Some(KvFormat::Q8_0),
        Err(_) => {
            return Err(Fault::invalid(
                "llm.kv_format",
                "must be a format of the contract",
            ));
        }
    };
    Ok(LlmSettings {
        context_length: llm.context_length,
        slot_count: llm.slot_count,
        queue_length: llm.queue_length,
        thread_count: llm.thread_count,
        kv_format,
        kv_limit_bytes: llm.kv_limit_bytes,
    })
}

fn sd_from_wire(sd: &hive::SdWorkerSettings) -> Result<SdSettings, Fault> {
    in_range(&[
        ("sd.queue_length", sd.queue_length, 1024),
        ("sd.thread_count", sd.thread_count, 4096),
        ("sd.slot_count", sd.slot_count, 64),
    ])?;
    Ok(SdSettings {
        queue_length: sd.queue_length,
        thread_count: sd.thread_count,
        slot_count: sd.slot_count,
    })
}

fn in_range(fields: &[(&'static str, Option<u32>, u32)]) -> Result<(), Fault> {
    for &(field, value, most) in fields {
        // Nobody has to be allowed to wait.
        let least = u32::from(!field.ends_with(".queue_length"));
        if value.is_some_and(|value| !(least..=most).contains(&value)) {
            return Err(Fault::invalid(
                field,
                format!("must be between {least} and {most}"),
            ));
        }
    }
    Ok(())
}

/// Writes what happened in a spawn; an error is none of these.
pub(crate) fn spawn_event_to_wire(
    event: SpawnEvent,
    identity: &Identity,
) -> Result<hive::spawn_worker_response::Event, Arc<SpawnError>> {
    use hive::spawn_worker_response::Event;
    Ok(match event {
        SpawnEvent::Started(step) => Event::StepStarted(hive::SpawnStepStarted {
            step: step_to_wire(step).into(),
        }),
        SpawnEvent::Finished(step, detail) => Event::StepFinished(hive::SpawnStepFinished {
            step: step_to_wire(step).into(),
            detail,
        }),
        SpawnEvent::Loading(fraction) => Event::Loading(hive::SpawnLoading { fraction }),
        SpawnEvent::Fetching {
            done_bytes,
            total_bytes,
        } => Event::Fetching(hive::SpawnFetching {
            done_bytes,
            total_bytes,
        }),
        SpawnEvent::Evicted(worker) => Event::Evicted(hive::SpawnEvicted {
            worker_id: worker.id.to_string(),
            model_id: worker.model_id.to_string(),
        }),
        SpawnEvent::Ready(worker) => Event::Ready(worker_to_wire(&worker, identity)),
        SpawnEvent::Failed(error) => return Err(error),
    })
}

fn step_to_wire(step: SpawnStep) -> hive::SpawnStep {
    match step {
        SpawnStep::Model => hive::SpawnStep::Model,
        SpawnStep::Compatibility => hive::SpawnStep::Compatibility,
        SpawnStep::Binary => hive::SpawnStep::Binary,
        SpawnStep::Prepare => hive::SpawnStep::Prepare,
        SpawnStep::Start => hive::SpawnStep::Start,
        SpawnStep::Register => hive::SpawnStep::Register,
    }
}

#[cfg(test)]
mod tests {
    use rbee_proto::types::v1 as wire;
    use rbee_service_kit::{RemoteFault, reason};

    use super::*;

    fn request() -> hive::SpawnWorkerRequest {
        hive::SpawnWorkerRequest {
            model_id: "local:qwen".into(),
            worker_type: wire::WorkerType::CpuLlm.into(),
            device_id: "cpu:0".into(),
            request_id: "r".into(),
            ..hive::SpawnWorkerRequest::default()
        }
    }

    #[test]
    fn a_device_may_be_left_to_the_hive() {
        let anywhere = spawn_from_wire(&hive::SpawnWorkerRequest {
            device_id: String::new(),
            force: true,
            ..request()
        })
        .unwrap();
        assert_eq!((anywhere.device_id, anywhere.force), (None, true));
        let checked = check_from_wire(&hive::CheckSpawnRequest {
            model_id: "local:qwen".into(),
            worker_type: wire::WorkerType::CpuLlm.into(),
            ..Default::default()
        })
        .unwrap();
        assert_eq!((checked.device_id, checked.force), (None, false));
    }

    fn violation(change: impl FnOnce(&mut hive::SpawnWorkerRequest)) -> RemoteFault {
        let mut request = request();
        change(&mut request);
        RemoteFault::from(&tonic::Status::from(spawn_from_wire(&request).unwrap_err()))
    }

    #[test]
    fn a_request_is_read_whole() {
        let llm = hive::LlmWorkerSettings {
            context_length: Some(2048),
            queue_length: Some(0),
            kv_format: hive::KvFormat::Q80.into(),
            kv_limit_bytes: Some(1 << 30),
            ..Default::default()
        };
        let settings = Some(hive::spawn_worker_request::Settings::Llm(llm));
        let read = spawn_from_wire(&hive::SpawnWorkerRequest {
            settings,
            ..request()
        })
        .unwrap();
        assert_eq!(read.model_id.as_str(), "local:qwen");
        assert_eq!(read.llm.context_length, Some(2048));
        assert_eq!(read.llm.queue_length, Some(0));
        assert_eq!(read.llm.kv_format, Some(KvFormat::Q8_0));
        assert_eq!(read.llm.kv_limit_bytes, Some(1 << 30));
    }

    #[test]
    fn what_is_wrong_with_a_request_is_named() {
        assert!(violation(|request| request.model_id = "nonsense".into()).is(reason::INVALID_MODEL_ID));
        assert_eq!(
            violation(|request| request.worker_type = 99).violations[0].0,
            "worker_type"
        );
        assert_eq!(
            violation(|request| request.worker_type = 0).violations[0].0,
            "worker_type"
        );
        assert_eq!(
            violation(|request| request.device_id = "tpu:0".into()).violations[0].0,
            "device_id"
        );
        let llm = |llm| {
            move |request: &mut hive::SpawnWorkerRequest| {
                request.settings = Some(hive::spawn_worker_request::Settings::Llm(llm));
            }
        };
        let none = hive::LlmWorkerSettings {
            slot_count: Some(0),
            ..Default::default()
        };
        assert_eq!(violation(llm(none)).violations[0].0, "llm.slot_count");
        let unknown = hive::LlmWorkerSettings {
            kv_format: 99,
            ..Default::default()
        };
        assert_eq!(violation(llm(unknown)).violations[0].0, "llm.kv_format");
        let for_pictures = violation(|request| {
            llm(hive::LlmWorkerSettings::default())(request);
            request.worker_type = wire::WorkerType::CpuSd.into();
        });
        assert_eq!(for_pictures.violations[0].0, "llm");
    }
}
