//! Devices, estimates and placement, as a user meets them.
//!
//! `RBEE_ESTIMATE_CONTEXT` sets the context that is filled where an estimate is held against full slots (256 tokens
//! unless said).

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::client::Worker;
use common::processes::memory_bytes;
use common::{Cluster, Said, assert_worker_is_built};
use rbee_hive::{Hive, HiveConfig};
use rbee_service_kit::{Auth, Lifecycle, Listener, ServerBuilder, Target};
use rbee_testkit::models::{self, fixture};
use serde_json::Value;

/// How wrong an estimate may be.
const TOLERANCE: f64 = 0.15;

fn import(cluster: &Cluster, file: &Path, name: &str) -> String {
    let file = file.to_str().unwrap();
    cluster
        .rbee(&["model", "import", file, "--name", name, "--copy"])
        .ok();
    format!("local:{name}")
}

/// Runs `rbee worker <verb> <model> --type cpu-llm --json` with more arguments.
fn worker(cluster: &Cluster, verb: &str, model: &str, more: &[&str]) -> Said {
    let arguments = [&["worker", verb, model, "--type", "cpu-llm", "--json"], more].concat();
    cluster.rbee(&arguments)
}

/// Spawns and gives what the last event tells of the worker.
fn spawn(cluster: &Cluster, model: &str, more: &[&str]) -> Value {
    let events = worker(cluster, "spawn", model, more).ok().json_lines();
    events.last().unwrap()["worker"].clone()
}

#[track_caller]
fn assert_close(what: &str, estimated: u64, measured: u64) {
    let error = (estimated as f64 - measured as f64) / measured as f64;
    println!(
        "{what}: estimated {:.1} MiB, measured {:.1} MiB, {:+.1} %",
        estimated as f64 / 1_048_576.0,
        measured as f64 / 1_048_576.0,
        error * 100.0
    );
    assert!(
        error.abs() <= TOLERANCE,
        "{what}: estimated {estimated}, measured {measured}"
    );
}

/// The same for tiny models, whose program is nearly all that they take: of files and of folders, whose tokenizer has a
/// library of its own.
#[test]
fn tiny_model_estimates_are_within_15_percent() {
    assert_worker_is_built();
    let cluster = Cluster::start();
    let models = [
        "qwen2/qwen2-q8_0.gguf",
        "gemma3/gemma3-q8_0.gguf",
        "gemma3/hf",
        "llama/hf",
    ];
    for (number, name) in models.iter().enumerate() {
        let model = import(
            &cluster,
            &fixture(&format!("llm/tiny/{name}")),
            &format!("tiny-{number}"),
        );
        let worker = spawn(&cluster, &model, &["--context", "256", "--slots", "2"]);
        let bytes = |field: &str| worker["memory"][field].as_u64().unwrap();
        assert_close(name, bytes("estimated_loaded_bytes"), bytes("resident_bytes"));
        cluster
            .rbee(&["worker", "stop", worker["id"].as_str().unwrap()])
            .ok();
    }
    cluster.stop();
}

/// The estimate is right where a worker has loaded its model, and where all its slots are full.
#[tokio::test(flavor = "multi_thread")]
async fn real_model_estimates_are_within_15_percent() {
    assert_worker_is_built();
    let cluster = Cluster::start();
    let context: usize = std::env::var("RBEE_ESTIMATE_CONTEXT").map_or(256, |text| {
        text.parse().expect("RBEE_ESTIMATE_CONTEXT is a number")
    });
    let files = [models::path(models::QWEN), models::path(models::GEMMA)];
    for (number, file) in files.into_iter().enumerate() {
        let model = import(&cluster, &file, &format!("model-{number}"));
        let name = file.file_name().unwrap().to_str().unwrap();
        // The fixtures were made for short contexts.
        let context = if name == models::QWEN { context } else { 256 };
        let room = ["--context", &context.to_string(), "--slots", "2"];
        let worker = spawn(&cluster, &model, &room);
        let bytes = |field: &str| worker["memory"][field].as_u64().unwrap();
        assert_close(name, bytes("estimated_loaded_bytes"), bytes("resident_bytes"));

        let id = worker["id"].as_str().unwrap();
        if name == models::QWEN {
            let process = cluster.worker_process_id(id);
            let reached = Worker::reach(&cluster, id).await;
            // Ten tokens each time, and room for the template and the answer. Both slots at once.
            let prompt = "one two three four five six seven eight nine ten ".repeat((context - 70) / 10);
            let _ = tokio::join!(reached.answer(&prompt, 20), reached.answer(&prompt, 20));
            let (resident, _) = memory_bytes(process);
            assert_close("with full slots", bytes("estimated_bytes"), resident);
        }
        cluster.rbee(&["worker", "stop", id]).ok();
    }
    let log = cluster.log();
    assert!(log.contains("that were estimated until here"), "{log}");
    cluster.stop();
}

fn with_devices(rules: &str) -> impl FnOnce(&mut Command) {
    let rules = rules.to_owned();
    move |command| {
        command.env("RBEE_DEVICES", rules);
    }
}

#[test]
fn a_check_says_beforehand_what_a_spawn_would_say() {
    assert_worker_is_built();
    let cluster = Cluster::start_with(with_devices(
        "+cpu:0,memory=20MiB,name=small;+cuda:0,memory=24GiB",
    ));
    let model = import(&cluster, &fixture("llm/tiny/qwen2/qwen2-q8_0.gguf"), "tiny");

    let devices = cluster.rbee(&["device", "ls"]).ok().stdout;
    assert!(
        devices.contains("cpu:0 (declared)") && devices.contains("small"),
        "{devices}"
    );

    let checked = worker(&cluster, "check", &model, &["--slots", "1024"]).failed(6);
    assert_eq!(checked.reason(), "INSUFFICIENT_MEMORY");
    let document = checked.json();
    assert_eq!(document["places"][0]["fits"], false);
    assert_eq!(document["places"][0]["device"]["declared"], true);
    let sum: u64 = [
        "weights_bytes",
        "kv_cache_bytes",
        "activations_bytes",
        "overhead_bytes",
    ]
    .map(|part| document["estimate"][part].as_u64().unwrap())
    .iter()
    .sum();
    assert_eq!(document["estimate"]["total_bytes"], sum);

    let refused = worker(&cluster, "spawn", &model, &["--slots", "1024"]).failed(6);
    assert_eq!(refused.reason(), "INSUFFICIENT_MEMORY");
    assert_eq!(refused.error()["metadata"]["needed_bytes"], sum.to_string());
    assert!(cluster.workers().is_empty());

    let fits = ["--context", "64", "--slots", "1"];
    worker(&cluster, "check", &model, &fits).ok();
    let spawned = spawn(&cluster, &model, &fits);
    assert_eq!(spawned["device_id"], "cpu:0");
    let shown = cluster
        .rbee(&["worker", "show", spawned["id"].as_str().unwrap()])
        .ok()
        .stdout;
    assert!(shown.contains("reserved"), "{shown}");
    // What the first has reserved is not there for a second; who insists gets it all the same.
    let second = ["--slots", "64"];
    worker(&cluster, "spawn", &model, &second).failed(6);
    worker(&cluster, "spawn", &model, &[&second[..], &["--force"]].concat()).ok();
    cluster.stop();
}

#[test]
fn rules_that_make_no_sense_end_the_start() {
    let folder = common::folder();
    let mut command = common::up_command(folder.path());
    command.env("RBEE_DEVICES", "cuda:0");
    let said = common::run(command).failed(1);
    assert!(
        said.stderr.contains("RBEE_DEVICES") && said.stderr.contains("+cuda:0"),
        "{said:#?}"
    );
}

/// A second host in this process: a hive of its own with the cluster's catalog and store.
async fn second_hive(cluster: &Cluster, folder: &Path, devices: &str) -> (Lifecycle, Hive) {
    let lifecycle = Lifecycle::new();
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let config = HiveConfig {
        name: Some("attic".into()),
        folder: Some(folder.to_path_buf()),
        store: Some(cluster.folder().join("data/store").to_str().unwrap().to_owned()),
        devices: devices.to_owned(),
        ..HiveConfig::default()
    };
    let catalog = Target {
        address: cluster.address().to_owned(),
        token: None,
        ..Target::default()
    };
    let hive = Hive::start(config, catalog, address, &lifecycle).await.unwrap();
    let mut server = ServerBuilder::new(Auth::Open);
    hive.mount(&mut server);
    let life = lifecycle.clone();
    lifecycle.spawn(async move { server.serve(listener, &life, Duration::from_millis(200)).await });
    hive.registered().await;
    (lifecycle, hive)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hives_the_one_where_it_fits_gets_the_worker() {
    assert_worker_is_built();
    let cluster = Cluster::start_with(with_devices("+cpu:0,memory=16MiB"));
    let model = import(&cluster, &fixture("llm/tiny/qwen2/qwen2-q8_0.gguf"), "tiny");
    let folder = common::folder();
    let (lifecycle, attic) =
        second_hive(&cluster, folder.path(), "+cpu:0,memory=1GiB;+cuda:0,memory=8GiB").await;

    let places = worker(&cluster, "check", &model, &[]).ok().json()["places"].clone();
    let names = [&places[0], &places[1]].map(|place| place["hive_name"].as_str().unwrap());
    assert_eq!(names[0], "attic", "{places:#}");
    assert_eq!(
        [&places[0]["fits"], &places[1]["fits"]],
        [true, false],
        "{places:#}"
    );

    let unknown = worker(&cluster, "check", "local:none", &[]).failed(4);
    assert_eq!(unknown.reason(), "MODEL_NOT_FOUND");

    let first = names[1].to_owned();
    let refused = worker(&cluster, "spawn", &model, &["--hive", &first]).failed(6);
    assert_eq!(refused.reason(), "INSUFFICIENT_MEMORY");

    let spawned = worker(&cluster, "spawn", &model, &[]).ok();
    assert!(
        spawned.stderr.contains("on attic, cpu:0: it needs about"),
        "{spawned:#?}"
    );
    let worker = &cluster.workers()[0];
    assert_eq!(worker["hive_id"], attic.id());

    let devices = cluster.rbee(&["device", "ls", "--json"]).ok().json();
    let uses = |hive: &str| {
        let mut devices = devices.as_array().unwrap().iter();
        let device = devices.find(|device| device["hive_name"] == hive && device["id"] == "cpu:0");
        device.unwrap()["uses"].as_array().unwrap().len()
    };
    assert_eq!((uses("attic"), uses(&first)), (1, 0), "{devices:#}");

    cluster
        .rbee(&["worker", "stop", worker["id"].as_str().unwrap()])
        .ok();
    assert!(lifecycle.finish(Duration::from_secs(10)).await);
    cluster.stop();
}
