//! What hives say before and during a spawn.

use rbee_proto::hive::v1 as proto;
use rbee_proto::hive::v1::spawn_worker_response::Event;
use rbee_proto::types::v1::WorkerBinary;

use super::cluster::{device, worker_type, worker_type_to_proto};
use crate::client::failure::Failure;
use crate::model::cluster::{Hive, WorkerType};
use crate::model::wizard::{Fit, Place, SpawnEvent, SpawnStep};

/// A worker program that is installed: its type, and the platform as hives say theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Which worker it is.
    pub worker_type: WorkerType,
    /// Operating system and architecture.
    pub platform: String,
}

/// A worker program; `None` for one of a type that this program does not know.
#[must_use]
pub fn program(told: &WorkerBinary) -> Option<Program> {
    let platform = told.platform.as_ref()?;
    Some(Program {
        worker_type: worker_type(told.worker_type())?,
        platform: format!("{} {}", platform.os, platform.arch),
    })
}

/// The devices of an answer. `has_program` says whether a program of this type is there for the hive.
#[must_use]
pub fn places(
    hive: &Hive,
    worker_type: WorkerType,
    has_program: bool,
    told: proto::CheckSpawnResponse,
) -> Vec<Place> {
    let needed_bytes = told.estimate.map_or(0, |estimate| estimate.total_bytes);
    let files_present = told.files_present;
    let place = |fit: proto::DeviceFit| {
        let known = device(fit.device?);
        Some(Place {
            hive: hive.id.clone(),
            hive_name: hive.name.clone(),
            hive_address: hive.address.clone(),
            device: known.id,
            device_name: known.name,
            worker_type,
            fit: match (has_program, fit.fits) {
                (false, _) => Fit::NoProgram,
                (true, Some(true)) => Fit::Fits,
                (true, None) => Fit::Unknown,
                (true, Some(false)) if fit.evictable_worker_ids.is_empty() => Fit::TooLarge,
                (true, Some(false)) => Fit::Evicting,
            },
            sentence: fit.sentence,
            needed_bytes,
            available_bytes: known.memory_available_bytes,
            total_bytes: known.memory_total_bytes,
            files_present,
            evictable: fit.evictable_worker_ids.into_iter().map(Into::into).collect(),
        })
    };
    told.devices.into_iter().filter_map(place).collect()
}

/// A question to a hive.
#[must_use]
pub fn check(model: &str, worker_type: WorkerType) -> proto::CheckSpawnRequest {
    proto::CheckSpawnRequest {
        model_id: model.to_owned(),
        worker_type: worker_type_to_proto(worker_type).into(),
        device_id: String::new(),
        settings: None,
    }
}

/// An order to a hive. Where it does not fit by estimate the person has said to do it all the same.
#[must_use]
pub fn order(model: &str, place: &Place, request_id: String) -> proto::SpawnWorkerRequest {
    proto::SpawnWorkerRequest {
        model_id: model.to_owned(),
        worker_type: worker_type_to_proto(place.worker_type).into(),
        device_id: place.device.to_string(),
        request_id,
        force: place.fit == Fit::TooLarge,
        evict: place.fit == Fit::Evicting,
        ..proto::SpawnWorkerRequest::default()
    }
}

/// What happened; `None` for what this program does not know.
#[must_use]
pub fn event(told: Event) -> Option<SpawnEvent<Failure>> {
    Some(match told {
        Event::StepStarted(started) => SpawnEvent::Began(step(started.step)?),
        Event::StepFinished(finished) => SpawnEvent::Finished(step(finished.step)?, finished.detail),
        Event::Loading(loading) => SpawnEvent::Loading(loading.fraction),
        Event::Fetching(fetching) => SpawnEvent::Fetching {
            done_bytes: fetching.done_bytes,
            total_bytes: fetching.total_bytes,
        },
        Event::Evicted(evicted) => SpawnEvent::Evicted(evicted.model_id.into()),
        Event::Ready(_) => SpawnEvent::Ready,
    })
}

fn step(told: i32) -> Option<SpawnStep> {
    Some(match proto::SpawnStep::try_from(told).ok()? {
        proto::SpawnStep::Unspecified => return None,
        proto::SpawnStep::Model => SpawnStep::Model,
        proto::SpawnStep::Compatibility => SpawnStep::Compatibility,
        proto::SpawnStep::Binary => SpawnStep::Program,
        proto::SpawnStep::Prepare => SpawnStep::Prepare,
        proto::SpawnStep::Start => SpawnStep::Start,
        proto::SpawnStep::Register => SpawnStep::Register,
    })
}

#[cfg(test)]
mod tests {
    use rbee_proto::types::v1::{Device, Platform};

    use super::*;
    use crate::model::cluster::{Hardware, WorkerKind};

    const CPU_SD: WorkerType = WorkerType {
        hardware: Hardware::Cpu,
        kind: WorkerKind::Image,
    };

    fn hive() -> Hive {
        Hive {
            id: "h".into(),
            name: "desk".into(),
            address: "http://desk".into(),
            reachable: true,
            devices: Vec::new(),
            version: String::new(),
            platform: "linux x86_64".into(),
            last_seen_at: None,
            draining: false,
        }
    }

    fn fit(fits: Option<bool>, evictable: &[&str]) -> proto::DeviceFit {
        proto::DeviceFit {
            device: Some(Device {
                id: "cpu:0".into(),
                ..Device::default()
            }),
            fits,
            evictable_worker_ids: evictable.iter().map(ToString::to_string).collect(),
            ..proto::DeviceFit::default()
        }
    }

    #[test]
    fn what_a_hive_says_of_a_device_is_one_of_five() {
        let told = proto::CheckSpawnResponse {
            devices: vec![
                fit(Some(true), &[]),
                fit(None, &[]),
                fit(Some(false), &["w"]),
                fit(Some(false), &[]),
            ],
            ..proto::CheckSpawnResponse::default()
        };
        let fits = |has_program| {
            let places = places(&hive(), CPU_SD, has_program, told.clone());
            places.iter().map(|place| place.fit).collect::<Vec<_>>()
        };
        assert_eq!(
            fits(true),
            [Fit::Fits, Fit::Unknown, Fit::Evicting, Fit::TooLarge]
        );
        assert_eq!(fits(false), [Fit::NoProgram; 4]);
    }

    #[test]
    fn only_what_the_person_saw_is_forced_or_evicted() {
        let told = proto::CheckSpawnResponse {
            devices: vec![
                fit(Some(true), &[]),
                fit(Some(false), &["w"]),
                fit(Some(false), &[]),
            ],
            ..proto::CheckSpawnResponse::default()
        };
        let orders = places(&hive(), CPU_SD, true, told);
        let orders = orders.iter().map(|place| order("m", place, String::new()));
        let flags: Vec<_> = orders.map(|order| (order.evict, order.force)).collect();
        assert_eq!(flags, [(false, false), (true, false), (false, true)]);
    }

    #[test]
    fn every_step_of_the_contract_is_known() {
        for (number, known) in (1..=6).zip(SpawnStep::ALL) {
            assert_eq!(step(number), Some(known));
        }
        assert_eq!((step(0), step(7)), (None, None));
    }

    #[test]
    fn a_program_is_told_by_type_and_platform() {
        let told = WorkerBinary {
            worker_type: worker_type_to_proto(CPU_SD).into(),
            platform: Some(Platform {
                os: "linux".into(),
                arch: "x86_64".into(),
            }),
            ..WorkerBinary::default()
        };
        let known = program(&told).unwrap();
        assert_eq!((known.worker_type, known.platform), (CPU_SD, hive().platform));
    }
}
