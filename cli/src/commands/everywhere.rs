//! How a worker would fit anywhere in the cluster: every hive is asked, and all their devices are ranked.

use std::time::Duration;

use futures_util::future::join_all;
use rbee_artifacts::placement::{self, Candidate};
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::{CheckSpawnRequest, CheckSpawnResponse};
use rbee_proto::types::v1::{Hive, HiveState, WorkerType};

use crate::args::WorkerWants;
use crate::connect::{Cluster, choose_hive};
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::render::check::{Place, Refused};

/// How long a hive may take to answer. One that is stuck must not hold up the others.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the hives answered.
#[derive(Debug)]
pub(super) struct Everywhere<'a> {
    /// Where the worker could run, best first; at least one.
    pub(super) places: Vec<Place<'a>>,
    /// Hives where it can't run at all, or that do not answer.
    pub(super) refused: Vec<Refused<'a>>,
}

/// Asks the hive that was named, or else all that can be reached.
pub(super) async fn check<'a>(
    cluster: &Cluster,
    wants: &WorkerWants,
    hives: &'a [Hive],
) -> Result<Everywhere<'a>, Failure> {
    let reachable = || hives.iter().filter(|hive| hive.state == HiveState::Ready as i32);
    let asked: Vec<&Hive> = if wants.hive.is_some() || reachable().count() < 2 {
        vec![choose_hive(hives, wants.hive.as_deref())?]
    } else {
        reachable().collect()
    };
    let answers = join_all(asked.iter().map(|hive| check_one(cluster, wants, hive))).await;
    let mut everywhere = Everywhere {
        places: Vec::new(),
        refused: Vec::new(),
    };
    for (hive, answer) in asked.into_iter().zip(answers) {
        match answer {
            Ok(answer) => everywhere.places.extend(places(hive, &answer)),
            Err(failure) => everywhere.refused.push(Refused { hive, failure }),
        }
    }
    everywhere
        .places
        .sort_by(|one, other| placement::compare(&candidate(one), &candidate(other)));
    if !everywhere.places.is_empty() {
        return Ok(everywhere);
    }
    // Nobody can: the first to say so speaks for all.
    let first = everywhere.refused.into_iter().next();
    Err(first.map_or_else(
        || Failure::new(Exit::Failed, "the hive gave no estimate"),
        |refused| refused.failure,
    ))
}

async fn check_one(
    cluster: &Cluster,
    wants: &WorkerWants,
    hive: &Hive,
) -> Result<CheckSpawnResponse, Failure> {
    let doing = || format!("can't check {} on the hive {}", wants.model, hive.name);
    let request = CheckSpawnRequest {
        model_id: wants.model.clone(),
        worker_type: WorkerType::from(wants.worker_type) as i32,
        device_id: wants.device.clone().unwrap_or_default(),
        settings: wants.settings().map(Into::into),
    };
    let ask = async {
        let mut client = HiveServiceClient::new(cluster.hive_channel(&hive.address).await?);
        Ok(client.check_spawn(request).await.doing(doing)?.into_inner())
    };
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::new(Exit::Unreachable, doing())
            .because(format!("it gave no answer within {} s", PATIENCE.as_secs()))),
    }
}

fn places<'a>(hive: &'a Hive, answer: &CheckSpawnResponse) -> Vec<Place<'a>> {
    let Some(estimate) = answer.estimate else {
        return Vec::new();
    };
    let places = answer.devices.iter().filter_map(|fit| {
        Some(Place {
            hive,
            device: fit.device.clone()?,
            estimate,
            fits: fit.fits,
            fitting_context_length: fit.fitting_context_length,
            files_present: answer.files_present,
            sentence: fit.sentence.clone(),
            evictable: fit.evictable_worker_ids.clone(),
        })
    });
    places.collect()
}

fn candidate(place: &Place<'_>) -> Candidate {
    let available_bytes = place.device.memory_available_bytes;
    let needed_bytes = place.estimate.total_bytes;
    Candidate {
        host: place.hive.id.clone(),
        // What is no device of this version sorts like the processor.
        device: place.device.id.parse().unwrap_or(rbee_artifacts::DeviceId::CPU),
        needed_bytes: match (place.fits, available_bytes) {
            // Where the hive says that it fits, it does: the worker finds weights there that are shared.
            (Some(true), Some(available)) => needed_bytes.min(available),
            _ => needed_bytes,
        },
        available_bytes,
        files_present: place.files_present,
    }
}

#[cfg(test)]
mod tests {
    use rbee_proto::hive::v1::{DeviceFit, MemoryEstimate};
    use rbee_proto::types::v1::Device;

    use super::*;

    fn hive(name: &str) -> Hive {
        Hive {
            id: name.into(),
            name: name.into(),
            ..Hive::default()
        }
    }

    fn answer(available_bytes: u64, fits: bool, files_present: bool) -> CheckSpawnResponse {
        CheckSpawnResponse {
            estimate: Some(MemoryEstimate {
                total_bytes: 100,
                ..MemoryEstimate::default()
            }),
            devices: vec![DeviceFit {
                device: Some(Device {
                    id: "cpu:0".into(),
                    memory_available_bytes: Some(available_bytes),
                    ..Device::default()
                }),
                fits: Some(fits),
                ..DeviceFit::default()
            }],
            files_present,
        }
    }

    #[test]
    fn the_best_place_of_the_cluster_comes_first() {
        let hives = ["full", "far", "shared", "roomy"].map(hive);
        let answers = [
            answer(50, false, true),
            answer(900, true, false),
            answer(60, true, true),
            answer(500, true, true),
        ];
        let mut all: Vec<_> = hives
            .iter()
            .zip(&answers)
            .flat_map(|(hive, answer)| places(hive, answer))
            .collect();
        all.sort_by(|one, other| placement::compare(&candidate(one), &candidate(other)));
        let names: Vec<_> = all.iter().map(|place| place.hive.name.as_str()).collect();
        assert_eq!(names, ["roomy", "shared", "far", "full"]);
    }
}
