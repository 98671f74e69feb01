//! `kill -9`, at any moment: what lies there afterwards is resumed, and ends right.

use std::process::{Command, Stdio};
use std::time::Duration;

use rbee_download::begun;
use rbee_testkit::hub::{Fault, FaultRule, Host};

use crate::support::{Served, assert_resumable, downloader, fetch, program, quick};

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_still_ends_right() {
    const SIZE: u64 = 8 << 20;
    let served = Served::new(SIZE).await;
    // Slow enough to be killed on the way: 8 MiB in two seconds.
    served
        .hub
        .hosts()
        .faults()
        .add(FaultRule::cdn().with(Fault::Drip {
            bytes: 64 << 10,
            pause: Duration::from_millis(15),
        }));
    let right = served.body.to_vec();
    let mut last = 0;
    let mut went_on = 0;
    for round in 0..6 {
        let mut child = Command::new(program())
            .arg(format!("{}/o/r/resolve/main/f.gguf", served.hub.endpoint()))
            .arg(served.folder.path())
            .args([
                "--name",
                "f",
                "--key",
                "o/r@main:f",
                "--sha256",
                &served.body.sha256(),
            ])
            .args(["--size", &SIZE.to_string(), "--flush-ms", "20"])
            .args([
                "--connections",
                ["1", "3"][round % 2],
                "--parallel-above",
                "1000000",
                "--chunk",
                "300000",
            ])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // At different moments: before the first byte, between writing and claiming, and once more is claimed.
        let begins_at = served.hub.hosts().body_bytes(Host::Cdn);
        let reached = || {
            let came = served.hub.hosts().body_bytes(Host::Cdn) - begins_at;
            match round % 3 {
                0 => true,
                1 => came >= 500_000,
                _ => begun(served.folder.path(), "f")
                    .unwrap()
                    .is_some_and(|(bytes, _)| bytes > last + 500_000),
            }
        };
        while !reached() {
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert!(
                child.try_wait().unwrap().is_none(),
                "it ends only when it is killed"
            );
        }
        tokio::time::sleep(Duration::from_millis(7 * round as u64)).await;
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        let claimed = claimed(&served, &right);
        assert!(claimed >= last, "what was claimed stays: {claimed} after {last}");
        went_on += usize::from(claimed > last);
        last = claimed;
    }
    assert!(
        went_on >= 2 && last > 1_000_000,
        "{went_on} rounds got further, to {last}"
    );
    served.hub.hosts().faults().clear();
    let mut what = served.what();
    what.key = "o/r@main:f".to_owned();
    let done = fetch(&downloader(&served.hub, quick()), &what).await.unwrap();
    assert_eq!(done.resumed_bytes, last);
    served.accept(done).await;
}

/// Like [`assert_resumable`], but a killed process may have left a part without a claim, or a claim half-written
/// beside the one that counts.
fn claimed(served: &Served, right: &[u8]) -> u64 {
    let folder = served.folder.path();
    let _ = std::fs::remove_file(folder.join("f.part.json.new"));
    match folder.join("f.part.json").exists() {
        true => assert_resumable(folder, right),
        false => 0,
    }
}
