//! What devices and workers do, as a watching client and as Prometheus see it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use rbee_hive::METRICS;
use rbee_proto::hive::v1::{WatchTelemetryRequest, WatchTelemetryResponse, WorkerTelemetry};
use rbee_proto::types::v1::WorkerState;
use rbee_service_kit::config::MetricsConfig;
use rbee_service_kit::metrics::MetricsServer;
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::exposition::scrape;
use rbee_testkit::scripted_worker::{Act, Script};
use tonic::{Code, Streaming};

use crate::harness::{Cluster, DEADLINE, request};
use crate::proxy::chat;

async fn watch(
    cluster: &Cluster,
    interval: Option<(i64, i32)>,
) -> Result<Streaming<WatchTelemetryResponse>, RemoteFault> {
    let request = WatchTelemetryRequest {
        interval: interval.map(|(seconds, nanos)| prost_types::Duration { seconds, nanos }),
    };
    let answer = cluster.hive_client().watch_telemetry(request).await;
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| RemoteFault::from(&status))
}

/// Ten times a second.
const OFTEN: Option<(i64, i32)> = Some((0, 100_000_000));

/// Reads on until a message is as it should be.
async fn until(
    stream: &mut Streaming<WatchTelemetryResponse>,
    what: &str,
    is: impl Fn(&WatchTelemetryResponse) -> bool,
) -> WatchTelemetryResponse {
    let found = async {
        loop {
            let message = stream.message().await.unwrap().unwrap();
            if is(&message) {
                return message;
            }
        }
    };
    tokio::time::timeout(DEADLINE, found)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

fn only(message: &WatchTelemetryResponse) -> &WorkerTelemetry {
    assert_eq!(message.workers.len(), 1);
    &message.workers[0]
}

#[tokio::test]
async fn a_host_at_rest_tells_of_its_devices() {
    let cluster = Cluster::start().await;
    let mut stream = watch(&cluster, OFTEN).await.unwrap();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.workers, []);
    let cpu = first.devices.iter().find(|device| device.id == "cpu:0").unwrap();
    assert!(cpu.memory_free_bytes.unwrap() <= cpu.memory_total_bytes.unwrap());
    let next = stream.message().await.unwrap().unwrap();
    let time = |message: &WatchTelemetryResponse| {
        let time = message.time.unwrap();
        Duration::new(time.seconds.cast_unsigned(), time.nanos.cast_unsigned())
    };
    assert!(time(&next) > time(&first));
    let busy = until(&mut stream, "how busy the processor is", |message| {
        message.devices[0].utilization_percent.is_some()
    });
    assert!(busy.await.devices[0].utilization_percent.unwrap() <= 100);
}

#[tokio::test]
async fn what_a_worker_does_is_measured_and_what_it_says_is_asked() {
    let cluster = Cluster::start().await;
    let script = Script {
        tokens: 1_000_000,
        token_ms: 5,
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("bee", &script).await;
    let mut stream = watch(&cluster, OFTEN).await.unwrap();
    let first = stream.message().await.unwrap().unwrap();
    let idle = only(&first);
    assert_eq!(idle.worker_id, worker.id);
    assert_eq!(idle.state(), WorkerState::Ready);
    assert!(idle.resident_bytes.unwrap() > 100_000);
    assert_eq!((idle.running_requests, idle.waiting_requests), (Some(0), Some(0)));
    assert!(idle.slot_count.unwrap() >= 1);
    assert_eq!(
        (idle.cpu_percent, idle.tokens_per_second),
        (None, None),
        "there is no interval yet"
    );
    assert_eq!(idle.device_memory_bytes, None, "it has no GPU");

    let mut answer = chat(&cluster, &worker.id).await.unwrap();
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = answer.message().await {} });
    let busy = until(&mut stream, "tokens are counted", |message| {
        // One comes in 5 ms; how many that is in a second depends on how busy this machine is.
        let rate = only(message).tokens_per_second;
        rate.is_some_and(|rate| (1.0..1000.0).contains(&rate))
    })
    .await;
    let busy = only(&busy);
    assert_eq!(busy.running_requests, Some(1));
    assert!(busy.cpu_percent.is_some() && busy.steps_per_second.is_none());
    reading.abort();

    cluster.stop_worker(&worker.id).await.unwrap();
    until(&mut stream, "it is gone", |message| message.workers.is_empty()).await;
}

#[tokio::test]
async fn one_that_does_not_answer_holds_nobody_up() {
    let cluster = Cluster::start().await;
    let script = Script {
        ready: vec![Act::Stall],
        ..Script::default()
    };
    cluster.spawn_scripted("mute", &script).await;
    let good = cluster.spawn_scripted("bee", &Script::default()).await;
    let mut stream = watch(&cluster, OFTEN).await.unwrap();
    let message = until(&mut stream, "both are measured", |message| {
        message.workers.len() == 2
            && message.workers[0].running_requests.is_none()
            && message.workers.iter().all(|worker| worker.cpu_percent.is_some())
    })
    .await;
    let [mute, other] = &message.workers[..] else {
        unreachable!()
    };
    assert_eq!(other.worker_id, good.id);
    assert_eq!(other.running_requests, Some(0));
    assert!(mute.resident_bytes.is_some());
}

#[tokio::test]
async fn an_interval_out_of_bounds_is_refused() {
    let cluster = Cluster::start().await;
    for interval in [(0, 0), (0, 99_000_000), (3601, 0), (-5, 0)] {
        let fault = watch(&cluster, Some(interval)).await.unwrap_err();
        assert_eq!(fault.code, Code::InvalidArgument);
        assert!(fault.is(reason::INVALID_ARGUMENT));
        assert_eq!(fault.violations[0].0, "interval");
    }
    let mut stream = watch(&cluster, None).await.unwrap();
    stream.message().await.unwrap().unwrap();
    cluster.hive.stop().await;
    let end = tokio::time::timeout(DEADLINE, async {
        while let Ok(Some(_)) = stream.message().await {}
    });
    assert!(end.await.is_ok(), "it ends with the hive");
}

pub(crate) async fn serve_metrics(cluster: &Cluster) -> SocketAddr {
    let config = MetricsConfig {
        address: Some("127.0.0.1:0".parse().unwrap()),
        ..MetricsConfig::default()
    };
    let server = MetricsServer::bind(&config).await.unwrap().unwrap();
    let address = server.address();
    let lifecycle = &cluster.hive.lifecycle;
    lifecycle.spawn(server.serve(vec![cluster.handle.metrics()], lifecycle.token()));
    address
}

#[tokio::test]
async fn prometheus_reads_it_all() {
    let cluster = Cluster::start().await;
    cluster.handle.registered().await;
    let address = serve_metrics(&cluster).await;
    let empty = scrape(address).await;
    assert_eq!(empty["rbee_hive_registered"].value(&[]), Some(1.0));
    assert_eq!(empty["rbee_workers"].value(&[("state", "ready")]), Some(0.0));
    assert_eq!(empty["rbee_workers"].samples.len(), 12, "every state");
    assert!(!empty.contains_key("rbee_worker_info"));

    let worker = cluster.spawn_scripted("bee", &Script::default()).await;
    let page = scrape(address).await;
    let of = |name: &str| page[name].value(&[("worker", &worker.id)]).unwrap();
    assert_eq!(page["rbee_workers"].value(&[("state", "ready")]), Some(1.0));
    let what = [
        ("worker", worker.id.as_str()),
        ("model", "local:bee"),
        ("type", "cpu-llm"),
        ("device", "cpu:0"),
    ];
    assert_eq!(page["rbee_worker_info"].value(&what), Some(1.0));
    assert!(of("rbee_worker_resident_memory_bytes") > 100_000.0);
    assert!(of("rbee_worker_cpu_seconds_total") >= 0.0);
    assert_eq!(of("rbee_worker_requests_running"), 0.0);
    assert_eq!(of("rbee_worker_requests_waiting"), 0.0);
    assert!(of("rbee_worker_slots") >= 1.0);
    let device = |name: &str| page[name].value(&[("device", "cpu:0")]).unwrap();
    assert!(device("rbee_device_memory_available_bytes") <= device("rbee_device_memory_size_bytes"));
    let known: BTreeSet<_> = METRICS
        .iter()
        .map(|metric| (metric.name, metric.kind.name(), metric.help))
        .collect();
    for (name, family) in &page {
        assert!(
            known.contains(&(name.as_str(), family.kind.as_str(), family.help.as_str())),
            "{name} is not in the list"
        );
    }

    cluster.stop_worker(&worker.id).await.unwrap();
    let after = scrape(address).await;
    for (name, family) in &after {
        assert_eq!(
            family.value(&[("worker", &worker.id)]),
            None,
            "{name} keeps a worker that left"
        );
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let cluster = Cluster::start().await;
    let address = serve_metrics(&cluster).await;
    let script = Script {
        exit_serving: Some(3),
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("bee", &script).await;
    let refused = cluster.spawn(&request("local:nobody")).await;
    assert_eq!(refused.reason(), reason::MODEL_NOT_FOUND);
    let page = scrape(address).await;
    let spawns = |labels: &[(&str, &str)]| page["rbee_spawns_total"].value(labels);
    assert_eq!(spawns(&[("outcome", "ready"), ("reason", "")]), Some(1.0));
    let failed = [("outcome", "failed"), ("reason", reason::MODEL_NOT_FOUND)];
    assert_eq!(spawns(&failed), Some(1.0));
    let durations = &page["rbee_spawn_duration_seconds"].samples;
    let count = |outcome: &str| {
        let mut lines = durations.iter();
        let found = lines.find(|(name, labels, _)| name.ends_with("_count") && labels["outcome"] == outcome);
        found.unwrap().2
    };
    assert_eq!((count("ready"), count("failed")), (1.0, 1.0));
    assert!(!page.contains_key("rbee_worker_crashes_total"));

    let _ = chat(&cluster, &worker.id).await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let page = loop {
        let page = scrape(address).await;
        if page.contains_key("rbee_worker_restarts_total") {
            break page;
        }
        assert!(tokio::time::Instant::now() < deadline, "no restart is counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for name in ["rbee_worker_crashes_total", "rbee_worker_restarts_total"] {
        assert_eq!(page[name].value(&[]), Some(1.0), "{name}");
    }
}
