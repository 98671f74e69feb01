//! A real model's workers come and go, and are killed while they answer: nothing grows, and nobody waits.
//!
//! `RBEE_SPAWN_CYCLES` sets how often a worker is spawned and stopped (10 unless said).

mod common;

use std::time::{Duration, Instant};

use common::client::Worker;
use common::processes::{memory_bytes, open_files, signal};
use common::{Cluster, assert_worker_is_built, wait_until};
use rbee_proto::worker::v1::ChatResponse;
use rbee_proto::worker::v1::chat_response::Event;
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::models;
use serde_json::Value;
use tonic::{Code, Streaming};

/// Cycles before the first measurement: what is made once is made.
const WARM_UP: usize = 3;
/// Growth of resident memory that counts as none: a heap that grows in steps and is given back from its end only
/// (seen: 6 MiB, and 14 MiB from the fiftieth cycle on), and for each cycle some events, changes and log lines, which
/// are kept in rings that are not full yet. The model has 250 MB.
const POOLS_BYTES: u64 = 16 << 20;
const RINGS_BYTES_PER_CYCLE: u64 = 64 << 10;
/// Chats at once: as many as a worker has slots.
const AT_ONCE: usize = 4;
/// What is promised to a client whose worker was lost.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
const BUSY_MACHINE: Duration = Duration::from_secs(60);

/// Memory that the system could give to a new process now, in bytes.
fn available_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("Linux tells it");
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kibibytes.expect("a number of KiB") * 1024
}

/// What workers have reserved on the host's processor, by its own account.
fn reserved(cluster: &Cluster) -> Vec<Value> {
    let devices = cluster.rbee(&["device", "ls", "--json"]).ok().json();
    let cpu = devices
        .as_array()
        .and_then(|devices| devices.iter().find(|device| device["id"] == "cpu:0"))
        .expect("each host has a processor");
    cpu["uses"].as_array().cloned().unwrap_or_default()
}

#[test]
fn real_model_that_is_spawned_and_stopped_again_and_again_leaves_memory_where_it_was() {
    assert_worker_is_built();
    let cycles: usize = std::env::var("RBEE_SPAWN_CYCLES")
        .map_or(10, |text| text.parse().expect("RBEE_SPAWN_CYCLES is a number"));
    // With an arena for each thread, glibc's heap takes some fifty cycles to reach its size.
    let cluster = Cluster::start_with(|command| {
        command.env("MALLOC_ARENA_MAX", "1");
    });
    let model = cluster.import(&models::path(models::GEMMA), "gemma");
    let hive = cluster.process_id();
    let cycle = || {
        let worker_id = cluster.spawn(&model);
        let said = cluster
            .rbee(&["complete", &model, "--prompt", "Bees are", "--max-tokens", "2"])
            .ok();
        assert!(!said.stdout.is_empty());
        cluster.rbee(&["worker", "stop", &worker_id]).ok();
    };
    for _ in 0..WARM_UP {
        cycle();
    }
    let footprint = || (open_files(hive), memory_bytes(hive), available_bytes());
    let (files_before, (resident_before, anonymous_before), available_before) = footprint();
    let began = Instant::now();
    for _ in 0..cycles {
        cycle();
    }
    let took = began.elapsed();
    let (files, (resident, anonymous), available) = footprint();
    println!(
        "{cycles} cycles in {took:.1?}: open files {files_before} -> {files}, anonymous memory {} -> {} KiB, resident \
         {} -> {} KiB, available on the host {} -> {} MiB",
        anonymous_before / 1024,
        anonymous / 1024,
        resident_before / 1024,
        resident / 1024,
        available_before >> 20,
        available >> 20,
    );
    assert!(files <= files_before, "open files: {files_before}, then {files}");
    let allowed = resident_before + POOLS_BYTES + cycles as u64 * RINGS_BYTES_PER_CYCLE;
    assert!(
        resident <= allowed,
        "resident bytes: {resident_before}, then {resident}, more than {allowed}"
    );
    assert_eq!(
        reserved(&cluster),
        [Value::Null; 0],
        "no memory is reserved for nobody"
    );
    cluster.stop();
}

/// Reads an answer until it ends, which it must with an error, and tells when and how.
async fn broken_off(mut chat: Streaming<ChatResponse>) -> (Instant, RemoteFault) {
    loop {
        match chat.message().await {
            Ok(Some(response)) => assert!(
                matches!(response.event, Some(Event::Delta(_))),
                "half an answer has no end: {response:?}"
            ),
            Ok(None) => panic!("an answer that was broken off ended as if it were whole"),
            Err(status) => return (Instant::now(), RemoteFault::from(&status)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_worker_that_is_killed_amid_four_chats_tells_each_and_is_back_by_itself() {
    assert_worker_is_built();
    let cluster = Cluster::start();
    let model = cluster.import(&models::path(models::QWEN), "qwen");
    let worker_id = cluster.spawn(&model);
    let process = cluster.worker_process_id(&worker_id);
    let worker = Worker::reach(&cluster, &worker_id).await;
    let mut chats = Vec::new();
    for number in 0..AT_ONCE {
        let prompt = format!("Count from {number} to 1000, one number a line.");
        chats.push(worker.chat(&prompt, 2000).await);
    }
    // Each of them is in the middle of its answer.
    for chat in &mut chats {
        let begun = async {
            while !matches!(
                chat.message()
                    .await
                    .expect("it answers")
                    .expect("it goes on")
                    .event,
                Some(Event::Delta(_))
            ) {}
        };
        tokio::time::timeout(BUSY_MACHINE, begun)
            .await
            .expect("four slots answer at once");
    }

    let reading: Vec<_> = chats
        .into_iter()
        .map(|chat| tokio::spawn(broken_off(chat)))
        .collect();
    let killed_at = Instant::now();
    signal(process, "KILL");
    for told in reading {
        let (at, fault) = told.await.expect("each of them is told");
        let after = at.duration_since(killed_at);
        println!("told {after:.1?} after the kill: {}", fault.message);
        assert_eq!(fault.code, Code::Unavailable, "{fault:?}");
        assert!(fault.is(reason::WORKER_LOST), "{fault:?}");
        assert!(fault.retry_after.is_some(), "{fault:?}");
        assert!(after < TOLD_WITHIN, "told after {after:?}");
    }

    let details = || {
        cluster
            .rbee(&["worker", "show", &worker_id, "--json"])
            .ok()
            .json()
    };
    wait_until("the worker is back", BUSY_MACHINE, || {
        details()["state"] == "ready"
    });
    println!("ready again {:.1?} after the kill", killed_at.elapsed());
    let now = details();
    assert_ne!(now["process_id"], process);
    assert_eq!(now["failure"]["signal"], 9, "why it was started anew: {now:#}");
    let answer = worker.answer("Say hello.", 4).await;
    assert!(!answer.text.is_empty());
    cluster.stop();
}
