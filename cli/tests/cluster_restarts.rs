//! How workers come back and leave, on a real cluster: crashes, restarts, idle time, room for others, drains.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::processes::{runs, signal};
use common::{Cluster, Said, wait_until};
use serde_json::Value;

/// How long what happens by itself may take, also on a busy machine.
const SOON: Duration = Duration::from_secs(60);

fn tiny() -> Cluster {
    Cluster::start_tiny(|_| {})
}

fn spawn(cluster: &Cluster, more: &[&str]) -> Said {
    let arguments = ["worker", "spawn", "local:tiny", "--type", "cpu-llm"];
    cluster.rbee(&[&arguments[..], more].concat())
}

fn spawned(cluster: &Cluster, more: &[&str]) -> String {
    spawn(cluster, more).ok().stdout.trim().to_owned()
}

fn process(worker: &Value) -> u32 {
    u32::try_from(worker["process_id"].as_u64().unwrap()).unwrap()
}

#[test]
fn a_killed_worker_is_started_anew_and_says_why() {
    let cluster = tiny();
    let id = spawned(&cluster, &[]);
    let first = cluster.worker_process_id(&id);
    signal(first, "KILL");
    wait_until("it was started anew", SOON, || {
        let worker = cluster.worker(&id);
        worker["state"] == "ready" && worker["restart_count"] == 1
    });
    let worker = cluster.worker(&id);
    assert_ne!(process(&worker), first);
    assert_eq!(worker["failure"]["signal"], 9);
    assert_eq!(worker["failure"]["cause"], "killed");
    let table = cluster.rbee(&["worker", "ls"]).ok().stdout;
    assert!(
        table.contains("RESTARTS") && !table.contains("WORKER_EXITED"),
        "it serves again: {table}"
    );
    let card = cluster.rbee(&["worker", "show", &id]).ok().stdout;
    assert!(
        card.contains("last failure") && card.contains("killed\n"),
        "{card}"
    );
    cluster.stop();
}

#[test]
fn a_restart_gives_the_same_worker_a_new_process_and_its_log_goes_on() {
    let cluster = tiny();
    let id = spawned(&cluster, &["--pin"]);
    let first = cluster.worker_process_id(&id);
    let said = cluster.rbee(&["worker", "restart", &id]).ok();
    assert_eq!(said.stdout, format!("{id} is ready again\n"));
    assert!(!runs(first));
    let mut worker = Value::Null;
    // The catalog hears of it a moment after those who watch the hive.
    wait_until("the catalog knows the new process", SOON, || {
        worker = cluster.worker(&id);
        worker["state"] == "ready" && worker["process_id"].is_u64() && worker["process_id"] != first
    });
    assert_eq!(worker["restart_count"], 0, "it was asked for");
    assert_eq!(worker["pinned"], true, "it is kept as it was");

    let lines = cluster.rbee(&["worker", "logs", &id, "--json"]).ok().json_lines();
    let hive: Vec<&Value> = lines.iter().filter(|line| line["stream"] == "hive").collect();
    for process in [first, process(&worker)] {
        let process = process.to_string();
        assert!(
            hive.iter()
                .any(|line| line["text"].as_str().unwrap().contains(&process)),
            "each start is told: {lines:#?}"
        );
    }
    cluster.stop();
}

#[test]
fn following_a_log_ends_when_the_worker_is_gone() {
    let cluster = tiny();
    let id = spawned(&cluster, &[]);
    let mut follow = cluster.command(&["worker", "logs", &id, "-f", "--json"]);
    let follow = follow
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    cluster.rbee(&["worker", "stop", &id, "--now"]).ok();
    let output = follow.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    cluster.stop();
}

#[test]
fn an_idle_worker_leaves_and_a_pinned_one_stays() {
    let cluster = tiny();
    let kept = spawned(&cluster, &["--pin", "--idle-ttl", "1s"]);
    let idle = spawned(&cluster, &[]);
    let said = cluster.rbee(&["worker", "set", &idle, "--idle-ttl", "1s"]).ok();
    assert!(said.stdout.contains("until it is idle for 1s"), "{said:#?}");
    let ids = || {
        let workers = cluster.workers();
        let ids = workers
            .iter()
            .map(|worker| worker["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    wait_until("the idle one has left", SOON, || !ids().contains(&idle));
    assert_eq!(ids(), std::slice::from_ref(&kept));
    cluster.rbee(&["worker", "set", &kept, "--no-pin"]).ok();
    wait_until("the other has left too", SOON, || ids().is_empty());
    cluster.stop();
}

#[test]
fn idle_workers_make_room_where_that_is_asked_for() {
    let cluster = Cluster::start_tiny(|command| {
        command.env("RBEE_DEVICES", "+cpu:0,memory=24MiB");
    });
    let first = spawned(&cluster, &["--context", "64", "--slots", "1"]);
    let second = ["--context", "64", "--slots", "1"];
    let check = ["worker", "check", "local:tiny", "--type", "cpu-llm", "--json"];
    let checked = cluster.rbee(&[&check[..], &second].concat());
    let place = checked.json()["places"][0].clone();
    assert_eq!(
        place["fits"], false,
        "the device is too small for both: {place:#}"
    );
    assert_eq!(place["evictable_worker_ids"], serde_json::json!([first]));
    checked.failed(6);
    spawn(&cluster, &second).failed(6);

    // Pinned it stays.
    cluster.rbee(&["worker", "set", &first, "--pin"]).ok();
    spawn(&cluster, &[&second[..], &["--evict"]].concat()).failed(6);
    assert_eq!(cluster.workers().len(), 1);
    cluster.rbee(&["worker", "set", &first, "--no-pin"]).ok();

    let said = spawn(&cluster, &[&second[..], &["--evict"]].concat()).ok();
    assert!(
        said.stderr
            .contains(&format!("- stopped {first} of local:tiny to make room")),
        "{said:#?}"
    );
    let workers = cluster.wait_for_workers(1);
    assert_eq!(workers[0]["id"], said.stdout.trim());
    cluster.stop();
}

#[test]
fn a_drained_hive_takes_no_workers_until_it_is_resumed() {
    let cluster = tiny();
    let id = spawned(&cluster, &[]);
    let first = cluster.worker_process_id(&id);
    let hives = cluster.rbee(&["hive", "ls", "--json"]).ok().json();
    let name = hives[0]["name"].as_str().unwrap();

    let said = cluster.rbee(&["hive", "drain", name, "--now", "--json"]).ok();
    let last = said.json_lines().pop().unwrap();
    assert_eq!(last["event"], "drained");
    assert_eq!(last["worker_ids"], serde_json::json!([id]));
    assert!(!runs(first), "drained means that no process runs");
    let shown = cluster.rbee(&["hive", "show", name]).ok().stdout;
    assert!(
        shown.contains("ready, draining") && shown.contains("rbee hive resume"),
        "{shown}"
    );
    let refused = spawn(&cluster, &["--json"]);
    assert_eq!(refused.reason(), "HIVE_DRAINING", "{refused:#?}");

    cluster.rbee(&["hive", "resume", name]).ok();
    let back = cluster.wait_for_state(&id, "ready");
    assert_ne!(process(&back), first);
    cluster.stop();
}

#[test]
fn what_workers_do_is_seen_once_and_as_lines() {
    let cluster = tiny();
    let id = spawned(&cluster, &[]);
    let said = cluster.rbee(&["top", "--once"]).ok();
    for words in ["cpu:0", id.as_str(), "local:tiny", "1 worker: 1 ready", "tok/s"] {
        assert!(said.stdout.contains(words), "{words}: {}", said.stdout);
    }
    let lines = cluster.rbee(&["top", "--once", "--json"]).ok().json_lines();
    let worker = &lines[0]["workers"][0];
    assert_eq!(worker["worker_id"], id);
    assert_eq!(worker["running_requests"], 0);
    assert!(worker["resident_bytes"].as_u64().unwrap() > 0, "{worker:#}");
    assert!(lines[0]["devices"][0]["memory_total_bytes"].as_u64().unwrap() > 0);
    cluster.stop();
}
