//! Going on from where it stopped.

use std::fs;
use std::time::Duration;

use rbee_download::{DownloadError, begun, discard};
use rbee_testkit::hub::huggingface::{HuggingFaceConfig, HuggingFaceHub, Repo};
use rbee_testkit::hub::{Fault, FaultRule, FileBody, Host};
use tokio_util::sync::CancellationToken;

use crate::support::{Served, assert_resumable, downloader, fetch, names, quick};

const SIZE: u64 = 400_000;

/// A served file of which the first `bytes` were downloaded, then cancelled.
async fn half_done(bytes: u64) -> Served {
    let served = Served::new(SIZE).await;
    let stall = FaultRule::cdn().first(1).with(Fault::StallAfter { bytes });
    served.hub.hosts().faults().add(stall);
    let cancel = CancellationToken::new();
    let (stop, config) = (cancel.clone(), quick());
    let error = downloader(&served.hub, config)
        .download(&served.what(), &cancel, &move |progress| {
            if progress.bytes >= bytes {
                stop.cancel();
            }
        })
        .await
        .unwrap_err();
    assert!(matches!(error, DownloadError::Cancelled { .. }), "{error}");
    assert_eq!(
        assert_resumable(served.folder.path(), &served.body.to_vec()),
        bytes
    );
    assert_eq!(
        begun(served.folder.path(), "f").unwrap(),
        Some((bytes, Some(SIZE)))
    );
    served.hub.hosts().faults().clear();
    served
}

#[tokio::test]
async fn a_cancelled_download_goes_on_and_asks_the_hub_again() {
    let served = half_done(150_000).await;
    served.hub.hosts().expire_signed_urls();
    let (api, cdn) = (
        served.hub.hosts().requests_to(Host::Api).len(),
        served.hub.hosts().requests_to(Host::Cdn).len(),
    );
    let done = fetch(&downloader(&served.hub, quick()), &served.what())
        .await
        .unwrap();
    assert_eq!(done.resumed_bytes, 150_000);
    served.accept(done).await;
    assert_eq!(served.hub.hosts().requests_to(Host::Api).len(), api + 1);
    let requests = served.hub.hosts().requests_to(Host::Cdn);
    let resumed = &requests[cdn..];
    assert_eq!(resumed.len(), 1);
    assert_eq!(resumed[0].range.as_deref(), Some("bytes=150000-399999"));
    let validator = resumed[0].if_range.as_deref().unwrap();
    assert!(validator.starts_with('"') && !validator.contains(&served.body.sha256()));
    assert_eq!(resumed[0].body_bytes, 250_000, "not a byte twice");
}

#[tokio::test]
async fn discarding_leaves_nothing() {
    let served = half_done(10_000).await;
    assert!(discard(served.folder.path(), "f").unwrap());
    assert_eq!(names(served.folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_finished_part_is_only_verified() {
    let served = Served::new(SIZE).await;
    let downloader = downloader(&served.hub, quick());
    drop(fetch(&downloader, &served.what()).await.unwrap());
    assert_resumable(served.folder.path(), &served.body.to_vec());
    let before = served.hub.hosts().requests().len();
    let done = fetch(&downloader, &served.what()).await.unwrap();
    assert_eq!(done.resumed_bytes, SIZE);
    served.accept(done).await;
    assert_eq!(served.hub.hosts().requests().len(), before, "nobody was asked");
}

#[tokio::test]
async fn a_416_behind_the_last_byte_means_verify() {
    let served = half_done(150_000).await;
    // The state knows no size, and the part holds every byte.
    let state = served.folder.path().join("f.part.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    json["size_bytes"] = serde_json::Value::Null;
    json["done"] = serde_json::json!([[0, SIZE]]);
    fs::write(&state, json.to_string()).unwrap();
    fs::write(served.folder.path().join("f.part"), served.body.to_vec()).unwrap();
    let mut what = served.what();
    what.expected.size_bytes = None;
    let done = fetch(&downloader(&served.hub, quick()), &what).await.unwrap();
    let last = served.hub.hosts().requests_to(Host::Cdn).pop().unwrap();
    assert_eq!(last.status, Some(416));
    served.accept(done).await;
}

#[tokio::test]
async fn damage_to_the_part_is_found_and_mended() {
    let served = half_done(150_000).await;
    let part = served.folder.path().join("f.part");
    let mut bytes = fs::read(&part).unwrap();
    bytes[77] ^= 1;
    fs::write(&part, bytes).unwrap();
    let done = fetch(&downloader(&served.hub, quick()), &served.what())
        .await
        .unwrap();
    assert_eq!(done.resumed_bytes, 0, "the second, fresh try");
    served.accept(done).await;
    for damage in ["", "{", "{\"version\":1}", "null"] {
        let served = half_done(150_000).await;
        fs::write(served.folder.path().join("f.part.json"), damage).unwrap();
        let done = fetch(&downloader(&served.hub, quick()), &served.what())
            .await
            .unwrap();
        served.accept(done).await;
    }
    let served = half_done(150_000).await;
    fs::write(served.folder.path().join("f.part"), "short").unwrap();
    served
        .accept(
            fetch(&downloader(&served.hub, quick()), &served.what())
                .await
                .unwrap(),
        )
        .await;
}

#[tokio::test]
async fn a_part_of_another_file_is_not_resumed() {
    let served = half_done(150_000).await;
    let mut what = served.what();
    what.key = "o/r@other:f".to_owned();
    let done = fetch(&downloader(&served.hub, quick()), &what).await.unwrap();
    assert_eq!(done.resumed_bytes, 0);
    served.accept(done).await;
}

/// The hub has another file by the same name and size: `If-Range` tells, and nothing of the old one stays.
#[tokio::test]
async fn a_file_that_changed_is_begun_anew() {
    for other_size in [SIZE, SIZE + 5] {
        let mut served = half_done(150_000).await;
        served.body = FileBody::pattern(other_size, 6);
        let repo = Repo::new("o/r").lfs("f.gguf", served.body.clone());
        served.hub = HuggingFaceHub::start(HuggingFaceConfig::of([repo])).await;
        let mut what = served.what();
        // The state was written for a file without these.
        what.expected.size_bytes = None;
        what.expected.digest = None;
        let state = served.folder.path().join("f.part.json");
        let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
        json["digest"] = serde_json::Value::Null;
        fs::write(&state, json.to_string()).unwrap();
        let done = fetch(&downloader(&served.hub, quick()), &what).await.unwrap();
        served.accept(done).await;
        let first = &served.hub.hosts().requests_to(Host::Cdn)[0];
        assert!(first.if_range.is_some());
        assert_eq!(first.status, Some(200));
    }
}

#[tokio::test]
async fn two_cannot_write_one_part() {
    let served = Served::new(SIZE).await;
    let stall = FaultRule::cdn().with(Fault::StallAfter { bytes: 1000 });
    served.hub.hosts().faults().add(stall);
    let (one, other) = (downloader(&served.hub, quick()), downloader(&served.hub, quick()));
    let (what, cancel) = (served.what(), CancellationToken::new());
    let first = tokio::spawn({
        let cancel = cancel.clone();
        async move { one.download(&what, &cancel, &|_| {}).await.map(drop) }
    });
    while served.hub.hosts().body_bytes(Host::Cdn) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let refused = fetch(&other, &served.what()).await.unwrap_err();
    assert!(matches!(refused, DownloadError::Locked { .. }), "{refused}");
    cancel.cancel();
    assert!(matches!(
        first.await.unwrap(),
        Err(DownloadError::Cancelled { .. })
    ));
    served.hub.hosts().faults().clear();
    served.accept(fetch(&other, &served.what()).await.unwrap()).await;
}

/// A future that is dropped leaves its threads to end by themselves and the part resumable.
#[tokio::test]
async fn dropping_is_as_good_as_cancelling() {
    let served = Served::new(SIZE).await;
    let stall = FaultRule::cdn()
        .first(1)
        .with(Fault::StallAfter { bytes: 100_000 });
    served.hub.hosts().faults().add(stall);
    let downloader = downloader(&served.hub, quick());
    let (what, other) = (served.what(), downloader.clone());
    let running = tokio::spawn(async move { fetch(&other, &what).await.map(drop) });
    while begun(served.folder.path(), "f").unwrap() != Some((100_000, Some(SIZE))) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let done = loop {
        match fetch(&downloader, &served.what()).await {
            Err(DownloadError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            done => break done.unwrap(),
        }
    };
    assert_eq!(done.resumed_bytes, 100_000, "as of the last flush");
    served.accept(done).await;
}

#[tokio::test]
async fn a_hub_that_goes_down_and_comes_back() {
    let served = Served::new(SIZE).await;
    let hosts = served.hub.hosts();
    hosts
        .faults()
        .add(FaultRule::cdn().first(1).with(Fault::DropAfter { bytes: 9000 }));
    let mut config = quick();
    config.retry.first_pause = Duration::from_millis(100);
    config.retry.longest_pause = Duration::from_millis(100);
    config.retry.attempts = 100;
    let (downloader, what) = (downloader(&served.hub, config), served.what());
    let running = tokio::spawn(async move { fetch(&downloader, &what).await });
    while hosts.body_bytes(Host::Cdn) < 9000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    hosts.go_down(Host::Api).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    hosts.come_back(Host::Api).await;
    served.accept(running.await.unwrap().unwrap()).await;
}
