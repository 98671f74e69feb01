//! What a worker writes, as clients of the hive read it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rbee_artifacts::WorkerType;
use rbee_proto::hive::v1::{LogLine, LogStream, StreamLogsRequest, StreamLogsResponse};
use rbee_proto::types::v1::{FailureCause, WorkerState};
use rbee_service_kit::{RemoteFault, reason};
use rbee_testkit::scripted_worker::{Act, Script, last_words};
use tokio::time::timeout;
use tonic::Streaming;

use crate::harness::{Cluster, DEADLINE, quick, request};
use crate::proxy::chat;

fn ask(worker_id: &str, tail_lines: u32, follow: bool) -> StreamLogsRequest {
    StreamLogsRequest {
        worker_id: worker_id.into(),
        tail_lines: Some(tail_lines),
        follow,
    }
}

async fn stream(cluster: &Cluster, request: StreamLogsRequest) -> Streaming<StreamLogsResponse> {
    let streamed = cluster.hive_client().stream_logs(request).await;
    streamed.unwrap().into_inner()
}

/// Reads until there is such a line, or the stream ends.
async fn read_until(
    stream: &mut Streaming<StreamLogsResponse>,
    mut last: impl FnMut(&LogLine) -> bool,
) -> Vec<LogLine> {
    let mut lines = Vec::new();
    loop {
        let message = timeout(DEADLINE, stream.message()).await;
        let Some(message) = message.expect("lines come").unwrap() else {
            return lines;
        };
        assert!(!message.lines.is_empty(), "a message has lines");
        let found = message.lines.iter().any(&mut last);
        lines.extend(message.lines);
        if found {
            return lines;
        }
    }
}

async fn whole(cluster: &Cluster, worker_id: &str, tail_lines: u32) -> Vec<LogLine> {
    let mut stream = stream(cluster, ask(worker_id, tail_lines, false)).await;
    read_until(&mut stream, |_| false).await
}

/// Asks until the log has such a line: a worker is ready before all that it wrote is read.
async fn once_written(cluster: &Cluster, worker_id: &str, text: &str) -> Vec<LogLine> {
    let mut stream = stream(cluster, ask(worker_id, 100_000, true)).await;
    read_until(&mut stream, |line| line.text.contains(text)).await
}

fn assert_in_order(lines: &[LogLine]) {
    assert!(
        lines.windows(2).all(|pair| pair[0].number < pair[1].number),
        "numbers grow"
    );
    assert!(lines.iter().all(|line| line.time.is_some()));
}

fn folder_of(cluster: &Cluster, worker_id: &str) -> PathBuf {
    cluster.data.path().join("hive/logs").join(worker_id)
}

/// A worker program that is not one of ours: it takes its token, does this and waits for its end.
fn shell_worker(script: &str) -> Vec<u8> {
    format!("#!/bin/sh\nread -r token\n{script}\necho all written\nread -r never\n").into_bytes()
}

/// Spawns a program that never gets ready, and gives the worker's id.
async fn spawn_program(cluster: &Cluster, program: &[u8]) -> String {
    cluster.install(WorkerType::CpuLlm, program).await;
    let model = cluster.model("shell", &Script::default()).await;
    let mut spawn = cluster
        .hive_client()
        .spawn_worker(request(&model))
        .await
        .unwrap()
        .into_inner();
    let id = spawn.message().await.unwrap().unwrap().worker_id;
    cluster.worker_in(&id, WorkerState::Loading).await;
    id
}

#[tokio::test]
async fn the_last_lines_then_those_to_come_until_the_worker_is_gone() {
    let cluster = Cluster::start().await;
    let worker = cluster.spawn_scripted("qwen", &Script::default()).await;
    let lines = once_written(&cluster, &worker.id, "made up").await;
    assert_eq!(lines[0].number, 0);
    assert_eq!(lines[0].stream(), LogStream::Hive);
    assert_eq!(
        lines[0].text,
        format!("process {} started", worker.process_id.unwrap())
    );
    assert!(
        lines
            .iter()
            .any(|line| line.stream() == LogStream::Stdout && line.text.contains("made up"))
    );

    let written = whole(&cluster, &worker.id, 100_000).await;
    assert_eq!(whole(&cluster, &worker.id, 2).await, written[written.len() - 2..]);
    assert_eq!(whole(&cluster, &worker.id, 0).await, []);

    // One that reads from the beginning, and one that wants only what comes.
    let mut all = stream(&cluster, ask(&worker.id, 100_000, true)).await;
    let mut coming = stream(&cluster, ask(&worker.id, 0, true)).await;
    assert_eq!(
        read_until(&mut all, |line| line.number + 1 == written.len() as u64).await,
        written
    );
    let before = read_until(&mut stream(&cluster, ask(&worker.id, 1, false)).await, |_| false).await;
    cluster.stop_worker(&worker.id).await.unwrap();
    let rest = read_until(&mut all, |_| false).await;
    let last = rest.last().unwrap();
    assert_eq!(last.stream(), LogStream::Hive);
    assert!(last.text.starts_with("the process ended: "), "{last:?}");
    assert!(rest[0].number > before[0].number, "nothing comes twice: {rest:?}");
    assert_eq!(
        read_until(&mut coming, |_| false).await,
        rest,
        "both end with the worker"
    );
    cluster.assert_nothing_left().await;
    assert!(!folder_of(&cluster, &worker.id).exists());
}

#[tokio::test]
async fn what_cannot_be_streamed_is_refused() {
    let cluster = Cluster::start().await;
    let worker = cluster.spawn_scripted("qwen", &Script::default()).await;
    for (request, expected) in [
        (ask("qwen-none", 1, true), reason::WORKER_NOT_FOUND),
        (ask("../etc", 1, true), reason::WORKER_NOT_FOUND),
        (ask(&worker.id, 100_001, false), reason::INVALID_ARGUMENT),
    ] {
        let status = cluster.hive_client().stream_logs(request).await.unwrap_err();
        assert!(RemoteFault::from(&status).is(expected), "{status:?}");
    }
    let without_number = StreamLogsRequest {
        worker_id: worker.id.clone(),
        ..StreamLogsRequest::default()
    };
    once_written(&cluster, &worker.id, "made up").await;
    let lines = read_until(&mut stream(&cluster, without_number).await, |_| false).await;
    assert_eq!(lines, whole(&cluster, &worker.id, 100).await);
    cluster.stop_worker(&worker.id).await.unwrap();
    let status = cluster
        .hive_client()
        .stream_logs(ask(&worker.id, 1, true))
        .await
        .unwrap_err();
    assert!(
        RemoteFault::from(&status).is(reason::WORKER_NOT_FOUND),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_flood_is_bounded_and_its_end_is_there() {
    let mut config = quick();
    config.log_bytes = 1 << 20;
    let cluster = Cluster::start_with(config).await;
    let script = Script {
        log_lines: 100_000,
        ..Script::default()
    };
    let model = cluster.model("flood", &script).await;
    let mut spawn = cluster
        .hive_client()
        .spawn_worker(request(&model))
        .await
        .unwrap()
        .into_inner();
    let id = spawn.message().await.unwrap().unwrap().worker_id;
    cluster.worker_in(&id, WorkerState::Loading).await;
    // Follows the flood as it comes; the hive answers others meanwhile.
    let mut follower = stream(&cluster, ask(&id, 100_000, true)).await;
    let (followed, ready) = tokio::join!(
        read_until(&mut follower, |line| line.text.contains("made up")),
        cluster.worker_in(&id, WorkerState::Ready)
    );
    assert_eq!(ready.id, id);
    assert_in_order(&followed);
    let of_the_flood = |line: &&LogLine| line.text.contains(" of a flood ");
    let last = followed.iter().rfind(of_the_flood).unwrap();
    assert!(last.text.starts_with("line 99999 of"), "{last:?}");

    let tail = whole(&cluster, &id, 100_000).await;
    assert_in_order(&tail);
    // What fits into 1 MiB on disk and what memory has.
    assert!((2000..20_000).contains(&tail.len()), "{}", tail.len());
    let last = tail.iter().rfind(of_the_flood).unwrap();
    assert!(last.text.starts_with("line 99999 of"), "{last:?}");
    let on_disk: Vec<_> = std::fs::read_dir(folder_of(&cluster, &id)).unwrap().collect();
    let bytes: u64 = on_disk
        .iter()
        .map(|entry| entry.as_ref().unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= 1 << 20, "{bytes}");
}

#[tokio::test]
async fn garbage_and_endless_lines_are_lines_too() {
    let cluster = Cluster::bare(quick()).await;
    let program = shell_worker(
        r"printf '\000\001\377\376 not text\n\033[31mred\n'
        head -c 5000000 /dev/zero | tr '\0' x; echo; echo after it",
    );
    let id = spawn_program(&cluster, &program).await;
    let lines = once_written(&cluster, &id, "all written").await;
    assert_in_order(&lines);
    let texts: Vec<_> = lines
        .iter()
        .filter(|line| line.stream() == LogStream::Stdout)
        .map(|line| line.text.as_str())
        .collect();
    assert_eq!(texts[..2], ["\0\u{1}\u{fffd}\u{fffd} not text", "\u{1b}[31mred"]);
    assert_eq!(texts[2], format!("{} […]", "x".repeat(4096)));
    assert_eq!(texts[3..], ["after it", "all written"]);
    cluster.stop_worker(&id).await.unwrap();
}

#[tokio::test]
async fn the_workers_token_never_appears() {
    let cluster = Cluster::bare(quick()).await;
    let program = shell_worker(
        r#"echo "stdout $token"; echo "stderr $token" >&2; echo "length ${#token}"
        echo "rbee-worker: {\"event\":\"nonsense\",\"token\":\"$token\"}""#,
    );
    let id = spawn_program(&cluster, &program).await;
    let lines = once_written(&cluster, &id, "all written").await;
    let length = lines
        .iter()
        .find_map(|line| line.text.strip_prefix("length "))
        .unwrap();
    assert!(length.parse::<usize>().unwrap() >= 32, "it had one: {length}");
    let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert!(texts.contains(&"stdout [token]"), "{texts:?}");
    let shown = texts.iter().filter(|text| text.contains("[token]")).count();
    // The standard error may come a moment later.
    assert!(shown >= 2, "{texts:?}");
    cluster.stop_worker(&id).await.unwrap();
}

#[tokio::test]
async fn logs_are_their_owners_only() {
    let cluster = Cluster::start().await;
    let worker = cluster.spawn_scripted("qwen", &Script::default()).await;
    once_written(&cluster, &worker.id, "made up").await;
    let folder = folder_of(&cluster, &worker.id);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while std::fs::read_dir(&folder).into_iter().flatten().count() == 0 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "nothing comes to {}",
            folder.display()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.parent().unwrap().to_path_buf()), 0o700);
    assert_eq!(mode(folder.clone()), 0o700);
    for entry in std::fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(entry.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn a_crash_tells_its_cause_and_the_log_goes_on_over_it() {
    let cluster = Cluster::start().await;
    let script = Script {
        asked: vec![Act::Say(last_words::CUDA_OUT_OF_MEMORY.into()), Act::Exit(1)],
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("qwen", &script).await;
    let mut follower = stream(&cluster, ask(&worker.id, 100_000, true)).await;
    let _ = chat(&cluster, &worker.id).await;
    let back = cluster
        .worker_that("it is back", &worker.id, |now| {
            now.state() == WorkerState::Ready && now.restart_count == 1
        })
        .await;
    let failure = back.failure.clone().unwrap();
    assert_eq!(failure.cause(), FailureCause::OutOfDeviceMemory);
    assert!(failure.message.contains("smaller context"), "{}", failure.message);
    assert!(
        failure.log_tail.iter().all(|line| !line.starts_with("process ")),
        "none of the hive's lines: {failure:?}"
    );

    let second = format!("process {} started", back.process_id.unwrap());
    let lines = read_until(&mut follower, |line| line.text == second).await;
    assert_in_order(&lines);
    assert_eq!(lines[0].number, 0);
    assert_eq!(
        lines.last().unwrap().number,
        lines.len() as u64 - 1,
        "nothing is missing"
    );
    let hives: Vec<_> = lines
        .iter()
        .filter(|line| line.stream() == LogStream::Hive)
        .map(|line| line.text.as_str())
        .collect();
    let first = format!("process {} started", worker.process_id.unwrap());
    assert_eq!(
        hives,
        [first.as_str(), "the process ended: exit code 1", second.as_str()]
    );
}

#[tokio::test]
async fn a_restart_of_the_hive_goes_on_in_the_same_log_and_unwanted_ones_go() {
    let cluster = Cluster::start().await;
    let worker = cluster.spawn_scripted("qwen", &Script::default()).await;
    let before = once_written(&cluster, &worker.id, "made up").await;
    let unwanted = folder_of(&cluster, "unwanted");
    std::fs::create_dir(&unwanted).unwrap();

    let cluster = cluster.restart_hive().await;
    let back = cluster.worker_in(&worker.id, WorkerState::Ready).await;
    assert!(!unwanted.exists());
    let started = format!("process {} started", back.process_id.unwrap());
    let after = once_written(&cluster, &worker.id, &started).await;
    assert_in_order(&after);
    assert_eq!(after[..before.len()], before);
    assert!(
        after
            .iter()
            .any(|line| line.text.starts_with("the process ended: "))
    );
}
