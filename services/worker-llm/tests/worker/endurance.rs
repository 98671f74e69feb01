//! Many requests, after which everything is as before.

use std::time::{Duration, Instant};

use super::harness::{DEADLINE, Worker, chat, greedy, tiny, user};

/// Open files and resident kilobytes of the worker's process.
pub(super) fn holds(worker: &Worker) -> (usize, u64) {
    let process = format!("/proc/{}", worker.child.id());
    let files = std::fs::read_dir(format!("{process}/fd")).unwrap().count();
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    (files, resident.trim().trim_end_matches(" kB").parse().unwrap())
}

/// Each by a client of its own, who leaves afterwards.
async fn chats(worker: &Worker, count: u32) {
    for number in 0..count {
        let request = greedy(vec![user(&format!("number {number}"))], 20);
        assert_eq!(chat(worker, request).await.unwrap().usage().completion_tokens, 20);
    }
}

#[tokio::test]
async fn many_chats_leave_nothing_behind() {
    let worker = Worker::ready(&tiny(), &[]);
    let (files_before, _) = holds(&worker);
    chats(&worker, 100).await;
    let (_, warm) = holds(&worker);
    chats(&worker, 200).await;
    let together = (0..8).map(|number| chat(&worker, greedy(vec![user(&format!("{number}"))], 100)));
    for answer in futures_util::future::join_all(together).await {
        assert_eq!(answer.unwrap().usage().completion_tokens, 100);
    }

    let (_, after) = holds(&worker);
    // The last thousand events of narration are kept, and are not all there yet when it is warm.
    let narration = 1024;
    assert!(
        after < warm + warm / 20 + narration,
        "{warm} kB became {after} kB"
    );
    // Connections close when their clients have gone.
    let since = Instant::now();
    while holds(&worker).0 > files_before {
        assert!(
            since.elapsed() < DEADLINE,
            "{files_before} open files became {}",
            holds(&worker).0
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(worker.load().await.generated_tokens, 300 * 20 + 8 * 100);
    println!("{warm} kB when warm, {after} kB after");
}
