//! Add-ons: what an image worker's requests can use beside its model.

use rbee_artifacts::{ModelId, WorkerType};
use rbee_proto::hive::v1::{AttachAddOnsRequest, RestartWorkerRequest, SpawnWorkerRequest};
use rbee_proto::types::v1 as types;
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::scripted_worker::{self, Script};

use super::harness::{Cluster, quick, request};

fn kind(kind: types::model_type::Kind) -> impl FnOnce(&mut types::Model) {
    move |model| model.model_type = Some(types::ModelType { kind: Some(kind) })
}

/// A cluster with an image worker, which is scripted, and two LoRAs in the catalog.
async fn studio() -> (Cluster, types::Worker, [String; 2]) {
    let cluster = Cluster::bare(quick()).await;
    let program = std::fs::read(scripted_worker::program()).unwrap();
    cluster.install(WorkerType::CpuSd, &program).await;
    let version = types::StableDiffusionVersion::V15.into();
    let model = types::model_type::Kind::StableDiffusion(types::StableDiffusionModel { version });
    let model = cluster.model_in("sd", &Script::default(), kind(model)).await;
    let mut loras = Vec::new();
    for name in ["honey", "comb"] {
        let lora = types::model_type::Kind::AddOn(types::AddOn {
            kind: types::AddOnKind::Lora.into(),
            ..types::AddOn::default()
        });
        loras.push(cluster.model_in(name, &Script::default(), kind(lora)).await);
    }
    let wanted = SpawnWorkerRequest {
        worker_type: types::WorkerType::CpuSd.into(),
        ..request(&model)
    };
    let worker = cluster.spawn(&wanted).await.result.unwrap();
    (cluster, worker, loras.try_into().unwrap())
}

async fn attach(cluster: &Cluster, worker: &str, ids: &[&str]) -> Result<Vec<String>, RemoteFault> {
    let request = AttachAddOnsRequest {
        worker_id: worker.to_owned(),
        model_ids: ids.iter().map(ToString::to_string).collect(),
    };
    match cluster.hive_client().attach_add_ons(request).await {
        Ok(answer) => Ok(answer.into_inner().model_ids),
        Err(status) => Err(RemoteFault::from(&status)),
    }
}

/// Ids that a worker finds, in order.
fn found(cluster: &Cluster, worker: &str) -> Vec<String> {
    let folder = cluster
        .data
        .path()
        .join("hive/workers")
        .join(worker)
        .join("add-ons");
    let mut ids: Vec<_> = super::harness::entries(&folder)
        .iter()
        .map(|place| {
            let id = std::fs::read_to_string(format!("{place}/id"))
                .unwrap()
                .trim()
                .to_owned();
            let key = id.parse::<ModelId>().unwrap().storage_key();
            assert!(place.ends_with(&key), "{place}");
            let files = super::harness::entries(format!("{place}/files").as_ref());
            assert_eq!(files.len(), 1);
            assert!(
                std::fs::metadata(&files[0]).unwrap().is_file(),
                "a link to a blob"
            );
            id
        })
        .collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn add_ons_are_there_at_once_and_after_a_restart() {
    let (cluster, worker, [honey, comb]) = studio().await;
    assert_eq!(
        attach(&cluster, &worker.id, &[&honey]).await.unwrap(),
        std::slice::from_ref(&honey)
    );
    assert_eq!(found(&cluster, &worker.id), std::slice::from_ref(&honey));
    // Once more changes nothing, and another one comes beside it.
    let all = attach(&cluster, &worker.id, &[&comb, &honey]).await.unwrap();
    assert_eq!(all, [honey.clone(), comb.clone()]);
    assert_eq!(found(&cluster, &worker.id), [comb.clone(), honey.clone()]);

    let restart = RestartWorkerRequest {
        worker_id: worker.id.clone(),
        drain_grace: None,
    };
    cluster.hive_client().restart_worker(restart).await.unwrap();
    let process = |worker: &types::Worker| worker.process_id;
    let deadline = tokio::time::Instant::now() + super::harness::DEADLINE;
    loop {
        let now = cluster.worker_in(&worker.id, types::WorkerState::Ready).await;
        if process(&now) != process(&worker) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "it is not started anew");
    }
    assert_eq!(found(&cluster, &worker.id), [comb, honey]);
    cluster.stop_worker(&worker.id).await.unwrap();
    cluster.assert_nothing_left().await;
}

#[tokio::test]
async fn what_cannot_be_attached_is_refused_by_name() {
    let (cluster, worker, [honey, _]) = studio().await;
    let refused = async |worker: &str, ids: &[&str]| attach(&cluster, worker, ids).await.unwrap_err();
    assert!(refused(&worker.id, &[]).await.is(reason::INVALID_ARGUMENT));
    assert!(
        refused(&worker.id, &["../../etc"])
            .await
            .is(reason::INVALID_MODEL_ID)
    );
    assert!(refused("nobody", &[&honey]).await.is(reason::WORKER_NOT_FOUND));
    // All or nothing.
    let missing = refused(&worker.id, &[&honey, "local:missing"]).await;
    assert!(missing.is(reason::MODEL_NOT_FOUND), "{missing:?}");
    let model = refused(&worker.id, &["local:sd"]).await;
    assert!(model.is(reason::ADD_ON_UNSUITABLE), "{model:?}");
    assert_eq!(model.metadata["model_id"], "local:sd");
    assert_eq!(found(&cluster, &worker.id), [""; 0]);

    cluster.install_scripted().await;
    let writer = cluster.spawn_scripted("qwen", &Script::default()).await;
    assert!(
        refused(&writer.id, &[&honey])
            .await
            .is(reason::MODEL_INCOMPATIBLE)
    );
}
