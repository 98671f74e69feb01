use std::collections::HashSet;
use std::path::Path;

use rbee_artifacts::WorkerId;

use super::*;
use crate::log::Logs;

fn id(text: &str) -> WorkerId {
    text.parse().unwrap()
}

fn logs(folder: &Path) -> Logs {
    Logs::open(folder.join("logs"), 0).unwrap()
}

/// Adds lines of about 100 bytes that hold their number.
fn write(log: &Log, numbers: std::ops::Range<u64>) {
    let lines = numbers.map(|number| format!("{number} {}", "~".repeat(90)));
    log.push(LogStream::Stdout, lines);
}

fn numbers(lines: &[LogLine]) -> Vec<u64> {
    for line in lines {
        let said: u64 = line.text.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(said, line.number, "{line:?}");
    }
    lines.iter().map(|line| line.number).collect()
}

async fn read_all(cursor: &mut Cursor) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let lines = cursor.read(100).await;
        if lines.is_empty() {
            return all;
        }
        assert!(lines.len() <= 100);
        all.extend(numbers(&lines));
    }
}

#[tokio::test]
async fn the_end_and_what_follows_come_without_a_gap_or_a_repetition() {
    let data = tempfile::tempdir().unwrap();
    let log = logs(data.path()).of(&id("w"));
    write(&log, 0..500);
    let writer = log.clone();
    // As much as memory holds, so that this is so however slow the disk is.
    let writes = tokio::spawn(async move {
        for start in (500..2500).step_by(7) {
            write(&writer, start..(start + 7).min(2500));
            tokio::task::yield_now().await;
        }
    });
    let mut cursor = log.read_tail(50).await;
    let mut read = Vec::new();
    while read.last() != Some(&2499) {
        read.extend(numbers(&cursor.next(13).await.unwrap()));
    }
    writes.await.unwrap();
    assert!(read[0] >= 450);
    assert_eq!(read, (read[0]..2500).collect::<Vec<_>>());
    assert!(cursor.read(10).await.is_empty());
}

#[tokio::test]
async fn what_left_memory_comes_from_disk() {
    let data = tempfile::tempdir().unwrap();
    // Two MiB, and 512 KiB of it in memory.
    let logs = Logs::open(data.path().join("logs"), 64 << 20).unwrap();
    let log = logs.of(&id("w"));
    for start in (0..20_000).step_by(1000) {
        write(&log, start..start + 1000);
        log.flushed().await;
    }
    assert_eq!(log.missing_lines(), 0);
    assert!(log.shared.state.lock().ring.first() > 10_000);
    for count in [0, 1, 3000, 19_999, 20_000, 30_000] {
        let mut cursor = log.read_tail(count).await;
        let first = 20_000 - count.min(20_000) as u64;
        assert_eq!(
            read_all(&mut cursor).await,
            (first..20_000).collect::<Vec<_>>(),
            "{count}"
        );
    }
}

#[tokio::test]
async fn a_slow_reader_sees_by_the_numbers_that_lines_are_missing() {
    let data = tempfile::tempdir().unwrap();
    let log = logs(data.path()).of(&id("w"));
    write(&log, 0..10);
    let mut cursor = log.read_tail(10).await;
    assert_eq!(cursor.read(2).await.len(), 2);
    for start in (10..30_000).step_by(1000) {
        write(&log, start..start + 1000);
        log.flushed().await;
    }
    let read = read_all(&mut cursor).await;
    assert!(read[0] > 1000, "the oldest have left the disk");
    assert!(read.is_sorted());
    assert_eq!(
        read,
        (read[0]..log.next_number()).collect::<Vec<_>>(),
        "one gap, no more"
    );
}

#[tokio::test]
async fn a_restart_of_the_hive_goes_on_in_the_same_log() {
    let data = tempfile::tempdir().unwrap();
    let log = logs(data.path()).of(&id("w"));
    write(&log, 0..5);
    log.flushed().await;
    drop(log);

    let again = logs(data.path());
    assert!(again.get(&id("w")).is_none());
    let log = again.of(&id("w"));
    assert_eq!(log.next_number(), 5);
    let mut cursor = log.read_tail(3).await;
    write(&log, 5..8);
    assert_eq!(read_all(&mut cursor).await, [2, 3, 4, 5, 6, 7]);
    let mut whole = again.of(&id("w")).read_tail(1000).await;
    assert_eq!(read_all(&mut whole).await, (0..8).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_log_that_is_removed_ends_for_its_readers() {
    let data = tempfile::tempdir().unwrap();
    let logs = logs(data.path());
    let log = logs.of(&id("w"));
    write(&log, 0..5);
    log.flushed().await;
    let mut cursor = log.read_tail(2).await;
    assert_eq!(cursor.next(1).await.unwrap().len(), 1);
    let follower = tokio::spawn(async move {
        let mut rest = Vec::new();
        while let Some(lines) = cursor.next(10).await {
            rest.extend(numbers(&lines));
        }
        rest
    });
    write(&log, 5..6);
    logs.remove(&id("w"));
    write(&log, 6..7);
    assert_eq!(follower.await.unwrap(), [4, 5]);
    log.flushed().await;
    assert!(!data.path().join("logs/w").exists());
    assert_eq!(logs.of(&id("w")).next_number(), 0, "a new one is new");
}

#[tokio::test]
async fn a_full_disk_costs_lines_on_disk_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let logs = logs(data.path());
    std::fs::write(data.path().join("logs/w"), "in the way").unwrap();
    let log = logs.of(&id("w"));
    for start in (0..10_000).step_by(1000) {
        write(&log, start..start + 1000);
        log.room().await;
    }
    log.flushed().await;
    assert_eq!(log.missing_lines(), 10_000);
    assert_eq!(log.tail(2).len(), 2);
    let mut cursor = log.read_tail(100_000).await;
    let read = read_all(&mut cursor).await;
    assert_eq!(read.last(), Some(&9999));

    std::fs::remove_file(data.path().join("logs/w")).unwrap();
    write(&log, 10_000..10_010);
    log.flushed().await;
    assert_eq!(log.missing_lines(), 10_000, "it is written again");
    assert_eq!(logs.of(&id("w")).next_number(), 10_010);
}

#[tokio::test]
async fn a_disk_that_hangs_holds_nobody_up_for_long() {
    let data = tempfile::tempdir().unwrap();
    let log = logs(data.path()).of(&id("w"));
    let shared = log.shared.clone();
    let (hangs, begun) = std::sync::mpsc::channel();
    let (release, over) = std::sync::mpsc::channel::<()>();
    let disk = std::thread::spawn(move || {
        let _segments = shared.segments.lock();
        hangs.send(()).unwrap();
        let _ = over.recv();
    });
    begun.recv().unwrap();
    for start in (0..100_000).step_by(1000) {
        write(&log, start..start + 1000);
        // Waits once; a hundred times its patience would be 25 s.
        tokio::time::timeout(Duration::from_secs(20), log.room())
            .await
            .unwrap();
    }
    assert!(log.shared.state.lock().disk_hangs);
    let kept = log.shared.state.lock().ring.bytes_since(0);
    assert!(kept <= MEMORY_BYTES, "{kept}");
    drop(release);
    disk.join().unwrap();
    log.flushed().await;
    assert!(!log.shared.state.lock().disk_hangs);
    assert!(log.missing_lines() > 90_000);
    let mut cursor = log.read_tail(10).await;
    assert_eq!(read_all(&mut cursor).await, (99_990..100_000).collect::<Vec<_>>());
}

#[test]
fn without_a_runtime_lines_go_to_disk_at_once() {
    let data = tempfile::tempdir().unwrap();
    let log = logs(data.path()).of(&id("w"));
    log.hive_line("a line\nis a line");
    let file = data.path().join("logs/w/00000000000000000000.log");
    let content = std::fs::read_to_string(file).unwrap();
    assert!(
        content.starts_with("0 ") && content.ends_with(" hive a line is a line\n"),
        "{content}"
    );
}

#[test]
fn the_token_is_concealed() {
    let data = tempfile::tempdir().unwrap();
    let log = logs(data.path()).of(&id("w"));
    assert_eq!(log.concealed("t-4711".into()), "t-4711");
    log.conceal(&"t-4711".into());
    assert_eq!(
        log.concealed("the t-4711, twice: t-4711".into()),
        "the [token], twice: [token]"
    );
    assert!(!format!("{log:?}").contains("t-4711"));
}

#[test]
fn only_wanted_logs_are_kept() {
    let data = tempfile::tempdir().unwrap();
    let logs = logs(data.path());
    for name in ["old", "wanted", "open"] {
        logs.of(&id(name)).hive_line("hello");
    }
    drop(logs);
    let logs = self::logs(data.path());
    let open = logs.of(&id("open"));
    logs.keep_only(&HashSet::from([id("wanted")]));
    open.hive_line("too late");
    let left: Vec<_> = std::fs::read_dir(data.path().join("logs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["wanted"]);
}

#[test]
fn the_workers_own_lines_since_a_start_are_told_from_others() {
    let data = tempfile::tempdir().unwrap();
    let log = logs(data.path()).of(&id("w"));
    log.push(LogStream::Stderr, ["of the first process".to_owned()]);
    log.hive_line("process 2 started");
    let start = log.next_number();
    log.push(LogStream::Stderr, ["a".to_owned(), "b".to_owned()]);
    log.hive_line("the process ended");
    assert_eq!(log.worker_tail_since(start, 50), ["a", "b"]);
    assert_eq!(log.worker_tail_since(start, 1), ["b"]);
}
