//! What a cluster leaves behind: nothing, however it ends and whatever it refuses.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use common::processes::{naming, runs, signal};
use common::{Cluster, Said, TINY, assert_worker_is_built, folder, wait_until};
use rbee_testkit::models::{self, fixture};

/// How long a worker may outlive its hive.
const GONE_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn real_model_worker_dies_with_its_cluster() {
    assert_worker_is_built();
    let folder = folder();
    let mut cluster = Cluster::start_in(folder.path(), |_| {});
    let model = cluster.import(&models::path(models::QWEN), "qwen");
    let worker_id = cluster.spawn(&model);
    let worker = cluster.worker_process_id(&worker_id);
    assert!(runs(worker));

    cluster.signal("KILL");
    cluster.wait();
    wait_until("the worker is gone", GONE_WITHIN, || !runs(worker));
    assert_eq!(naming(folder.path()), [""; 0]);

    let cluster = Cluster::start_in(folder.path(), |_| {});
    let list = cluster.rbee(&["model", "ls", "--json"]).ok().json();
    assert_eq!(list[0]["id"], "local:qwen");
    // It is still wanted: it comes back under its id and serves again.
    let back = cluster.wait_for_state(&worker_id, "ready");
    assert_ne!(back["process_id"], worker);
    let said = cluster
        .rbee(&[
            "chat",
            "local:qwen",
            "--prompt",
            "Say hello.",
            "--max-tokens",
            "4",
        ])
        .ok();
    assert!(!said.stdout.trim().is_empty());
    cluster.stop();
}

#[test]
fn real_model_worker_that_dies_while_it_answers_is_told() {
    assert_worker_is_built();
    let cluster = Cluster::start();
    let model = cluster.import(&models::path(models::QWEN), "qwen");
    let worker_id = cluster.spawn(&model);
    let worker = cluster.worker_process_id(&worker_id);

    let mut chat = cluster.command(&["chat", "local:qwen", "--prompt", "Count from 1 to 500.", "--json"]);
    chat.stdout(Stdio::piped()).stderr(Stdio::piped());
    let chat = chat.spawn().unwrap();
    wait_until("the answer has begun", Duration::from_secs(60), || {
        let details = cluster
            .rbee(&["worker", "show", &worker_id, "--json"])
            .ok()
            .json();
        details["info"]["load"]["generated_tokens"]
            .as_u64()
            .is_some_and(|tokens| tokens > 2)
    });
    signal(worker, "KILL");
    let output = chat.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.code(),
        Some(6),
        "the same may work with another worker: {error}"
    );
    assert!(output.stdout.is_empty(), "half an answer is none: {output:?}");
    assert!(
        error.contains("broke its answer off") && error.contains("WORKER_"),
        "{error}"
    );

    // It is started anew by itself, says why it had left, and serves.
    let back = cluster.wait_for_state(&worker_id, "ready");
    assert_ne!(back["process_id"], worker);
    assert_eq!(back["restart_count"], 1);
    assert_eq!(back["failure"]["signal"], 9);
    assert_eq!(back["failure"]["cause"], "killed");
    let answer = [
        "chat",
        "local:qwen",
        "--prompt",
        "Say hello.",
        "--max-tokens",
        "4",
    ];
    cluster.rbee(&answer).ok();
    cluster.rbee(&["worker", "stop", &worker_id]).ok();
    cluster.wait_for_workers(0);
    cluster.stop();
}

/// A cluster with a tiny model.
fn tiny_cluster() -> Cluster {
    Cluster::start_tiny(|_| {})
}

fn spawn(cluster: &Cluster, model: &str, worker_type: &str, device: &str) -> Said {
    cluster.rbee(&[
        "worker",
        "spawn",
        model,
        "--type",
        worker_type,
        "--device",
        device,
        "--json",
    ])
}

/// Nothing is left of a spawn that was refused: no worker, no process but the cluster's own, and
/// no file of a worker.
#[track_caller]
fn assert_nothing_left(cluster: &Cluster) {
    cluster.wait_for_workers(0);
    let others: Vec<String> = naming(cluster.folder())
        .into_iter()
        .filter(|process| !process.starts_with(&format!("{}:", cluster.process_id())))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    let mut sockets = Vec::new();
    walk(&cluster.folder().join("data"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "sock") {
            sockets.push(path.to_path_buf());
        }
    });
    assert!(sockets.is_empty(), "{sockets:?}");
}

#[test]
fn each_refusal_has_its_own_reason_and_leaves_nothing() {
    let cluster = tiny_cluster();
    for (model, worker_type, device, reason, exit) in [
        ("local:nope", "cpu-llm", "cpu:0", "MODEL_NOT_FOUND", 4),
        ("local:tiny", "cpu-sd", "cpu:0", "MODEL_INCOMPATIBLE", 5),
        ("local:tiny", "cuda-llm", "cuda:0", "WORKER_BINARY_NOT_FOUND", 5),
        ("local:tiny", "cpu-llm", "cuda:3", "DEVICE_NOT_FOUND", 4),
    ] {
        let said = spawn(&cluster, model, worker_type, device);
        assert_eq!(said.reason(), reason, "{said:#?}");
        assert_eq!(said.code, exit, "{said:#?}");
        let why = said.error()["why"][0].as_str().unwrap().to_owned();
        assert!(
            why.split_whitespace().count() >= 4,
            "words that a person can act on: {why}"
        );
        let hints = said.error()["hints"].as_array().unwrap().clone();
        assert!(!hints.is_empty(), "{said:#?}");
        assert_nothing_left(&cluster);
    }
    cluster.stop();
}

#[test]
fn a_corrupt_model_is_refused_by_its_worker_and_leaves_nothing() {
    let cluster = tiny_cluster();
    let original = fs::read(fixture(TINY)).unwrap();
    let blob = blob_with(&cluster.folder().join("data"), &original);
    let mut corrupt = original;
    corrupt[..4].copy_from_slice(b"GGML");
    fs::set_permissions(&blob, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&blob, corrupt).unwrap();

    let said = spawn(&cluster, "local:tiny", "cpu-llm", "cpu:0");
    assert_ne!(said.code, 0);
    assert_eq!(said.reason(), "MODEL_CORRUPT", "{said:#?}");
    assert_nothing_left(&cluster);
    cluster.stop();
}

#[test]
fn a_missing_blob_is_refused_before_anything_starts() {
    let cluster = tiny_cluster();
    let original = fs::read(fixture(TINY)).unwrap();
    fs::remove_file(blob_with(&cluster.folder().join("data"), &original)).unwrap();
    let said = spawn(&cluster, "local:tiny", "cpu-llm", "cpu:0");
    assert_eq!(said.reason(), "MODEL_FILES_MISSING", "{said:#?}");
    assert_nothing_left(&cluster);
    cluster.stop();
}

#[test]
fn a_worker_starts_in_six_steps_and_stops() {
    let cluster = tiny_cluster();
    let said = spawn(&cluster, "local:tiny", "cpu-llm", "cpu:0").ok();
    let events = said.json_lines();
    let finished: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "step_finished")
        .map(|event| event["step"].as_str().unwrap())
        .collect();
    assert_eq!(
        finished,
        ["model", "compatibility", "binary", "prepare", "start", "register"]
    );
    let ready = events.last().unwrap();
    assert_eq!(ready["event"], "ready");
    assert_eq!(ready["worker"]["state"], "ready");
    let id = ready["worker_id"].as_str().unwrap();

    let table = cluster.rbee(&["worker", "ls"]).ok().stdout;
    assert!(table.contains(id) && table.contains("ready"), "{table}");
    let details = cluster.rbee(&["worker", "show", id, "--json"]).ok().json();
    assert_eq!(details["info"]["load"]["running_requests"], 0);
    let process = u32::try_from(details["process_id"].as_u64().unwrap()).unwrap();
    assert!(runs(process));

    assert_eq!(
        cluster.rbee(&["worker", "stop", id]).ok().stdout,
        format!("stopped {id}\n")
    );
    assert!(!runs(process), "stopped means gone");
    assert_nothing_left(&cluster);
    cluster.rbee(&["worker", "stop", id]).failed(4);
    cluster.stop();
}

#[test]
fn worker_steps_are_shown_to_people() {
    let cluster = tiny_cluster();
    let said = cluster
        .rbee(&[
            "worker",
            "spawn",
            "local:tiny",
            "--type",
            "cpu-llm",
            "--device",
            "cpu:0",
        ])
        .ok();
    assert_eq!(
        said.stdout.lines().count(),
        1,
        "the id alone, for scripts: {}",
        said.stdout
    );
    for step in ["model", "compatibility", "binary", "prepare", "start", "register"] {
        assert!(
            said.stderr.contains(&format!("✓ {step}")),
            "{step}: {}",
            said.stderr
        );
    }
    let said = cluster.rbee(&[
        "worker",
        "spawn",
        "local:tiny",
        "--type",
        "cpu-sd",
        "--device",
        "cpu:0",
    ]);
    assert!(said.stderr.contains("✗ compatibility"), "{}", said.stderr);
    cluster.stop();
}

/// The file of the store that has this content.
fn blob_with(data: &Path, content: &[u8]) -> PathBuf {
    let mut found = None;
    walk(data, &mut |path| {
        if path.components().any(|part| part.as_os_str() == "blobs")
            && fs::read(path).is_ok_and(|bytes| bytes == content)
        {
            found = Some(path.to_path_buf());
        }
    });
    found.expect("the model's bytes are a blob")
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).expect("the data folder is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() && !path.is_symlink() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}
