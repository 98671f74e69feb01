//! Many chats: all answered, and nothing grows.
//!
//! `RBEE_SOAK_CHATS` sets how many chats come one after another (20 unless said); 8 at once follow.

mod common;

use common::client::Worker;
use common::processes::{memory_bytes, open_files};
use common::{Cluster, assert_worker_is_built};
use rbee_testkit::models;

/// Chats before the first measurement: caches fill, pools reach their size.
const WARM_UP: usize = 8;
const AT_ONCE: usize = 8;
const MAX_TOKENS: u32 = 4;
/// Growth of resident memory that counts as none.
const MEMORY_GROWTH: f64 = 1.05;

#[derive(Debug, Clone, Copy)]
struct Footprint {
    files: usize,
    resident: u64,
    anonymous: u64,
}

fn footprint(process_id: u32) -> Footprint {
    let (resident, anonymous) = memory_bytes(process_id);
    Footprint {
        files: open_files(process_id),
        resident,
        anonymous,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_soak_grows_nothing() {
    assert_worker_is_built();
    let chats: usize = std::env::var("RBEE_SOAK_CHATS")
        .map_or(20, |text| text.parse().expect("RBEE_SOAK_CHATS is a number"));
    let cluster = Cluster::start();
    let model = cluster.import(&models::path(models::QWEN), "qwen");
    let worker_id = cluster.spawn(&model);
    let processes = [
        ("rbee up", cluster.process_id()),
        ("worker", cluster.worker_process_id(&worker_id)),
    ];
    let worker = Worker::reach(&cluster, &worker_id).await;

    let at_once = || async {
        let tasks: Vec<_> = (0..AT_ONCE)
            .map(|number| {
                let worker = worker.clone();
                tokio::spawn(async move { worker.answer(&format!("Count to {number}."), MAX_TOKENS).await })
            })
            .collect();
        for task in tasks {
            let answer = task.await.expect("each of them is answered");
            assert!(!answer.text.is_empty());
        }
    };
    for number in 0..WARM_UP {
        worker
            .answer(&format!("Name bee number {number}."), MAX_TOKENS)
            .await;
    }
    at_once().await;

    let before = processes.map(|(_, id)| footprint(id));
    for number in 0..chats {
        let answer = worker
            .answer(&format!("Name bee number {number}."), MAX_TOKENS)
            .await;
        assert!(!answer.text.is_empty());
    }
    at_once().await;
    let after = processes.map(|(_, id)| footprint(id));

    for (((name, _), before), after) in processes.into_iter().zip(before).zip(after) {
        println!(
            "{name}, {chats} chats and {AT_ONCE} at once: open files {} -> {}, anonymous memory {} -> {} KiB, \
             resident {} -> {} KiB",
            before.files,
            after.files,
            before.anonymous / 1024,
            after.anonymous / 1024,
            before.resident / 1024,
            after.resident / 1024,
        );
        assert!(after.files <= before.files, "{name}: {before:?}, then {after:?}");
        let allowed = before.resident as f64 * MEMORY_GROWTH;
        assert!(
            (after.resident as f64) <= allowed,
            "{name}: {before:?}, then {after:?}"
        );
    }
    cluster.stop();
}
