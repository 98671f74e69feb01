//! What the command line makes of a hive's answers: the life of workers, their logs, drains.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod common;

use common::hives::{Script, Scripted};
use prost_types::{Duration, Timestamp};
use rbee_proto::hive::v1::spawn_worker_response::Event as Spawn;
use rbee_proto::hive::v1::watch_workers_response::Event as Watch;
use rbee_proto::hive::v1::*;
use rbee_proto::types::v1::{
    Device, FailureCause, Hive, Worker, WorkerFailure, WorkerMemory, WorkerState, WorkerType,
};
use rbee_service_kit::Fault;
use tonic::Code;

fn desk() -> Hive {
    Hive {
        id: "0199-desk".into(),
        name: "desk".into(),
        ..Hive::default()
    }
}

fn worker(id: &str, state: WorkerState) -> Worker {
    Worker {
        id: id.into(),
        model_id: "local:qwen".into(),
        worker_type: WorkerType::CpuLlm as i32,
        hive_id: "0199-desk".into(),
        device_id: "cpu:0".into(),
        state: state as i32,
        ..Worker::default()
    }
}

/// A worker that has crashed twice, and will be tried again.
fn crashed() -> Worker {
    let now = Timestamp::from(std::time::SystemTime::now());
    Worker {
        restart_count: 2,
        pinned: true,
        idle_ttl: Some(Duration {
            seconds: 1800,
            nanos: 0,
        }),
        memory: Some(WorkerMemory {
            estimated_bytes: 1 << 30,
            limit_bytes: Some(2 << 30),
            ..WorkerMemory::default()
        }),
        next_attempt_at: Some(Timestamp {
            seconds: now.seconds + 3600,
            nanos: 0,
        }),
        state_since: Some(now),
        failure: Some(WorkerFailure {
            reason: "WORKER_EXITED".into(),
            message: "killed by signal 9".into(),
            signal: Some(9),
            cause: FailureCause::Killed as i32,
            log_tail: vec!["the last words".into()],
            ..WorkerFailure::default()
        }),
        ..worker("qwen-1", WorkerState::Pending)
    }
}

fn hive(workers: Vec<Worker>) -> Scripted {
    Scripted::start(Script {
        hives: vec![desk()],
        workers,
        ..Script::default()
    })
}

#[test]
fn a_workers_whole_life_is_shown() {
    let hive = hive(vec![crashed(), worker("qwen-2", WorkerState::Busy)]);
    let table = hive.rbee(&["worker", "ls"]).ok().stdout;
    for words in [
        "RESTARTS",
        "pending: WORKER_EXITED, tries again in",
        "pinned, idle 30m",
        "busy",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let card = hive.rbee(&["worker", "show", "qwen-1"]).ok().stdout;
    for words in [
        "2 times by itself",
        "killed by signal 9",
        "cause      killed\n",
        "the last words",
        "2.0 GiB",
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }
    let document = hive.rbee(&["worker", "show", "qwen-1", "--json"]).ok().json();
    assert_eq!(document["state"], "pending");
    assert_eq!(document["restart_count"], 2);
    assert_eq!(document["pinned"], true);
    assert_eq!(document["idle_ttl_seconds"], 1800.0);
    assert_eq!(document["failure"]["cause"], "killed");
    assert_eq!(document["memory"]["limit_bytes"], 2_u64 << 30);
    assert!(document["next_attempt_at"].is_string());
}

#[test]
fn a_restart_waits_until_the_worker_is_ready() {
    let hive = hive(vec![worker("qwen-1", WorkerState::Busy)]);
    let upserted = |state| Watch::Upserted(worker("qwen-1", state));
    hive.change(|script| {
        script.changed = worker("qwen-1", WorkerState::Draining);
        script.watched = vec![
            upserted(WorkerState::Draining),
            Watch::Synced(WorkersSynced {}),
            upserted(WorkerState::Starting),
            upserted(WorkerState::Loading),
            Watch::Upserted(Worker {
                process_id: Some(18),
                ..worker("qwen-1", WorkerState::Ready)
            }),
        ];
    });
    let said = hive.rbee(&["worker", "restart", "qwen", "--drain", "5s"]).ok();
    assert_eq!(said.stdout, "qwen-1 is ready again\n");
    assert_eq!(
        said.stderr,
        "qwen-1 is draining\nqwen-1 is starting\nqwen-1 is loading\n"
    );
    assert!(hive.asked()[1].contains("seconds: 5"), "the grace is passed on");

    let lines = hive
        .rbee(&["worker", "restart", "qwen", "--json"])
        .ok()
        .json_lines();
    let states: Vec<_> = lines.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["draining", "starting", "loading", "ready"]);
    hive.asked();

    let said = hive.rbee(&["worker", "restart", "qwen", "--no-wait"]).ok();
    assert_eq!(said.stdout, "qwen-1 is being restarted\n");
    assert_eq!(hive.asked().len(), 2, "nobody watches");
}

#[test]
fn a_restart_that_fails_says_why() {
    let hive = hive(vec![worker("qwen-1", WorkerState::Failed)]);
    hive.change(|script| {
        script.changed = worker("qwen-1", WorkerState::Pending);
        let looping = Worker {
            failure: crashed().failure,
            ..worker("qwen-1", WorkerState::CrashLooping)
        };
        script.watched = vec![Watch::Upserted(looping), Watch::Synced(WorkersSynced {})];
    });
    let said = hive.rbee(&["worker", "restart", "qwen-1", "--json"]).failed(1);
    assert_eq!(said.reason(), "WORKER_EXITED");
    assert_eq!(said.error()["why"][0], "killed by signal 9");

    let refused = Fault::new(Code::Unavailable, "WORKER_STOPPING", "worker qwen-1 is leaving");
    hive.change(|script| script.refusal = Some(refused));
    let said = hive.rbee(&["worker", "restart", "qwen-1", "--json"]).failed(6);
    assert_eq!(said.reason(), "WORKER_STOPPING");
    hive.rbee(&["worker", "restart", "gemma"]).failed(4);
}

#[test]
fn how_long_a_worker_is_kept_can_be_changed() {
    let hive = hive(vec![worker("qwen-1", WorkerState::Ready)]);
    hive.change(|script| {
        script.changed = Worker {
            pinned: true,
            ..worker("qwen-1", WorkerState::Ready)
        };
    });
    let said = hive
        .rbee(&["worker", "set", "qwen", "--pin", "--idle-ttl", "off"])
        .ok();
    assert_eq!(said.stdout, "qwen-1 is kept: pinned: spared when room is made\n");
    let asked = hive.asked().remove(0);
    assert!(
        asked.contains("pinned: Some(true)") && asked.contains("idle_ttl: Some(Duration { seconds: 0"),
        "{asked}"
    );
    hive.rbee(&["worker", "set", "qwen"]).failed(2);
    hive.rbee(&["worker", "set", "qwen", "--pin", "--no-pin"])
        .failed(2);
    hive.rbee(&["worker", "set", "qwen", "--idle-ttl", "soon"])
        .failed(2);
}

#[test]
fn one_that_cannot_be_stopped_keeps_none_of_the_others() {
    let hive = hive(vec![
        worker("qwen-1", WorkerState::Ready),
        worker("qwen-2", WorkerState::Ready),
        worker("qwen-3", WorkerState::Ready),
    ]);
    let gone = Fault::new(Code::NotFound, "WORKER_NOT_FOUND", "no worker has the id");
    hive.change(|script| script.refusal = Some(gone));
    let said = hive
        .rbee(&["worker", "stop", "qwen-1", "qwen-2", "qwen-3", "--now"])
        .failed(4);
    assert_eq!(said.stdout.lines().count(), 2, "{said:#?}");
    let asked = hive.asked();
    assert_eq!(asked.len(), 3);
    assert!(
        asked
            .iter()
            .all(|asked| asked.contains("drain_grace: Some(Duration { seconds: 0"))
    );
    // A typing error stops none.
    hive.rbee(&["worker", "stop", "qwen-1", "gemma"]).failed(4);
    assert!(hive.asked().is_empty());
}

#[test]
fn a_log_is_shown_with_its_gaps() {
    let line = |number, stream: LogStream, text: &str| LogLine {
        number,
        time: Some(Timestamp {
            seconds: 1_795_415_822,
            nanos: 0,
        }),
        stream: stream as i32,
        text: text.into(),
    };
    let hive = hive(vec![worker("qwen-1", WorkerState::Ready)]);
    hive.change(|script| {
        script.logs = vec![
            StreamLogsResponse {
                lines: vec![
                    line(10, LogStream::Hive, "the process 17 started"),
                    line(11, LogStream::Stdout, "one\x1b[2J"),
                ],
            },
            StreamLogsResponse {
                lines: vec![line(1216, LogStream::Stderr, "two")],
            },
        ];
    });
    let said = hive.rbee(&["worker", "logs", "qwen", "-n", "5"]).ok();
    assert_eq!(
        said.stdout,
        "hive: the process 17 started\none\n… 1,204 lines not kept\ntwo\n"
    );
    assert!(said.stderr.is_empty(), "{said:#?}");
    let asked = hive.asked().remove(0);
    assert!(
        asked.contains("tail_lines: Some(5)") && asked.contains("follow: false"),
        "{asked}"
    );

    let said = hive.rbee(&["worker", "logs", "qwen", "-f", "--timestamps"]).ok();
    assert!(
        said.stdout.contains("2026-11-23T06:37:02.000Z one\n"),
        "{said:#?}"
    );
    assert_eq!(said.stderr, "worker qwen-1 is gone\n");

    let lines = hive.rbee(&["worker", "logs", "qwen", "--json"]).ok().json_lines();
    assert_eq!(lines[2]["number"], 1216);
    assert_eq!(lines[2]["stream"], "stderr");
    assert_eq!(lines[0]["stream"], "hive");
    hive.rbee(&["worker", "logs", "qwen", "-n", "100001"]).failed(2);
}

#[test]
fn a_hive_is_drained_and_resumed() {
    let hive = hive(Vec::new());
    hive.change(|script| script.drained = vec!["qwen-1".into()]);
    let said = hive.rbee(&["hive", "drain", "desk", "--drain", "30s"]).ok();
    assert_eq!(
        said.stdout,
        "desk is drained: `rbee hive resume desk` brings 1 worker back (qwen-1)\n"
    );
    assert!(hive.asked().iter().any(|asked| asked.contains("seconds: 30")));
    let table = hive.rbee(&["hive", "ls"]).ok().stdout;
    assert!(table.contains("ready, draining"), "{table}");
    let said = hive.rbee(&["hive", "drain", "desk", "--json"]).ok();
    let last = said.json_lines().pop().unwrap();
    assert_eq!(last["event"], "drained");
    assert_eq!(last["worker_ids"][0], "qwen-1");
    assert_eq!(last["hive"]["draining"], true);

    assert_eq!(
        hive.rbee(&["hive", "resume", "0199", "--json"]).ok().json()["draining"],
        false
    );
    hive.rbee(&["hive", "drain", "attic"]).failed(4);
    // The only one needs no name.
    assert_eq!(hive.rbee(&["hive", "show", "--json"]).ok().json()["name"], "desk");
}

#[test]
fn a_spawn_shows_what_is_fetched_and_who_makes_room() {
    let hive = hive(Vec::new());
    let event = |event| SpawnWorkerResponse {
        worker_id: "qwen-9".into(),
        event: Some(event),
    };
    let step = SpawnStep::Prepare as i32;
    hive.change(|script| {
        script.spawned = vec![
            event(Spawn::StepStarted(SpawnStepStarted { step })),
            event(Spawn::Evicted(SpawnEvicted {
                worker_id: "gemma-1".into(),
                model_id: "local:gemma".into(),
            })),
            event(Spawn::Fetching(SpawnFetching {
                done_bytes: 1,
                total_bytes: 4,
            })),
            event(Spawn::StepFinished(SpawnStepFinished {
                step,
                detail: String::new(),
            })),
            event(Spawn::Ready(worker("qwen-9", WorkerState::Ready))),
        ];
    });
    let spawn = ["worker", "spawn", "local:qwen", "--type", "cpu-llm"];
    let keep = ["--evict", "--pin", "--idle-ttl", "30m"];
    let said = hive.rbee(&[&spawn[..], &keep].concat()).ok();
    assert_eq!(said.stdout, "qwen-9\n");
    assert!(
        said.stderr
            .contains("- stopped gemma-1 of local:gemma to make room"),
        "{said:#?}"
    );
    let asked = hive.asked().remove(0);
    for words in ["evict: true", "pinned: true", "seconds: 1800"] {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    let lines = hive.rbee(&[&spawn[..], &["--json"]].concat()).ok().json_lines();
    assert_eq!(lines[1]["event"], "evicted");
    assert_eq!(lines[1]["evicted_worker_id"], "gemma-1");
    assert_eq!(lines[2]["total_bytes"], 4);
    hive.rbee(&[&spawn[..], &["--evict", "--force"]].concat())
        .failed(2);
}

#[test]
fn a_check_names_who_would_make_room() {
    let hive = hive(Vec::new());
    hive.change(|script| {
        script.checked = CheckSpawnResponse {
            estimate: Some(MemoryEstimate {
                total_bytes: 1 << 30,
                ..MemoryEstimate::default()
            }),
            devices: vec![DeviceFit {
                device: Some(Device {
                    id: "cpu:0".into(),
                    ..Device::default()
                }),
                fits: Some(false),
                sentence: "needs about 1.0 GiB".into(),
                evictable_worker_ids: vec!["gemma-1".into()],
                ..DeviceFit::default()
            }],
            files_present: true,
        };
    });
    let check = ["worker", "check", "local:qwen", "--type", "cpu-llm"];
    let said = hive.rbee(&check).failed(6);
    assert!(
        said.stdout.contains("no, it would without gemma-1 (--evict)"),
        "{said:#?}"
    );
    assert!(said.stderr.contains("--evict would stop gemma-1"), "{said:#?}");
    let said = hive.rbee(&[&check[..], &["--json"]].concat()).failed(6);
    assert_eq!(said.json()["places"][0]["evictable_worker_ids"][0], "gemma-1");
}
