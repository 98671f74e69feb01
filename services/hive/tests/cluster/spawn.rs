//! Spawning: the six steps, every refusal, and that nothing is left of a spawn that fails.

use rbee_artifacts::WorkerType;
use rbee_proto::hive::v1::spawn_worker_response::Event;
use rbee_proto::hive::v1::{SpawnStep, SpawnWorkerRequest};
use rbee_proto::types::v1 as types;
use rbee_service_kit::reason;
use rbee_testkit::scripted_worker::Script;
use std::time::Duration;

use crate::harness::{Cluster, Spawned, quick, request};

#[tokio::test]
async fn a_spawn_goes_through_six_steps_and_a_stop_leaves_nothing() {
    let cluster = Cluster::start().await;
    let model = cluster
        .model(
            "qwen",
            &Script {
                load_ms: 100,
                ..Script::default()
            },
        )
        .await;
    let spawned = cluster.spawn(&request(&model)).await;
    let worker = spawned.result.unwrap();

    let steps: Vec<_> = spawned
        .events
        .iter()
        .filter_map(|event| match event {
            Event::StepStarted(step) => Some((step.step(), false)),
            Event::StepFinished(step) => {
                assert!(!step.detail.is_empty());
                Some((step.step(), true))
            }
            _ => None,
        })
        .collect();
    let expected = [
        SpawnStep::Model,
        SpawnStep::Compatibility,
        SpawnStep::Binary,
        SpawnStep::Prepare,
        SpawnStep::Start,
        SpawnStep::Register,
    ];
    assert_eq!(steps, expected.map(|step| [(step, false), (step, true)]).concat());
    let loading: Vec<_> = spawned
        .events
        .iter()
        .filter_map(|event| {
            if let Event::Loading(loading) = event {
                Some(loading.fraction)
            } else {
                None
            }
        })
        .collect();
    assert!(loading.len() >= 3 && loading.is_sorted(), "{loading:?}");

    assert_eq!(spawned.worker_id.as_ref(), Some(&worker.id));
    assert!(worker.id.starts_with("qwen-"), "{}", worker.id);
    assert_eq!(
        (worker.state(), worker.model_id.as_str()),
        (types::WorkerState::Ready, "local:qwen")
    );
    assert_eq!(worker.hive_id, cluster.handle.id());
    assert!(worker.process_id.is_some());
    assert_eq!(cluster.workers().await, std::slice::from_ref(&worker));
    // The hive's word is the registry's, as soon as the spawn has ended.
    assert_eq!(cluster.registered_workers().await, std::slice::from_ref(&worker));

    let stopped = cluster.stop_worker(&worker.id).await.unwrap();
    assert_eq!(stopped.state(), types::WorkerState::Stopped);
    assert_eq!(stopped.process_id, None);
    cluster.assert_nothing_left().await;
    assert_eq!(
        cluster.stop_worker(&worker.id).await.unwrap(),
        stopped,
        "stopping twice is stopping"
    );
    assert!(
        cluster
            .stop_worker("qwen-none")
            .await
            .unwrap_err()
            .is(reason::WORKER_NOT_FOUND)
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_its_own_reason() {
    let cluster = Cluster::start().await;
    let good = cluster.model("good", &Script::default()).await;
    let cases = [
        (request("local:none"), reason::MODEL_NOT_FOUND, "rbee model ls"),
        (request("nonsense"), reason::INVALID_MODEL_ID, "not a model id"),
        (
            SpawnWorkerRequest {
                device_id: "cuda:0".into(),
                ..request(&good)
            },
            reason::DEVICE_NOT_FOUND,
            "cpu:0",
        ),
        (
            SpawnWorkerRequest {
                worker_type: types::WorkerType::CpuSd.into(),
                ..request(&good)
            },
            reason::MODEL_INCOMPATIBLE,
            "cpu-llm",
        ),
        (
            SpawnWorkerRequest {
                worker_type: types::WorkerType::MetalLlm.into(),
                ..request(&good)
            },
            reason::WORKER_BINARY_NOT_FOUND,
            "llm-worker-rbee-metal",
        ),
    ];
    for (request, expected, words) in cases {
        let spawned = cluster.spawn(&request).await;
        assert_eq!(spawned.reason(), expected, "{spawned:?}");
        let message = spawned.result.unwrap_err().message;
        assert!(message.contains(words), "{message}");
        cluster.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn a_device_of_another_kind_is_refused() {
    let cluster = Cluster::start().await;
    cluster.install(WorkerType::CudaLlm, b"never run").await;
    let model = cluster.model("good", &Script::default()).await;
    let wrong = SpawnWorkerRequest {
        worker_type: types::WorkerType::CudaLlm.into(),
        ..request(&model)
    };
    assert_eq!(cluster.spawn(&wrong).await.reason(), reason::DEVICE_INCOMPATIBLE);
    cluster.assert_nothing_left().await;
}

#[tokio::test]
async fn a_model_that_is_not_there_whole_is_refused() {
    let cluster = Cluster::start().await;
    let coming = cluster
        .model_in("coming", &Script::default(), |model| {
            model.state = types::ModelState::Downloading.into();
            model.files.clear();
        })
        .await;
    assert_eq!(
        cluster.spawn(&request(&coming)).await.reason(),
        reason::MODEL_NOT_AVAILABLE
    );

    let lost = Script {
        tokens: 77,
        ..Script::default()
    };
    let model = cluster.model("lost", &lost).await;
    let sha256 = rbee_artifacts::Sha256::digest(&lost.to_model());
    assert!(cluster.store.delete_blob(&sha256).await.unwrap());
    let spawned = cluster.spawn(&request(&model)).await;
    assert_eq!(spawned.reason(), reason::MODEL_FILES_MISSING);
    assert!(spawned.result.unwrap_err().message.contains("lost.gguf"));
    cluster.assert_nothing_left().await;
}

#[tokio::test]
async fn a_program_that_does_not_run_is_told() {
    let cluster = Cluster::bare(quick()).await;
    cluster
        .install(WorkerType::CpuLlm, b"#!/no/such/interpreter\n")
        .await;
    let model = cluster.model("good", &Script::default()).await;
    let spawned = cluster.spawn(&request(&model)).await;
    assert_eq!(spawned.reason(), reason::WORKER_START_FAILED, "{spawned:?}");
    cluster.assert_nothing_left().await;
}

#[tokio::test]
async fn a_worker_that_ends_while_it_loads_tells_how() {
    let cluster = Cluster::start().await;
    for code in [0, 1, 139] {
        let script = Script {
            exit_loading: Some(code),
            ..Script::default()
        };
        let model = cluster.model(&format!("exit{code}"), &script).await;
        let spawned = cluster.spawn(&request(&model)).await;
        assert_eq!(spawned.reason(), reason::WORKER_EXITED);
        let fault = spawned.result.unwrap_err();
        assert_eq!(fault.metadata["exit_code"], code.to_string());
        assert!(
            fault.metadata["log_tail"].contains("as the script says"),
            "{fault:?}"
        );
        cluster.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn what_a_worker_says_of_its_model_is_passed_on() {
    let cluster = Cluster::start().await;
    for (said, told) in [
        (reason::MODEL_CORRUPT, reason::MODEL_CORRUPT),
        ("BAD_MOOD", reason::WORKER_START_FAILED),
    ] {
        let script = Script {
            fail_loading: Some(said.into()),
            ..Script::default()
        };
        let model = cluster
            .model(&said.to_lowercase().replace('_', "-"), &script)
            .await;
        let spawned = cluster.spawn(&request(&model)).await;
        assert_eq!(spawned.reason(), told);
        let fault = spawned.result.unwrap_err();
        assert!(fault.message.contains("as the script says"), "{fault:?}");
        assert_eq!(fault.metadata["exit_code"], "2");
        cluster.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn a_worker_that_never_gets_ready_is_ended() {
    let mut config = quick();
    config.ready_timeout = Duration::from_millis(700);
    let cluster = Cluster::start_with(config).await;
    let forever = Script {
        never_ready: true,
        ignore_term: true,
        fork: true,
        ..Script::default()
    };
    let silent = Script {
        ready_without_health: true,
        ..Script::default()
    };
    for (name, script) in [("forever", forever), ("silent", silent)] {
        let model = cluster.model(name, &script).await;
        let spawned = cluster.spawn(&request(&model)).await;
        assert_eq!(spawned.reason(), reason::WORKER_NOT_READY);
        cluster.assert_nothing_left().await;
    }
}

#[tokio::test]
async fn a_worker_that_floods_its_log_still_gets_ready() {
    let cluster = Cluster::start().await;
    cluster
        .spawn_scripted(
            "flood",
            &Script {
                log_lines: 50_000,
                ..Script::default()
            },
        )
        .await;
}

#[tokio::test]
async fn the_same_request_is_one_spawn() {
    let cluster = Cluster::start().await;
    let model = cluster
        .model(
            "qwen",
            &Script {
                load_ms: 200,
                ..Script::default()
            },
        )
        .await;
    let named = SpawnWorkerRequest {
        request_id: "mine".into(),
        ..request(&model)
    };
    let (first, second) = tokio::join!(cluster.spawn(&named), cluster.spawn(&named));
    let third = cluster.spawn(&named).await;
    assert_eq!(first.worker_id, second.worker_id);
    assert_eq!(
        first.events, third.events,
        "whoever comes late reads from the beginning"
    );
    assert_eq!(third.result.unwrap(), first.result.unwrap());
    assert_eq!(cluster.workers().await.len(), 1);

    let other = SpawnWorkerRequest {
        request_id: "mine".into(),
        ..request("local:other")
    };
    let conflict = cluster.spawn(&other).await.result.unwrap_err();
    assert_eq!(conflict.violations[0].0, "request_id");
}

#[tokio::test]
async fn a_client_that_leaves_does_not_end_the_spawn() {
    let cluster = Cluster::start().await;
    let model = cluster
        .model(
            "qwen",
            &Script {
                load_ms: 300,
                ..Script::default()
            },
        )
        .await;
    let mut stream = cluster
        .hive_client()
        .spawn_worker(request(&model))
        .await
        .unwrap()
        .into_inner();
    let id = stream.message().await.unwrap().unwrap().worker_id;
    drop(stream);
    cluster.worker_in(&id, types::WorkerState::Ready).await;
}

#[tokio::test]
async fn a_worker_that_is_stopped_while_it_loads_ends_the_spawn() {
    let cluster = Cluster::start().await;
    let (stream, id) = cluster.spawn_loading("qwen").await;
    let (stopped, spawned) = tokio::join!(cluster.stop_worker(&id), Spawned::read(stream));
    assert_eq!(stopped.unwrap().state(), types::WorkerState::Stopped);
    assert_eq!(spawned.reason(), reason::WORKER_STOPPED);
    cluster.assert_nothing_left().await;
}

#[tokio::test]
async fn without_the_catalog_a_spawn_is_refused() {
    let cluster = Cluster::start().await;
    let model = cluster.model("qwen", &Script::default()).await;
    cluster.catalog.stop().await;
    let fault = cluster.spawn(&request(&model)).await.result.unwrap_err();
    assert!(fault.is(reason::CATALOG_UNAVAILABLE), "{fault:?}");
    assert!(fault.retry_after.is_some());
    assert_eq!(cluster.left_on_host(), Vec::<String>::new());
}
