//! Devices, estimates and what they decide, with devices that the test declares and headers of real models.

use std::time::Duration;

use rbee_artifacts::WorkerType;
use rbee_artifacts::estimate::{Estimate, KvFormat, LlmShape, LlmUse};
use rbee_artifacts::{DeviceKind, gguf::GgufHeader};
use rbee_proto::catalog::v1::ListHivesRequest;
use rbee_proto::hive::v1 as hive;
use rbee_proto::hive::v1::spawn_worker_request::Settings;
use rbee_proto::hive::v1::{LlmWorkerSettings, SpawnWorkerRequest};
use rbee_proto::types::v1 as types;
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::models::fixture;
use rbee_testkit::scripted_worker::{self, Script};

use crate::harness::{Cluster, DEADLINE, quick, request};

/// A small model with a whole header; the scripted worker takes any file.
fn tiny() -> Vec<u8> {
    std::fs::read(fixture("llm/tiny/qwen2/qwen2-q8_0.gguf")).unwrap()
}

pub(crate) fn estimate(device: DeviceKind, context_length: Option<u32>) -> Estimate {
    let file = tiny();
    let header = GgufHeader::read(&file[..], file.len() as u64).unwrap();
    LlmShape::read(&header).unwrap().estimate(&LlmUse {
        device,
        context_length,
        slot_count: None,
        kv_format: KvFormat::F16,
        kv_limit_bytes: None,
    })
}

/// A cluster with these devices, in which the scripted worker is installed for processors and for CUDA.
async fn cluster(devices: &str) -> Cluster {
    let cluster = Cluster::bare_with_devices(quick(), devices).await;
    let program = std::fs::read(scripted_worker::program()).unwrap();
    cluster.install(WorkerType::CpuLlm, &program).await;
    cluster.install(WorkerType::CudaLlm, &program).await;
    cluster
}

async fn devices(cluster: &Cluster) -> Vec<types::Device> {
    let mut client = cluster.hive_client();
    let answer = client.list_devices(hive::ListDevicesRequest {}).await.unwrap();
    answer.into_inner().devices
}

async fn check(
    cluster: &Cluster,
    request: &SpawnWorkerRequest,
) -> Result<hive::CheckSpawnResponse, RemoteFault> {
    let request = hive::CheckSpawnRequest {
        model_id: request.model_id.clone(),
        worker_type: request.worker_type,
        device_id: request.device_id.clone(),
        settings: request.settings.map(|settings| match settings {
            Settings::Llm(llm) => hive::check_spawn_request::Settings::Llm(llm),
            Settings::Sd(sd) => hive::check_spawn_request::Settings::Sd(sd),
        }),
    };
    match cluster.hive_client().check_spawn(request).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(RemoteFault::from(&status)),
    }
}

fn with_context(request: SpawnWorkerRequest, context_length: u32) -> SpawnWorkerRequest {
    SpawnWorkerRequest {
        settings: Some(Settings::Llm(LlmWorkerSettings {
            context_length: Some(context_length),
            ..LlmWorkerSettings::default()
        })),
        ..request
    }
}

fn on_cuda(model: &str, device: &str) -> SpawnWorkerRequest {
    SpawnWorkerRequest {
        worker_type: types::WorkerType::CudaLlm.into(),
        device_id: device.into(),
        ..request(model)
    }
}

#[tokio::test]
async fn a_worker_that_does_not_fit_is_refused_with_its_parts() {
    let whole = estimate(DeviceKind::Cpu, None);
    // Room for a shorter context than the model's own.
    let has = estimate(DeviceKind::Cpu, Some(256)).total_bytes() + 1000;
    assert!(has < whole.total_bytes());
    let cluster = cluster(&format!("+cpu:0,memory={has}B,name=small")).await;
    let model = cluster.model_of_bytes("tiny", &tiny()).await;

    let answer = check(&cluster, &request(&model)).await.unwrap();
    let fit = &answer.devices[0];
    assert_eq!(fit.fits, Some(false));
    let context = fit.fitting_context_length.unwrap();
    assert!(
        fit.sentence
            .contains(&format!("a context of {context} would fit")),
        "{}",
        fit.sentence
    );
    assert!(fit.sentence.contains("cpu:0 (declared) has"), "{}", fit.sentence);
    let device = fit.device.as_ref().unwrap();
    assert!(device.declared && device.name == "small" && device.memory_available_bytes == Some(has));
    assert!(answer.files_present);

    let spawned = cluster.spawn(&request(&model)).await;
    let fault = spawned.result.unwrap_err();
    assert!(fault.is(reason::INSUFFICIENT_MEMORY), "{fault:?}");
    assert!(fault.message.contains(&fit.sentence), "{}", fault.message);
    let parts = [
        ("needed_bytes", whole.total_bytes()),
        ("available_bytes", has),
        ("weights_bytes", whole.weights_bytes),
        ("kv_cache_bytes", whole.kv_cache_bytes),
        ("activations_bytes", whole.activations_bytes),
        ("overhead_bytes", whole.overhead_bytes),
        ("fitting_context_length", context.into()),
    ];
    for (name, bytes) in parts {
        assert_eq!(fault.metadata[name], bytes.to_string(), "{name}");
    }
    cluster.assert_nothing_left().await;

    let shorter = with_context(request(&model), context);
    assert_eq!(
        check(&cluster, &shorter).await.unwrap().devices[0].fits,
        Some(true)
    );
    let worker = cluster.spawn(&shorter).await.result.unwrap();
    cluster.stop_worker(&worker.id).await.unwrap();

    let longer = with_context(request(&model), 1 << 20);
    for fault in [
        check(&cluster, &longer).await.unwrap_err(),
        cluster.spawn(&longer).await.result.unwrap_err(),
    ] {
        assert!(fault.is(reason::INVALID_ARGUMENT), "{fault:?}");
        assert_eq!(fault.violations[0].0, "llm.context_length");
    }

    let forced = SpawnWorkerRequest {
        force: true,
        ..request(&model)
    };
    let worker = cluster.spawn(&forced).await.result.unwrap();
    let memory = worker.memory.unwrap();
    assert_eq!(memory.estimated_bytes, whole.total_bytes());
    assert_eq!(memory.estimated_loaded_bytes, whole.loaded_bytes());
    assert!(memory.resident_bytes.unwrap() > 1 << 20, "{memory:?}");
}

#[tokio::test]
async fn what_is_reserved_is_not_given_away_twice() {
    let need = estimate(DeviceKind::Cpu, None).total_bytes();
    let has = need + need / 2;
    let cluster = cluster(&format!("+cpu:0,memory={has}B")).await;
    // Two models, since workers of one share their weights.
    let mut other = tiny();
    other.push(0);
    let models = [
        cluster.model_of_bytes("one", &tiny()).await,
        cluster.model_of_bytes("other", &other).await,
    ];
    // Both at once: whoever comes second finds the memory reserved, also while the first still starts.
    let requests = models.clone().map(|model| request(&model));
    let (one, two) = tokio::join!(cluster.spawn(&requests[0]), cluster.spawn(&requests[1]));
    let mut results = [one.result, two.result];
    results.sort_by_key(Result::is_err);
    let [Ok(worker), Err(fault)] = results else {
        panic!("not one of two: {results:?}");
    };
    assert!(fault.is(reason::INSUFFICIENT_MEMORY), "{fault:?}");
    assert!(
        fault.message.contains("reserved for running workers"),
        "{}",
        fault.message
    );

    let cpu = &devices(&cluster).await[0];
    assert_eq!(cpu.memory_free_bytes, Some(has));
    assert_eq!(cpu.memory_available_bytes, Some(has - need));
    assert_eq!(cpu.uses.len(), 1);
    assert_eq!(
        (cpu.uses[0].worker_id.as_str(), cpu.uses[0].reserved_bytes),
        (worker.id.as_str(), need)
    );
    assert!(
        cpu.uses[0].taken_bytes.unwrap() > 0,
        "its process can be measured"
    );

    cluster.stop_worker(&worker.id).await.unwrap();
    let cpu = &devices(&cluster).await[0];
    assert_eq!((cpu.memory_available_bytes, cpu.uses.len()), (Some(has), 0));
    let waiting = requests
        .iter()
        .find(|request| request.model_id != worker.model_id)
        .unwrap();
    cluster.spawn(waiting).await.result.unwrap();
}

#[tokio::test]
async fn a_spawn_that_fails_gives_its_memory_back() {
    let need = estimate(DeviceKind::Cpu, None).total_bytes();
    let cluster = Cluster::bare_with_devices(quick(), &format!("+cpu:0,memory={need}B")).await;
    cluster.install(WorkerType::CpuLlm, b"#!/bin/sh\nexit 3\n").await;
    let model = cluster.model_of_bytes("tiny", &tiny()).await;
    for _ in 0..2 {
        let spawned = cluster.spawn(&request(&model)).await;
        assert_eq!(
            spawned.reason(),
            reason::WORKER_EXITED,
            "the second has as much room as the first"
        );
    }
    assert_eq!(devices(&cluster).await[0].uses, []);
}

#[tokio::test]
async fn the_hive_chooses_a_device_where_none_is_named() {
    let cluster = cluster("-*; +cpu:0,memory=8GiB; +cuda:0,memory=2GiB; +cuda:1,memory=3GiB").await;
    let model = cluster.model_of_bytes("tiny", &tiny()).await;
    let anywhere = on_cuda(&model, "");

    let answer = check(&cluster, &anywhere).await.unwrap();
    let ids: Vec<_> = answer
        .devices
        .iter()
        .map(|fit| fit.device.as_ref().unwrap().id.as_str())
        .collect();
    assert_eq!(ids, ["cuda:1", "cuda:0"], "the one with most left first");

    let mut used = Vec::new();
    for _ in 0..4 {
        used.push(cluster.spawn(&anywhere).await.result.unwrap().device_id);
    }
    // Each worker reserves a little more than half a GiB.
    assert_eq!(used, ["cuda:1", "cuda:1", "cuda:0", "cuda:1"]);

    let on_cpu = SpawnWorkerRequest {
        device_id: String::new(),
        ..request(&model)
    };
    assert_eq!(cluster.spawn(&on_cpu).await.result.unwrap().device_id, "cpu:0");

    let metal = SpawnWorkerRequest {
        worker_type: types::WorkerType::MetalLlm.into(),
        ..anywhere
    };
    let fault = check(&cluster, &metal).await.unwrap_err();
    assert!(fault.is(reason::DEVICE_NOT_FOUND), "{fault:?}");
}

#[tokio::test]
async fn a_picture_model_is_estimated_by_its_generation() {
    let cluster = cluster("-*; +cpu:0,memory=64GiB; +cuda:0,memory=4GiB").await;
    let model = cluster
        .model_in("sd", &Script::default(), |model| {
            let kind = types::StableDiffusionModel {
                version: types::StableDiffusionVersion::V15.into(),
            };
            model.model_type = Some(types::ModelType {
                kind: Some(types::model_type::Kind::StableDiffusion(kind)),
            });
            model.parameter_count = Some(1 << 30);
        })
        .await;
    let of = |worker_type: types::WorkerType| SpawnWorkerRequest {
        worker_type: worker_type.into(),
        device_id: String::new(),
        ..request(&model)
    };
    let check = async |worker_type| check(&cluster, &of(worker_type)).await.unwrap();
    let on_cpu = check(types::WorkerType::CpuSd).await;
    let estimate = on_cpu.estimate.unwrap();
    assert_eq!(
        (estimate.picture_edge, estimate.context_length),
        (Some(512), None)
    );
    assert_eq!(estimate.weights_bytes, 4 << 30, "32-bit floats");
    assert_eq!(on_cpu.devices[0].fits, Some(true));
    let on_cuda = check(types::WorkerType::CudaSd).await;
    assert_eq!(on_cuda.estimate.unwrap().weights_bytes, 2 << 30, "16-bit floats");
    assert_eq!(on_cuda.devices[0].device.as_ref().unwrap().id, "cuda:0");
}

#[tokio::test]
async fn a_model_that_does_not_tell_its_needs_is_the_workers_to_judge() {
    let cluster = cluster("").await;
    let model = cluster.model("script", &Script::default()).await;
    let fault = check(&cluster, &request(&model)).await.unwrap_err();
    assert!(fault.is(reason::MODEL_CORRUPT), "{fault:?}");
    assert_eq!(fault.metadata["file"], "script.gguf");
    let worker = cluster.spawn(&request(&model)).await.result.unwrap();
    assert_eq!(worker.memory, None, "nothing is estimated, so nothing is said");

    for (model, expected) in [
        ("local:none", reason::MODEL_NOT_FOUND),
        ("???", reason::INVALID_MODEL_ID),
    ] {
        let fault = check(&cluster, &request(model)).await.unwrap_err();
        assert!(fault.is(expected), "{fault:?}");
    }
    let fault = check(&cluster, &on_cuda(&model, "cuda:7")).await.unwrap_err();
    assert!(fault.is(reason::MODEL_CORRUPT), "{fault:?}");
}

#[tokio::test]
async fn the_catalog_hears_of_devices_and_memory() {
    let cluster = cluster("-*; +cpu:0,memory=8GiB,name=made up").await;
    let model = cluster.model_of_bytes("tiny", &tiny()).await;
    let spawned = cluster.spawn(&request(&model)).await.result.unwrap();
    let registered = cluster.registered_workers().await.remove(0);
    assert_eq!(registered.memory, spawned.memory);
    assert!(registered.memory.unwrap().resident_bytes.is_some());
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let answer = cluster.registry().list_hives(ListHivesRequest {}).await.unwrap();
        let device = answer.into_inner().hives.remove(0).devices.remove(0);
        assert!(device.declared);
        assert_eq!(device.name, "made up");
        // The hive tells right after the worker.
        if let [device_use] = &device.uses[..] {
            assert_eq!(device_use.worker_id, spawned.id);
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{device:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
